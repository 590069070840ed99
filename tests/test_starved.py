"""Allocations that fail one by one, or errors where one would: no lock, slot or count is kept, no thread is lost."""

import logging
import socket
import subprocess
import sys
import threading

import pytest

from dlserv import Daemon, Server, threads
from dlserv.automation import hooks, webhooks
from dlserv.automation.schedule import Schedule
from dlserv.automation.watch import Watch
from dlserv.engine import segments
from dlserv.engine.connection import Connection
from dlserv.engine.sources import Sources
from dlserv.net.host_limits import Slot
from dlserv.service_manager import ServiceManager
from dlserv.settings.config import Config
from dlserv.settings.current import Settings
from dlserv.tasks import removal, verification
from dlserv.tasks.registry import TaskRegistry
from dlserv.tasks.task import Task
from dlserv.tasks.waits import Waits
from harness import ROOT, fail_once, noise, until
from servers.origin import paced
from servers.receiver import Receiver

DATA = noise(600000)

# Each operation with one allocation failing, the first, the second and so on, then again in another thread.
SWEEP = """
import _testcapi, os, socket, sys, threading
sys.path.insert(0, sys.argv[1])
from dlserv.api.aria2.websocket import Session
from dlserv.net.host_limits import HostLimits
from dlserv.net.pool import Pool
from dlserv.state.inbox import Inbox, Ticket
from dlserv.tasks.events import Events

class Caller:
    is_known = True

class Settings:
    class download:
        max_per_host = 1

events, pool, inbox, limits = Events(), Pool(), Inbox(), HostLimits(Settings)
changes, subscription, session = events.watch(), events.subscribe(), Session(None, Caller, None)
sock, other = socket.socketpair()
operations = {
    "publish": lambda: events.publish("changed", "tid"),
    "take": lambda: changes.take(0),
    "get": lambda: subscription.get(0),
    "pool": lambda: (pool.put("key", sock.dup()), pool.take("key").close()),
    "slot": lambda: limits.acquire("host:1", None, extra=True).release(),
    "put": lambda: inbox.put(Ticket({}, True, False)),
    "take_into": lambda: inbox.take_into([], 0),
    "tell": lambda: session.tell(b"")}

def works(operation):
    done = []
    thread = threading.Thread(target=lambda: done.append(operation()), daemon=True)
    thread.start()
    thread.join(5)
    return bool(done)

for name, operation in operations.items():
    operation()
    for first in range(30):
        _testcapi.set_nomemory(first, first + 1)
        try:
            operation()
        except (MemoryError, RuntimeError):
            pass
        _testcapi.remove_mem_hooks()
        if not works(operation):
            print(name, first)
            break
sys.stdout.flush()
os._exit(0)
"""


def test_no_failed_allocation_keeps_a_lock_or_a_slot():
    if not hasattr(pytest.importorskip("_testcapi"), "set_nomemory"):
        pytest.skip("this Python cannot fail an allocation")
    ran = subprocess.run([sys.executable, "-c", SWEEP, ROOT], timeout=60,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if ran.returncode < 0:
        pytest.skip("CPython itself crashed")
    assert (ran.returncode, ran.stdout) == (0, b""), ran.stderr.decode()


# -- errors where an allocation would fail --------------------------------------------------

@pytest.fixture
def lack(monkeypatch):
    """A function that makes a call of a function fail for lack of memory, once."""
    return lambda owner, name: fail_once(monkeypatch, owner, name, MemoryError())


@pytest.fixture
def unlogged():
    """A function that makes the next record for a logger of dlserv fail for lack of memory."""
    filters = []

    def plant(name):
        failed, logger = threading.Event(), logging.getLogger("dlserv." + name)

        def fail(record):
            if not failed.is_set():
                failed.set()
                raise MemoryError()
            return True

        logger.addFilter(fail)
        filters.append((logger, fail))
        return failed

    yield plant
    for logger, fail in filters:
        logger.removeFilter(fail)


def test_the_schedule_goes_on_where_its_error_cannot_be_logged(unlogged, monkeypatch):
    monkeypatch.setattr(Schedule, "LOOK", 0.01)
    settings, calls = Settings(Config.parse({"schedule": [{"max_concurrent": 2}]})), []
    lost = unlogged("automation.schedule")

    def heed(limits):
        calls.append(limits)
        settings.limits = limits
        if len(calls) == 2:
            raise MemoryError()

    schedule = Schedule(settings, heed)
    schedule.start()
    until(lambda: lost.is_set() and len(calls) > 3)
    schedule.stop()


def test_the_end_of_a_window_that_failed_halfway_is_made_good():
    settings, calls = Settings(Config.parse({"schedule": []})), []
    settings.limits = {"ratelimit": 1}

    def heed(limits):
        settings.limits = limits
        calls.append(limits)
        if len(calls) == 1:
            raise MemoryError()     # the limiter has not been told

    schedule = Schedule(settings, heed)
    with pytest.raises(MemoryError):
        schedule.heed()
    schedule.heed()
    assert calls == [{}, {}]


def test_a_watched_folder_is_watched_where_its_error_cannot_be_logged(unlogged, monkeypatch, tmp_path):
    monkeypatch.setattr(Watch, "EVERY", 0.01)
    (tmp_path / "list.txt").write_text("http://127.0.0.1:1/a\n")
    calls, lost = [], unlogged("automation.watch")

    def add_all(wanted):
        calls.append(wanted)
        if len(calls) == 1:
            raise MemoryError()
        return ["tid"], []

    watch = Watch({"dir": str(tmp_path), "options": {}}, add_all)
    watch.start()
    until((tmp_path / "added" / "list.txt").exists)
    watch.stop()
    assert lost.is_set() and len(calls) == 2


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="needs a unix socket")
def test_the_watchdog_is_answered_after_an_error_that_cannot_be_told(tmp_path):
    class Unspeakable(Exception):
        def __str__(self):
            raise MemoryError()

    def check():
        checks.append(None)
        if len(checks) == 1:
            raise Unspeakable()

    path, checks = str(tmp_path / "notify"), []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(path)
        listening.settimeout(10)
        manager = ServiceManager({"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "20000"})
        with manager.serving("here", check):
            assert listening.recv(100).startswith(b"READY=1")
            assert listening.recv(100) == b"WATCHDOG=1"
        manager.close()
    assert len(checks) >= 2


def test_hooks_go_on_after_an_error_that_cannot_be_logged(settings, origin, lack, unlogged, monkeypatch):
    """The hook "idle" runs only when no other one does."""
    ran, lost, result = [], unlogged("automation.hooks"), hooks.process.Result(0, b"", False)
    monkeypatch.setattr(hooks.process, "run", lambda argv, *rest: ran.append(argv) or result)
    failed = lack(hooks.process, "run")
    settings["hooks"] = {"finished": [sys.executable, "finished"], "idle": [sys.executable, "idle"]}
    origin.put("/a", b"a")
    with Daemon(settings) as daemon:
        daemon.add(origin.url("/a"))
        until(lambda: ran)
    assert failed.is_set() and lost.is_set() and ran == [[sys.executable, "idle"]]


def test_a_message_is_sent_once_there_is_memory_for_it(settings, origin, lack, monkeypatch):
    monkeypatch.setattr(webhooks.Webhooks.__init__, "__defaults__", ((0, 0.01, 0.01),))
    failed = lack(webhooks, "post")
    origin.put("/a", b"a")
    with Receiver() as receiver:
        settings["webhooks"] = [{"url": receiver.url}]
        with Daemon(settings) as daemon:
            tid = daemon.add(origin.url("/a"))
            until(lambda: receiver.messages and not daemon.get(tid).deliveries)
    assert failed.is_set() and len(receiver.messages) == 1


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_who_listens_learns_that_the_feed_has_died(settings, lack, unlogged):
    with Daemon(settings) as daemon, Server(daemon, "127.0.0.1", 0) as server:
        listening = server.feed.listen()
        assert b"snapshot" in next(listening)
        failed, lost = lack(server.feed, "_changed_rows"), unlogged("api.sse")
        daemon.add("http://127.0.0.1:1/a", {"paused": True})
        assert b"".join(listening) == b"" and failed.is_set() and lost.is_set()
        again = server.feed.listen()
        assert b"snapshot" in next(again)
        again.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_connection_that_dies_after_the_last_byte_is_missed(settings, origin, monkeypatch):
    real, size, ended = Connection.work, 3 * 2 ** 20, []

    def work(connection):
        real(connection)
        until(lambda: daemon.get(tid).downloaded == size)
        ended.append(connection)
        if len(ended) > 1:
            until(lambda: daemon.stats()["connections"] == 1)
            sys.exit()          # ends this thread without a word

    monkeypatch.setattr(Connection, "work", work)
    pace = paced(2 ** 20, piece=1024)
    origin.put("/a", noise(size), script=[pace] * 9)
    with Daemon(settings) as daemon:
        tid = daemon.add(origin.url("/a"), {"connections": 2})
        until(lambda: daemon.stats()["connections"] == 2)
        pace.rate = float("inf")
        assert daemon.wait(tid, 10).state == "finished"
    assert len(ended) == 2


@pytest.mark.parametrize("owner, name", [(Slot, "__init__"), (Connection, "__init__"), (Connection, "work"),
                                         (Sources, "began"), (Sources, "opener")])
def test_no_slot_of_a_server_is_lost(settings, origin, lack, monkeypatch, owner, name):
    monkeypatch.setattr(Waits, "BEAT", 0.05)
    settings["download"]["max_per_host"] = 1
    origin.put("/a", noise(3 * 2 ** 20))
    failed = lack(owner, name)
    with Daemon(settings) as daemon:
        assert daemon.wait(daemon.add(origin.url("/a")), 10).state == "finished"
    assert failed.is_set()


def test_what_a_segment_has_brought_is_not_forgotten(lack):
    whole = segments.Segments(100)
    segment = whole.claim()
    whole.advance(segment, 60)
    lack(segments, "merge")
    with pytest.raises(MemoryError):
        whole.release(segment)
    assert whole.done() == [(0, 60)] and whole.count == 60
    whole.release(segment)
    assert whole.done() == [(0, 60)] and whole.claim().start == 60


def test_a_url_can_be_added_after_a_deletion_that_failed(settings, origin, lack):
    origin.put("/a", DATA)
    with Daemon(settings) as daemon:
        tid = daemon.add(origin.url("/a"))
        daemon.wait(tid, 10)
        lack(removal, "remove_files")
        with pytest.raises(MemoryError):
            daemon.delete(tid, del_file=True)
        assert daemon.add(origin.url("/a")) == tid


def test_a_task_that_is_here_is_fetched_if_its_addition_fails_late(settings, origin, lack):
    origin.put("/a", DATA)
    with Daemon(settings) as daemon:
        lack(TaskRegistry, "announce")
        with pytest.raises(MemoryError):
            daemon.add(origin.url("/a"))
        assert daemon.wait(daemon.list()[0].tid, 10).state == "finished"


@pytest.mark.parametrize("owner, name", [(TaskRegistry, "remove"), (Task, "mark_deleting")])
def test_a_task_whose_deletion_fails_at_once_is_still_there(settings, lack, owner, name):
    with Daemon(settings) as daemon:
        tid = daemon.add("http://127.0.0.1:1/a", {"paused": True})
        lack(owner, name)
        with pytest.raises(MemoryError):
            daemon.delete(tid)
        assert daemon.get(tid).state == "paused" and daemon.counts()["paused"] == 1
        daemon.delete(tid)
        assert daemon.add("http://127.0.0.1:1/a", {"paused": True}) == tid


def test_a_file_whose_verification_fails_at_the_end_is_verified_later(settings, origin, lack, monkeypatch):
    monkeypatch.setattr(verification, "AGAIN", 0.01)
    origin.put("/a", DATA)
    with Daemon(settings) as daemon:
        tid = daemon.add(origin.url("/a"))
        daemon.wait(tid, 10)
        failed = lack(TaskRegistry, "note")
        daemon.verify(tid)
        until(lambda: daemon.get(tid).file.checksum)
        assert failed.is_set() and not daemon.get(tid).verifying


def test_a_thread_that_runs_is_not_reported_as_refused(monkeypatch):
    """Else its work would be done twice."""
    real, ran = threading.Event.wait, threading.Event()

    def wait(event, timeout=None):
        real(event, timeout)
        raise MemoryError()

    thread = threads.Thread(ran.set, "dlserv-late")
    with monkeypatch.context() as starved:
        starved.setattr(threading.Event, "wait", wait)
        thread.start()
    threads.join(thread, 10)
    assert ran.is_set()
