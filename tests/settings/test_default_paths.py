"""Where the configuration file, the downloads and the database are if nothing says otherwise."""

import os

import pytest

from dlserv import fs
from dlserv.settings import default_paths


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home of its own, as expanduser sees it."""
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_the_configuration_is_looked_for_by_wish_then_xdg_then_etc(home):
    find = default_paths.config_path
    mine = str(home / ".config" / "dlserv" / "config.json")
    assert find({"DLSERV_CONFIG": "/x", "XDG_CONFIG_HOME": "/y"}, True) == "/x"
    assert find({"XDG_CONFIG_HOME": "/y"}, False) == "/y/dlserv/config.json"
    assert find({}, False) == mine
    assert find({}, True) == "/etc/dlserv.json"
    (home / ".config" / "dlserv").mkdir(parents=True)
    (home / ".config" / "dlserv" / "config.json").write_text("{}")
    assert find({}, True) == mine


def test_downloads_go_where_the_desktop_says(home):
    find = default_paths.download_dir
    assert find({}) == str(home / "Downloads")
    (home / "xdg").mkdir()
    environ = {"XDG_CONFIG_HOME": str(home / "xdg")}
    assert find(environ) == str(home / "Downloads")
    lines = ("# a comment", 'XDG_MUSIC_DIR="/m"', ' XDG_DOWNLOAD_DIR="$HOME/Laden"', "")
    (home / "xdg" / "user-dirs.dirs").write_text("\n".join(lines))
    assert find(environ) == str(home / "Laden")
    assert find(dict(environ, XDG_DOWNLOAD_DIR="/d")) == "/d"
    (home / "xdg" / "user-dirs.dirs").write_bytes(b"\xff\xfe")
    assert find(environ) == str(home / "Downloads")


def test_the_database_goes_where_state_is_kept(home):
    find = default_paths.db_path
    environ = {"STATE_DIRECTORY": "/a:/b", "XDG_STATE_HOME": "/x"}
    assert find(environ, True, "/d") == "/a/dlserv.db"
    del environ["STATE_DIRECTORY"]
    assert find(environ, True, "/d") == find(environ, False, "/d") == "/x/dlserv/dlserv.db"
    assert find({}, False, "/d") == str(home / ".local" / "state" / "dlserv" / "dlserv.db")
    assert find({}, True, "/d") in ("/var/lib/dlserv/dlserv.db", "/d/.dlserv.db")


def test_the_state_of_root_does_not_go_into_memory(monkeypatch):
    for kind, path in (("tmpfs", "/d/.dlserv.db"), ("ramfs", "/d/.dlserv.db"),
                       ("ext4", "/var/lib/dlserv/dlserv.db"), (None, "/var/lib/dlserv/dlserv.db")):
        monkeypatch.setattr(default_paths, "file_system", lambda path: kind)
        assert default_paths.db_path({}, True, "/d") == path


@pytest.mark.skipif(not os.path.exists("/proc/self/mounts"), reason="only Linux tells its mounts")
def test_the_file_system_of_a_path_is_known(tmp_path):
    assert fs.file_system("/proc/self") == "proc"
    known = fs.file_system(str(tmp_path))
    assert known and fs.file_system(str(tmp_path / "not" / "there")) == known
