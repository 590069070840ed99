"""Limits of the system, disks full or gone, a database that cannot be written: tasks wait, nothing is lost."""

import os
import sys
import tempfile

import pytest

from dlserv import Daemon, Server
from dlserv.tasks.waits import Waits
from dlserv.state import store
from dlserv.state.mapping import Mapping
from dlserv.fs import mount_of
from dlserv.tasks.download_dir import DownloadDir
from dlserv.errors import StoreBroken, Unavailable, Unwritable
from harness import ROOT, Api, noise, until
from servers.origin import Gate, paced

DATA = noise(300000)


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(Waits, "BEAT", 0.1)
    monkeypatch.setattr(store, "RETRY", 0.1)


# -- the system's limits ----------------------------------------------------------------------

@pytest.fixture
def few_files():
    """A function that lets this process open only so many files more."""
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)

    def allow(more):
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        with tempfile.TemporaryFile() as file:
            resource.setrlimit(resource.RLIMIT_NOFILE, (file.fileno() + more, limits[1]))

    yield allow
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@pytest.mark.parametrize("data", [DATA, noise(2 ** 21)])
def test_a_task_that_may_open_no_more_files_waits(settings, origin, folder, few_files, data):
    settings["download"].update(retries=0, timeout=30, max_per_host=1)
    waited = 0
    with Daemon(settings) as daemon:
        for more in range(1, 16):
            origin.put("/%d" % more, data)
            few_files(more)
            tid = daemon.add(origin.url("/%d" % more))
            until(lambda: daemon.get(tid).state == "finished" or daemon.get(tid).connections or daemon.get(tid).error)
            waited += "waiting for other tasks" in str(daemon.get(tid).error)
            few_files(1000)
            assert daemon.wait(tid, 10).state == "finished"
            assert (folder / str(more)).read_bytes() == data
    assert waited >= 3


def test_it_may_open_as_many_files_as_the_system_lets_it(process):
    resource = pytest.importorskip("resource")
    if not hasattr(resource, "prlimit"):
        pytest.skip("the limits of others cannot be seen here")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    few = "import os, resource, sys; resource.setrlimit(resource.RLIMIT_NOFILE, (100, %d)); " % min(hard, 2000)
    daemon = process(command=[sys.executable, "-c", few + "os.execv(sys.executable, [sys.executable] + sys.argv[1:])",
                              os.path.join(ROOT, "dlserv.py")])
    assert resource.prlimit(daemon.popen.pid, resource.RLIMIT_NOFILE)[0] == min(hard, 2000)


# -- the downloads' disk ----------------------------------------------------------------------

def test_a_folder_that_vanishes_and_comes_back(daemon, origin, folder):
    origin.put("/a.iso", DATA)
    os.rename(str(folder), str(folder) + ".away")
    tid = daemon.add(origin.url("/a.iso"))
    until(lambda: daemon.get(tid).error and "waiting for the disk" in daemon.get(tid).error)
    assert daemon.get(tid).state == "queued" and not folder.exists()
    os.rename(str(folder) + ".away", str(folder))
    assert daemon.wait(tid, 10).state == "finished"
    assert (folder / "a.iso").read_bytes() == DATA and daemon.get(tid).error is None


def test_a_folder_that_vanishes_in_mid_file(daemon, origin, folder):
    gate = Gate(after=100000)
    origin.put("/a.iso", DATA, script=[gate])
    tid = daemon.add(origin.url("/a.iso"))
    until(lambda: daemon.get(tid).downloaded == 100000)
    os.rename(str(folder), str(folder) + ".away")
    daemon.pause(tid)
    until(lambda: daemon.get(tid).attempt is None)
    daemon.resume(tid)
    until(lambda: daemon.get(tid).error and "waiting for the disk" in daemon.get(tid).error)
    os.rename(str(folder) + ".away", str(folder))
    assert daemon.wait(tid, 10).state == "finished"
    assert (folder / "a.iso").read_bytes() == DATA
    assert origin.sent < len(DATA) + 150000, "it went on from where it was"


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written(daemon, origin, folder):
    origin.put("/a.iso", DATA)
    folder.chmod(0o555)
    tid = daemon.add(origin.url("/a.iso"))
    until(lambda: daemon.get(tid).error and "permission denied" in daemon.get(tid).error)
    folder.chmod(0o755)
    assert daemon.wait(tid, 10).state == "finished"


def test_an_empty_mount_point_is_not_filled(tmp_path):
    path = tmp_path / "usb" / "downloads"
    place = DownloadDir(str(path))
    fact = {"path": str(path), "mount": str(tmp_path / "usb")}
    assert place.open(fact) is None and not path.exists()
    with pytest.raises(Unavailable, match="nothing is mounted at"):
        place.check()
    assert DownloadDir(str(tmp_path / "other")).open(fact) == {
        "path": str(tmp_path / "other"), "mount": mount_of(str(tmp_path))}


def test_a_known_folder_may_be_missing_at_a_later_start(settings, origin, folder, backend, tmp_path):
    settings["general"]["db_backend"] = backend
    origin.put("/a.iso", DATA)
    with Daemon(settings) as daemon:
        tid = daemon.add(origin.url("/a.iso"), {"paused": True})
    os.rmdir(str(folder))
    folder.symlink_to(tmp_path / "disk")        # to where nothing is, so it cannot be made either
    with Daemon(settings) as daemon:
        daemon.resume(tid)
        until(lambda: "waiting for the disk" in (daemon.get(tid).error or ""))
        assert daemon.get(tid).state == "queued"
        (tmp_path / "disk").mkdir()
        assert daemon.wait(tid, 10).state == "finished"


def test_a_folder_that_never_was_stops_the_first_start(settings, folder):
    os.rmdir(str(folder))
    folder.write_bytes(b"")
    with pytest.raises(Unwritable, match="general.download_dir: .* cannot be created"):
        Daemon(settings).start()


def test_the_mount_is_remembered(tmp_path):
    place = DownloadDir(str(tmp_path / "x"))
    fact = place.open(None)
    assert fact == {"path": str(tmp_path / "x"), "mount": mount_of(str(tmp_path))}
    place.check()
    assert place.open(fact) is None, "nothing new"


@pytest.mark.skipif(not os.path.isdir("/dev/shm"), reason="needs another file system")
def test_tasks_wait_for_their_disk_across_a_restart(settings, tmp_path, origin, monkeypatch):
    """As after a boot at which the USB disk comes late."""
    origin.put("/a.iso", DATA)
    with Daemon(settings) as daemon:
        tid = daemon.add(origin.url("/a.iso"), {"paused": True})
    mount = tmp_path / "usb"
    mount.mkdir()
    fact = {"path": settings["general"]["download_dir"], "mount": str(mount)}
    place = store.Store(settings["general"]["db_path"])
    place.write({"fact/place": fact}).wait()
    place.close()
    with Daemon(settings) as daemon:
        daemon.resume(tid)
        until(lambda: daemon.get(tid).error and "nothing is mounted at" in daemon.get(tid).error)
        real = os.path.ismount
        monkeypatch.setattr(os.path, "ismount", lambda path: path == str(mount) or real(path))
        assert daemon.wait(tid, 10).state == "finished"


# -- the database's disk ------------------------------------------------------------------------

class Disk:
    """The disk of all databases, which can be full."""

    def __init__(self, monkeypatch):
        self.full, real = False, Mapping.commit

        def commit(mapping, durable):
            if self.full:
                raise OSError(28, "No space left on device")
            real(mapping, durable)

        monkeypatch.setattr(Mapping, "commit", commit)


@pytest.fixture
def disk(monkeypatch):
    return Disk(monkeypatch)


def test_what_cannot_be_made_durable_is_a_503(daemon, disk, api, origin, settings):
    origin.put("/a.iso", DATA, script=[paced(100000)] * 9)
    there = api.add(origin.url("/a.iso"))
    until(lambda: api.status(there)["state"] == "downloading")
    disk.full = True
    refused = api.post("/task", {"url": origin.url("/b.iso")})
    assert refused.status == 503 and "No space left" in refused["errmsg"]
    assert api.get("/task/list")["state_counter"]["all"] == 1, "what was refused is not there"
    assert api.put("/task/tid/%s?act=pause" % there).status == 503
    assert api.get("/task/list").status == api.get("/config").status == 200
    disk.full = False
    until(lambda: api.get("/health").status == 200)
    assert api.add(origin.url("/b.iso"), paused=True)


def test_memory_and_disk_agree_again_in_the_end(settings, disk, origin):
    with Daemon(settings) as daemon:
        tids = [daemon.add(origin.url("/%d" % number), {"paused": True}) for number in range(4)]
        disk.full = True
        with pytest.raises(StoreBroken):
            daemon.delete(tids[0], del_file=True)
        with pytest.raises(StoreBroken):
            daemon.change(tids[1], posted={"priority": 7})
        with pytest.raises(StoreBroken):
            daemon.add(origin.url("/refused"), {"paused": True})
        here = {task.tid: task.options.priority for task in daemon.list()}
        disk.full = False
    with Daemon(settings) as daemon:
        assert {task.tid: task.options.priority for task in daemon.list()} == here
        assert here == {tids[0]: 0, tids[1]: 7, tids[2]: 0, tids[3]: 0}


def test_a_task_whose_deletion_cannot_be_kept_goes_on(daemon, disk, origin, folder, api):
    pace = paced(400000)
    origin.put("/a.iso", DATA, script=[pace] * 9)
    origin.put("/b.iso", DATA)
    tids = [daemon.add(origin.url("/a.iso")), daemon.add(origin.url("/b.iso"), {"paused": True})]
    until(lambda: daemon.get(tids[0]).downloaded)
    with daemon.subscribe() as events:
        disk.full = True
        refused = api.post("/task/batch/delete", {"tids": tids, "del_file": True})
        assert refused.status == 503 and "cannot be written" in refused["errmsg"]
        assert [task.tid for task in daemon.list()] == tids
        seen = {event.kind for event in iter(lambda: events.get(0.1), None) if event.tid == tids[1]}
        assert seen == {"removed", "added"}
    disk.full = False
    pace.rate *= 100
    assert daemon.wait(tids[0], 10).state == "finished" and (folder / "a.iso").read_bytes() == DATA
    assert daemon.get(tids[1]).state == "paused"
    assert daemon.delete(tids[0], del_file=True).deleted == ["a.iso"]
    assert daemon.add(origin.url("/a.iso"), {"paused": True}) == tids[0]


def test_a_deletion_that_was_kept_needs_the_database_no_more(daemon, disk, origin, folder, monkeypatch):
    from dlserv.tasks import removal as module
    origin.put("/a.iso", DATA)
    tid = daemon.add(origin.url("/a.iso"))
    daemon.wait(tid, 10)
    real = module.remove_files

    def remove_files(*arguments):
        disk.full = True        # between the two records of a deletion
        return real(*arguments)

    monkeypatch.setattr(module, "remove_files", remove_files)
    assert daemon.delete(tid, del_file=True).deleted == ["a.iso"]
    disk.full = False
    assert daemon.add(origin.url("/a.iso"), {"paused": True}) == tid


def test_downloads_go_on_while_the_database_cannot(daemon, disk, origin, folder):
    origin.put("/a.iso", DATA, script=[paced(600000)])
    tid = daemon.add(origin.url("/a.iso"))
    until(lambda: daemon.get(tid).downloaded)
    disk.full = True
    until(lambda: daemon.get(tid).error or daemon.get(tid).state == "finished")
    assert daemon.get(tid).state in ("queued", "downloading", "finished"), daemon.get(tid).error
    disk.full = False
    assert daemon.wait(tid, 10).state == "finished" and (folder / "a.iso").read_bytes() == DATA


# -- clocks -------------------------------------------------------------------------------------

@pytest.mark.parametrize("jump", [-3 * 10 ** 8, 3 * 10 ** 8])
def test_a_clock_that_jumps_years_holds_nothing_up(daemon, origin, folder, monkeypatch, jump):
    import time
    real = time.time
    origin.put("/a.iso", DATA, script=[paced(600000)])
    tid = daemon.add(origin.url("/a.iso"), {"ratelimit": 1000000})
    until(lambda: daemon.get(tid).downloaded)
    monkeypatch.setattr(time, "time", lambda: real() + jump)
    other = daemon.add(origin.url("/none"), {"retries": 1})
    assert daemon.wait(tid, 10).state == "finished"
    assert daemon.wait(other, 10).state == "invalid"
    assert 0 <= daemon.get(tid).seconds < 10


def test_the_api_answers_with_no_folder_at_all(settings, origin, folder):
    with Daemon(settings) as daemon, Server(daemon, port=0) as server, Api(server.url) as api:
        tid = api.add(origin.url("/a.iso"))
        os.rmdir(str(folder))
        for path in ("/task/list", "/stats", "/metrics", "/config", "/task/tid/%s/info" % tid):
            assert api.get(path).status == 200, path
        assert api.get("/stats")["free_bytes"] is None
