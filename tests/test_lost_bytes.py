"""Bytes that a disk took and lost: only what was flushed is believed, and the file is right in the end."""

import contextlib
import os
import shutil
import signal
import subprocess
import threading

import pytest

from disks import HASTY, need_root, run
from harness import noise, until
from servers.origin import Gate, drop, refuse

MIB = 2 ** 20
PIECE = 2 ** 14
DATA = noise(4 * MIB)


class Hesitant:
    """A fault that sends a third at once and 1 MiB a second of the rest over all connections, until `hurry()`."""

    def __init__(self):
        self._hurry, self._one_by_one = threading.Event(), threading.Lock()

    def __call__(self, exchange):
        body = exchange.begin()
        third = len(body) // 3
        exchange.send(body[:third])
        for start in range(third, len(body), PIECE):
            if exchange.origin.closing.is_set():
                return
            with self._one_by_one:
                self._hurry.wait(PIECE / MIB)
            exchange.send(body[start:start + PIECE])

    def hurry(self):
        self._hurry.set()


@pytest.fixture
def start(process):
    """A function that starts a daemon that flushes often, with these variables in its environment."""
    return lambda *arguments, **environ: process(
        "--log-level", "warning", *arguments, command=HASTY, environ=dict(os.environ, **environ))


@pytest.fixture
def slow(origin):
    """The Hesitant that sends the file at `slow.url`, which takes some seconds until `slow.hurry()`."""
    fault = Hesitant()
    origin.put("/a.iso", DATA, script=[fault] * 200)
    fault.url = origin.url("/a.iso")
    return fault


def assert_whole(folder):
    assert os.listdir(str(folder)) == ["a.iso"]
    data = (folder / "a.iso").read_bytes()
    assert len(data) == len(DATA)
    wrong = [start for start in range(0, len(data), 4096) if data[start:start + 4096] != DATA[start:start + 4096]]
    assert not wrong, "%d of %d blocks are wrong" % (len(wrong), len(data) // 4096)


# -- flushes and writes that fail --------------------------------------------------------------

@pytest.mark.parametrize("connections", [1, 4])
@pytest.mark.parametrize("call, error", [
    ("fdatasync", "ENOSPC"), ("fdatasync", "EIO"), ("fsync", "EIO"), ("fsync", "ENOSPC"), ("fsync", "EDQUOT"),
    ("write", "EIO"), ("write", "EROFS")])
def test_what_a_failure_took_along_is_fetched_again(faulty, slow, call, error, connections):
    faulty.disk.set("keep", ".part\n")
    tid = faulty.api.add(slow.url, connections=connections)
    until(lambda: faulty.disk.flushed_bytes > MIB)
    faulty.disk.fail(call, ".part", error, "drop", "once")
    if call != "fsync":     # which comes at the end
        until(lambda: not faulty.disk.fails(call))
    slow.hurry()
    until(lambda: not faulty.disk.fails(call))
    status = faulty.api.reach(tid, "finished")
    assert_whole(faulty.folder)
    assert status["retries"] == 0 and "waiting for" in "\n".join(line["msg"] for line in status["log"])


def test_a_crash_after_a_failed_flush_believes_no_more(start, faulty_disk, folder, slow):
    faulty_disk.set("keep", ".part\n")
    daemon = start(**faulty_disk.environ)
    tid = daemon.api.add(slow.url, connections=4)
    until(lambda: faulty_disk.flushed_bytes > MIB)
    faulty_disk.fail("fdatasync", ".part", "EIO", "drop", "once")
    until(lambda: not faulty_disk.fails("fdatasync"), 30)
    until(lambda: "waiting for the disk" in "\n".join(line["msg"] for line in daemon.api.status(tid)["log"]))
    daemon.kill()
    slow.hurry()
    assert start().api.reach(tid, "finished")
    assert_whole(folder)


def test_a_small_file_that_was_not_flushed_is_fetched_again(faulty, origin):
    data = noise(5000)

    def at_once(exchange):
        pieces, send = [], exchange.send
        exchange.send = pieces.append
        exchange.answer()
        send(b"".join(pieces))

    origin.put("/a.bin", data, script=[at_once] * 3)
    faulty.disk.set("keep", "(deleted)\n")
    faulty.disk.fail("fsync", "(deleted)", "EIO", "drop", "once")
    assert faulty.api.reach(faulty.api.add(origin.url("/a.bin")), "finished")["filename"] == "a.bin"
    assert os.listdir(str(faulty.folder)) == ["a.bin"] and (faulty.folder / "a.bin").read_bytes() == data
    assert not faulty.disk.fails("fsync") and len(origin.requests) == 2


# -- disks that go and come back ---------------------------------------------------------------

class Stick:
    """A disk of its own, which can be pulled out: what only the kernel has is lost then."""

    def __init__(self, tmp_path):
        need_root()
        self.path, self._images = str(tmp_path / "usb stick"), [str(tmp_path / "image")]
        os.mkdir(self.path)
        with open(self._images[0], "wb") as file:
            file.truncate(16 * MIB)
        try:
            run("mkfs.ext4", "-q", "-F", self._images[0])
            self.plug_in()
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip("no image can be mounted here: %s" % error)

    def plug_in(self):
        run("mount", "-o", "loop", self._images[-1], self.path)

    def pull_out(self):
        self._images.append("%s-%d" % (self._images[0], len(self._images)))
        shutil.copyfile(self._images[-2], self._images[-1])
        run("umount", "-l", self.path)

    def unmount(self):
        run("umount", self.path)

    def remove(self):
        subprocess.run(["umount", "-l", self.path], stderr=subprocess.DEVNULL)


@contextlib.contextmanager
def halted(daemon):
    """Let the daemon do nothing for a while."""
    daemon.popen.send_signal(signal.SIGSTOP)
    tasks = "/proc/%d/task" % daemon.popen.pid
    until(lambda: all(state_of(os.path.join(tasks, each)) == "T" for each in os.listdir(tasks)))
    yield
    daemon.popen.send_signal(signal.SIGCONT)


def state_of(folder):
    """Return the letter of proc(5) for the state of a process or thread."""
    with open(os.path.join(folder, "stat")) as file:
        return file.read().rpartition(")")[2].split()[0]


@pytest.fixture
def stick(tmp_path):
    made = Stick(tmp_path)
    yield made
    made.remove()


@pytest.fixture
def start_on(start, stick, faulty_disk):
    """A function that starts a daemon whose downloads go to the stick; `faulty_disk` tells of its flushes."""
    from pathlib import Path
    downloads = Path(stick.path) / "downloads"
    faulty_disk.set("keep", ".part\n")
    environ = dict(faulty_disk.environ, DLSERV_RESERVE="0")
    return lambda: (start("--download-dir", str(downloads), **environ), downloads)


def test_a_disk_that_is_pulled_out_while_no_daemon_runs(start_on, stick, slow, faulty_disk):
    """Its file has its whole size, for connections write all over it, and holes."""
    daemon, downloads = start_on()
    tid = daemon.api.add(slow.url, connections=8)
    until(lambda: faulty_disk.flushed_bytes > MIB)
    flushed = daemon.api.status(tid)["downloaded_bytes"]
    until(lambda: daemon.api.status(tid)["downloaded_bytes"] > flushed + MIB // 8)
    daemon.kill()
    stick.pull_out()
    stick.plug_in()
    slow.hurry()
    daemon, _ = start_on()
    status = daemon.api.reach(tid, "finished")
    assert_whole(downloads)
    assert not status["log"], "nothing was believed that had to be found wrong"


@pytest.mark.parametrize("ending", ["pause", "error"])
def test_a_disk_that_is_pulled_out_between_two_attempts(start_on, stick, origin, ending):
    """The bytes of an attempt are flushed at its end, so that nothing need be fetched again."""
    origin.put("/a.iso", DATA, script=[drop(after=2 * MIB)] + [refuse("503 Service Unavailable", Retry_After=3600)] * 9 if ending == "error"
               else [Gate(after=2 * MIB)])
    daemon, downloads = start_on()
    tid = daemon.api.add(origin.url("/a.iso"), connections=1)
    until(lambda: daemon.api.status(tid)["downloaded_bytes"] == 2 * MIB)
    if ending == "error":
        daemon.api.reach(tid, "queued")
    daemon.api.put("/task/tid/%s?act=pause" % tid)
    until(lambda: daemon.api.status(tid)["connections"] == 0)
    until(lambda: not daemon.has_open(downloads))
    stick.pull_out()
    stick.plug_in()
    origin.put("/a.iso", DATA)
    sent = origin.sent
    daemon.api.put("/task/tid/%s?act=resume" % tid)
    assert daemon.api.reach(tid, "finished")
    assert_whole(downloads)
    assert origin.sent - sent < 2 * MIB + 100000


def test_a_disk_that_was_unmounted_in_peace_has_all(start_on, stick, slow):
    daemon, downloads = start_on()
    tid = daemon.api.add(slow.url, connections=4)
    until(lambda: daemon.api.status(tid)["downloaded_bytes"] > MIB)
    daemon.kill()
    slow.hurry()
    stick.unmount()
    stick.plug_in()
    daemon, _ = start_on()
    assert daemon.api.reach(tid, "finished")
    assert_whole(downloads)


def test_a_file_is_not_finished_on_a_disk_that_is_gone(start_on, stick, slow, faulty_disk):
    """Unmounted lazily: the daemon still writes to it, and nobody would find the file."""
    daemon, downloads = start_on()
    tid = daemon.api.add(slow.url, connections=4)
    until(lambda: faulty_disk.flushed_bytes > MIB)
    with halted(daemon):        # no flush may succeed of what the disk has lost
        stick.pull_out()
    slow.hurry()
    daemon.api.reach_error(tid, "waiting for the disk")
    stick.plug_in()
    assert daemon.api.reach(tid, "finished")
    assert_whole(downloads)
