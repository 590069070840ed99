"""Bugs of ours, put in on purpose: whichever thread meets one says so and goes on."""

import json
import os
import sys
import threading
import urllib.request

import pytest

from dlserv import Daemon, Server, sockets, threads
from dlserv.complaint import Complaint
from dlserv.engine.checksum import Verifier
from dlserv.engine.download import Download
from dlserv.errors import Stopped, StoreBroken
from dlserv.state import store as store_module
from dlserv.state.mapping import Mapping
from dlserv.state.snapshot import Snapshot
from dlserv.state.store import Store
from dlserv.tasks import scheduler
from dlserv.tasks.attempt import Attempt
from dlserv.tasks.checkpointer import Checkpointer
from dlserv.tasks.dispatcher import Dispatcher
from dlserv.tasks.outcomes import Outcomes
from dlserv.tasks.runner import Runner
from dlserv.tasks.scheduler import Scheduler
from dlserv.tasks.task import Task
from dlserv.tasks.waits import Waits
from dlserv.tasks.workers import Workers
from harness import ROOT, fail_once, noise, until
from servers.origin import Gate, paced

DATA = noise(300000)


class Bug(Exception):
    pass


@pytest.fixture
def stumble(monkeypatch):
    """A function that makes the next call of a method raise, once."""
    return lambda owner, name: fail_once(monkeypatch, owner, name, Bug("planted in " + name))


@pytest.fixture(autouse=True)
def deaths(monkeypatch):
    """No thread may die of it: what reaches threading.excepthook fails the test."""
    died = []
    monkeypatch.setattr(threading, "excepthook", died.append)
    yield
    assert not died


def is_healthy(daemon):
    try:
        return daemon.report.health() == {}
    except StoreBroken:
        return False


def ask(server):
    """Return the status of /health, None if there is no answer."""
    try:
        with urllib.request.urlopen(server.url + "/health", timeout=10) as reply:
            return reply.status
    except OSError:
        return None


def finishes(daemon, origin, name="/after"):
    origin.put(name, DATA)
    return daemon.wait(daemon.add(origin.url(name)), 15).state == "finished"


@pytest.mark.parametrize("owner, name", [
    (Scheduler, "choose"), (Scheduler, "seconds_to_sleep"), (Attempt, "__init__")])
def test_the_scheduler_goes_on(daemon, origin, stumble, monkeypatch, caplog, owner, name):
    monkeypatch.setattr(Dispatcher, "AFTER_A_BUG", 0.05)
    origin.put("/a.iso", DATA)
    met = stumble(owner, name)
    daemon.add(origin.url("/a.iso"))
    daemon.configure({"download": {"max_concurrent": 3}})      # which the scheduler's thread heeds
    until(met.is_set)
    until(lambda: "planted in " + name in caplog.text and "Traceback" in caplog.text)
    assert finishes(daemon, origin)
    until(lambda: not daemon.report.running())         # no slot is lost


@pytest.mark.parametrize("owner, name", [
    (Server, "handle_request"), (Scheduler, "seconds_to_sleep"), (Checkpointer, "_is_time_to_flush"), (Store, "_commit")])
def test_a_thread_outlives_an_error_in_its_error_handling(daemon, origin, stumble, monkeypatch, owner, name):
    """As where there is no memory for either."""
    monkeypatch.setattr(Dispatcher, "AFTER_A_BUG", 0.05)
    gate = Gate(after=100000)
    origin.put("/a.iso", DATA, script=[gate])
    with Server(daemon, "127.0.0.1", 0) as server:
        met, lost = stumble(owner, name), stumble(Complaint, "tell")
        asked = threads.begin(ask, "ask", (server,))
        tid = daemon.add(origin.url("/a.iso"))
        daemon.configure({"download": {"max_concurrent": 3}})      # which the scheduler's thread heeds
        until(lambda: met.is_set() and lost.is_set())
        gate.open()
        threads.join(asked, 10)
        assert daemon.wait(tid, 15).state == "finished"
        assert ask(server) == 200 and finishes(daemon, origin)


def test_a_half_done_change_of_the_queue_is_made_good(daemon, origin, monkeypatch):
    monkeypatch.setattr(Dispatcher, "AFTER_A_BUG", 0.05)
    real, left = scheduler.bisect.insort, [2]       # the first call puts the task in, the second its server

    def insort(*arguments):
        left[0] -= 1
        if left[0] == 0:
            raise MemoryError()
        real(*arguments)

    monkeypatch.setattr(scheduler.bisect, "insort", insort)
    assert finishes(daemon, origin, "/half") and left[0] <= 0
    assert finishes(daemon, origin)


def test_an_attempt_that_never_got_a_thread_is_missed(daemon, origin, stumble, monkeypatch):
    monkeypatch.setattr(Waits, "BEAT", 0.05)
    monkeypatch.setattr(Attempt, "GRACE", 0.05)
    monkeypatch.setattr(Dispatcher, "AFTER_A_BUG", 0.05)
    met = stumble(Workers, "give")
    assert finishes(daemon, origin) and met.is_set()


def test_an_attempt_whose_thread_comes_too_late_fetches_nothing(daemon, origin, monkeypatch):
    monkeypatch.setattr(Waits, "BEAT", 0.05)
    monkeypatch.setattr(Attempt, "GRACE", 0.05)
    real, late = Workers.give, []
    monkeypatch.setattr(Workers, "give", lambda self, attempt: real(self, attempt) if late else late.append(attempt))
    assert finishes(daemon, origin)
    asked = len(origin.requests)
    threads.join(threads.begin(late[0].perform, "late"), 10)
    assert isinstance(late[0].outcome, Stopped) and len(origin.requests) == asked


def test_a_flag_wakes_all_who_wait_for_it():
    flag, seen = threads.Flag(), []
    assert not flag.wait(0) and not flag.is_set()
    waiting = [threads.begin(lambda: seen.append(flag.wait(10)), "wait-%d" % number) for number in range(5)]
    flag.set()
    flag.set()
    for thread in waiting:
        threads.join(thread, 10)
    assert seen == [True] * 5 and flag.is_set()
    flag.clear()
    flag.clear()
    assert not flag.wait(0.01)


@pytest.mark.parametrize("owner, name", [
    (Checkpointer, "_is_time_to_flush"), (Runner, "watch"), (Checkpointer, "_store"), (Download, "progress")])
def test_checkpoints_go_on(daemon, origin, stumble, caplog, owner, name):
    origin.put("/a.iso", DATA, script=[Gate(after=100000)])
    met = stumble(owner, name)
    tid = daemon.add(origin.url("/a.iso"))
    until(met.is_set)
    until(lambda: daemon.get(tid).progress and sum(end - start for start, end in daemon.get(tid).progress.done) == 100000)
    assert "a checkpoint failed" in caplog.text and "planted in " + name in caplog.text


def test_a_bug_at_the_end_of_an_attempt_ends_its_task(daemon, origin, stumble, caplog, monkeypatch):
    for place, (owner, name) in enumerate(((Outcomes, "conclude"), (Task, "end_attempt"), (Download, "progress"))):
        gate = Gate(after=100000)
        origin.put("/%d" % place, DATA, script=[gate])
        tid = daemon.add(origin.url("/%d" % place))
        until(lambda: daemon.get(tid).downloaded == 100000)
        monkeypatch.setattr(Checkpointer, "_checkpoint", lambda *arguments: None)    # it asks for the progress too
        met = stumble(owner, name)
        gate.open()
        task = daemon.wait(tid, 10)
        assert met.is_set() and task.state == "invalid" and task.error == "internal error: Bug"
        assert "planted in " + name in caplog.text
    until(lambda: not daemon.report.running())
    assert finishes(daemon, origin)


def test_the_store_goes_on(daemon, origin, stumble, caplog):
    first = daemon.add(origin.url("/first"), {"paused": True})      # so that no write of the start is left
    met = stumble(Mapping, "commit")
    with pytest.raises(StoreBroken, match="planted in commit"):
        daemon.add(origin.url("/refused"))
    assert met.is_set() and [task.tid for task in daemon.list()] == [first] and "Traceback" in caplog.text
    met = stumble(Snapshot, "due_in")
    assert finishes(daemon, origin) and met.is_set()


def test_what_no_memory_was_left_for_is_stored_later(daemon, origin, settings, monkeypatch):
    monkeypatch.setattr(store_module, "RETRY", 0.05)
    tid = daemon.add(origin.url("/a"), {"paused": True})
    real, lacking = Mapping.commit, [True]

    def commit(mapping, durable):
        if lacking:
            raise MemoryError()
        real(mapping, durable)

    monkeypatch.setattr(Mapping, "commit", commit)
    with pytest.raises(StoreBroken):
        daemon.change(tid, posted={"priority": 7})
    lacking.clear()
    until(lambda: is_healthy(daemon))
    daemon.stop()
    with Daemon(settings) as again:
        assert again.get(tid).options.priority == 7, "memory and database agree in the end"


def test_a_record_that_cannot_be_written_takes_no_other_along(open_store, tmp_path, monkeypatch):
    store, gate, real = open_store(str(tmp_path / "db")), threading.Event(), Mapping.commit
    monkeypatch.setattr(Mapping, "commit", lambda mapping, durable: (gate.wait(10), real(mapping, durable)))
    tickets = [store.write({"fact/%d" % number: {"n": threading.Lock() if number == 2 else 1}})
               for number in range(5)]
    gate.set()
    for number, ticket in enumerate(tickets):
        if number == 2:
            with pytest.raises(StoreBroken, match="pickle"):
                ticket.wait()
        else:
            ticket.wait()
            assert store.fact(str(number)) == {"n": 1}


def test_whoever_listens_comes_back_after_a_bug_of_the_feed(daemon, origin, stumble, caplog):
    def events(url):
        """(kind, data) of each event until the daemon ends the reply."""
        with urllib.request.urlopen(url + "/events", timeout=10) as reply:
            kind = None
            for line in reply:
                name, _, value = line.decode().strip().partition(": ")
                kind = value if name == "event" else kind
                if name == "data":
                    yield kind, json.loads(value)

    with Server(daemon, "127.0.0.1", 0) as server:
        listening = events(server.url)
        assert next(listening)[0] == "snapshot"
        stumble(server.feed, "_changed_rows")
        tid = daemon.add(origin.url("/a.iso"), {"paused": True})
        assert list(listening) == [], "it is cut off"
        until(lambda: "the event stream met a bug" in caplog.text)
        again = events(server.url)
        assert [row["tid"] for row in next(again)[1]["detail"]] == [tid]
        daemon.delete(tid)
        assert "removed" in {next(again)[0] for _ in range(2)}


@pytest.mark.parametrize("name", ["handle_request", "process_request", "get_request"])
def test_the_server_lets_the_next_one_in(daemon, stumble, name, caplog):
    from harness import Api
    with Server(daemon, "127.0.0.1", 0) as server:
        met = stumble(server, name)
        with Api(server.url) as first:
            try:
                first.get("/health")
            except OSError:
                pass        # that one was dropped
        assert met.is_set() and "planted in " + name in caplog.text
        with Api(server.url) as second:
            assert second.get("/health").status == 200


def test_a_bug_while_hashing_ends_its_task_alone(daemon, origin, stumble, monkeypatch):
    from dlserv.engine import checksum
    monkeypatch.setattr(checksum, "WORTH_A_THREAD", 1000)
    monkeypatch.setattr(Verifier, "PAUSE", 0.01)
    origin.put("/a.iso", DATA, script=[paced(600000)])
    stumble(Verifier, "_advance")
    tid = daemon.add(origin.url("/a.iso"), {"checksum": "md5=" + 32 * "0"})
    assert daemon.wait(tid, 10).error == "internal error: Bug"
    assert finishes(daemon, origin)


def test_a_bug_while_verifying_ends_that_verification_alone(daemon, origin, stumble):
    from dlserv.tasks.verification import Verification
    origin.put("/a.iso", DATA)
    tid = daemon.add(origin.url("/a.iso"))
    daemon.wait(tid, 10)
    stumble(Verification, "_judge")
    daemon.verify(tid)
    until(lambda: daemon.get(tid).error)
    assert "because of a bug" in daemon.get(tid).error and not daemon.get(tid).verifying
    daemon.verify(tid)
    until(lambda: daemon.get(tid).file.checksum)
    assert daemon.get(tid).error is None


def test_a_bug_while_resolving_ends_its_task_alone(daemon, origin, monkeypatch):
    real = sockets.resolve

    def broken(host, port, flags):
        if not flags:       # the call that has a thread of its own
            raise Bug("planted in getaddrinfo")
        return real(host, port, flags)

    monkeypatch.setattr(sockets, "resolve", broken)
    tid = daemon.add("http://localhost:1/a.iso")
    assert daemon.wait(tid, 10).error == "internal error: Bug"
    assert finishes(daemon, origin)


def test_a_thread_that_dies_all_the_same_is_in_the_log(process, tmp_path):
    """Wherever standard error goes: the log has the traceback, and the daemon goes on."""
    code = ("import sys, threading; sys.path.insert(0, %r)\n"
            "from dlserv import cli, serve\n"
            "wait = serve.Signals.wait\n"
            "def bug(): raise ZeroDivisionError\n"
            "def begin(*arguments):\n"
            "    threading.Thread(target=bug, name='dlserv-victim').start()\n"
            "    wait(*arguments)\n"
            "serve.Signals.wait = begin\n"
            "sys.exit(cli.main())" % ROOT)
    log = tmp_path / "dlserv.log"
    running = process(command=[sys.executable, "-c", code], environ=dict(os.environ, DLSERV_LOG_FILE=str(log)))
    until(lambda: "a bug ended the thread dlserv-victim" in log.read_text())
    until(lambda: "ZeroDivisionError" in log.read_text())
    assert running.api.get("/health").status == 200 and running.stop() == 0
