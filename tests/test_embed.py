"""dlserv inside another program: several daemons, no HTTP needed, nothing left behind."""

import gc
import os
import pathlib
import signal
import subprocess
import sys
import threading

import pytest

from harness import ROOT, Api, noise, until
from servers.origin import Gate, accept_and_sleep

import dlserv
from dlserv import Daemon, Server
from dlserv.errors import Conflict, Exists, InvalidValue, LocalError, NotFound, StoreBroken, Unwritable

DATA = noise(50000)
NOWHERE = "http://127.0.0.1:1/"


@pytest.fixture
def make(tmp_path):
    """A function that makes the settings of a daemon with a folder of its own."""
    def make(name, **download):
        folder = tmp_path / name
        return {"general": {"download_dir": str(folder / "files"), "db_path": str(folder / "state.db")},
                "download": dict({"retry_wait": 0.01}, **download)}
    return make


def test_the_package_offers_what_it_promises():
    assert sorted(dlserv.__all__) == ["Client", "Daemon", "Server", "__version__"]
    for name in dlserv.__all__:
        assert getattr(dlserv, name)
    with pytest.raises(AttributeError, match="nothing"):
        dlserv.nothing


def test_a_daemon_needs_no_http(make, origin, tmp_path):
    origin.put("/a.iso", DATA)
    with Daemon(make("one")) as daemon:
        tid = daemon.add(origin.url("/a.iso"), {"dir": "iso", "priority": 1})
        task = daemon.wait(tid, timeout=10)
        assert (task.tid, task.state, task.filename, task.total) == (tid, "finished", "iso/a.iso", 50000)
        assert [each.tid for each in daemon.list()] == [tid] and daemon.list("paused") == []
        assert daemon.counts()["finished"] == 1 and daemon.get(tid) is daemon.list("finished")[0]
        assert daemon.delete(tid, del_file=True).deleted == ["iso/a.iso"]
    assert not (tmp_path / "one" / "files" / "iso" / "a.iso").exists()


def test_two_daemons_in_one_process_share_nothing(make, origin, tmp_path):
    origin.put("/a.iso", DATA)
    with Daemon(make("one")) as one, Daemon(make("two", retries=0)) as two:
        assert one.add(origin.url("/a.iso")) == two.add(origin.url("/a.iso"))
        tid = one.add(NOWHERE, {"paused": True})
        with pytest.raises(NotFound):
            two.get(tid)
        for daemon in (one, two):
            assert daemon.wait(daemon.list()[0].tid, 10).state == "finished"
        assert (one.counts()["paused"], two.counts()["paused"]) == (1, 0)
        assert (one.config.download.retries, two.config.download.retries) == (5, 0)
    for name in ("one", "two"):
        assert (tmp_path / name / "files" / "a.iso").read_bytes() == DATA


def test_two_servers_in_one_process_answer_for_their_own(make):
    with Daemon(make("one")) as one, Daemon(make("two")) as two:
        with Server(one, port=0) as first, Server(two, port=0) as second, Server(two, port=0) as third:
            one.add(NOWHERE, {"paused": True})
            for server, count in ((first, 1), (second, 0), (third, 0)):
                with Api(server.url) as api:
                    assert api.get("/task/state_counter")["detail"]["all"] == count


def test_a_daemon_goes_on_where_another_left_off(make, origin, tmp_path):
    gate = Gate(after=20000)
    origin.put("/a.iso", DATA, script=[gate])
    with Daemon(make("one")) as daemon:
        tid = daemon.add(origin.url("/a.iso"))
        paused = daemon.add(NOWHERE, {"paused": True})
        until(lambda: daemon.get(tid).downloaded == 20000)
    with Daemon(make("one")) as daemon:
        assert daemon.wait(tid, 10).state == "finished" and daemon.get(paused).state == "paused"
    assert (tmp_path / "one" / "files" / "a.iso").read_bytes() == DATA
    assert len(origin.requests) == 2 and "range" in origin.requests[1].headers


def test_who_subscribes_is_told_what_happens(make, origin):
    origin.put("/a.iso", DATA)
    with Daemon(make("one")) as daemon:
        daemon.add(NOWHERE + "before", {"paused": True})
        with daemon.subscribe() as events:
            tid = daemon.add(origin.url("/a.iso"))
            daemon.wait(tid, 10)
            daemon.delete(tid)
            heard = []
            while not heard or heard[-1].kind != "removed":
                heard.append(events.get(timeout=10))
            assert events.get(timeout=0.01) is None
        assert (heard[0].kind, heard[1].kind) == ("added", "changed")
        assert {event.tid for event in heard} == {tid}
        numbers = [event.number for event in heard]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def test_waiting_ends_with_the_daemon(make, origin):
    origin.put("/a.iso", DATA, script=[accept_and_sleep])
    ends = []

    def wait():
        try:
            daemon.wait(tid)
        except StoreBroken as error:
            ends.append(str(error))

    with Daemon(make("one")) as daemon:
        tid = daemon.add(origin.url("/a.iso"))
        thread = threading.Thread(target=wait, daemon=True)
        thread.start()
    thread.join(10)
    assert ends == ["the daemon is shutting down"]


def test_waiting_ends_by_time_or_because_the_task_is_gone(make, origin):
    origin.put("/a.iso", DATA, script=[accept_and_sleep])
    with Daemon(make("one")) as daemon:
        tid = daemon.add(origin.url("/a.iso"))
        with pytest.raises(TimeoutError):
            daemon.wait(tid, timeout=0.05)
        timer = threading.Timer(0.05, daemon.delete, [tid])
        timer.start()
        with pytest.raises(NotFound):
            daemon.wait(tid, timeout=10)
        timer.join()
        with pytest.raises(NotFound):
            daemon.wait("0" * 40)


def test_errors_are_exceptions_with_a_sentence(make):
    with Daemon(make("one")) as daemon:
        tid = daemon.add(NOWHERE, {"paused": True})
        with pytest.raises(Exists) as caught:
            daemon.add(NOWHERE)
        assert caught.value.tid == tid
        with pytest.raises(Conflict, match="paused"):
            daemon.pause(tid)
        with pytest.raises(NotFound, match="0000"):
            daemon.resume("0" * 40)
        for url in (None, 5, b"http://h/", "h/a", "gopher://h/a", "http://\ud800@h/"):
            with pytest.raises(InvalidValue, match="^url: "):
                daemon.add(url)
        for posted in ({"dir": "/etc"}, {"conections": 1}, {"connections": 0}, ["paused"]):
            with pytest.raises(InvalidValue, match="^options"):
                daemon.add(NOWHERE + "2", posted)


@pytest.mark.parametrize("value", [pathlib.Path("x"), b"x", {1}, object()])
def test_a_value_that_json_does_not_know_is_invalid_too(make, value):
    settings = make("one")
    settings["general"]["download_dir"] = value
    with pytest.raises(InvalidValue, match="^general.download_dir: "):
        Daemon(settings)
    with Daemon(make("one")) as daemon:
        with pytest.raises(InvalidValue, match="^options.dir: "):
            daemon.add(NOWHERE, {"dir": value})


def test_a_daemon_must_be_told_its_folder_and_its_database():
    for general, key in (({}, "download_dir"), ({"download_dir": "x"}, "db_path"),
        ({"db_path": "x"}, "download_dir")):
        with pytest.raises(InvalidValue, match="^general.%s: " % key):
            Daemon({"general": general})


def test_a_start_that_fails_leaves_nothing(make, tmp_path):
    (tmp_path / "file").write_text("")
    wrong = make("wrong")
    wrong["general"]["download_dir"] = str(tmp_path / "file" / "x")
    worse = make("one")
    worse["general"]["db_path"] = str(tmp_path / "file" / "x.db")
    with Daemon(make("one")):
        before = descriptors(), threading.active_count()
        for settings, error in ((make("one"), StoreBroken), (wrong, Unwritable), (worse, LocalError)):
            with pytest.raises(error):
                Daemon(settings).start()
        assert (descriptors(), threading.active_count()) == before


def test_a_daemon_that_was_never_started_can_be_dropped(make):
    before = descriptors(), threading.active_count()
    Daemon(make("one"))
    server = Server(Daemon(make("two")), port=0)
    server.server_close()
    del server
    assert (descriptors(), threading.active_count()) == before


def test_a_daemon_that_was_not_started_changes_nothing(make):
    daemon = Daemon(make("one"))
    for act in (daemon.pause, daemon.resume, daemon.delete):
        with pytest.raises(StoreBroken):
            act("0" * 40)
    assert daemon.list() == [] and daemon.stats()["uptime"] < 10


def descriptors():
    """The number of files that this process has open; 0 where the system does not tell."""
    gc.collect()
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0


def test_no_thread_descriptor_or_handler_is_left(make, origin, capfd):
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    before, place = (descriptors(), set(threading.enumerate())), os.getcwd()
    for name in ("one", "two", "three"):
        origin.put("/a.iso", DATA)
        origin.put("/half.iso", DATA, script=[Gate(after=100)])
        origin.put("/stuck.iso", DATA, script=[accept_and_sleep])
        origin.put("/late.iso", DATA, script=[Gate(after=100)])
        with Daemon(make(name)) as daemon, Server(daemon, port=0) as server, Api(server.url) as api:
            tids = [api.add(origin.url(path)) for path in ("/a.iso", "/half.iso", "/stuck.iso", "/none.iso")]
            daemon.wait(tids[0], 10)
            daemon.wait(tids[3], 10)
            until(lambda: daemon.get(tids[1]).downloaded == 100 and len(origin.asked("/stuck.iso")))
            api.post("/task/batch/delete", {"tids": tids, "del_file": True})
            daemon.add(origin.url("/late.iso"))
        origin.requests.clear()
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers
    until(lambda: {each for each in threading.enumerate() if each.name.startswith("dlserv")} <= before[1])
    until(lambda: descriptors() <= before[0])
    assert os.getcwd() == place and capfd.readouterr() == ("", "")


STRANGER = """
import sys, threading
from dlserv import Daemon, Server
folder, url = sys.argv[1:]
with Daemon({"general": {"download_dir": folder, "db_path": folder + "/.db"}}) as daemon:
    with Server(daemon, port=0) as server:
        assert daemon.wait(daemon.add(url), 10).state == "finished"
assert threading.active_count() == 1
"""


def test_a_program_that_embeds_it_sees_no_output(origin, folder):
    origin.put("/a.iso", DATA)
    done = subprocess.run([sys.executable, "-W", "error", "-X", "dev", "-c", STRANGER, str(folder),
        origin.url("/a.iso")],
                          cwd=ROOT, timeout=20, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          stdin=subprocess.DEVNULL)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert (folder / "a.iso").read_bytes() == DATA


def test_many_threads_may_use_one_daemon(make):
    with Daemon(make("one")) as daemon:
        taken, refused = [], []

        def add():
            for number in range(20):
                try:
                    taken.append(daemon.add("%s%d" % (NOWHERE, number), {"paused": True}))
                except Exists as error:
                    refused.append(error.tid)
        threads = [threading.Thread(target=add) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(taken) == len(set(taken)) == daemon.counts()["paused"] == 20
        assert len(refused) == 140 and set(refused) == set(taken)
