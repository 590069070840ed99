"""Real disks that are full, read-only or pulled out, under the downloads and under the database."""

import os
import shutil
import subprocess
import sys

import pytest

from dlserv import Daemon
from dlserv.tasks.waits import Waits
from disks import SmallDisk, run
from harness import noise, until
from servers.ftpd import Ftpd
from servers.origin import Gate, chunked

try:
    import resource
except ImportError:     # Windows
    resource = None

DATA = noise(600000)


# -- the database's -----------------------------------------------------------------------------

@pytest.fixture
def limit():
    """A function that makes every file of a process end at so many bytes, or not (None)."""
    if not hasattr(resource, "prlimit"):
        pytest.skip("this system cannot limit the files of a process that runs")

    def limit(popen, size):
        _, hard = resource.prlimit(popen.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(popen.pid, resource.RLIMIT_FSIZE, (hard if size is None else size, hard))

    return limit


def test_what_was_acknowledged_is_there_and_nothing_else(process, backend, limit):
    """A database that cannot grow: what is refused with 503 is not done, what is not stays done."""
    environ = dict(os.environ, DLSERV_DB_BACKEND=backend)
    running = process("--log-level", "warning", environ=environ)
    api, there, refused = running.api, {}, []

    def post(number):
        url = "http://127.0.0.1:1/%d" % number
        answer = api.post("/task", {"url": url, "options": {"paused": True, "referer": "http://a/" + "x" * 3000}})
        if answer.status == 503:
            assert answer["errmsg"].startswith("the database cannot be written: "), answer
            refused.append(url)
        else:
            assert answer.status == 200, answer
            there[answer["tid"]] = url

    for number in range(5):
        post(number)
    limit(running.popen, 4096)
    for number in range(5, 30):
        post(number)
    assert len(there) == 5 and len(refused) == 25
    kept, gone = sorted(there)[:2]
    assert api.delete("/task/tid/" + gone).status == 503
    assert api.put("/task/tid/%s?act=resume" % kept).status == 503
    assert {task["tid"] for task in api.get("/task/list")["detail"]} == set(there)
    assert api.get("/config").status == 200 and api.get("/health").status == 503
    limit(running.popen, None)
    until(lambda: "can be written again" in running.log)
    post(30)
    assert api.delete("/task/tid/" + gone).status == 200
    del there[gone]
    running.kill()
    again = process(environ=environ)
    assert {task["tid"]: task["url"] for task in again.api.get("/task/list?exerpt=false")["detail"]} == there
    assert "damaged" not in again.log


# -- the downloads' -----------------------------------------------------------------------------

class Disk:
    """A small file system mounted at `path`, a second time at the place it is kept alive from."""

    def __init__(self, path, kept):
        self.path, self._kept = path, kept
        run("mount", "-t", "tmpfs", "-o", "size=1m", "none", kept)
        self.plug_in()

    def plug_in(self):
        run("mount", "--bind", self._kept, self.path)

    def pull_out(self):
        run("umount", "-l", self.path)

    def let_write(self, really):
        run("mount", "-o", "remount,bind," + ("rw" if really else "ro"), self.path)

    def resize(self, size):
        run("mount", "-o", "remount,size=" + size, self._kept)

    def remove(self):
        for path in (self.path, self._kept):
            if os.path.ismount(path):
                run("umount", "-l", path)


@pytest.fixture
def disk(tmp_path, monkeypatch):
    monkeypatch.setattr(Waits, "BEAT", 0.02)
    paths = [str(tmp_path / name) for name in ("usb", "kept")]
    for path in paths:
        os.mkdir(path)
    if not sys.platform.startswith("linux") or os.geteuid() or not shutil.which("mount"):
        pytest.skip("only root on Linux may mount a small disk")
    try:
        mounted = Disk(*paths)
    except subprocess.CalledProcessError as error:
        pytest.skip("root may not mount a disk here: %s" % error.stderr.decode().strip())
    yield mounted
    mounted.remove()


@pytest.fixture
def below(settings, disk):
    """Settings whose downloads go to the small disk."""
    settings["general"]["download_dir"] = os.path.join(disk.path, "downloads")
    settings["download"]["reserve"] = 0
    return settings


def waits(daemon, tid, words):
    until(lambda: words in (daemon.get(tid).error or ""))
    until(lambda: daemon.get(tid).state == "queued")


@pytest.mark.parametrize("script", [None, chunked([DATA[:300000], DATA[300000:]])], ids=["size known", "size unknown"])
def test_a_task_waits_for_room(below, disk, origin, script):
    origin.put("/a.iso", DATA, script=[script] * 1000 if script else ())
    with Daemon(below) as daemon:
        junk = os.path.join(below["general"]["download_dir"], "junk")
        with open(junk, "wb") as file:
            file.write(bytes(700000))
        tid = daemon.add(origin.url("/a.iso"))
        waits(daemon, tid, "waiting for room")
        os.remove(junk)
        assert daemon.wait(tid, 10).state == "finished" and daemon.get(tid).error is None
        with daemon.open_file(tid)[1] as file:
            assert file.read() == DATA


def test_a_task_waits_while_the_disk_is_read_only(below, disk, origin):
    origin.put("/a.iso", DATA)
    with Daemon(below) as daemon:
        disk.let_write(False)
        tid = daemon.add(origin.url("/a.iso"))
        waits(daemon, tid, "waiting for the disk: a.iso.part: the file system is read-only")
    with Daemon(below) as daemon:
        waits(daemon, tid, "the file system is read-only")
        disk.let_write(True)
        assert daemon.wait(tid, 10).state == "finished"


def test_a_disk_that_is_pulled_out_is_waited_for(below, disk, origin):
    origin.put("/a.iso", DATA, script=[Gate(after=200000)])
    with Daemon(below) as daemon:
        tid = daemon.add(origin.url("/a.iso"))
        until(lambda: daemon.get(tid).downloaded == 200000)
        daemon.pause(tid)
        until(lambda: daemon.get(tid).attempt is None)
        disk.pull_out()
        daemon.resume(tid)
        waits(daemon, tid, "nothing is mounted at " + disk.path)
        assert daemon.get(tid).downloaded == 200000
    with Daemon(below) as daemon:       # and it is not there at a start either
        waits(daemon, tid, "nothing is mounted at " + disk.path)
        assert os.listdir(disk.path) == []
        disk.plug_in()
        assert daemon.wait(tid, 10).state == "finished"
        with daemon.open_file(tid)[1] as file:
            assert file.read() == DATA
    assert origin.sent < len(DATA) + 250000, "it went on from where it was"


# -- files of unknown size ------------------------------------------------------------------------

LARGER = noise(1500000)


def endless(origin, path="/a.iso", data=LARGER):
    """Serve a file whose size nobody tells."""
    pieces = [data[start:start + 100000] for start in range(0, len(data), 100000)]
    origin.put(path, data, script=[chunked(pieces)] * 1000)
    return origin.url(path)


def beats(daemon, tid, count=20):
    """Let the task look at its disk so many times: each is told twice, when it begins and when it ends."""
    with daemon.subscribe() as events:
        for _ in range(2 * count):
            assert events.get(15).tid == tid


def test_a_file_larger_than_the_room_is_fetched_once(below, disk, origin):
    """It waits without its bytes, which no later attempt could use, until there is more room."""
    url = endless(origin)
    with Daemon(below) as daemon:
        tid = daemon.add(url)
        waits(daemon, tid, "waiting for room: the file is larger than the ")
        beats(daemon, tid)
        assert len(origin.requests) == 1 and os.listdir(below["general"]["download_dir"]) == []
        disk.resize("1200k")
        until(lambda: len(origin.requests) == 2)
        beats(daemon, tid, 5)
        assert len(origin.requests) == 2, "that was too little as well"
        disk.resize("4m")
        assert daemon.wait(tid, 15).state == "finished" and len(origin.requests) == 3
        with daemon.open_file(tid)[1] as file:
            assert file.read() == LARGER


def test_room_that_others_gave_back_is_no_more_room(below, disk, origin):
    with Daemon(below) as daemon:
        junk = os.path.join(below["general"]["download_dir"], "junk")
        with open(junk, "wb") as file:
            file.write(bytes(400000))
        tid = daemon.add(endless(origin))
        waits(daemon, tid, "waiting for room: the file is larger than")
        with open(junk, "ab") as file:
            file.write(bytes(100000))
        beats(daemon, tid, 5)
        os.truncate(junk, 400000)
        beats(daemon, tid, 5)
        assert len(origin.requests) == 1, "there is as much as the last time"
        os.truncate(junk, 300000)
        until(lambda: len(origin.requests) == 2)


def test_an_explicit_resume_tries_at_once(below, disk, origin):
    url = endless(origin)
    with Daemon(below) as daemon:
        tid = daemon.add(url)
        waits(daemon, tid, "waiting for room: the file is larger than")
        daemon.pause(tid)
        daemon.resume(tid)
        until(lambda: len(origin.requests) == 2)


def test_a_file_of_a_wrong_size_waits_for_room_too(below, disk, origin):
    with Ftpd({"a.iso": LARGER}) as ftpd, Daemon(below) as daemon:
        ftpd.sizes["a.iso"] = 1000
        tid = daemon.add(ftpd.url("/a.iso"))
        waits(daemon, tid, "waiting for room: the file is larger than")
        beats(daemon, tid)
        assert ftpd.commands.count("RETR a.iso") == 1
        disk.resize("4m")
        assert daemon.wait(tid, 15).state == "finished"
        with daemon.open_file(tid)[1] as file:
            assert file.read() == LARGER


def test_others_have_the_room_meanwhile(below, disk, origin):
    origin.put("/b.iso", DATA)
    with Daemon(below) as daemon:
        tid = daemon.add(endless(origin))
        waits(daemon, tid, "waiting for room: the file is larger than")
        other = daemon.add(origin.url("/b.iso"))
        assert daemon.wait(other, 15).state == "finished" and daemon.get(tid).state in ("queued", "downloading")


# -- a start on a full disk -----------------------------------------------------------------------

def test_a_daemon_starts_on_a_full_disk_and_answers(process, backend, tmp_path):
    environ = dict(os.environ, DLSERV_DB_BACKEND=backend)
    with SmallDisk(tmp_path / "disk", "4m") as small:
        arguments = "--log-level", "warning", "--db", os.path.join(small.path, "state", "db")
        running, tids = process(*arguments, environ=environ), []
        for number in range(30):
            tids.append(running.api.add("http://127.0.0.1:1/%d" % number, paused=True, referer="http://a/" + "x" * 3000))
        running.kill()          # which leaves a log to replay
        junk = small.fill()
        running = process(*arguments, environ=environ)
        api = running.api
        assert [task["tid"] for task in api.get("/task/list")["detail"]] == tids
        assert api.get("/config").status == api.get("/health").status == 200
        small.fill()

        def is_refused(number):
            options = {"paused": True, "referer": "http://a/" + "x" * 3000}
            return api.post("/task", {"url": "http://127.0.0.1:1/%d" % number, "options": options}).status == 503

        assert any(is_refused(number) for number in range(100, 900)), "a log that was merged leaves some room"
        os.remove(junk)
        until(lambda: api.post("/task", {"url": "http://127.0.0.1:1/last", "options": {"paused": True}}).status == 200)
        assert api.delete("/task/tid/" + tids[0]).status == 200
        assert running.stop() == 0
        assert tids[0] not in [task["tid"] for task in process(*arguments, environ=environ).api.get("/task/list")["detail"]]
