"""Deleting with the file: exactly those that the task made, and only while they are its own."""

import os
import shutil
import time

import pytest

from dlserv import Daemon
from dlserv.state.store import Store
from disks import FaultyDisk
from harness import SharedProcess, adjusted, listing, noise, refill, until
from servers.origin import Gate, paced, raw

DATA = noise(300000)


@pytest.fixture
def finished(daemon, origin):
    """A finished task's tid."""
    origin.put("/a.iso", DATA)
    tid = daemon.add(origin.url("/a.iso"), {"dir": "sub"})
    assert daemon.wait(tid, 10).state == "finished"
    return tid


def names(folder):
    return sorted(os.path.relpath(os.path.join(where, name), str(folder))
                  for where, _, found in os.walk(str(folder)) for name in found)


def test_the_file_goes_and_nothing_else(daemon, finished, folder):
    (folder / "sub" / "a.iso.part").write_bytes(b"mine")
    (folder / "sub" / "a (1).iso").write_bytes(b"mine")
    assert daemon.delete(finished, del_file=True) == (["sub/a.iso"], [], [])
    assert names(folder) == ["sub/a (1).iso", "sub/a.iso.part"]


def test_a_folder_that_is_gone_is_told_with_its_name(daemon, finished, folder):
    shutil.rmtree(str(folder / "sub"))
    assert daemon.delete(finished, del_file=True).missing == ["sub/a.iso"]


def test_what_is_out_of_reach_is_not_called_missing(daemon, finished, folder, tmp_path):
    folder.rename(tmp_path / "away")
    removal = daemon.delete(finished, del_file=True)
    assert removal.missing == [] and removal.kept[0][0] == "sub/a.iso"


def test_without_asking_the_file_stays(daemon, finished, folder):
    daemon.delete(finished)
    assert names(folder) == ["sub/a.iso"]


def test_a_file_that_is_gone_is_told(daemon, finished, folder):
    (folder / "sub" / "a.iso").unlink()
    assert daemon.delete(finished, del_file=True).missing == ["sub/a.iso"]


@pytest.mark.parametrize("change", ["longer", "older", "folder", "link"])
def test_a_file_that_someone_changed_is_kept(daemon, finished, folder, change, tmp_path):
    path = folder / "sub" / "a.iso"
    if change == "longer":
        path.write_bytes(DATA + b"notes")
    elif change == "older":
        os.utime(str(path), (1, 1))
    else:
        path.unlink()
        (tmp_path / "elsewhere").write_bytes(DATA)
        path.mkdir() if change == "folder" else path.symlink_to(tmp_path / "elsewhere")
    removal = daemon.delete(finished, del_file=True)
    assert removal.deleted == [] and removal.kept[0][0] == "sub/a.iso"
    assert os.path.lexists(str(path)) and (change == "folder" or os.path.exists(str(path)))


def test_a_folder_that_became_a_link_is_not_followed(daemon, finished, folder, tmp_path):
    os.rename(str(folder / "sub"), str(tmp_path / "moved"))
    (folder / "sub").symlink_to(tmp_path / "moved")
    assert daemon.delete(finished, del_file=True).deleted == []
    assert (tmp_path / "moved" / "a.iso").read_bytes() == DATA


def test_a_part_file_goes_while_it_is_written(daemon, origin, folder):
    origin.put("/b.iso", DATA, script=[Gate(after=100000)])
    tid = daemon.add(origin.url("/b.iso"))
    until(lambda: daemon.get(tid).downloaded == 100000)
    assert daemon.delete(tid, del_file=True).deleted == ["b.iso.part"]
    assert names(folder) == [] and not daemon.list()


def test_an_interrupted_deletion_is_finished_at_the_start(settings, origin, folder):
    origin.put("/a.iso", DATA)
    with Daemon(settings) as daemon:
        tid = daemon.add(origin.url("/a.iso"))
        daemon.wait(tid, 10)
        task = daemon.get(tid)
    task.mark_deleting(True)            # as the database knows it before the files go
    refill(lambda: Store(settings["general"]["db_path"]), task.changes())
    with Daemon(settings) as daemon:
        assert not daemon.list() and names(folder) == []
        assert daemon.add(origin.url("/a.iso")) == tid


def test_the_api_says_what_went(api, origin, folder):
    origin.put("/a.iso", DATA)
    tid = api.add(origin.url("/a.iso"))
    api.reach(tid, "finished")
    (folder / "a.iso").write_bytes(b"changed")
    detail = api.delete("/task/tid/%s?del_file=true" % tid)["detail"]
    assert detail["deleted"] == [] and detail["kept"][0][0] == "a.iso"


# -- what another task owns ---------------------------------------------------------------------

def twins(daemon, origin, folder, name="a.iso", other="a.iso"):
    """Two finished tasks of the same name, size and date: the first one's file was removed by hand."""
    tids = []
    for number, called in enumerate((name, other)):
        origin.put("/%d" % number, noise(5000, number))
        tids.append(daemon.add(origin.url("/%d" % number), {"filename": called}))
        assert daemon.wait(tids[-1], 10).state == "finished"
        if not number:
            (folder / name).unlink()
    file = daemon.get(tids[1]).file
    daemon.get(tids[0]).file = daemon.get(tids[0]).file._replace(identity=file.identity)     # its inode was used again
    return tids


def test_a_file_that_another_task_has_made_since_is_kept(daemon, origin, folder):
    first, second = twins(daemon, origin, folder)
    removal = daemon.delete(first, del_file=True)
    assert removal == ([], [], [("a.iso", "it is the file of another task")])
    assert (folder / "a.iso").read_bytes() == noise(5000, 1)
    assert daemon.delete(second, del_file=True).deleted == ["a.iso"] and names(folder) == []


def test_the_one_that_made_it_last_deletes_it(daemon, origin, folder):
    first, second = twins(daemon, origin, folder)
    assert daemon.delete(second, del_file=True).deleted == ["a.iso"]
    assert daemon.delete(first, del_file=True).missing == ["a.iso"]


def test_two_that_are_deleted_together_delete_it_once(daemon, origin, folder):
    tids = twins(daemon, origin, folder)
    removals, failures = daemon.delete_all(tids, del_file=True)
    assert failures == [] and names(folder) == []
    assert sorted(len(removal.deleted) for removal in removals.values()) == [0, 1]


def test_a_part_of_another_task_is_kept(daemon, origin, folder):
    """A name that one task had may be taken by another."""
    origin.put("/1", DATA)
    first = daemon.add(origin.url("/1"), {"filename": "b.part"})
    assert daemon.wait(first, 10).state == "finished"
    (folder / "b.part").unlink()
    origin.put("/2", DATA, script=[Gate(after=100000)])
    second = daemon.add(origin.url("/2"), {"filename": "b", "connections": 1})
    until(lambda: daemon.get(second).downloaded == 100000)
    status = (folder / "b.part").stat()
    file = daemon.get(first).file
    daemon.get(first).file = file._replace(identity=type(file.identity)(
        status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns))
    assert daemon.delete(first, del_file=True).kept == [("b.part", "it is the file of another task")]
    assert names(folder) == ["b.part"]


def test_a_file_of_the_same_name_in_another_case_is_its_own(daemon, origin, folder):
    (folder / "sub").mkdir()
    origin.put("/1", DATA)
    origin.put("/2", DATA)
    first, second = [daemon.add(origin.url(path), {"filename": name}) for path, name in (("/1", "A.iso"), ("/2", "a.iso"))]
    assert daemon.wait(first, 10).state == daemon.wait(second, 10).state == "finished"
    assert len(names(folder)) == 2
    assert daemon.delete(first, del_file=True).deleted == ["A.iso"] and names(folder) == ["a.iso"]


def test_a_restart_does_not_replace_what_another_has_made_since(daemon, origin, folder):
    first, second = twins(daemon, origin, folder)
    daemon.restart(first)
    assert daemon.wait(first, 10).state == "finished" and daemon.get(first).filename == "a (1).iso"
    assert (folder / "a.iso").read_bytes() == noise(5000, 1) and (folder / "a (1).iso").read_bytes() == noise(5000, 0)


def test_a_restart_replaces_its_own_file(daemon, origin, folder):
    origin.put("/1", DATA)
    tid = daemon.add(origin.url("/1"), {"filename": "a.iso"})
    daemon.wait(tid, 10)
    origin.put("/1", noise(2000))
    daemon.restart(tid)
    assert daemon.wait(tid, 10).state == "finished" and daemon.get(tid).filename == "a.iso"
    assert names(folder) == ["a.iso"] and (folder / "a.iso").read_bytes() == noise(2000)


def test_five_thousand_are_deleted_in_a_moment(settings):
    with Daemon(settings) as daemon:
        tids, failures = daemon.add_all([("http://127.0.0.1:1/%d" % number, {"paused": True}, ())
                                         for number in range(5000)])
        assert not failures
        began = time.process_time()
        removals, failures = daemon.delete_all(tids, del_file=True)
        assert len(removals) == 5000 and not failures and time.process_time() - began < 2.5


# -- attempts that are not over -----------------------------------------------------------------

# The command of a daemon in which a deletion waits for an attempt much shorter than the disks below take.
HURRIED = adjusted("from dlserv.tasks import attempt\nattempt.WAIT_FOR_ALL = 0.2\n")


class SlowDaemon(SharedProcess):
    """A hurried daemon whose downloads go to a disk that can be slow: `disk`."""

    def __init__(self, path, library):
        (path / "faults").mkdir()
        self.disk = FaultyDisk(library, path / "faults")
        super().__init__(path, "--log-level", "warning", command=HURRIED,
                         environ=dict(os.environ, **self.disk.environ))

    def clear(self):
        self.disk.clear()
        super().clear()


@pytest.fixture
def slow(common, faulty_disk_library):
    """The SlowDaemon of all tests, without a task or a file."""
    return common(SlowDaemon, faulty_disk_library)


@pytest.mark.parametrize("call", ["link", "rename"])
@pytest.mark.parametrize("size", [3000, 300000])
def test_a_file_that_gets_its_name_meanwhile_goes_with_its_task(slow, origin, call, size):
    if call == "rename":
        slow.disk.fail("link", "x.bin", "EPERM")
    slow.disk.delay(call, "x.bin", 0.8)
    origin.put("/x.bin", noise(size), script=[paced(20 * size)] if size > 3000 else [])
    tid = slow.api.add(origin.url("/x.bin"))
    until(lambda: slow.disk.is_busy)
    removal = slow.api.delete("/task/tid/%s?del_file=true" % tid)["detail"]
    assert slow.api.get("/task/list")["detail"] == []
    assert removal["missing"] == [] and removal["deleted"] + removal["kept"]
    until(lambda: not slow.has_open(slow.folder))
    until(lambda: slow.api.post("/task", {"url": origin.url("/x.bin"), "options": {"paused": True}}).status == 200)
    assert listing(slow.folder) == [], "nothing appears afterwards"


def test_a_name_that_another_task_only_wanted_is_no_claim(slow, origin):
    slow.disk.delay("fsync", "x.bin.part", 0.3)
    origin.put("/1/x.bin", DATA, script=[paced(10 ** 7)])
    first = slow.api.add(origin.url("/1/x.bin"))
    until(lambda: slow.disk.is_busy)
    slow.api.put("/task/tid/%s?act=pause" % first)
    until(lambda: not slow.has_open(slow.folder))
    origin.put("/2/x.bin", script=[raw(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nsmall")])
    second = slow.api.add(origin.url("/2/x.bin"))
    assert slow.api.reach(second, "finished")["filename"] == "x.bin"
    assert slow.api.delete("/task/tid/%s?del_file=true" % second)["detail"]["deleted"] == ["x.bin"]
    assert listing(slow.folder) == ["x.bin.part"]


@pytest.mark.parametrize("then", ["change", "delete"])
def test_a_cancelled_attempt_makes_no_file_any_more(slow, origin, then):
    slow.disk.delay("stat", "x.bin", 0.3)
    origin.put("/x.bin", DATA, script=[paced(10 ** 7)] * 2)
    tid = slow.api.add(origin.url("/x.bin"))
    until(lambda: slow.disk.is_busy)
    if then == "change":
        assert slow.api.request("PATCH", "/task/tid/" + tid, {"options": {"dir": "sub"}}).status == 200
        assert slow.api.reach(tid, "finished")["filename"] == "sub/x.bin"
        assert names(slow.folder) == ["sub/x.bin"]
    else:
        slow.api.delete("/task/tid/" + tid)
        until(lambda: not slow.has_open(slow.folder))
        assert names(slow.folder) == []


def test_a_file_that_gets_its_name_at_a_kill_goes_at_the_start(faulty_disk, process, origin, folder):
    faulty_disk.delay("link", "x.bin", 0.8)
    daemon = process("--log-level", "warning", command=HURRIED, environ=dict(os.environ, **faulty_disk.environ))
    origin.put("/x.bin", DATA, script=[paced(10 ** 7)])
    tid = daemon.api.add(origin.url("/x.bin"))
    until(lambda: faulty_disk.is_busy)
    daemon.api.delete("/task/tid/%s?del_file=true" % tid)
    daemon.kill()
    until(lambda: not process().api.get("/task/list")["detail"])
    assert os.listdir(str(folder)) == []
