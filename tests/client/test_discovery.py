"""The run file: how a command finds the daemon that runs here."""

import json
import os
import subprocess
import sys

import pytest

from servers.canned import Canned, reply

from dlserv.client.discovery import read_run_file, run_file, run_file_path

DEAD = 2 ** 22 + 1      # a process id that no process has
HEALTHY = reply("200 OK", {"status": "success"})


@pytest.fixture
def path(tmp_path):
    return tmp_path / "dlserv.json"


@pytest.fixture
def other():
    """The id of another process that is alive."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process.pid
        process.stdin.close()


def write(path, url, pid):
    path.write_text(json.dumps({"url": url, "pid": pid}))


def test_a_run_file_is_read_and_a_dead_daemon_s_is_not_believed(path):
    assert read_run_file(str(path)) is None
    for text in ("", "{", "[]", "{}", '{"url": "u", "pid": "x"}', '{"url": "u", "pid": null}'):
        path.write_text(text)
        assert read_run_file(str(path)) is None
    path.write_text(json.dumps({"url": "http://h", "pid": os.getpid(), "token_file": "/t"}))
    assert read_run_file(str(path)) == {"url": "http://h", "pid": os.getpid(), "token_file": "/t"}
    write(path, "http://h", DEAD)
    with pytest.raises(ProcessLookupError, match=str(path)):
        read_run_file(str(path))


def test_it_lies_by_the_database_without_a_runtime_folder(tmp_path):
    database = str(tmp_path / "state" / "x.db")
    assert run_file_path({"XDG_RUNTIME_DIR": str(tmp_path)}, None) == str(tmp_path / "dlserv.json")
    for environ in ({}, {"XDG_RUNTIME_DIR": str(tmp_path / "gone")}):
        assert run_file_path(environ, lambda: database) == str(tmp_path / "state" / "dlserv.json")


def test_it_is_there_as_long_as_the_daemon(path):
    with run_file(str(path), "http://h", "token"):
        assert read_run_file(str(path)) == {"url": "http://h", "pid": os.getpid(),
                                            "token_file": os.path.abspath("token")}
        assert path.stat().st_mode & 0o777 == 0o600
    assert not path.exists()


def test_the_one_of_another_daemon_that_runs_stays(path, other, caplog):
    with Canned(HEALTHY) as server:
        write(path, server.url, other)
        before = path.read_text()
        with run_file(str(path), "http://h"):
            assert path.read_text() == before
        assert path.read_text() == before and "--url" in caplog.text


@pytest.mark.parametrize("alive", [True, False])
def test_the_one_of_a_daemon_that_is_gone_is_replaced(path, other, alive):
    write(path, "http://127.0.0.1:1", other if alive else DEAD)     # its id may be another process's by now
    with run_file(str(path), "http://h"):
        assert json.loads(path.read_text())["url"] == "http://h"
    assert not path.exists()


def test_where_it_cannot_be_written_the_daemon_goes_on(tmp_path, caplog):
    with run_file(str(tmp_path / "none" / "dlserv.json"), "http://h"):
        assert "cannot be written" in caplog.text
