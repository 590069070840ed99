"""Settings from everywhere: the command line over the environment over the file over the defaults."""

import argparse
import json

import pytest

from dlserv.commands.flags import Typed
from dlserv.errors import InvalidValue
from dlserv.settings import sources


def write(path, mapping):
    path.write_text(mapping if isinstance(mapping, str) else json.dumps(mapping))
    return str(path)


def options(**given):
    return argparse.Namespace(**dict(dict.fromkeys(("config", "host", "port", "download_dir", "db",
        "log_level")), **given))


def test_a_file_is_found_without_being_named(tmp_path):
    path = tmp_path / "dlserv" / "config.json"
    path.parent.mkdir()
    write(path, {"download": {"retries": 9}})
    for environ, config in (({"XDG_CONFIG_HOME": str(tmp_path)}, None), ({"DLSERV_CONFIG": str(path)}, None),
                            ({"DLSERV_CONFIG": "/no/such/file"}, str(path))):
        mapping, remarks, found, *_ = sources.gather(options(config=config), environ)
        assert found == str(path)
        assert mapping["download"] == {"retries": 9}
        assert any(str(path) in remark for _, remark in remarks)
    assert "download" not in sources.gather(options(), {"XDG_CONFIG_HOME": str(tmp_path / "none")})[0]


def test_a_tilde_is_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    path = write(tmp_path / "c.json", {"general": {"download_dir": "~/films", "db_path": "~/state.db"}})
    general = sources.gather(options(config=path), {})[0]["general"]
    assert general == {"download_dir": str(tmp_path / "films"), "db_path": str(tmp_path / "state.db")}


@pytest.mark.parametrize("text, words", [
    ({"server": {"port": "eighty"}}, ["server.port", '"eighty"']),
    ({"server": {"prot": 1}}, ["server.prot", "port"]),
    ({"download": {"timeout": 0}}, ["download.timeout", "0"]), ({"sever": {}}, ["sever", "server"]),
    ({"download": []}, ["download", "[]"]), ([], ["configuration"]), ("{", ["config", "JSON"]),
    ("", ["config", "JSON"]),
    ('{"download": {"timeout": NaN}}', ["download.timeout", "NaN"]), ("[" * 100000, ["config"]),
    ('{"download": {"timeout": 1e999}}', ["download.timeout"]), ("\xff\xfe", ["config"]),
    ('{"download": {"timeout": 1%s}}' % ("0" * 400), ["download.timeout"]),
    ('{"download": {"ratelimit": "%s"}}' % ("9" * 400), ["download.ratelimit"])],
    ids=lambda value: str(value)[:30])
def test_a_wrong_file_is_refused_by_key_and_value(tmp_path, text, words):
    path = tmp_path / "c.json"
    write(path, text) if text != "\xff\xfe" else path.write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidValue) as caught:
        sources.gather(options(config=str(path)), {})
    for word in words:
        assert word in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("flag, text, key", [
    ("port", "eighty", "server.port"), ("port", "65536", "server.port"), ("port", "-1", "server.port"),
    ("port", "", "server.port"), ("log_level", "loud", "general.log_level"), ("host", "", "server.host"),
    ("db", "", "general.db_path"), ("download_dir", "", "general.download_dir"),
    ("config", "none.json", "config"),
    ("config", ".", "config")])
def test_a_wrong_flag_is_refused_by_key_and_value(flag, text, key):
    with pytest.raises(InvalidValue) as caught:
        sources.gather(options(**{flag: text}), {})
    assert str(caught.value).startswith(key + ": ") and text in str(caught.value)


@pytest.mark.parametrize("sentence, options, shown", [
    ("server.port: it is taken", {"port": Typed("80", "--port")}, "--port: it is taken"),
    ("config: there is no file x", {"config": Typed("x", "-c")}, "-c: there is no file x"),
    ("server.port: it is taken", {"port": None}, "server.port: it is taken"),
    ("server.ports: it is taken", {"port": Typed("80", "--port")}, "server.ports: it is taken")])
def test_a_sentence_speaks_of_the_flag_that_was_typed(sentence, options, shown):
    assert sources.as_typed(sentence, argparse.Namespace(**options)) == shown
    assert sources.as_typed(sentence, None) == sentence


# -- default paths ---------------------------------------------------------------------

@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home of its own, as expanduser sees it."""
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_the_configuration_is_looked_for_by_wish_then_xdg_then_etc(home):
    find = sources.config_path
    mine = str(home / ".config" / "dlserv" / "config.json")
    assert find({"DLSERV_CONFIG": "/x", "XDG_CONFIG_HOME": "/y"}, True) == "/x"
    assert find({"XDG_CONFIG_HOME": "/y"}, False) == "/y/dlserv/config.json"
    assert find({}, False) == mine
    assert find({}, True) == "/etc/dlserv.json"
    (home / ".config" / "dlserv").mkdir(parents=True)
    (home / ".config" / "dlserv" / "config.json").write_text("{}")
    assert find({}, True) == mine


def test_downloads_go_where_the_desktop_says(home):
    find = sources.download_dir
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
    find = sources.db_path
    environ = {"STATE_DIRECTORY": "/a:/b", "XDG_STATE_HOME": "/x"}
    assert find(environ, True, "/d") == "/a/dlserv.db"
    del environ["STATE_DIRECTORY"]
    assert find(environ, True, "/d") == find(environ, False, "/d") == "/x/dlserv/dlserv.db"
    assert find({}, False, "/d") == str(home / ".local" / "state" / "dlserv" / "dlserv.db")
    assert find({}, True, "/d") in ("/var/lib/dlserv/dlserv.db", "/d/.dlserv.db")


def test_the_state_of_root_does_not_go_into_memory(monkeypatch):
    for kind, path in (("tmpfs", "/d/.dlserv.db"), ("ramfs", "/d/.dlserv.db"),
                       ("ext4", "/var/lib/dlserv/dlserv.db"), (None, "/var/lib/dlserv/dlserv.db")):
        monkeypatch.setattr(sources, "file_system", lambda path: kind)
        assert sources.db_path({}, True, "/d") == path
