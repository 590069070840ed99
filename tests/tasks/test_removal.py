"""Deleting with the file: exactly those that the task made, and only while they are its own."""

import os
import shutil

import pytest

from dlserv import Daemon
from harness import noise, until
from servers.origin import Gate

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


def test_a_deletion_that_a_crash_interrupted_is_finished_at_the_start(settings, origin, folder):
    origin.put("/a.iso", DATA)
    with Daemon(settings) as daemon:
        tid = daemon.add(origin.url("/a.iso"))
        daemon.wait(tid, 10)
        task = daemon.get(tid)
        task.mark_deleting(True)            # as the database knows it before the files go
        daemon._registry.store.write(task.changes()).wait()
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
