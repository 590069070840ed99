"""One attempt: who makes it, how it is stopped, and what it leaves to the next."""

import contextlib
import threading

import pytest

from dlserv import Daemon
from dlserv.engine.progress import Finished, Identity, Progress
from dlserv.errors import NameTaken
from dlserv.net.remote_file import Resource
from dlserv.settings import config
from dlserv.tasks.attempt import Attempt, check_part, check_previous
from dlserv.tasks.task import Task
from harness import noise, until
from servers.origin import Gate, drop

DATA = noise(300000)


@pytest.fixture
def gate(origin):
    """The gate of /a.iso, which lets half of it through."""
    gate = Gate(after=150000)
    origin.put("/a.iso", DATA, script=[gate])
    return gate


def begun(daemon, origin):
    """Return the tid of a task that has what the gate lets through."""
    tid = daemon.add(origin.url("/a.iso"), {"connections": 1})
    until(lambda: daemon.get(tid).downloaded == 150000)
    return tid


def test_its_thread_has_the_name_of_its_task(daemon, origin, gate):
    tid = begun(daemon, origin)
    assert "dlserv-" + tid[:8] in [thread.name for thread in threading.enumerate()]
    gate.open()
    assert daemon.wait(tid, 15).state == "finished"


def test_a_pause_ends_it_and_the_next_goes_on(daemon, origin, gate, folder):
    tid = begun(daemon, origin)
    daemon.pause(tid)
    until(lambda: not daemon.report.running())
    assert daemon.get(tid).state == "paused" and daemon.get(tid).downloaded == 150000
    daemon.resume(tid)
    assert daemon.wait(tid, 15).state == "finished" and (folder / "a.iso").read_bytes() == DATA
    assert "range" in origin.asked("/a.iso")[-1].headers


def test_a_stop_of_the_daemon_keeps_its_bytes(settings, origin, gate, folder):
    with Daemon(settings) as daemon:
        tid = begun(daemon, origin)
    with Daemon(settings) as daemon:
        assert daemon.wait(tid, 15).state == "finished" and (folder / "a.iso").read_bytes() == DATA
    assert "range" in origin.asked("/a.iso")[-1].headers


def test_what_it_notes_is_in_the_log_of_its_task(daemon, origin):
    origin.put("/a.iso", DATA, script=[drop(after=150000)], ranges=False)
    task = daemon.wait(daemon.add(origin.url("/a.iso")), 15)
    assert any("the server cannot resume this file" in entry["msg"] for entry in task.log)


@pytest.mark.parametrize("name", ["a.iso", "b.iso"])
def test_two_attempts_share_no_name(daemon, origin, gate, folder, name):
    other = Gate(after=1000)
    named = {"Content-Disposition": "attachment; filename=" + name}
    origin.put("/x", DATA[::-1], script=[other], headers=named)
    first, second = begun(daemon, origin), daemon.add(origin.url("/x"))
    assert other.reached.wait(15)
    gate.open()
    other.open()
    for tid, data in ((first, DATA), (second, DATA[::-1])):
        task = daemon.wait(tid, 15)
        assert task.state == "finished" and (folder / task.filename).read_bytes() == data


# -- names that another task has a claim to ---------------------------------------------------

@pytest.mark.parametrize("restarts", [False, True])
def test_a_part_that_is_away_still_belongs_to_its_task(settings, origin, gate, folder, restarts):
    """As on a disk that is plugged in again later."""
    other = Gate(after=1000)
    origin.put("/b/a.iso", DATA[::-1], script=[other])
    with contextlib.ExitStack() as running:
        daemon = running.enter_context(Daemon(settings))
        tid = begun(daemon, origin)
        daemon.pause(tid)
        until(lambda: not daemon.report.running())
        if restarts:
            running.close()
            daemon = running.enter_context(Daemon(settings))
        part = daemon.get(tid).tmpfilename
        (folder / part).rename(folder / "away")
        second = daemon.add(origin.url("/b/a.iso"), {"connections": 1})
        until(lambda: daemon.get(second).tmpfilename)
        assert daemon.get(second).tmpfilename != part and not (folder / part).exists()
        other.open()
        assert daemon.wait(second, 15).state == "finished"


def test_a_part_without_a_name_belongs_to_its_task_too(daemon, origin, gate, monkeypatch):
    """A file that is complete with the head is made without a name, which it may need after all."""
    publishing, reached, go_on = Attempt.publishing, threading.Event(), threading.Event()

    def publish_slowly(attempt, progress):
        wait = publishing(attempt, progress)
        reached.set()
        assert go_on.wait(15)
        return wait

    origin.put("/empty/a.iso", b"")
    with monkeypatch.context() as patch:
        patch.setattr(Attempt, "publishing", publish_slowly)
        first = daemon.add(origin.url("/empty/a.iso"))
        assert reached.wait(15)
    second = begun(daemon, origin)
    assert daemon.get(first).tmpfilename and daemon.get(second).tmpfilename
    assert daemon.get(first).tmpfilename != daemon.get(second).tmpfilename
    go_on.set()
    gate.open()
    assert daemon.wait(first, 15).state == daemon.wait(second, 15).state == "finished"


SETTINGS = config.Config.parse({}).download
RESOURCE = Resource("http://host/a", 3, None, None, False, None, "", None, "", None, None)
FILE = Finished("a", Identity(1, 2, 3, 4), None, RESOURCE)


def make(name, below=""):
    return Task("http://host/" + name, {"dir": below}, SETTINGS)


@pytest.mark.parametrize("below, taken", [("", True), ("films", False)])
def test_a_part_file_belongs_to_one_task_of_a_folder(below, taken):
    one, other = make("1"), make("2", below)
    other.plan(Progress("a.part", "a", other.url, RESOURCE, [], None, None), "session")
    check_part([one, other], one, "b.part")
    check_part([one, other], other, "a.part")
    if taken:
        with pytest.raises(NameTaken, match="a.part"):
            check_part([one, other], one, "a.part")
    else:
        check_part([one, other], one, "a.part")


@pytest.mark.parametrize("later, below, taken", [(True, "", True), (False, "", False), (True, "films", False)])
def test_a_replaced_file_may_be_another_task_s_by_now(later, below, taken):
    one, other = make("1"), make("2", below)
    for task in (one, other) if later else (other, one):
        task.start()
        task.finish(FILE)
    one.finish_time, other.finish_time = (5.0, 6.0) if later else (6.0, 5.0)
    one.restart()
    check_previous([one, other], one, "b")
    check_previous([one], one, "a")
    if taken:
        with pytest.raises(NameTaken, match="a is another task's"):
            check_previous([one, other], one, "a")
    else:
        check_previous([one, other], one, "a")
