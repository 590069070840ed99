"""The registry of tasks: who gets in, what a restart finds again, and which database it opens."""

import contextlib
import sys

import pytest

from dlserv import Daemon
from dlserv.errors import MissingModule, StoreBroken
from dlserv.tasks import registry


def test_many_at_once_up_to_the_bound(settings, origin):
    settings["general"]["max_tasks"] = 3
    with Daemon(settings) as daemon:
        tids, refused = daemon.add_all([(origin.url("/%d" % number), {"paused": True}, ()) for number in range(4)]
                                       + [("nonsense", None, ()), (origin.url("/0"), None, ())])
        assert len(tids) == 3
        assert sorted(type(error).__name__ for _, error in refused) == ["Exists", "Full", "InvalidValue"]
        daemon.delete(tids[0])
        daemon.add(origin.url("/9"), {"paused": True})


def test_places_survive_a_restart(settings):
    with Daemon(settings) as daemon:
        tids = [daemon.add("http://127.0.0.1:1/%d" % each, {"paused": True}) for each in range(4)]
        daemon.move(tids[3], 1), daemon.move(tids[0], 2)
        before = [task.tid for task in daemon.queue()]
    assert before == [tids[3], tids[1], tids[0], tids[2]]
    with Daemon(settings) as daemon:
        assert [task.tid for task in daemon.queue()] == before


def test_a_start_that_fails_on_a_task_closes_the_database(settings):
    with Daemon(settings) as daemon:
        record = daemon.get(daemon.add("http://127.0.0.1:1/a", {"paused": True})).changes()
    for tid in record:
        record[tid]["boot"] = 5
    with contextlib.closing(registry.open_store(daemon.config.general)) as store:
        store.write(record).wait()
    with pytest.raises(AttributeError):
        Daemon(settings).start()
    registry.open_store(daemon.config.general).close()


def test_a_task_that_this_python_cannot_read_is_not_lost(settings, monkeypatch):
    with Daemon(settings) as daemon:
        tid = daemon.add("http://b\u00fccher.example/x", {"paused": True})

    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "stringprep", None)      # as where python3-codecs is not installed
        with pytest.raises(MissingModule, match="python3-codecs"):
            Daemon(settings).start()
    with Daemon(settings) as daemon:
        assert [task.tid for task in daemon.list()] == [tid] and daemon.report.health() == {}


def test_a_database_that_cannot_be_opened_names_its_setting(settings, tmp_path):
    settings["general"]["db_path"] = str(tmp_path)
    with pytest.raises(StoreBroken, match="^general.db_path: "):
        Daemon(settings).start()


@pytest.mark.parametrize("kind, warned", [("nfs", True), ("ext4", False)])
def test_a_network_file_system_is_warned_of(settings, monkeypatch, caplog, kind, warned):
    monkeypatch.setattr(registry, "file_system", lambda path: kind)
    with Daemon(settings) as daemon:
        assert daemon.report.health() == {}
    assert ("on a network file system" in caplog.text) == warned


def test_a_start_that_fails_leaves_the_database_to_the_next(settings, tmp_path):
    good, blocked = settings["general"]["download_dir"], tmp_path / "file"
    blocked.write_bytes(b"")
    settings["general"]["download_dir"] = str(blocked / "below")
    with pytest.raises(Exception, match="general.download_dir"):
        Daemon(settings).start()
    settings["general"]["download_dir"] = good
    with Daemon(settings) as daemon:
        assert daemon.list() == []
