"""Signals to the real process: an end in time, settings and the log taken anew."""

import json
import os
import signal
import stat
import time

import pytest

from harness import Process, noise, until
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


def test_sighup_takes_the_settings_anew(process, config):
    daemon = process("-c", str(config))
    config.write_text(json.dumps({"download": {"retries": 9, "ratelimit": "1M"}, "server": {"port": 1234},
                                  "general": {"log_level": "debug"}}))
    daemon.popen.send_signal(signal.SIGHUP)
    until(lambda: "count now" in daemon.log)
    settings = daemon.api.get("/config")["config"]
    assert (settings["download"]["retries"], settings["download"]["ratelimit"]) == (9, 2 ** 20)
    assert "server.port" not in daemon.log, "the command line says what the port is"
    config.write_text("{")
    daemon.popen.send_signal(signal.SIGHUP)
    until(lambda: "stay as they are" in daemon.log)
    assert daemon.api.get("/config")["config"]["download"]["retries"] == 9
    config.write_text(json.dumps({"general": {"max_tasks": 5}, "server": {"max_connections": 9}}))
    daemon.popen.send_signal(signal.SIGHUP)
    until(lambda: "server.max_connections will count after a new start" in daemon.log)
    assert daemon.api.get("/config")["config"]["general"]["max_tasks"] == 5


def test_sighup_opens_the_log_anew(process, config, tmp_path):
    log = tmp_path / "dlserv.log"
    config.write_text(json.dumps({"general": {"log_file": str(log)}}))
    daemon = process("-c", str(config))
    assert "downloads to" in log.read_text() and stat.S_IMODE(log.stat().st_mode) == 0o600
    os.rename(str(log), str(tmp_path / "old.log"))
    daemon.popen.send_signal(signal.SIGHUP)
    until(lambda: log.exists() and "count now" in log.read_text())
    daemon.api.add("http://127.0.0.1:1/")
    until(lambda: "added" in log.read_text())
    assert "added" not in (tmp_path / "old.log").read_text() and daemon.log == ""


def test_a_log_that_cannot_be_written_is_told(config, tmp_path, folder):
    config.write_text(json.dumps({"general": {"log_file": str(tmp_path / "none" / "x.log")}}))
    with pytest.raises(AssertionError, match="general.log_file: .* cannot be written"):
        Process(["-c", str(config), "--download-dir", str(folder), "--db", str(tmp_path / "db")])
