"""Opening the database that the settings name."""

import pytest

from dlserv import Daemon
from dlserv.errors import StoreBroken
from dlserv.tasks import database


def test_a_database_that_cannot_be_opened_names_its_setting(settings, tmp_path):
    settings["general"]["db_path"] = str(tmp_path)
    with pytest.raises(StoreBroken, match="^general.db_path: "):
        Daemon(settings).start()


@pytest.mark.parametrize("kind, warned", [("nfs", True), ("ext4", False)])
def test_a_network_file_system_is_warned_of(settings, monkeypatch, caplog, kind, warned):
    monkeypatch.setattr(database, "file_system", lambda path: kind)
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
