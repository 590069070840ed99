"""Deleting: a task is gone at once and for good, or it stays as it was."""

import os

import pytest

from dlserv import Daemon
from dlserv.errors import Error, NotFound
from harness import noise, until
from servers.origin import Gate

DATA = noise(300000)
NOWHERE = "http://127.0.0.1:1/"


def moved_away(settings):
    """Move the database, so that nothing can be stored; return a function that puts it back."""
    path = settings["general"]["db_path"]
    os.rename(path, path + ".away")
    return lambda: os.rename(path + ".away", path)


@pytest.mark.parametrize("del_file", [True, False])
def test_what_was_deleted_is_gone_after_a_restart_too(settings, del_file):
    with Daemon(settings) as daemon:
        tids = [daemon.add(NOWHERE + name, {"paused": True}) for name in "abc"]
        daemon.delete(tids[0], del_file)
        daemon.delete_all([tids[1]], del_file)
        with pytest.raises(NotFound):
            daemon.get(tids[0])
    with Daemon(settings) as daemon:
        assert [task.tid for task in daemon.list()] == [tids[2]]


@pytest.mark.parametrize("del_file", [True, False])
def test_a_url_can_be_added_again_once_it_is_deleted(daemon, origin, folder, del_file):
    gate = Gate(after=1000)
    origin.put("/a", DATA, script=[gate])
    tid = daemon.add(origin.url("/a"))
    assert gate.reached.wait(15)
    daemon.delete(tid, del_file)
    until(lambda: not daemon.report.running())
    assert daemon.add(origin.url("/a")) == tid
    assert daemon.wait(tid, 15).state == "finished"
    assert DATA in [each.read_bytes() for each in folder.iterdir()]


def test_a_deletion_that_cannot_be_stored_leaves_the_task(settings, origin, folder):
    origin.put("/a", DATA)
    with Daemon(settings) as daemon:
        done = daemon.wait(daemon.add(origin.url("/a")), 15)
        later = daemon.get(daemon.add(NOWHERE, {"paused": True}))
        put_back = moved_away(settings)
        for task in (done, later):
            before = task.state
            with pytest.raises(Error):
                daemon.delete(task.tid, del_file=True)
            assert daemon.get(task.tid).state == before
        assert (folder / "a").read_bytes() == DATA
        put_back()
        assert daemon.delete(done.tid, del_file=True).deleted == ["a"]
        assert [task.tid for task in daemon.list()] == [later.tid] and not os.listdir(str(folder))


def test_a_download_goes_on_if_its_deletion_cannot_be_stored(settings, origin, folder):
    gate = Gate(after=1000)
    origin.put("/a", DATA, script=[gate])
    with Daemon(settings) as daemon:
        tid = daemon.add(origin.url("/a"))
        assert gate.reached.wait(15)
        put_back = moved_away(settings)
        with pytest.raises(Error):
            daemon.delete(tid, del_file=True)
        put_back()
        gate.open()
        until(lambda: daemon.get(tid).state == "finished")
    assert (folder / "a").read_bytes() == DATA
