"""One attempt: who makes it, how it is stopped, and what it leaves to the next."""

import threading

import pytest

from dlserv import Daemon
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
