"""The daemon as a process: its ready line, its end, its run file, its log, and where settings come from."""

import json
import os
import re
import signal
import socket
import sys
import time

import pytest

from forks import DLSERV
from harness import ROOT, noise, until
from servers.origin import Gate, accept_and_sleep, drop, redirect, refuse

from dlserv import Daemon

DATA = noise(50000)
NOWHERE = "http://127.0.0.1:1/"


def write(path, mapping):
    path.write_text(mapping if isinstance(mapping, str) else json.dumps(mapping))
    return str(path)


# -- ready, and the end -----------------------------------------------------------------

def test_the_ready_line_is_the_only_one_and_true(start_process):
    running = start_process()
    assert re.fullmatch(r"dlserv: listening on http://127\.0\.0\.1:[1-9][0-9]*\n", running.ready)
    assert running.api.get("/config").status == 200
    assert running.api.get("/config")["config"]["general"]["download_dir"].endswith("downloads")
    running.popen.terminate()
    assert running.popen.stdout.read() == b"" and running.popen.wait(5) == 0


def test_python_m_does_the_same(start_process):
    running = start_process(command=[sys.executable, "-m", "dlserv"], PYTHONPATH=ROOT)
    assert running.api.get("/task/list").status == 200 and running.stop() == 0


def test_two_on_free_ports_do_not_meet(start_process, tmp_path):
    first, second = start_process(), start_process("--db", str(tmp_path / "other.db"))
    assert first.url != second.url and second.api.get("/config").status == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order_whatever_is_under_way(start_process, origin, folder, number):
    origin.put("/half.iso", DATA, script=[Gate(after=20000)])
    origin.put("/stuck.iso", DATA, script=[accept_and_sleep])
    origin.put("/a.iso", DATA)
    running = start_process()
    done, half, stuck = [running.api.add(origin.url(path)) for path in ("/a.iso", "/half.iso", "/stuck.iso")]
    running.api.reach(done, "finished")
    until(lambda: running.api.status(half)["downloaded_bytes"] == 20000 and origin.asked("/stuck.iso"))
    with socket.create_connection(running.url.partition("//")[2].split(":")) as idle:
        idle.sendall(b"GET /config HTTP/1.1\r\n")       # and a request that never ends
        began = time.monotonic()
        running.popen.send_signal(number)
        assert running.popen.wait(10) == 0
        assert time.monotonic() - began < 3
    running.stop()
    again = start_process()
    assert again.api.reach(half, "finished")["filename"] == "half.iso"
    assert again.api.reach(stuck, "finished")["state"] == "finished"
    assert "range" in origin.asked("/half.iso")[1].headers      # it went on where it was
    assert sorted(os.listdir(str(folder))) == ["a.iso", "half.iso", "stuck.iso"]


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="only Linux tells its threads")
def test_a_signal_that_another_thread_gets_ends_it_too(start_process):
    """The system may give a process's signal to any thread; it then wakes no other."""
    running = start_process()
    pid = running.popen.pid
    threads = until(lambda: [thread for thread in os.listdir("/proc/%d/task" % pid) if thread != str(pid)])
    os.kill(int(threads[0]), signal.SIGTERM)
    assert running.popen.wait(3) == 0


def test_a_second_signal_ends_it_at_once(start_process, folder, tmp_path):
    general = {"download_dir": str(folder), "db_path": str(tmp_path / "state" / "dlserv.db"),
        "log_size": 1000}
    with Daemon({"general": general}) as daemon:
        for number in range(12):
            daemon.add("%s%d" % (NOWHERE, number), {"paused": True}, ["x" * 1000] * 1000)
    running = start_process(DLSERV_LOG_SIZE="1000")
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect(("127.0.0.1", int(running.url.rpartition(":")[2])))
        sock.sendall(b"GET /task/list?exerpt=false HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert sock.recv(1) == b"H"     # a reply is under way that nobody reads on
        running.popen.terminate()
        until(lambda: not listens(running.url))
        assert running.popen.poll() is None
        began = time.monotonic()
        running.popen.terminate()
        assert running.popen.wait(10) == 128 + signal.SIGTERM
        assert time.monotonic() - began < 0.5


def listens(url):
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", int(url.rpartition(":")[2]))) == 0


def test_while_it_runs_a_file_says_where(start_process, tmp_path):
    running = start_process()
    run_file = tmp_path / "dlserv.json"
    found = json.loads(run_file.read_text())
    assert (found["url"], found["pid"]) == (running.url, running.popen.pid) and "token_file" in found
    assert run_file.stat().st_mode & 0o777 == 0o600
    second = start_process("--db", str(tmp_path / "other.db"))        # neither overwrites nor removes it
    assert json.loads(run_file.read_text()) == found
    second.stop()
    assert json.loads(run_file.read_text()) == found and "--url" in second.log
    running.stop()
    assert not run_file.exists()


@pytest.mark.parametrize("arguments", [["-c", "FILE", "serve"], ["serve", "-c", "FILE"], ["-c", "FILE"]])
def test_options_stand_before_and_after_serve(start_process, tmp_path, arguments):
    path = write(tmp_path / "c.json", {"download": {"retries": 9}})
    command = DLSERV + [path if each == "FILE" else each for each in arguments]
    assert start_process(command=command).api.get("/config")["config"]["download"]["retries"] == 9


def test_without_a_runtime_folder_the_run_file_is_by_the_db(start_process, environ, tmp_path):
    for value in (None, str(tmp_path / "gone")):
        environ.pop("XDG_RUNTIME_DIR", None)
        if value:
            environ["XDG_RUNTIME_DIR"] = value
        running = start_process()
        assert json.loads((tmp_path / "state" / "dlserv.json").read_text())["url"] == running.url
        assert running.stop() == 0


# -- what the log says ------------------------------------------------------------------

def test_the_log_names_database_folder_and_strange_variables(start_process, folder, tmp_path):
    running = start_process(DLSERV_PROT="80", DLSERV_TIMEOUT="20")
    running.stop()
    assert str(tmp_path / "state" / "dlserv.db") in running.log and str(folder) in running.log
    assert re.search("WARNING .*DLSERV_PROT", running.log) and "DLSERV_TIMEOUT" not in running.log
    assert "no configuration file" in running.log


def test_nothing_but_log_lines_is_written(start_process, origin):
    """No traceback and no complaint of Python's own, whatever goes wrong."""
    origin.put("/drop.iso", DATA, script=[drop(1000), refuse("503 Busy"), redirect("/none.iso")])
    origin.put("/half.iso", DATA, script=[Gate(after=20000)])
    running = start_process(DLSERV_RETRY_WAIT="0.01")
    tids = [running.api.add(origin.url(path)) for path in ("/none.iso", "/drop.iso", "/half.iso")]
    until(lambda: running.api.status(tids[2])["downloaded_bytes"] == 20000)
    for tid in tids[:2]:
        running.api.reach(tid, "invalid")
    running.api.put("/task/tid/%s?act=pause" % tids[2])
    running.stop()
    for line in running.log.splitlines():
        assert re.match(r"\d{4}-\d\d-\d\d [\d:,]+ (INFO|WARNING) ", line), running.log


def test_the_log_level_is_what_was_asked_for(start_process):
    quiet = start_process("--log-level", "error")
    quiet.stop()
    assert quiet.log == ""
    loud = start_process("--log-level", "debug")
    loud.api.add(NOWHERE)
    until(lambda: "DEBUG" in loud.log)


# -- settings ---------------------------------------------------------------------------

def test_the_command_line_wins_over_all_other_settings(start_process, tmp_path):
    path = write(tmp_path / "c.json", {
        "general": {"log_level": "warning", "log_size": 7}, "server": {"host": "127.0.0.2", "port": 1},
        "download": {"retries": 1, "timeout": 1}})
    running = start_process("-c", path, "--host", "127.0.0.1", DLSERV_RETRIES="2", DLSERV_HOST="127.0.0.3",
                            DLSERV_PORT="2", DLSERV_LOG_LEVEL="error")
    shown = running.api.get("/config")["config"]
    assert shown["server"]["host"] == "127.0.0.1" and running.url.startswith("http://127.0.0.1:")
    assert shown["download"]["retries"] == 2 and shown["general"]["log_level"] == "error"
    assert (shown["general"]["log_size"], shown["download"]["timeout"]) == (7, 1)
    assert shown["download"]["max_concurrent"] == 5


def test_what_config_shows_can_be_the_file(start_process, tmp_path):
    running = start_process("--log-level", "error", DLSERV_RETRIES="3", DLSERV_RATELIMIT="1M")
    shown = running.api.get("/config")["config"]
    running.stop()
    again = start_process("-c", write(tmp_path / "c.json", shown))
    assert again.api.get("/config")["config"] == shown


def test_each_setting_knows_where_it_was_set(start_process, tmp_path):
    path = write(tmp_path / "c.json", {"general": {"log_size": 9}, "download": {"retries": 1, "timeout": 9}})
    running = start_process("-c", path, "--log-level", "info", DLSERV_RETRIES="3", DLSERV_ALLOWED_HOSTS="nas")
    origins = running.api.get("/config?origins=true")["origins"]
    assert (origins["general.log_size"], origins["download.timeout"]) == (path, path)
    assert (origins["download.retries"], origins["server.allowed_hosts"]) == ("$DLSERV_RETRIES", "$DLSERV_ALLOWED_HOSTS")
    assert (origins["general.log_level"], origins["server.tls_cert"]) == ("--log-level", None)
