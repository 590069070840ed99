"""The configuration file, written back while the daemon runs."""

import json
import os

import pytest

from dlserv.settings import config_file
from dlserv.errors import InvalidValue, Unwritable
from harness import until


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"download": {"retries": 7}}))
    path.chmod(0o640)
    return path


def test_what_the_page_changes_is_in_the_file(process, path):
    daemon = process("-c", str(path))
    reply = daemon.api.post("/config", {"download": {"ratelimit": "2M"}, "general": {"log_level": "debug"}})
    assert reply["config"]["download"]["ratelimit"] == 2 ** 21
    assert json.loads(path.read_text()) == {
        "download": {"retries": 7, "ratelimit": "2M"}, "general": {"log_level": "debug"}}
    assert path.stat().st_mode & 0o777 == 0o640
    assert os.listdir(str(path.parent)).count("config.json") == 1
    daemon.api.post("/task", {"url": "http://127.0.0.1:9/x", "options": {"retries": 0}})
    until(lambda: "DEBUG" in daemon.log)
    daemon.stop()
    assert process("-c", str(path)).api.get("/config")["config"]["download"]["ratelimit"] == 2 ** 21


def test_a_wrong_key_changes_nothing(process, path):
    daemon = process("-c", str(path))
    before = path.read_text()
    for body in ({"download": {"ratelimit": 1, "timeout": 0}}, {"download": {"retries": 1}, "server": {"port": 1}}):
        assert daemon.api.post("/config", body).status in (400, 403)
    assert path.read_text() == before
    assert daemon.api.get("/config")["config"]["download"]["retries"] == 7


def test_without_a_file_none_is_made(process, tmp_path):
    environ = dict(os.environ, HOME=str(tmp_path), XDG_CONFIG_HOME=str(tmp_path / "none"))
    environ.pop("DLSERV_CONFIG", None)
    daemon = process(environ=environ)
    assert daemon.api.post("/config", {"download": {"max_concurrent": 2}}).status == 200
    assert not (tmp_path / "none").exists()


def test_a_link_to_the_file_stays_one(path, tmp_path):
    link = tmp_path / "link.json"
    link.symlink_to(path)
    config_file.write_back(str(link), {"server": {"port": 1}})
    assert link.is_symlink() and json.loads(path.read_text())["server"] == {"port": 1}


def test_a_file_that_cannot_be_written_is_told(path):
    (path.parent / ("config.json.%d" % os.getpid())).mkdir()
    with pytest.raises(Unwritable, match="cannot be written"):
        config_file.write_back(str(path), {"server": {"port": 1}})
    assert json.loads(path.read_text()) == {"download": {"retries": 7}}


def test_what_cannot_be_kept_does_not_count(process, path):
    daemon = process("-c", str(path))
    (path.parent / ("config.json.%d" % daemon.popen.pid)).mkdir()       # as good as a full disk
    answer = daemon.api.post("/config", {"download": {"retries": 3}})
    assert answer.status == 503 and "cannot be written" in answer["errmsg"]
    assert daemon.api.get("/config")["config"]["download"]["retries"] == 7


def test_a_broken_file_is_told(path):
    path.write_text("{")
    with pytest.raises(InvalidValue, match="is not JSON"):
        config_file.read(str(path))


def test_a_file_that_broke_meanwhile_is_not_the_callers_fault(process, path):
    daemon = process("-c", str(path))
    path.write_text('{"download": {"nosuch": 1}}')
    answer = daemon.api.post("/config", {"download": {"retries": 3}})
    assert answer.status == 500 and "is not valid" in answer["errmsg"] and "nosuch" in answer["errmsg"]
    assert path.read_text() == '{"download": {"nosuch": 1}}'
    assert daemon.api.get("/config")["config"]["download"]["retries"] == 7
