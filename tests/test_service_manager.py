"""sd_notify(3): the real daemon tells a socket of ours when it is ready, reloading and stopping, and that it lives."""

import contextlib
import itertools
import json
import os
import signal
import socket
import sys
import time

import pytest

from dlserv.service_manager import ServiceManager
from forks import DLSERV
from harness import ROOT, Answer, noise, until

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX") or not hasattr(signal, "SIGHUP"),
                                reason="needs the sockets and signals of POSIX")
NAMES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has abstract sockets")

# The daemon with a scheduler or an acceptor that hangs, or dies, as soon as a file is there; a sound one is in time.
BROKEN = """
import os, sys, time
sys.path.insert(0, %r)
from dlserv import cli
from dlserv.api import server
from dlserv.tasks import report
server.PATIENCE = report.PATIENCE = 1.5
%s
def broken(*arguments):
    if os.path.exists(%r):
        %s
    return sound(*arguments)
owner.%s = broken
sys.exit(cli.main())
"""
SCHEDULER = ("from dlserv.tasks.runner import Runner as owner\nsound = owner.begin_next", "begin_next")
ACCEPTOR = ("from dlserv.api.server import Server as owner\nsound = owner.get_request", "get_request")
HANGS, DIES = "time.sleep(600)", "raise SystemExit"


class Manager:
    """The other end of $NOTIFY_SOCKET."""

    def __init__(self, address):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self.socket.settimeout(15)
        self.address = address

    def next(self):
        """Return the next message as {name: value}."""
        lines = self.socket.recv(4096).decode().split("\n")
        return dict(line.split("=", 1) for line in lines)

    def pings_within(self, seconds):
        """Return how many times the watchdog is answered within so many seconds."""
        deadline, count = time.monotonic() + seconds, 0
        while time.monotonic() < deadline:
            self.socket.settimeout(max(0.01, deadline - time.monotonic()))
            with contextlib.suppress(socket.timeout):
                count += self.next() == {"WATCHDOG": "1"}
        self.socket.settimeout(15)
        return count


@pytest.fixture
def make_manager(tmp_path):
    """A function that makes a service manager, which listens at a path."""
    made = []

    def make():
        made.append(Manager(str(tmp_path / ("notify-%d" % len(made)))))
        return made[-1]

    yield make
    for each in made:
        each.socket.close()


@pytest.fixture
def manager(make_manager):
    return make_manager()


@pytest.fixture
def start_another(start_process):
    """A function that starts a daemon beside others, for this manager."""
    def start(manager, **variables):
        folder = manager.address + "-daemon"
        os.mkdir(folder)
        return start_process("--db", os.path.join(folder, "db"), NOTIFY_SOCKET=manager.address,
                             XDG_RUNTIME_DIR=folder, **variables)
    return start


@pytest.fixture
def environ(environ):
    """Without the variables of a service manager that runs the tests."""
    return {name: value for name, value in environ.items() if name not in NAMES}


@pytest.mark.parametrize("form", ["path", pytest.param("abstract", marks=LINUX)])
def test_it_tells_when_it_is_ready_reloading_and_stopping(start_process, tmp_path, form):
    manager = Manager(str(tmp_path / "notify") if form == "path" else "@dlserv-test-%d" % os.getpid())
    with contextlib.closing(manager.socket):
        config = tmp_path / "config.json"
        config.write_text("{}")
        daemon = start_process("-c", str(config), NOTIFY_SOCKET=manager.address)
        assert manager.next() == {"READY": "1", "STATUS": "listening on " + daemon.url}
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        daemon.popen.send_signal(signal.SIGHUP)
        reloading = manager.next()
        assert reloading["RELOADING"] == "1"
        assert before <= int(reloading["MONOTONIC_USEC"]) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        assert manager.next() == {"READY": "1", "STATUS": "listening on " + daemon.url}
        daemon.popen.terminate()
        stopping = manager.next()
        assert stopping["STOPPING"] == "1" and int(stopping["EXTEND_TIMEOUT_USEC"]) >= 2500000
        assert daemon.popen.wait(15) == 0


def test_a_reload_that_fails_is_ready_again_and_says_so(start_process, manager, tmp_path):
    config = tmp_path / "config.json"
    config.write_text("{}")
    daemon = start_process("-c", str(config), NOTIFY_SOCKET=manager.address)
    manager.next()
    config.write_text("{")
    daemon.popen.send_signal(signal.SIGHUP)
    assert "RELOADING" in manager.next()
    ready = manager.next()
    assert ready["READY"] == "1" and "the settings stay as they are" in ready["STATUS"]


def test_ready_means_that_the_queue_is_loaded(start_process, process, manager):
    first = process()
    tids = {first.api.add("http://127.0.0.1:1/%d" % number, paused=True) for number in range(50)}
    first.stop()
    daemon = start_process(NOTIFY_SOCKET=manager.address)
    assert manager.next()["READY"] == "1"
    assert {task["tid"] for task in daemon.api.get("/task/list")["detail"]} == tids


def test_the_watchdog_is_answered_by_whom_it_asks(start_another, make_manager):
    """By the process that $WATCHDOG_PID names; one that is known to the shell alone, which becomes the daemon."""
    as_ours = ["sh", "-c", 'WATCHDOG_PID=$$ exec "$@"', "sh"] + DLSERV
    asked, others = [], []
    for found, command, variables in ((asked, None, {}), (asked, as_ours, {}), (others, None, {"WATCHDOG_PID": "1"}),
                                      (others, None, {"WATCHDOG_PID": "x"})):
        manager = make_manager()
        daemon = start_another(manager, command=command, WATCHDOG_USEC="200000", **variables)
        assert manager.next()["READY"] == "1", variables
        found.append((manager, daemon))
    for manager, _ in asked:
        assert [manager.next() for _ in range(5)] == [{"WATCHDOG": "1"}] * 5
    assert others[0][0].pings_within(0.5) == others[1][0].pings_within(0.1) == 0
    assert [daemon.api.get("/health").status for _, daemon in asked + others] == [200] * 4


def test_a_watchdog_without_a_period_is_none(start_another, make_manager):
    started = []
    for usec in ("", "0", "-5", "soon", "1e6", "9" * 5000, "\u0663"):
        manager = make_manager()
        started.append((usec, manager, start_another(manager, WATCHDOG_USEC=usec)))
        assert manager.next()["READY"] == "1", usec
    assert started[-1][1].pings_within(0.5) == 0
    for usec, manager, daemon in started:
        assert manager.pings_within(0.01) == 0, usec
        assert ("WATCHDOG_USEC is ignored" in daemon.log) == (usec != "") and daemon.stop() == 0, usec


def test_the_watchdog_of_what_hangs_or_is_dead_barks(start_another, make_manager, tmp_path):
    started = []
    for case, (part, fault) in enumerate(itertools.product((SCHEDULER, ACCEPTOR), (HANGS, DIES))):
        flag, manager = tmp_path / ("broken-%d" % case), make_manager()
        code = BROKEN % (ROOT, part[0], str(flag), fault, part[1])
        daemon = start_another(manager, command=[sys.executable, "-c", code], WATCHDOG_USEC="400000")
        assert manager.next()["READY"] == "1" and manager.next() == {"WATCHDOG": "1"}, code
        assert daemon.api.get("/health").status == 200, code
        flag.write_text("")
        if part is ACCEPTOR:
            host, port = daemon.url.partition("//")[2].split(":")
            socket.create_connection((host, int(port))).close()
        started.append((code, manager, daemon))
    for _, _, daemon in started:
        until(lambda: "watchdog is not answered: " in daemon.log)
    for _, _, daemon in started:
        daemon.api.connection.request("GET", "/health")
    for code, _, daemon in started:
        answer = Answer(daemon.api.connection.getresponse())
        assert answer.status == 503 and answer["errmsg"].endswith("start the daemon again"), code
        assert "watchdog is not answered: " + answer["errmsg"] in daemon.log, code
    for _, manager, _ in started:
        manager.pings_within(0.01)      # those from before
    assert started[0][1].pings_within(0.5) == 0, started[0][0]
    for code, manager, daemon in started:
        assert manager.pings_within(0.01) == 0, code
        daemon.kill()


def test_a_disk_that_is_away_is_no_reason_to_be_killed(start_process, manager, folder):
    daemon = start_process(NOTIFY_SOCKET=manager.address, WATCHDOG_USEC="200000")
    os.rename(str(folder), str(folder) + "-away")
    assert daemon.api.get("/health").status == 503
    assert manager.next()["READY"] == "1" and [manager.next() for _ in range(3)] == [{"WATCHDOG": "1"}] * 3
    os.rename(str(folder) + "-away", str(folder))


def test_hooks_do_not_speak_in_its_name(start_process, manager, origin, folder, tmp_path):
    hook, told = tmp_path / "hook", tmp_path / "told"
    hook.write_text("#!/bin/sh\nenv > '%s.new'\nmv '%s.new' '%s'\n" % (told, told, told))
    hook.chmod(0o755)
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"hooks": {"finished": [str(hook)]}}))
    origin.put("/a", noise(100))
    daemon = start_process("-c", str(config), NOTIFY_SOCKET=manager.address, WATCHDOG_USEC="60000000", WATCHDOG_PID="1")
    daemon.api.add(origin.url("/a"))
    until(told.exists)
    assert "DLSERV_EVENT=finished" in told.read_text()
    assert not [name for name in NAMES if name + "=" in told.read_text()]


@pytest.mark.parametrize("address, words", [
    ("vsock:2:1234", "is ignored"), ("relative/path", "is ignored"), ("tcp:127.0.0.1:1", "is ignored"),
    ("/nonexistent/socket", "takes no messages"), ("/" + "x" * 200, "takes no messages"),
    pytest.param("@" + "x" * 200, "takes no messages", marks=LINUX),
    pytest.param("@", "takes no messages", marks=LINUX), ("/", "takes no messages")])
def test_an_address_that_cannot_be_used_is_told_once(start_process, address, words):
    daemon = start_process(NOTIFY_SOCKET=address, WATCHDOG_USEC="100000")
    assert daemon.api.get("/health").status == 200
    until(lambda: words in daemon.log)
    daemon.popen.send_signal(signal.SIGHUP)
    until(lambda: "are in effect" in daemon.log)
    assert daemon.log.count("NOTIFY_SOCKET") == 1 and daemon.stop() == 0


def test_a_manager_that_does_not_read_holds_nothing_up(start_process, manager):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as flood:
        flood.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                flood.sendto(b"X=1", manager.address)
    daemon = start_process(NOTIFY_SOCKET=manager.address, WATCHDOG_USEC="200000")
    assert daemon.api.get("/health").status == 200
    began = time.monotonic()
    assert daemon.stop() == 0 and time.monotonic() - began < 10


def test_nothing_is_opened_or_begun_without_a_manager(monkeypatch):
    before = set(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else None
    environ = {"WATCHDOG_USEC": "1000", "OTHER": "x"}
    manager = ServiceManager(environ)
    with manager.serving("listening", lambda: pytest.fail("nobody asks")):
        manager.reload(lambda: [])
        time.sleep(0.05)
        manager.stopping(1)
    assert environ == {"OTHER": "x"}
    if before is not None:
        assert set(os.listdir("/proc/self/fd")) == before
    manager.close()


def test_a_status_is_one_line(manager):
    told = ServiceManager({"NOTIFY_SOCKET": manager.address})
    with contextlib.closing(told), told.serving("on unix:/a\nSTOPPING=1\r", lambda: None):
        message = manager.next()
    assert set(message) == {"READY", "STATUS"} and "STOPPING=1" in message["STATUS"]
