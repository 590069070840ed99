"""kill -9 at random moments: nothing acknowledged is lost, no file is wrong, little is fetched twice."""

import http.client
import os
import random
import threading
import time

import pytest

from dlserv import Daemon
from dlserv.state.store import Store
from dlserv.contract import tid_of
from harness import noise, until
from servers.origin import Gate, Origin, paced

MIB = 2 ** 20
SIZES = (60000, 90000, 130000)


class Crash:
    """A daemon that is killed again and again, and what it has acknowledged so far."""

    def __init__(self, process, backend, origin, doomed, seed):
        self.random = random.Random(seed)
        self._start = lambda: process("--log-level", "warning", environ=dict(
            os.environ, DLSERV_DB_BACKEND=backend, DLSERV_RETRY_WAIT="0.05", DLSERV_MAX_CONCURRENT="2"))
        self.origin, self.doomed, self.pace = origin, doomed, paced(6 * MIB, piece=16384)
        self.files = {}         # url -> bytes of the tasks that are to be finished in the end
        self.paused = set()     # tids of which a pause was the last thing acknowledged
        self.gone, self.unsure = set(), set()
        self.count = 0

    def round(self, seconds):
        """Start, check, work until the daemon is killed under our hands."""
        daemon = self._start()
        self.check(daemon.api)
        killer = threading.Timer(seconds, daemon.popen.kill)
        killer.start()
        try:
            while True:
                self.act(daemon.api)
                time.sleep(self.random.random() * 0.02)
        except (OSError, http.client.HTTPException):
            pass        # the answer to the last request, if it came to one, is lost
        finally:
            killer.join()
            daemon.kill()

    def check(self, api):
        """Check that changes acknowledged before the crash have survived it."""
        tasks = {task["tid"]: task for task in api.get("/task/list?exerpt=false")["detail"]}
        for url in self.files:
            assert tid_of(url) in tasks, "an added task is gone"
        assert not self.gone & set(tasks), "a deleted task is back"
        for tid in self.paused - self.unsure:
            assert tasks[tid]["state"] == "paused", tasks[tid]
        for tid in self.unsure & set(tasks):
            (self.paused.add if tasks[tid]["state"] == "paused" else self.paused.discard)(tid)
        self.unsure.clear()
        assert "invalid" not in [task["state"] for task in tasks.values()]

    def act(self, api):
        """One random request; `unsure` names what it is about until it is answered."""
        act = self.random.choice(["add", "add", "add", "pause", "resume", "doom", "batch"])
        getattr(self, act)(api)

    def put(self, server):
        self.count += 1
        data = noise(self.random.choice(SIZES), seed=self.count)
        server.put("/%d.bin" % self.count, data, script=[self.pace] * 100)
        return server.url("/%d.bin" % self.count), data

    def add(self, api):
        url, data = self.put(self.origin)
        if api.post("/task", {"url": url}).status == 200:
            self.files[url] = data

    def batch(self, api):
        made = dict(self.put(self.origin) for _ in range(3))
        if api.post("/task/batch/add", {"tasks": list(made)}).status == 200:
            self.files.update(made)

    def pause(self, api):
        tid = self.any()
        self.unsure.add(tid)
        if api.put("/task/tid/%s?act=pause" % tid).status == 200:
            self.paused.add(tid)
        self.unsure.discard(tid)

    def resume(self, api):
        tid = self.random.choice(sorted(self.paused) or [self.any()])
        self.unsure.add(tid)
        if api.put("/task/tid/%s?act=resume" % tid).status == 200:
            self.paused.discard(tid)
        self.unsure.discard(tid)

    def doom(self, api):
        """Add a task and delete it with its file, finished or not."""
        url, _ = self.put(self.doomed)
        api.post("/task", {"url": url})
        time.sleep(self.random.random() * 0.05)
        if api.delete("/task/tid/%s?del_file=true" % tid_of(url)).status == 200:
            self.gone.add(tid_of(url))

    def any(self):
        return tid_of(self.random.choice(sorted(self.files) or ["http://nothing/"]))

    def finish(self, folder):
        """Let everything come to its end and look at every byte."""
        self.pace.rate *= 100
        daemon = self._start()
        self.check(daemon.api)
        daemon.api.post("/task/batch/resume", {"tids": sorted(self.paused)})
        until(lambda: set(daemon.api.get("/task/state_coutner")["detail"].items()) >= {
            ("queued", 0), ("downloading", 0), ("paused", 0), ("invalid", 0)}, seconds=60)
        tasks = {task["url"]: task for task in daemon.api.get("/task/list?exerpt=false")["detail"]}
        for url, data in self.files.items():
            assert (folder / tasks[url]["filename"]).read_bytes() == data
        assert {each.name for each in folder.iterdir()} == {task["filename"] for task in tasks.values()}
        assert daemon.stop() == 0


def crash(process, backend, folder, rounds, seed, seconds):
    with Origin() as origin, Origin() as doomed:
        run = Crash(process, backend, origin, doomed, seed)
        for _ in range(rounds):
            run.round(seconds[0] + run.random.random() * (seconds[1] - seconds[0]))
        run.finish(folder)
        size = sum(len(file.data) for file in origin.files.values())
        assert origin.sent < 1.2 * size, "%.2f times the files' size" % (origin.sent / size)


def test_nothing_is_lost_by_kill_9(process, backend, folder):
    crash(process, backend, folder, rounds=10, seed=9, seconds=(0.05, 0.5))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_nothing_is_lost_by_two_hundred_kills(process, backend, folder, seed):
    crash(process, backend, folder, rounds=50, seed=seed, seconds=(0.02, 1.2))


def test_a_large_file_outlives_everything(process, backend, folder):
    """A pause, a resume, a kill -9, a restart of the server it comes from."""
    data = noise(8 * MIB)
    with Origin() as origin:
        origin.put("/large.iso", data, script=[paced(4 * MIB, piece=2 ** 15)] * 20)
        port = origin.server_address[1]
        first = process(environ=dict(os.environ, DLSERV_DB_BACKEND=backend))
        tid = first.api.add(origin.url("/large.iso"), retries=50, connections=1)
        until(lambda: first.api.status(tid)["downloaded_bytes"] > MIB)
        assert first.api.put("/task/tid/%s?act=pause" % tid).status == 200
        kept = first.api.status(tid)["downloaded_bytes"]
        first.api.put("/task/tid/%s?act=resume" % tid)
        until(lambda: first.api.status(tid)["downloaded_bytes"] > kept + MIB)
        first.kill()
    second = process(environ=dict(os.environ, DLSERV_DB_BACKEND=backend, DLSERV_RETRY_WAIT="0.1"))
    until(lambda: second.api.status(tid)["retries"])
    assert second.api.status(tid)["downloaded_bytes"] >= kept, "what was paused was recorded"
    origin = Origin(port=port)      # it has the file before it answers
    origin.put("/large.iso", data)
    with origin:
        assert second.api.reach(tid, "finished")["filename"] == "large.iso"
        assert (folder / "large.iso").read_bytes() == data
        assert [each.name for each in folder.iterdir()] == ["large.iso"]
        assert origin.sent < len(data) - kept + MIB // 2


def test_a_power_cut_leaves_only_what_was_flushed(settings, folder, monkeypatch):
    """After another boot, bytes that were not flushed are fetched again."""
    from dlserv import daemon as module
    data = noise(MIB)
    with Origin() as origin:
        origin.put("/a.iso", data, script=[Gate(after=300000)])
        boots = iter(("first boot", "second boot"))
        monkeypatch.setattr(module, "boot_id", lambda: next(boots))
        daemon = Daemon(settings).start()
        tid = daemon.add(origin.url("/a.iso"))
        until(lambda: daemon.get(tid).downloaded == 300000)
        until(lambda: daemon.get(tid).progress and daemon.get(tid).progress.done)
        record = daemon.get(tid).to_record()
        assert record["progress"]["done"] and not record["flushed"], "the first flush is yet to come"
        daemon.stop()
        store = Store(settings["general"]["db_path"])
        store.write({tid: record}).wait()
        store.close()
        with open(str(folder / "a.iso.part"), "r+b") as file:
            file.write(bytes(100000))       # what the disk had not got is not there
        with Daemon(settings) as daemon:
            daemon.wait(tid, 15)
        assert (folder / "a.iso").read_bytes() == data
