"""Signals to the real process: an end in time, settings read and the log opened again."""

import json
import os
import signal
import socket
import stat
import sys
import time

import pytest

from dlserv import Daemon
from harness import ROOT, Process, noise, until
from servers.origin import Gate, accept_and_sleep, paced

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="needs the signals of POSIX")


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"download": {"retries": 7}}))
    return path


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_in_time_with_transfers_that_are_stuck(process, origin, folder, number):
    daemon = process("--log-level", "warning")
    data = noise(2000000)
    for name, script in (("stuck", accept_and_sleep), ("half", Gate(after=1000000)), ("slow", paced(100000))):
        origin.put("/" + name, data, script=[script])
        daemon.api.add(origin.url("/" + name), connections=1)
    half = daemon.api.add(origin.url("/half2"), paused=True)
    until(lambda: len(origin.asked("/stuck")) and len(origin.asked("/slow")))
    until(lambda: any(task["filename"] == "half" and task["downloaded_bytes"] == 1000000
                      for task in daemon.api.get("/task/list?exerpt=false")["detail"]))
    began = time.monotonic()
    daemon.popen.send_signal(number)
    assert daemon.popen.wait(10) == 0
    assert time.monotonic() - began < 3
    again = process()
    tasks = {task["filename"]: task for task in again.api.get("/task/list?exerpt=false")["detail"]}
    assert tasks["half"]["downloaded_bytes"] >= 1000000, "it stopped at a byte that is recorded"
    assert again.api.status(half)["state"] == "paused"


def test_a_reply_under_way_is_finished(process, folder, tmp_path):
    general = {"download_dir": str(folder), "db_path": str(tmp_path / "state" / "dlserv.db"), "log_size": 1000}
    with Daemon({"general": general}) as daemon:
        for number in range(12):
            daemon.add("http://127.0.0.1:1/%d" % number, {"paused": True}, ["x" * 1000] * 1000)
    running = process()
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect(("127.0.0.1", int(running.url.rpartition(":")[2])))
        sock.sendall(b"GET /task/list?exerpt=false HTTP/1.1\r\nHost: localhost\r\n\r\n")
        reply = sock.recv(1)
        running.popen.terminate()
        until(lambda: not listens(running.url))
        with sock.makefile("rb") as rest:
            head, _, body = (reply + rest.read()).partition(b"\r\n\r\n")
    assert len(json.loads(body)["detail"]) == 12 and b"Content-Length: %d" % len(body) in head
    assert running.popen.wait(10) == 0


def listens(url):
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", int(url.rpartition(":")[2]))) == 0


def test_a_disk_that_hangs_keeps_it_no_longer(process, origin):
    """Its flush never returns, as that of a dying USB disk; what was acknowledged is there all the same."""
    code = ("import os, sys, time; sys.path.insert(0, %r)\n"
            "def hang(fd):\n"
            "    print('hanging', file=sys.stderr, flush=True)\n"
            "    time.sleep(60)\n"
            "os.fdatasync = hang\n"
            "from dlserv import cli\n"
            "from dlserv.tasks.checkpointer import Checkpointer\n"
            "Checkpointer.FLUSH_EVERY = 0.3\n"
            "sys.exit(cli.main())" % ROOT)
    running = process(command=[sys.executable, "-c", code])
    origin.put("/a.iso", noise(2000000), script=[Gate(after=1000000)])
    tid = running.api.add(origin.url("/a.iso"), connections=1)
    until(lambda: "hanging" in running.log)
    other = running.api.add("http://127.0.0.1:1/", paused=True)
    began = time.monotonic()
    running.popen.terminate()
    assert running.popen.wait(10) == 0 and time.monotonic() - began < 3
    until(lambda: "shutdown timed out" in running.log)
    again = process()
    assert again.api.status(other)["state"] == "paused"
    assert again.api.reach(tid, "finished")["total_bytes"] == 2000000


def test_sighup_takes_the_settings_anew(process, config):
    daemon = process("-c", str(config))
    config.write_text(json.dumps({"download": {"retries": 9, "ratelimit": "1M"}, "server": {"port": 1234},
                                  "general": {"log_level": "debug"}}))
    daemon.popen.send_signal(signal.SIGHUP)
    until(lambda: "are in effect" in daemon.log)
    settings = daemon.api.get("/config")["config"]
    assert (settings["download"]["retries"], settings["download"]["ratelimit"]) == (9, 2 ** 20)
    assert "server.port" not in daemon.log, "the command line says what the port is"
    config.write_text("{")
    daemon.popen.send_signal(signal.SIGHUP)
    until(lambda: "stay as they are" in daemon.log)
    assert daemon.api.get("/config")["config"]["download"]["retries"] == 9
    config.write_text(json.dumps({"general": {"max_tasks": 5}, "server": {"max_connections": 9}}))
    daemon.popen.send_signal(signal.SIGHUP)
    until(lambda: "server.max_connections will take effect at the next start" in daemon.log)
    assert daemon.api.get("/config")["config"]["general"]["max_tasks"] == 5


def test_sighup_names_no_file_where_there_is_none(process, tmp_path):
    daemon = process(environ=dict(os.environ, XDG_CONFIG_HOME=str(tmp_path)))
    daemon.popen.send_signal(signal.SIGHUP)
    until(lambda: "the settings are in effect" in daemon.log)


def test_sighup_opens_the_log_anew(process, config, tmp_path):
    log = tmp_path / "logs" / "dlserv.log"
    log.parent.mkdir()
    config.write_text(json.dumps({"general": {"log_file": str(log)}}))
    daemon = process("-c", str(config))
    assert "downloads to" in log.read_text() and stat.S_IMODE(log.stat().st_mode) == 0o600
    os.rename(str(log), str(tmp_path / "old.log"))
    daemon.popen.send_signal(signal.SIGHUP)
    until(lambda: log.exists() and "are in effect" in log.read_text())
    daemon.api.add("http://127.0.0.1:1/")
    until(lambda: "added" in log.read_text())
    assert "added" not in (tmp_path / "old.log").read_text() and daemon.log == ""
    config.write_text("{")              # a wrong setting does not keep the log from being opened
    os.rename(str(log), str(tmp_path / "old.log"))
    daemon.popen.send_signal(signal.SIGHUP)
    until(lambda: log.exists() and "the settings stay as they are" in log.read_text())
    os.rename(str(log.parent), str(tmp_path / "away"))
    daemon.popen.send_signal(signal.SIGHUP)
    until(lambda: "the log stays where it is: general.log_file:" in (tmp_path / "away" / "dlserv.log").read_text())
    assert daemon.api.get("/health").status == 200


def test_a_log_that_cannot_be_written_is_told(config, tmp_path, folder):
    config.write_text(json.dumps({"general": {"log_file": str(tmp_path / "none" / "x.log")}}))
    with pytest.raises(AssertionError, match="general.log_file: .* cannot be written"):
        Process(["-c", str(config), "--download-dir", str(folder), "--db", str(tmp_path / "db")])
