"""The commands, against a real daemon: what they do, what they print for scripts, how they end."""

import io
import json
import os
import signal
import subprocess
import sys
import threading

import pytest

from harness import ROOT, noise, until
from servers.origin import Gate, drop, refuse

from dlserv import Server, cli
from dlserv.version import __version__
from dlserv.client.rest import tid_of
from dlserv.commands.table import COMMANDS

DLSERV = [sys.executable, os.path.join(ROOT, "dlserv.py")]
NOWHERE = "http://127.0.0.1:1/"
DATA = noise(50000)


@pytest.fixture(autouse=True)
def alone(monkeypatch, tmp_path):
    """No daemon, setting or signal handler of this machine's user."""
    for name in list(os.environ):
        if name.startswith(("DLSERV_", "XDG_", "STATE_DIRECTORY")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def run(capsys, monkeypatch):
    """Run a command in this process; gives (exit code, standard output, standard error)."""
    def run(*arguments, stdin=b""):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        try:
            code = cli.main(arguments)
        except SystemExit as end:       # argparse's way
            code = end.code
        return (code,) + tuple(capsys.readouterr())
    return run


@pytest.fixture
def here(daemon, monkeypatch):
    """The daemon that $DLSERV_URL names."""
    with Server(daemon, "127.0.0.1", 0) as server:
        monkeypatch.setenv("DLSERV_URL", server.url)
        yield daemon


@pytest.fixture
def three(here):
    """tids of three paused tasks."""
    return [here.add(NOWHERE + name, {"paused": True}) for name in ("a.iso", "b.iso", "c.iso")]


def states(daemon):
    return [task.state for task in daemon.list()]


# -- finding the daemon ---------------------------------------------------------------------

def test_it_is_found_by_flag_variable_and_note(here, run, tmp_path, monkeypatch):
    url = os.environ["DLSERV_URL"]
    note = tmp_path / "dlserv.json"
    note.write_text(json.dumps({"url": url, "pid": os.getpid(), "token_file": None}))
    assert run("stats")[0] == 0
    monkeypatch.setenv("DLSERV_URL", "http://127.0.0.1:1")
    assert run("stats")[0] == 3
    for arguments in (("stats", "--url", url), ("--url", url, "stats"), ("--url=" + url, "stats")):
        assert run(*arguments)[0] == 0
    monkeypatch.delenv("DLSERV_URL")
    assert run("stats")[0] == 0
    note.write_text(json.dumps({"url": url, "pid": 2 ** 22 + 1}))
    code, out, err = run("stats")
    assert (code, out) == (3, "") and err.startswith("dlserv: no daemon: ") and err.count("\n") == 1


def test_the_note_is_found_beside_the_database(here, run, tmp_path, monkeypatch):
    (tmp_path / "dlserv.json").write_text(json.dumps({"url": os.environ["DLSERV_URL"], "pid": os.getpid()}))
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    monkeypatch.delenv("DLSERV_URL")
    monkeypatch.setenv("DLSERV_DB_PATH", str(tmp_path / "x.db"))
    assert run("stats")[0] == 0


def test_a_process_finds_the_daemon_by_itself(process, tmp_path):
    process()
    done = subprocess.run(DLSERV + ["list"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_a_token_is_read_from_where_it_was_said(run, tmp_path, monkeypatch):
    from client.test_rest import Canned, reply
    (tmp_path / "token").write_text("s3cret\n")

    def told(server):
        return [line for line in server.requests[-1].splitlines() if line.startswith("Authorization")]
    with Canned(reply("401 Unauthorized", {"status": "error", "errmsg": "this token is wrong"})) as server:
        monkeypatch.setenv("DLSERV_URL", server.url)
        assert run("stats") == (4, "", "dlserv: this token is wrong\n") and told(server) == []
        monkeypatch.setenv("DLSERV_TOKEN", "other")
        assert run("stats")[0] == 4 and told(server) == ["Authorization: Bearer other"]
        assert run("stats", "--token-file", str(tmp_path / "token"))[0] == 4
        assert told(server) == ["Authorization: Bearer s3cret"]
        monkeypatch.delenv("DLSERV_TOKEN")
        monkeypatch.delenv("DLSERV_URL")
        (tmp_path / "dlserv.json").write_text(json.dumps(
            {"url": server.url, "pid": os.getpid(), "token_file": str(tmp_path / "token")}))
        assert run("watch")[0] == 4 and told(server) == ["Authorization: Bearer s3cret"]
    assert run("stats", "--token-file", str(tmp_path / "none"))[0] == 2


# -- add ------------------------------------------------------------------------------------

def test_add_takes_urls_and_options_and_prints_tids(here, run):
    code, out, err = run(
        "add", NOWHERE + "a", "-o", "x.iso", "-d", "isos", "--limit", "2M", "--connections", "2", "--header",
        "X-A: b", "--header", "X-C: d", "--mirror", NOWHERE + "m", "--priority", "3", "--checksum",
        "md5=" + "0" * 32, "--option", "user=me", "--paused")
    assert (code, out, err) == (0, tid_of(NOWHERE + "a") + "\n", "")
    assert here.get(out.strip()).posted == {
        "filename": "x.iso", "dir": "isos", "ratelimit": 2 ** 21, "connections": 2, "priority": 3,
        "user": "me", "headers": {"X-A": "b", "X-C": "d"}, "mirrors": [NOWHERE + "m"],
        "checksum": "md5=" + "0" * 32, "paused": True}


def test_add_reads_lists_as_aria2_has_them(here, run, tmp_path):
    text = ("\ufeff# a comment\n{0}a\n  out=x.iso\n\tdir=isos\n  header=X-A: b\n  header=X-C: d=e\n\n"
            "{0}b\t{0}m\r\n   max-download-limit=1K\n  # another\n{0}c").format(NOWHERE)
    (tmp_path / "list.txt").write_text(text, encoding="utf-8")
    expected = [{"filename": "x.iso", "dir": "isos", "headers": {"X-A": "b", "X-C": "d=e"}, "paused": True},
                {"mirrors": [NOWHERE + "m"], "ratelimit": 1024, "paused": True}, {"paused": True}]
    for arguments, stdin in ((("-i", str(tmp_path / "list.txt")), b""), (("-",), text.encode())):
        code, out, err = run("add", "--paused", *arguments, stdin=stdin)
        assert (code, err) == (0, "") and out.split() == [tid_of(NOWHERE + name) for name in "abc"]
        assert [here.get(tid).posted for tid in out.split()] == expected
        assert run("rm", "all")[0] == 0 and states(here) == []


@pytest.mark.parametrize("text, words", [
    ("  out=x\n", ["list.txt, line 1: ", "no URL"]), ("http://h/\n  out\n", ["'out'"]),
    ("http://h/\n\n http://k/\n", ["'http://k/'"]),
    ("#\nhttp://h/\n outt=x\n", ["list.txt, line 2: options.outt", "no such key"]),
    ("#\n", ["none was given"]),
    ("http://h/\n split=many\n", ["options.connections", "many"])])
def test_a_wrong_list_adds_nothing(here, run, tmp_path, monkeypatch, text, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "list.txt").write_text(text)
    code, out, err = run("add", "-f", "list.txt", *(["http://g/"] if "none" not in words[0] else []))
    assert (code, out, err.count("\n"), states(here)) == (2, "", 1, [])
    assert all(word in err for word in words), err


def test_add_says_what_was_refused_and_adds_the_rest(here, run):
    code, out, err = run("add", NOWHERE, "nonsense", NOWHERE + "b", "--paused")
    assert (code, out.split()) == (1, [tid_of(NOWHERE), tid_of(NOWHERE + "b")])
    assert err.startswith("dlserv: nonsense: ") and err.count("\n") == 1
    code, out, err = run("add", NOWHERE)
    assert (code, out) == (1, "") and "already added" in err


def test_add_takes_more_than_a_request_holds(here, run):
    lines = "".join("%s%d\n  out=%d.%s\n" % (NOWHERE, number, number, "x" * 60) for number in range(4500))
    code, out, err = run("add", "-", "--paused", stdin=lines.encode())
    assert (code, err, out.count("\n"), len(here.list())) == (0, "", 4500, 4500)
    assert len(run("list")[1].splitlines()) == 4500


@pytest.mark.parametrize("arguments", [
    (), ("-o", "x", NOWHERE + "a", NOWHERE + "b"), ("--option", "x", NOWHERE), ("-i", "/no/such/list"),
    ("--connections", "many", NOWHERE), ("--limit", "fast", NOWHERE), ("--frob", NOWHERE)])
def test_add_asked_wrongly_adds_nothing(here, run, arguments):
    code, out, err = run("add", *arguments)
    assert (code, out, states(here)) == (2, "", []) and err.splitlines()[-1].startswith("dlserv")


# -- which tasks ----------------------------------------------------------------------------

def test_tasks_are_named_by_tid_prefix_url_state_and_all(three, run):
    a = three[0]
    for word in (a, a.upper(), a[:4], a[:12], NOWHERE + "a.iso"):
        code, out, _ = run("status", word, "--json")
        assert code == 0 and json.loads(out)["tid"] == a
    for word in ("all", "paused"):
        assert [json.loads(line)["tid"] for line in run("status", word, "--json")[1].splitlines()] == three
    assert run("status", a, a[:6], "--json")[1].count("\n") == 1
    assert run("status", "finished") == (0, "", "")


def test_a_word_that_names_no_task_is_told(three, run):
    for word, code, words in (("abc", 2, "'abc'"), ("zzzzzz", 2, "'zzzzzz'"), ("finish", 2, "'finish'"),
                              ("0123456", 1, "no task 0123456"), ("0" * 40, 1, "no task"),
                              (NOWHERE + "z", 1, "no task")):
        found, out, err = run("info", word)
        assert (found, out) == (code, "") and words in err and err.count("\n") == 1


def test_an_ambiguous_prefix_is_told(here, run):
    tids, number = {}, 0
    while True:
        tid = tid_of(NOWHERE + str(number))
        if tid[:4] in tids:
            break
        tids[tid[:4]] = NOWHERE + str(number)
        number += 1
    here.add(tids[tid[:4]], {"paused": True})
    here.add(NOWHERE + str(number), {"paused": True})
    code, _, err = run("rm", tid[:4])
    assert code == 1 and "2 tasks begin with " + tid[:4] in err and len(here.list()) == 2
    assert run("rm", tid[:12])[0] == 0 and len(here.list()) == 1


# -- acting ---------------------------------------------------------------------------------

def test_pause_resume_restart_and_rm(here, run, origin, folder):
    origin.put("/x.iso", DATA)
    tid = here.add(origin.url("/x.iso"), {"paused": True})
    assert run("resume", tid) == (0, "", "")
    assert here.wait(tid).state == "finished"
    assert run("restart", tid[:4])[0] == 0 and here.wait(tid).state == "finished"
    assert len(origin.asked("/x.iso")) >= 2
    code, out, err = run("pause", tid)
    assert (code, out) == (1, "")
    assert err == "dlserv: %s: the task is finished; it cannot be paused\n" % tid[:8]
    assert run("pause", "all")[0] == 0      # none to which it applies
    assert run("rm", tid)[0] == 0 and os.listdir(str(folder)) == ["x.iso"]


def test_rm_with_file(here, run, origin, folder):
    origin.put("/x.iso", DATA)
    here.wait(here.add(origin.url("/x.iso")))
    assert run("rm", "--with-file", "finished") == (0, "", "") and os.listdir(str(folder)) == []


def test_all_is_what_the_command_can_be_done_to(three, here, run):
    assert run("restart", "all")[0] == 0 and states(here) == ["paused"] * 3
    code, _, err = run("restart", "paused")
    assert code == 1 and err.count("\n") == 3
    code, _, err = run("pause", three[0], NOWHERE + "z")
    assert code == 1 and err.count("\n") == 2


def test_move_changes_the_order(three, here, run):
    assert run("move", three[2], "top") == (0, "", "")
    assert sorted(here.list(), key=lambda task: task.position)[0].tid == three[2]
    assert run("move", three[2], "sideways")[0] == 2


# -- reading --------------------------------------------------------------------------------

def test_list_is_made_for_scripts_where_it_is_piped(three, here, run):
    code, out, err = run("list")
    assert (code, err) == (0, "")
    assert out.splitlines() == ["%s\tpaused\t0.0%%\t0\t0\t%s" % each for each in zip(three, "abc")]
    assert run("list", "--state", "finished")[1] == ""
    assert [row["tid"] for row in json.loads(run("list", "--json")[1])] == three
    assert run("list", "--state", "done")[0] == 2


def test_status_info_log_and_stats(here, run, origin):
    origin.put("/x.iso", DATA, script=[refuse("404 Not here")])
    tid = here.add(origin.url("/x.iso"))
    here.wait(tid)
    lines = dict(line.split(None, 1) for line in run("status", tid)[1].splitlines() if " " in line.strip())
    assert lines["state"] == "invalid" and "404" in lines["error"] and lines["finish_time"] == "never"
    assert "url " in run("info", tid)[1] and json.loads(run("info", tid, "--json")[1])["tid"] == tid
    assert "error   the server answered 404" in run("log", tid)[1]
    assert json.loads(run("log", tid, "--json")[1])[0]["type"] == "error"
    assert set(json.loads(run("stats", "--json")[1])) >= {"speed", "free_bytes", "uptime", "version"}
    assert "version" in run("stats")[1]


def test_what_others_wrote_cannot_steer_the_terminal(here, run, origin):
    origin.put("/x.iso", DATA, headers={"Content-Disposition": "attachment; filename*=UTF-8''b%1B%5B2J.iso"})
    tid = here.add(origin.url("/x.iso"), {"referer": "http://h/\u202egpj.exe"})
    here.wait(tid)
    here.add(NOWHERE + "%1b%5b2Jc%e2%80%ae", {"paused": True})
    for command in (["list"], ["status", "all"], ["info", "all"], ["log", "all"]):
        out = run(*command)[1]
        assert out and not set(out) & set("\x1b\u202e\x9b\r"), out


def test_config_is_read_and_changed(here, run):
    assert "download.max_concurrent=5\n" in run("config")[1]
    assert run("config", "max_concurrent") == (0, "5\n", "")
    assert run("config", "download.ratelimit=2M", "retries=7") == (0, "", "")
    assert here.config.download.ratelimit == 2 ** 21 and here.config.download.retries == 7
    assert run("config", "retries", "proxy")[1] == "download.retries=7\ndownload.proxy=null\n"
    assert run("config", "proxy=")[0] == 0 and here.config.download.proxy == ""
    assert run("config", "proxy=null")[0] == 0 and here.config.download.proxy is None
    assert json.loads(run("config", "download", "--json")[1])["download"]["retries"] == 7
    assert run("config", "allow_hosts=a.example .b.example")[0] == 0
    assert run("config", "allow_hosts") == (0, "a.example .b.example\n", "")     # as it is taken
    assert here.config.download.allow_hosts == ["a.example", ".b.example"]
    for word, code in (("frob", 2), ("retries=many", 2), ("timeout=", 2), ("server.port=80", 4)):
        found, out, err = run("config", word)
        assert (found, out, err.count("\n")) == (code, "", 1), err


# -- waiting and watching -------------------------------------------------------------------

def test_wait_ends_when_tasks_do(here, run, origin):
    origin.put("/x.iso", DATA)
    origin.put("/y.iso", DATA, script=[refuse("410 Gone")])
    assert run("wait") == (0, "", "")
    here.wait(here.add(origin.url("/x.iso")))
    assert run("wait", origin.url("/x.iso")) == (0, "", "")
    code, out, err = run("add", "--wait", origin.url("/y.iso"), origin.url("/x.iso") + "?2")
    assert code == 1 and len(out.split()) == 2 and "410 Gone" in err
    assert run("wait", "0" * 40) == (1, "", "dlserv: 00000000: the task was removed\n")


def test_wait_tells_of_a_task_that_is_paused(here, run, origin):
    origin.put("/x.iso", DATA, script=[Gate(after=20000)])
    tid = here.add(origin.url("/x.iso"))
    pause = threading.Timer(0.2, here.pause, [tid])
    pause.start()
    assert run("wait", tid) == (1, "", "dlserv: x.iso: it is paused\n")
    pause.join()


@pytest.fixture
def start():
    """Start a command of its own process; it is ended afterwards."""
    started = []

    def start(*arguments, **options):
        started.append(subprocess.Popen(DLSERV + list(arguments), stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, **options))
        return started[-1]
    yield start
    for each in started:
        if each.poll() is None:
            each.kill()
        each.communicate()


def test_watch_prints_a_line_for_each_change_where_it_is_piped(here, start, origin):
    origin.put("/x.iso", DATA)
    here.add(NOWHERE + "a", {"paused": True})
    watching = start("watch")
    assert watching.stdout.readline().split(b"\t")[1] == b"paused"
    tid = here.add(origin.url("/x.iso"))
    lines = [watching.stdout.readline().decode().rstrip("\n").split("\t")]
    while lines[-1][1] != "finished":
        lines.append(watching.stdout.readline().decode().rstrip("\n").split("\t"))
    assert lines[-1] == [tid, "finished", "100.0%", "50000", "0", "x.iso"]
    watching.send_signal(signal.SIGINT)
    assert watching.wait(10) == 130 and watching.stderr.read() == b""


def test_watch_prints_json_of_the_tasks_that_were_asked_for(three, here, start):
    watching = start("watch", "--json", three[1])
    assert json.loads(watching.stdout.readline())["tid"] == three[1]
    here.delete(three[0])
    here.resume(three[1])
    assert json.loads(watching.stdout.readline())["tid"] == three[1]
    watching.terminate()
    assert watching.wait(10) == 143


def test_a_reader_that_has_had_enough_ends_it_silently(three, start):
    for arguments in (["list"], ["watch"], ["status", "all"]):
        command = start(*arguments)
        command.stdout.close()
        command.stdout = open(os.devnull, "rb")
        assert command.wait(10) == 0 and command.stderr.read() == b""


def test_an_output_that_takes_nothing_more_is_told(three):
    if not os.path.exists("/dev/full"):
        pytest.skip("there is no /dev/full here")
    with open("/dev/full", "w") as full:
        done = subprocess.run(DLSERV + ["list"], stdout=full, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (1, b"dlserv: No space left on device\n")


@pytest.mark.parametrize("closed", [">&-", "2>&-"])
def test_an_output_that_was_closed_is_done_without(three, closed):
    done = subprocess.run(["sh", "-c", 'exec "$@" ' + closed, "sh"] + DLSERV + ["list"],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.count(b"\n") == (0 if closed == ">&-" else 3)


# -- get ------------------------------------------------------------------------------------

@pytest.fixture
def away(tmp_path, monkeypatch):
    """The folder that the command is run in."""
    path = tmp_path / "away"
    path.mkdir()
    monkeypatch.chdir(path)
    return path


def is_here(part, count):
    """Whether the first bytes of DATA are in the file."""
    return part.exists() and part.read_bytes()[:count] == DATA[:count]


def test_get_downloads_into_this_folder_without_a_daemon(run, origin, away):
    origin.put("/x.iso", DATA)
    origin.put("/y.iso", DATA + b"y")
    assert run("get", origin.url("/x.iso"), origin.url("/y.iso")) == (0, "x.iso\ny.iso\n", "")
    assert (away / "x.iso").read_bytes() == DATA and sorted(os.listdir(str(away))) == ["x.iso", "y.iso"]
    assert run("get", origin.url("/x.iso"))[1] == "x (1).iso\n"
    target = os.path.join("new", "folder")
    assert run("get", origin.url("/x.iso"), "-d", target, "-o", "z.iso")[1] == os.path.join(target, "z.iso\n")
    assert os.listdir(target) == ["z.iso"]


def test_get_tells_what_failed_and_goes_on(run, origin, away, monkeypatch):
    monkeypatch.setenv("DLSERV_RETRIES", "0")
    origin.put("/x.iso", DATA, script=[refuse("403 Forbidden")])
    origin.put("/y.iso", DATA)
    code, out, err = run("get", origin.url("/x.iso"), origin.url("/y.iso"))
    assert (code, out) == (1, "y.iso\n")
    assert err == "dlserv: %s: the server answered 403 Forbidden\n" % origin.url("/x.iso")
    code, out, err = run("get", origin.url("/y.iso"), "--checksum", "md5=" + "0" * 32)
    assert code == 1 and "checksum" in err and sorted(os.listdir(str(away))) == ["y.iso"]
    assert run("get", "nonsense")[0] == 2 and run("get")[0] == 2


def test_get_goes_on_from_a_part_that_it_can_prove(run, origin, away, monkeypatch):
    monkeypatch.setenv("DLSERV_RETRIES", "0")
    origin.put("/x.iso", DATA, script=[drop(20000)])
    url = origin.url("/x.iso")
    code, _, err = run("get", url, "--connections", "1")
    assert code == 1 and "x.iso.part" in os.listdir(str(away))
    assert run("get", url, "--connections", "1") == (0, "x.iso\n", "")
    assert "range" in origin.asked("/x.iso")[1].headers
    assert os.listdir(str(away)) == ["x.iso"] and (away / "x.iso").read_bytes() == DATA


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_get_is_interrupted_in_order_and_goes_on(start, run, origin, away, number, code):
    origin.put("/x.iso", DATA, script=[Gate(after=20000)])
    getting = start("get", origin.url("/x.iso"))
    until(lambda: is_here(away / "x.iso.part", 20000))
    getting.send_signal(number)
    assert getting.wait(10) == code
    said = getting.stderr.read().decode()
    assert said == ("dlserv: stopped; the same command goes on from where it was\n" if code == 130 else "")
    assert run("get", origin.url("/x.iso"), "--limit", "100M") == (0, "x.iso\n", "")
    assert "range" in origin.asked("/x.iso")[-1].headers and os.listdir(str(away)) == ["x.iso"]


def test_get_of_what_another_gets_is_refused(start, run, origin, away):
    origin.put("/x.iso", DATA, script=[Gate(after=20000)])
    start("get", origin.url("/x.iso"))
    until(lambda: is_here(away / "x.iso.part", 20000))
    code, out, err = run("get", origin.url("/x.iso"))
    assert (code, out) == (1, "") and "in use by another dlserv" in err
    assert {".db", ".part"} <= {os.path.splitext(name)[1] for name in os.listdir(str(away))}


def test_get_heeds_the_settings_of_downloads(run, origin, away, monkeypatch):
    monkeypatch.setenv("DLSERV_USER_AGENT", "mine/1")
    origin.put("/x.iso", DATA)
    run("get", origin.url("/x.iso"))
    assert origin.asked("/x.iso")[0].headers["user-agent"] == "mine/1"


# -- help, usage, completion ----------------------------------------------------------------

@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_command_has_help_with_examples(run, command):
    code, out, err = run(command.name, "--help")
    assert (code, err) == (0, "") and "\nexamples:\n  " in out and out.isascii()
    for argument in command.arguments:
        assert argument.flags[0] in out or argument.options.get("metavar", "{") in out


def test_the_help_names_the_commands_and_the_daemon_s_options(run):
    out = run("--help")[1]
    for word in ["serve", "--port", "--url"] + [command.name for command in COMMANDS]:
        assert word in out
    assert "--port" in run("serve", "--help")[1] and run("--version")[1] == "dlserv %s\n" % __version__


def test_an_unknown_command_is_a_wrong_usage(run):
    code, out, err = run("frobnicate")
    assert (code, out) == (2, "") and "frobnicate" in err
    assert run("--url", NOWHERE)[0] == 2 and run("pause")[0] == 2


def test_the_daemon_loads_no_command(tmp_path):
    code = ("import sys; sys.path.insert(0, %r); from dlserv import cli, serve, Daemon, Server;"
            "print([name for name in sys.modules if name.startswith(('dlserv.commands', 'dlserv.client.rest'))])" % ROOT)
    assert subprocess.check_output([sys.executable, "-c", code]) == b"[]\n"


COMPLETIONS = [(["ad"], "add"), (["list", "--state", "fin"], "finished"), (["add", "--chec"], "--checksum"),
               (["move", "x", "to"], "top"), (["pause", "al"], "all"), (["completion", "z"], "zsh")]


def shell(name):
    import shutil
    return shutil.which(name) or pytest.skip("there is no %s here: its completion was NOT tested" % name)


def test_bash_completes(run):
    script = run("completion", "bash")[1] + "".join(
        '\nCOMP_WORDS=(false %s); COMP_CWORD=%d; _dlserv; echo "${COMPREPLY[*]}"'
        % (" ".join(words), len(words))
        for words, _ in COMPLETIONS)
    found = subprocess.check_output([shell("bash"), "-c", script]).decode()
    assert found.splitlines() == [completed for _, completed in COMPLETIONS]


def test_bash_leaves_the_names_of_files_to_readline_which_quotes_them(run, away):
    (away / "my list.txt").touch()
    script = run("completion", "bash")[1] + '\nCOMP_WORDS=(dlserv add -i my); COMP_CWORD=3; COMPREPLY=(x)' \
        '; _dlserv; echo "${#COMPREPLY[@]}"'
    assert subprocess.check_output([shell("bash"), "-c", script]) == b"0\n"


def test_fish_completes(run):
    script = run("completion", "fish")[1] + "".join(
        '\ncomplete -C "dlserv %s"' % " ".join(words) for words, _ in COMPLETIONS)
    found = subprocess.check_output([shell("fish"), "-c", script]).decode()
    assert [line.split("\t")[0] for line in found.splitlines()] == [completed for _, completed in COMPLETIONS]


def test_zsh_reads_it(run):
    script = "autoload -U compinit; compinit -D; %s\necho $_comps[dlserv]" % run("completion", "zsh")[1]
    assert subprocess.check_output([shell("zsh"), "-fc", script]) == b"_dlserv\n"


def test_the_one_file_has_the_commands(pyz, here):
    done = subprocess.run([sys.executable, pyz, "list", "--json"], stdout=subprocess.PIPE)
    assert (done.returncode, done.stdout) == (0, b"[]\n")
