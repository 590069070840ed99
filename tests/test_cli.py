"""The program as a person starts it: settings from everywhere, one sentence for what is wrong, signals."""

import json
import os
import re
import signal
import socket
import sys
import time

import pytest

import forks
from harness import ROOT, noise, until
from servers.origin import Gate, accept_and_sleep, drop, redirect, refuse

from dlserv import Daemon
from dlserv.version import __version__

DLSERV = [sys.executable, os.path.join(ROOT, "dlserv.py")]
DATA = noise(50000)
NOWHERE = "http://127.0.0.1:1/"


@pytest.fixture
def process(process, environ):
    """The same in that environment; and its pipes are closed though it has ended by itself."""
    started = []

    def start(*arguments, command=None, **variables):
        started.append(process(*arguments, command=command, environ=dict(environ, **variables)))
        return started[-1]
    yield start
    for each in started:
        each.stop()


@pytest.fixture
def run(environ, folder, tmp_path):
    """Run a command that ends by itself; return the completed process."""
    def run(*arguments, **variables):
        done = forks.run(arguments, env=dict(environ, **variables), timeout=10, cwd=str(tmp_path))
        done.stdout, done.stderr = done.stdout.decode(), done.stderr.decode()
        assert "Traceback" not in done.stderr, done.stderr
        return done
    return run


@pytest.fixture
def fails(run, folder, tmp_path):
    """Run it into an error; return (exit code, the one sentence)."""
    def fails(*arguments, **variables):
        base = ["--port", "0", "--download-dir", str(folder), "--db", str(tmp_path / "state" / "dlserv.db")]
        done = run(*(base + list(arguments)), **variables)
        said = [line for line in done.stderr.splitlines() if line.startswith("dlserv: ")]
        logged = re.findall(r"^\d{4}-\d\d-\d\d .* (?:INFO|WARNING) ", done.stderr, re.MULTILINE)
        assert len(said) == 1 and len(said) + len(logged) == len(done.stderr.splitlines()), done.stderr
        assert done.stdout == ""
        return done.returncode, said[0]
    return fails


def write(path, mapping):
    path.write_text(mapping if isinstance(mapping, str) else json.dumps(mapping))
    return str(path)


# -- ready, and the end -----------------------------------------------------------------

def test_the_ready_line_is_the_only_one_and_true(process):
    running = process()
    assert re.fullmatch(r"dlserv: listening on http://127\.0\.0\.1:[1-9][0-9]*\n", running.ready)
    assert running.api.get("/config").status == 200
    assert running.api.get("/config")["config"]["general"]["download_dir"].endswith("downloads")
    running.popen.terminate()
    assert running.popen.stdout.read() == b"" and running.popen.wait(5) == 0


def test_python_m_does_the_same(process):
    running = process(command=[sys.executable, "-m", "dlserv"], PYTHONPATH=ROOT)
    assert running.api.get("/task/list").status == 200 and running.stop() == 0


def test_two_on_free_ports_do_not_meet(process, tmp_path):
    first, second = process(), process("--db", str(tmp_path / "other.db"))
    assert first.url != second.url and second.api.get("/config").status == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order_whatever_is_under_way(process, origin, folder, number):
    origin.put("/half.iso", DATA, script=[Gate(after=20000)])
    origin.put("/stuck.iso", DATA, script=[accept_and_sleep])
    origin.put("/a.iso", DATA)
    running = process()
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
    again = process()
    assert again.api.reach(half, "finished")["filename"] == "half.iso"
    assert again.api.reach(stuck, "finished")["state"] == "finished"
    assert "range" in origin.asked("/half.iso")[1].headers      # it went on where it was
    assert sorted(os.listdir(str(folder))) == ["a.iso", "half.iso", "stuck.iso"]


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="only Linux tells its threads")
def test_a_signal_that_another_thread_gets_ends_it_too(process):
    """The system may give a process's signal to any thread; it then wakes no other."""
    running = process()
    pid = running.popen.pid
    threads = until(lambda: [thread for thread in os.listdir("/proc/%d/task" % pid) if thread != str(pid)])
    os.kill(int(threads[0]), signal.SIGTERM)
    assert running.popen.wait(3) == 0


def test_a_second_signal_ends_it_at_once(process, folder, tmp_path):
    general = {"download_dir": str(folder), "db_path": str(tmp_path / "state" / "dlserv.db"),
        "log_size": 1000}
    with Daemon({"general": general}) as daemon:
        for number in range(12):
            daemon.add("%s%d" % (NOWHERE, number), {"paused": True}, ["x" * 1000] * 1000)
    running = process(DLSERV_LOG_SIZE="1000")
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


def test_while_it_runs_a_file_says_where(process, tmp_path):
    running = process()
    run_file = tmp_path / "dlserv.json"
    found = json.loads(run_file.read_text())
    assert (found["url"], found["pid"]) == (running.url, running.popen.pid) and "token_file" in found
    assert run_file.stat().st_mode & 0o777 == 0o600
    second = process("--db", str(tmp_path / "other.db"))        # neither overwrites nor removes it
    assert json.loads(run_file.read_text()) == found
    second.stop()
    assert json.loads(run_file.read_text()) == found and "--url" in second.log
    running.stop()
    assert not run_file.exists()


@pytest.mark.parametrize("arguments", [["-c", "FILE", "serve"], ["serve", "-c", "FILE"], ["-c", "FILE"]])
def test_options_stand_before_and_after_serve(process, tmp_path, arguments):
    path = write(tmp_path / "c.json", {"download": {"retries": 9}})
    command = DLSERV + [path if each == "FILE" else each for each in arguments]
    assert process(command=command).api.get("/config")["config"]["download"]["retries"] == 9


def test_without_a_runtime_folder_the_run_file_is_by_the_db(process, environ, tmp_path):
    for value in (None, str(tmp_path / "gone")):
        environ.pop("XDG_RUNTIME_DIR", None)
        if value:
            environ["XDG_RUNTIME_DIR"] = value
        running = process()
        assert json.loads((tmp_path / "state" / "dlserv.json").read_text())["url"] == running.url
        assert running.stop() == 0


# -- what the log says ------------------------------------------------------------------

def test_the_log_names_database_folder_and_strange_variables(process, folder, tmp_path):
    running = process(DLSERV_PROT="80", DLSERV_TIMEOUT="20")
    running.stop()
    assert str(tmp_path / "state" / "dlserv.db") in running.log and str(folder) in running.log
    assert re.search("WARNING .*DLSERV_PROT", running.log) and "DLSERV_TIMEOUT" not in running.log
    assert "no configuration file" in running.log


def test_nothing_but_log_lines_is_written(process, origin):
    """No traceback and no complaint of Python's own, whatever goes wrong."""
    origin.put("/drop.iso", DATA, script=[drop(1000), refuse("503 Busy"), redirect("/none.iso")])
    origin.put("/half.iso", DATA, script=[Gate(after=20000)])
    running = process(DLSERV_RETRY_WAIT="0.01")
    tids = [running.api.add(origin.url(path)) for path in ("/none.iso", "/drop.iso", "/half.iso")]
    until(lambda: running.api.status(tids[2])["downloaded_bytes"] == 20000)
    for tid in tids[:2]:
        running.api.reach(tid, "invalid")
    running.api.put("/task/tid/%s?act=pause" % tids[2])
    running.stop()
    for line in running.log.splitlines():
        assert re.match(r"\d{4}-\d\d-\d\d [\d:,]+ (INFO|WARNING) ", line), running.log


def test_the_log_level_is_what_was_asked_for(process):
    quiet = process("--log-level", "error")
    quiet.stop()
    assert quiet.log == ""
    loud = process("--log-level", "debug")
    loud.api.add(NOWHERE)
    until(lambda: "DEBUG" in loud.log)


# -- settings ---------------------------------------------------------------------------

def test_the_command_line_wins_over_all_other_settings(process, tmp_path):
    path = write(tmp_path / "c.json", {
        "general": {"log_level": "warning", "log_size": 7}, "server": {"host": "127.0.0.2", "port": 1},
        "download": {"retries": 1, "timeout": 1}})
    running = process("-c", path, "--host", "127.0.0.1", DLSERV_RETRIES="2", DLSERV_HOST="127.0.0.3",
                      DLSERV_PORT="2", DLSERV_LOG_LEVEL="error")
    shown = running.api.get("/config")["config"]
    assert shown["server"]["host"] == "127.0.0.1" and running.url.startswith("http://127.0.0.1:")
    assert shown["download"]["retries"] == 2 and shown["general"]["log_level"] == "error"
    assert (shown["general"]["log_size"], shown["download"]["timeout"]) == (7, 1)
    assert shown["download"]["max_concurrent"] == 5


def test_what_config_shows_can_be_the_file(process, tmp_path):
    running = process("--log-level", "error", DLSERV_RETRIES="3", DLSERV_RATELIMIT="1M")
    shown = running.api.get("/config")["config"]
    running.stop()
    again = process("-c", write(tmp_path / "c.json", shown))
    assert again.api.get("/config")["config"] == shown


# -- what cannot be ---------------------------------------------------------------------

def test_a_wrong_setting_ends_it_with_2_and_a_sentence(fails, tmp_path):
    code, sentence = fails("--log-level", "loud")
    assert code == 2 and sentence.startswith("dlserv: --log-level: ") and '"loud"' in sentence
    code, sentence = fails(DLSERV_TIMEOUT="soon")
    assert code == 2 and "download.timeout (from $DLSERV_TIMEOUT)" in sentence and '"soon"' in sentence
    code, sentence = fails("-c", write(tmp_path / "c.json", {"server": {"prot": 80}}))
    assert code == 2 and "server.prot" in sentence
    code, sentence = fails(DLSERV_CONFIG=str(tmp_path / "none.json"))
    assert code == 2 and "none.json" in sentence


def test_an_unknown_flag_ends_it_with_2(run):
    done = run("--colour", "red")
    assert done.returncode == 2 and done.stdout == "" and "--colour" in done.stderr


def test_help_and_version_end_it_with_0(run):
    done = run("--version")
    assert (done.returncode, done.stdout) == (0, "dlserv %s\n" % __version__)
    done = run("--help")
    assert done.returncode == 0
    for flag in ("-c", "--host", "--port", "--download-dir", "--db", "--log-level"):
        assert flag in done.stdout


def test_a_port_in_use_ends_it_with_1(fails):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, sentence = fails("--port", port)
    assert code == 1 and sentence.startswith("dlserv: --port: ") and port in sentence and "in use" in sentence


@pytest.mark.parametrize("host", ["no-such-host.invalid", "192.0.2.1", "a..b"])
def test_an_address_that_cannot_be_had_ends_it_with_1(fails, host):
    code, sentence = fails("--host", host)
    assert code in (1, 2) and sentence.startswith("dlserv: --host: ") and host in sentence


@pytest.mark.parametrize("flag, place", [
    ("--download-dir", "file/x"), ("--db", "file/x"), ("--download-dir", "/proc/x/y")])
def test_a_place_that_cannot_be_written_ends_it_with_1(fails, tmp_path, flag, place):
    (tmp_path / "file").write_text("mine")      # root may write into any folder, but not below a file
    code, sentence = fails(flag, place)
    assert code == 1 and sentence.startswith("dlserv: %s: " % flag) and place in sentence
    assert (tmp_path / "file").read_text() == "mine"


def test_a_download_folder_that_is_a_file_ends_it_with_1(fails, tmp_path):
    (tmp_path / "file").write_text("mine")
    code, sentence = fails("--download-dir", "file")
    assert code == 1 and sentence.startswith("dlserv: --download-dir: ") and "file" in sentence


def test_a_database_that_is_a_folder_ends_it_with_1(fails, tmp_path):
    (tmp_path / "folder").mkdir()
    code, sentence = fails("--db", "folder")
    assert code == 1 and sentence.startswith("dlserv: --db: ") and "folder" in sentence


def test_a_second_daemon_on_the_same_database_ends_with_1(process, fails, tmp_path):
    first = process()
    code, sentence = fails()
    assert code == 1 and sentence.startswith("dlserv: --db: ")
    assert str(tmp_path / "state" / "dlserv.db") in sentence
    assert first.api.get("/config").status == 200
    assert json.loads((tmp_path / "dlserv.json").read_text())["url"] == first.url
    first.kill()        # a crash releases the database
    assert process().api.get("/config").status == 200


def test_each_setting_knows_where_it_was_set(process, tmp_path):
    path = write(tmp_path / "c.json", {"general": {"log_size": 9}, "download": {"retries": 1, "timeout": 9}})
    running = process("-c", path, "--log-level", "info", DLSERV_RETRIES="3", DLSERV_ALLOWED_HOSTS="nas")
    origins = running.api.get("/config?origins=true")["origins"]
    assert (origins["general.log_size"], origins["download.timeout"]) == (path, path)
    assert (origins["download.retries"], origins["server.allowed_hosts"]) == ("$DLSERV_RETRIES", "$DLSERV_ALLOWED_HOSTS")
    assert (origins["general.log_level"], origins["server.tls_cert"]) == ("--log-level", None)
