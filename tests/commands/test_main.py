"""Commands: finding the daemon, and ending well whatever happens."""

import json
import os
import socket
import subprocess
import sys

import pytest

import forks
from harness import ROOT
from servers.canned import Canned, reply

from dlserv import Daemon, Server

DEAD = 2 ** 22 + 1      # a process id that no process has


# -- finding the daemon ---------------------------------------------------------------------

def test_it_is_found_by_flag_variable_and_run_file(here, run, tmp_path, monkeypatch):
    url = os.environ["DLSERV_URL"]
    run_file = tmp_path / "dlserv.json"
    run_file.write_text(json.dumps({"url": url, "pid": os.getpid(), "token_file": None}))
    assert run("stats")[0] == 0
    monkeypatch.setenv("DLSERV_URL", "http://127.0.0.1:1")
    assert run("stats")[0] == 3
    for arguments in (("stats", "--url", url), ("--url", url, "stats"), ("--url=" + url, "stats")):
        assert run(*arguments)[0] == 0
    monkeypatch.delenv("DLSERV_URL")
    assert run("stats")[0] == 0
    run_file.write_text(json.dumps({"url": url, "pid": DEAD}))
    code, out, err = run("stats")
    assert (code, out) == (3, "") and err.startswith("dlserv: no daemon: ") and err.count("\n") == 1
    assert err.endswith('; "dlserv serve" starts one\n')


def test_it_is_found_where_the_settings_say(here, run, tmp_path, monkeypatch):
    """By --port, by the environment, and by a configuration file, in any place on the command line."""
    port = os.environ["DLSERV_URL"].rpartition(":")[2]
    monkeypatch.setenv("DLSERV_URL", "http://127.0.0.1:1")
    assert run("--port", port, "stats")[0] == run("stats", "--port", port)[0] == 0
    assert run("--port", port, "--host", "0.0.0.0", "stats")[0] == 0
    monkeypatch.delenv("DLSERV_URL")
    monkeypatch.setenv("DLSERV_PORT", port)
    assert run("stats")[0] == 0
    monkeypatch.setenv("DLSERV_PORT", "1")
    assert run("stats")[0] == 3
    monkeypatch.delenv("DLSERV_PORT")
    (tmp_path / "c.json").write_text(json.dumps({"server": {"port": int(port)}}))
    assert run("-c", str(tmp_path / "c.json"), "stats")[0] == 0
    assert run("--log-level", "debug", "-c", str(tmp_path / "c.json"), "list")[0] == 0


def test_a_wrong_address_is_told_by_where_it_was_said(run, monkeypatch):
    for url in ("", "localhost:6880", "ftp://h"):
        code, out, err = run("list", "--url", url)
        assert (code, out) == (2, "") and err.startswith("dlserv: --url: ") and "not a daemon's" in err
    monkeypatch.setenv("DLSERV_URL", "localhost:6880")
    code, out, err = run("list")
    assert (code, out) == (2, "") and err.startswith("dlserv: $DLSERV_URL: ")
    code, out, err = run("list", "--port", "many")
    assert (code, out) == (2, "") and err.startswith("dlserv: --port: ")


def test_settings_that_are_wrong_do_not_hide_the_daemon(here, run, tmp_path, monkeypatch):
    (tmp_path / "dlserv.json").write_text(json.dumps({"url": os.environ["DLSERV_URL"], "pid": os.getpid()}))
    monkeypatch.setenv("DLSERV_TIMEOUT", "soon")
    assert run("stats")[0] == 0
    monkeypatch.delenv("DLSERV_URL")
    assert run("stats")[0] == 0


def test_the_run_file_is_found_beside_the_database(here, run, tmp_path, monkeypatch):
    (tmp_path / "dlserv.json").write_text(json.dumps({"url": os.environ["DLSERV_URL"], "pid": os.getpid()}))
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    monkeypatch.delenv("DLSERV_URL")
    assert run("stats", "--db", str(tmp_path / "x.db"))[0] == 0
    monkeypatch.setenv("DLSERV_DB_PATH", str(tmp_path / "x.db"))
    assert run("stats")[0] == 0


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no sockets in the file system here")
def test_a_daemon_on_a_unix_socket_is_found_by_its_host(settings, run, tmp_path, monkeypatch):
    host = "unix:%s" % (tmp_path / "s.sock")
    with Daemon(settings) as daemon, Server(daemon, host, 0):
        assert run("--host", host, "stats")[0] == 0
        monkeypatch.setenv("DLSERV_HOST", host)
        assert run("stats")[0] == 0


def test_a_process_finds_the_daemon_by_itself(process, tmp_path):
    process()
    done = forks.run(["list"])
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_a_token_is_read_from_where_it_was_said(run, tmp_path, monkeypatch):
    (tmp_path / "token").write_text("s3cret\n")

    def told(server):
        return [line for line in server.requests[-1].splitlines() if line.startswith("Authorization")]
    with Canned(reply("401 Unauthorized", {"status": "error", "errmsg": "this token is wrong"})) as server:
        monkeypatch.setenv("DLSERV_URL", server.url)
        assert run("stats") == (4, "", "dlserv: this token is wrong\n") and told(server) == []
        monkeypatch.setenv("DLSERV_TOKEN", "other")
        assert run("stats")[0] == 4 and told(server) == ["Authorization: Bearer other"]
        for arguments in (("stats", "--token-file", str(tmp_path / "token")), ("--token", "s3cret", "stats"),
                          ("--token-file", str(tmp_path / "token"), "stats")):
            assert run(*arguments)[0] == 4 and told(server) == ["Authorization: Bearer s3cret"]
        monkeypatch.setenv("DLSERV_TOKEN_FILE", str(tmp_path / "token"))
        assert run("stats")[0] == 4 and told(server) == ["Authorization: Bearer other"]
        monkeypatch.delenv("DLSERV_TOKEN")
        assert run("stats")[0] == 4 and told(server) == ["Authorization: Bearer s3cret"]
        assert run("stats", "--url", server.url)[0] == 4 and told(server) == [], "it may be another daemon"
        monkeypatch.delenv("DLSERV_TOKEN_FILE")
        monkeypatch.delenv("DLSERV_URL")
        (tmp_path / "dlserv.json").write_text(json.dumps(
            {"url": server.url, "pid": os.getpid(), "token_file": str(tmp_path / "token")}))
        assert run("watch")[0] == 4 and told(server) == ["Authorization: Bearer s3cret"]
    code, _, err = run("stats", "--token-file", str(tmp_path / "none"))
    assert code == 2 and err.startswith("dlserv: --token-file: ")


# -- the end --------------------------------------------------------------------------------

def test_a_reader_that_has_seen_enough_ends_it_silently(three, start):
    for arguments in (["list"], ["watch"], ["status", "all"], ["--help"], ["get", "--help"], ["man"]):
        command = start(*arguments)
        command.stdout.close()
        command.stdout = open(os.devnull, "rb")
        assert command.wait(30) == 0 and command.stderr.read() == b""


def test_an_output_that_takes_nothing_more_is_told(three):
    if not os.path.exists("/dev/full"):
        pytest.skip("there is no /dev/full here")
    for arguments in (["list"], ["--help"]):
        with open("/dev/full", "w") as full:
            done = subprocess.run(forks.DLSERV + arguments, stdout=full, stderr=subprocess.PIPE)
        assert (done.returncode, done.stderr) == (1, b"dlserv: No space left on device\n")


@pytest.mark.parametrize("closed", [">&-", "2>&-"])
def test_an_output_that_was_closed_is_done_without(three, closed):
    done = subprocess.run(["sh", "-c", 'exec "$@" ' + closed, "sh"] + forks.DLSERV + ["list"],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.count(b"\n") == (0 if closed == ">&-" else 3)


def test_the_daemon_loads_no_command():
    """But for the options, which the command line is read by."""
    code = ("import sys; sys.path.insert(0, %r); from dlserv import cli, serve, Daemon, Server;"
            "print(sorted(name for name in sys.modules if name.startswith('dlserv.commands.')))" % ROOT)
    assert subprocess.check_output([sys.executable, "-c", code]) == (
        b"['dlserv.commands.flags', 'dlserv.commands.parser']\n")


def test_the_one_file_has_the_commands(pyz, three):
    done = subprocess.run([sys.executable, pyz, "list", "--json"], stdout=subprocess.PIPE)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0 and [row["tid"] for row in rows] == three
