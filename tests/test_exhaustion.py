"""No thread, no memory: tasks wait, somebody answers or the process ends, and the end is an orderly one."""

import hashlib
import os
import re
import socket
import ssl
import sys
import threading
import types

import pytest

from dlserv import Daemon, threads
from dlserv.digests import load_hashlib
from dlserv.engine.download import Download
from dlserv.errors import Exhausted
from dlserv.exhaustion import check_missing, exhaustion_in
from dlserv.tasks.attempt import Attempt
from dlserv.tasks.waits import Waits
from forks import DLSERV
from harness import ROOT, noise, until
from servers.origin import Gate, Origin

resource = pytest.importorskip("resource")
linux = pytest.mark.skipif(not hasattr(resource, "prlimit") or not os.path.isdir("/proc/self"),
                           reason="the limits of others cannot be set here")
MIB = 2 ** 20
DATA = noise(300000)
INFINITE = resource.RLIM_INFINITY


def address_space(pid):
    with open("/proc/%d/status" % pid, encoding="ascii") as file:
        return int(re.search(r"VmSize:\s+(\d+)", file.read()).group(1)) * 1024


def limit(running, more):
    """Let the process have so many bytes more of address space; None for all there is."""
    soft = INFINITE if more is None else address_space(running.popen.pid) + more
    resource.prlimit(running.popen.pid, resource.RLIMIT_AS, (soft, INFINITE))


def no_more_threads(running):
    """There is memory, but not as much as the stack of a thread takes."""
    limit(running, 5 * MIB)


def knock(url, wanted=b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", seconds=3):
    """The reply to a request on a connection of its own; "" if there is none."""
    host, port = url.split("//")[1].split(":")
    try:
        with socket.create_connection((host, int(port)), timeout=seconds) as sock:
            sock.sendall(wanted)
            return sock.recv(4096).decode()
    except OSError:
        return ""


# -- threads ----------------------------------------------------------------------------------

@linux
def test_without_a_thread_tasks_wait_and_the_log_tells_it_once(process, origin, folder):
    running, gate = process(command=DLSERV), Gate(after=1000)
    origin.put("/a", DATA, script=[gate])
    origin.put("/b", DATA)
    first = running.api.add(origin.url("/a"), connections=4)
    assert gate.reached.wait(10)
    no_more_threads(running)
    second = running.api.add(origin.url("/b"))
    status = running.api.reach_error(second, "waiting for other tasks: ")
    assert status["state"] == "queued" and status["retries"] == 0 and "no more threads" in status["error"]
    replies = [knock(running.url) for _ in range(30)]
    assert all(reply.startswith("HTTP/1.1 503 ") and "no more threads" in reply for reply in replies)
    gate.open()
    assert running.api.reach(first, "finished")["error"] is None, "its connection goes into a pool without a thread"
    limit(running, None)
    assert running.api.reach(second, "finished")
    assert knock(running.url).startswith("HTTP/1.1 200 ")
    assert running.log.count("no more threads") == 1 and "Traceback" not in running.log
    assert (folder / "a").read_bytes() == (folder / "b").read_bytes() == DATA


@linux
def test_the_end_needs_no_thread(process, origin, tmp_path):
    running, gate = process(command=DLSERV), Gate(after=1000)
    origin.put("/a", DATA, script=[gate])
    tid = running.api.add(origin.url("/a"))
    assert gate.reached.wait(10)
    until(lambda: running.api.status(tid)["downloaded_bytes"] == 1000)
    no_more_threads(running)
    assert running.stop() == 0
    assert [name for name in os.listdir(str(tmp_path / "state")) if "wal" in name] == [], "the database is closed"
    assert "Traceback" not in running.log
    assert process().api.reach(tid, "finished")


@linux
def test_a_start_without_threads_ends_with_a_sentence(process, environ):
    few = ("import resource, os, sys, threading; threading.stack_size(2 ** 28); "
           "resource.setrlimit(resource.RLIMIT_AS, (2 ** 28, 2 ** 28)); sys.path.insert(0, %r); "
           "from dlserv import cli; sys.exit(cli.main())" % ROOT)
    with pytest.raises(AssertionError, match="no more (threads|memory)") as caught:
        process(command=[sys.executable, "-c", few])
    assert "Traceback" not in str(caught.value)


# -- memory -----------------------------------------------------------------------------------

@linux
def test_a_daemon_short_of_memory_is_not_deaf_afterwards(process, tmp_path):
    """Or it has ended: what it must not do is live on and hear nobody."""
    small = "ulimit -s 256; exec \"$@\""        # so that threads are had when memory is not
    running = process("--log-level", "error", command=["sh", "-c", small, "sh", sys.executable,
                                                       os.path.join(ROOT, "dlserv.py")])
    urls = ", ".join('"http://127.0.0.1:1/%%d/%d"' % number for number in range(200))
    limit(running, MIB)

    def flood(first):
        for number in range(first, first + 6):
            body = ('{"tasks": [%s]}' % urls.replace("%d", str(number))).encode()
            knock(running.url, b"POST /task/batch/add HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                               b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

    threads = [threading.Thread(target=flood, args=(10 * number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if running.popen.poll() is None:
        limit(running, None)
        until(lambda: running.popen.poll() is not None or knock(running.url).startswith("HTTP/1.1 200 "), 60)
    assert running.log.count(" connections are refused: ") <= 8


STARVED = """import _testcapi, os, socket, sys, threading
orders = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
orders.bind(sys.argv[1])
sys.path.insert(0, sys.argv[2])
del sys.argv[1:3]

def obey():
    while True:
        first, count = map(int, orders.recv(100).split())
        _testcapi.remove_mem_hooks()
        if count:
            _testcapi.set_nomemory(first, first + count)

def obey_always():
    while True:
        try:
            obey()
        except Exception:
            pass

threading.Thread(target=obey_always, daemon=True).start()
from dlserv import cli
sys.exit(cli.main())
"""


@linux
@pytest.mark.parametrize("count", [20, 300])
def test_no_failed_allocations_leave_a_daemon_deaf(process, tmp_path, count):
    """`count` allocations in a row fail, from the first one on, the twelfth and so on."""
    if not hasattr(pytest.importorskip("_testcapi"), "set_nomemory"):
        pytest.skip("this Python cannot fail an allocation")
    path = str(tmp_path / "orders")
    running = process("--log-level", "error", command=[sys.executable, "-c", STARVED, path, ROOT])
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as orders:
        orders.connect(path)
        for first in range(0, 240, 12):
            orders.send(b"%d %d" % (first, count))
            body = b'{"tasks": ["http://127.0.0.1:1/%d"]}' % first
            knock(running.url, b"POST /task/batch/add HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                               b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body), 0.5)
            if running.popen.poll() is not None:
                return      # CPython itself may crash
            orders.send(b"0 0")
            until(lambda: running.popen.poll() is not None or knock(running.url).startswith("HTTP/1.1 200 "))
            if running.popen.poll() is not None:
                return


@linux
def test_https_waits_for_the_memory_that_tls_takes(process, folder):
    """Its library is there and cannot be mapped; a Python without TLS would end the task."""
    tight = "ulimit -s 256; exec \"$@\""
    certificates = os.path.join(ROOT, "tests", "certs")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.path.join(certificates, "server.pem"))
    running = process(command=["sh", "-c", tight, "sh", *DLSERV],
                      environ=dict(os.environ, SSL_CERT_FILE=os.path.join(certificates, "ca.pem")))
    with Origin(context) as secure, Origin() as plain:
        secure.put("/s", DATA)
        plain.put("/a", DATA)
        running.api.reach(running.api.add(plain.url("/a")), "finished")     # the engine is loaded
        limit(running, MIB)
        tid = running.api.add(secure.url("/s"))
        assert "no more memory" in running.api.reach_error(tid, "waiting for other tasks: ")["error"]
        limit(running, None)
        assert running.api.reach(tid, "finished")["retries"] == 0
    assert (folder / "s").read_bytes() == DATA


@linux
def test_a_file_is_verified_once_there_is_memory_for_it(process, origin):
    tight = "ulimit -s 256; exec \"$@\""
    running = process(command=["sh", "-c", tight, "sh", *DLSERV])
    origin.put("/a", DATA)
    tid = running.api.add(origin.url("/a"))
    running.api.reach(tid, "finished")
    limit(running, MIB // 2)        # half of what is read at a time
    assert running.api.put("/task/tid/%s?act=verify" % tid).status == 200
    until(lambda: "files wait to be verified: " in running.log)
    limit(running, None)
    until(lambda: running.api.get("/task/tid/%s/info" % tid)["detail"]["checksum"])
    assert running.api.status(tid)["error"] is None
    assert "Traceback" not in running.log


@pytest.mark.parametrize("text", [
    "libssl.so.3: failed to map segment from shared object",
    "x.so: cannot open shared object file: Too many open files",
    "Error loading shared library libssl.so.3: Out of memory (needed by _ssl.so)",
    "x.so: cannot create shared object descriptor: Cannot allocate memory"])
def test_a_library_that_cannot_be_loaded_now_is_not_missing(text):
    with pytest.raises(Exhausted):
        check_missing(ImportError(text))


@pytest.mark.parametrize("error", [
    ModuleNotFoundError("No module named '_ssl'"), ImportError("cannot import name 'sha1' from '_sha1'"),
    ImportError("libssl.so.3: cannot open shared object file: No such file or directory"),
    ImportError("x.so: cannot allocate memory in static TLS block")])
def test_a_library_that_is_not_there_is_missing(error):
    assert check_missing(error) is None and exhaustion_in(error) is None


def test_hashlib_is_loaded_again_where_it_was_loaded_in_part(monkeypatch):
    """It leaves out what it has no memory for."""
    cut_short = types.ModuleType("hashlib")
    cut_short.md5 = hashlib.md5
    monkeypatch.setitem(sys.modules, "hashlib", cut_short)
    with pytest.raises(Exhausted, match="no more memory"):
        load_hashlib()
    assert load_hashlib().sha256(b"").digest() == hashlib.sha256(b"").digest()


@pytest.mark.parametrize("owner, name", [(Download, "_attempt"), (Download, "__init__"), (Attempt, "beginning"),
                                         (Attempt, "note")])
@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("can't start new thread"), OSError(12, "no memory"),
                                   RuntimeError("can't allocate lock"),
                                   SystemError("error return without exception set")])
def test_what_the_system_lacks_is_waited_for(settings, origin, monkeypatch, owner, name, error):
    monkeypatch.setattr(Waits, "BEAT", 0.05)
    real, lacking = getattr(owner, name), [True]

    def lack(*arguments, **options):
        if lacking:
            raise error
        return real(*arguments, **options)

    monkeypatch.setattr(owner, name, lack)
    settings["download"]["retries"] = 0
    origin.put("/a", DATA)
    with Daemon(settings) as daemon:
        tid = daemon.add(origin.url("/a"))
        if name == "note":
            assert daemon.wait(tid, 10).state == "finished"
            return
        until(lambda: "waiting for other tasks: " in (daemon.get(tid).error or ""))
        task = daemon.get(tid)
        assert (task.retries, task.reason, len(task.log)) == (0, None, 1)
        lacking.clear()
        assert daemon.wait(tid, 10).state == "finished"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_attempt_whose_thread_dies_is_missed(settings, origin, monkeypatch):
    """As where there is no memory for the first frame of a thread's work."""
    monkeypatch.setattr(Waits, "BEAT", 0.05)
    real, dead = Attempt.perform, []

    def perform(attempt):
        if not dead:
            dead.append(attempt)
            sys.exit()          # ends this thread without a word
        return real(attempt)

    monkeypatch.setattr(Attempt, "perform", perform)
    origin.put("/a", DATA)
    with Daemon(settings) as daemon:
        tid = daemon.add(origin.url("/a"))
        until(lambda: dead)
        assert daemon.wait(tid, 10).state == "finished"
        assert "no more memory" in daemon.get(tid).log[0]["msg"] and not daemon.report.running()


def test_a_start_does_not_wait_for_a_thread_that_never_begins(monkeypatch):
    """As one that dies for want of memory before it could say so."""
    class Stillborn(threads.Thread):
        def _bootstrap(self):
            pass

    thread = Stillborn(lambda: None, "stillborn")
    with monkeypatch.context() as hurried, pytest.raises(RuntimeError, match="can't start new thread"):
        hurried.setattr(threads, "BEGIN_SECONDS", 0.05)
        thread.start()
    threads.join(thread)
    threads.join(None)
    ran = threading.Event()
    alive = threads.Thread(ran.set, "dlserv-alive")
    alive.start()
    threads.join(alive, 10)
    assert ran.is_set() and not alive.is_alive()
