"""Hooks: what they get, when they run, and what one that misbehaves cannot do."""

import json
import os
import signal

import pytest

import forks
from dlserv import Client
from dlserv.errors import InvalidValue
from harness import ROOT, noise, until
from servers.origin import Gate

KEEP = """
given = json.load(sys.stdin)
with open(os.path.join(here, "ran"), "a") as file:
    file.write(json.dumps({"argv": sys.argv[1:], "given": given, "env": dict(os.environ), "cwd": os.getcwd(),
                           "session": os.getsid(0) == os.getpid()}) + "\\n")
print("said")
"""


@pytest.fixture
def ran(tmp_path):
    """A function that returns what KEEP has kept, a dict for each time that it ran."""
    path = tmp_path / "ran"
    return lambda: [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def hook_lines(api, tid):
    return [entry["msg"] for entry in api.status(tid)["log"] if entry["msg"].startswith("hook")]


def test_a_hook_gets_its_words_the_task_and_its_session(configured, program, ran, serve, folder):
    hook = program(KEEP)
    daemon = configured({"DLSERV_TOKEN": "s3cret"}, ("--no-token",),
                        download={"hash": True}, hooks={"finished": [hook, "-x", "a b", "$HOME", "", "ä\n"]})
    tid = daemon.api.add(serve("/a%20b.bin?token=hidden", noise(5000)), dir="sub")
    said = until(lambda: hook_lines(daemon.api, tid))[0]
    each, = ran()
    assert each["argv"] == ["-x", "a b", "$HOME", "", "ä\n"] and each["session"]
    assert os.path.realpath(each["cwd"]) == os.path.realpath(str(folder))
    info, status = each["given"], daemon.api.status(tid)
    assert info["event"] == "finished" and info["state"] == "finished" and info["tid"] == tid
    assert info["downloaded_bytes"] == 5000 and info["checksum"] and info["filename"] == status["filename"]
    env = each["env"]
    assert env["DLSERV_EVENT"] == "finished" and env["DLSERV_TASK_TID"] == tid
    assert env["DLSERV_TASK_FILE"] == str(folder / "sub" / "a b.bin") and env["DLSERV_TASK_NAME"] == "a b.bin"
    assert env["DLSERV_TASK_SIZE"] == "5000" and len(env["DLSERV_TASK_SHA256"]) == 64
    assert env["DLSERV_TASK_ERROR"] == env["DLSERV_TASK_REASON"] == "" and "hidden" not in env["DLSERV_TASK_URL"]
    assert env["DLSERV_URL"] == daemon.url and "DLSERV_TOKEN" not in env
    assert said == "hook finished exited with 0: said"


def test_a_hook_may_call_the_daemon_that_needs_a_token(configured, program, serve, folder, tmp_path):
    (tmp_path / "secret").write_text("s" * 16)
    hook = program("sys.exit(subprocess.run(%r + ['list']).returncode)" % forks.DLSERV)
    daemon = configured(None, ("--token-file", os.path.relpath(str(tmp_path / "secret"))), hooks={"finished": [hook]})
    with Client(daemon.url, "s" * 16) as client:
        tid = client.add(serve("/a.bin", b"x"))
        said = until(lambda: [each["msg"] for each in client.task(tid)["log"] if each["msg"].startswith("hook")])
        assert said[0].startswith("hook finished exited with 0: %s" % tid)


def test_a_failure_runs_its_hook_once_with_the_reason(embedded, program, ran, origin):
    api = embedded(hooks={"failed": [program(KEEP)]})
    tid = api.add(origin.url("/nothing"))
    until(lambda: hook_lines(api, tid))
    assert [each["env"]["DLSERV_TASK_REASON"] for each in ran()] == ["not_found"]
    assert "404" in ran()[0]["given"]["error"] and "404" in ran()[0]["env"]["DLSERV_TASK_ERROR"]
    api.put("/task/tid/%s?act=resume" % tid)
    until(lambda: len(ran()) == 2)


def test_idle_runs_when_nothing_is_left_and_after_the_others(embedded, program, serve, tmp_path):
    hook = program("""
open(os.path.join(here, "order"), "a").write("begin " + os.environ["DLSERV_EVENT"] + "\\n")
time.sleep(0.3)
open(os.path.join(here, "order"), "a").write("end " + os.environ["DLSERV_EVENT"] + "\\n")""")
    api = embedded(hooks={"finished": [hook], "idle": [hook]})
    api.post("/task/batch/add", {"tasks": [serve("/%d" % n, b"x") for n in range(3)]})
    order = until(lambda: "end idle" in read(tmp_path / "order") and read(tmp_path / "order"))
    assert order.count("begin finished") == order.count("end finished") == 3 and order.count("begin idle") == 1
    assert order.endswith("begin idle\nend idle\n")


def test_idle_alone_runs_after_a_refresh_that_found_no_change(embedded, program, ran, serve):
    api = embedded(hooks={event: [program(KEEP)] for event in ("finished", "failed", "idle")})
    tid = api.add(serve("/a", noise(5000)))
    until(lambda: len(ran()) == 2)
    api.put("/task/tid/%s?act=refresh" % tid)
    until(lambda: len(ran()) == 3)
    assert [each["env"]["DLSERV_EVENT"] for each in ran()] == ["finished", "idle", "idle"]
    assert "unchanged" in api.status(tid)["log"][0]["msg"]


@pytest.mark.parametrize("act", ["pause", "delete"])
def test_idle_runs_when_the_last_one_is_paused_or_deleted(embedded, program, ran, origin, act):
    origin.put("/a", noise(200000), script=[Gate(100000)])
    api = embedded(hooks={"idle": [program(KEEP)]})
    tid = api.add(origin.url("/a"))
    until(lambda: api.status(tid)["downloaded_bytes"] == 100000)
    api.delete("/task/tid/" + tid) if act == "delete" else api.put("/task/tid/%s?act=pause" % tid)
    until(lambda: len(ran()) == 1)


def read(path):
    return path.read_text() if path.exists() else ""


def test_states_of_an_earlier_process_run_nothing(configured, program, ran, serve):
    hooks = {event: [program(KEEP)] for event in ("finished", "failed", "idle")}
    daemon = configured(hooks=hooks)
    daemon.api.reach(daemon.api.add(serve("/a", b"a")), "finished")
    until(lambda: len(ran()) == 2)
    daemon.kill()
    daemon = configured()
    daemon.api.reach(daemon.api.add(serve("/b", b"b")), "finished")
    until(lambda: len(ran()) == 4)
    assert [each["given"].get("title") for each in ran()] == ["a", None, "b", None]


def test_a_kill_before_the_hook_does_not_run_it_twice(configured, program, ran, serve):
    """A hook that has begun does not begin again after a crash: the state was on disk before."""
    daemon = configured(hooks={"finished": [program(KEEP + "time.sleep(30)")], "timeout": 60})
    tid = daemon.api.add(serve("/a", noise(100000)))
    until(ran)
    daemon.kill()
    daemon = configured()
    assert daemon.api.status(tid)["state"] == "finished" and len(ran()) == 1
    daemon.api.reach(daemon.api.add(serve("/b", b"b")), "finished")
    until(lambda: len(ran()) == 2)
    assert [each["given"]["title"] for each in ran()] == ["a", "b"]


def alive(pid):
    """Return whether the process exists and is no zombie."""
    try:
        with open("/proc/%s/stat" % pid) as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="there is no /proc to look into")
def test_what_hangs_is_killed_with_all_that_it_has_started(embedded, program, serve, origin, tmp_path):
    """Whether it waits itself, or has left a child behind that does not hold its output."""
    def hanging(event, redirected, more):
        return [program("""
child = subprocess.Popen(["sleep", "600"]%s)
open(os.path.join(here, "pids-%s"), "w").write("%%d %%d" %% (os.getpid(), child.pid))
print("begun", flush=True)
%s""" % (redirected, event, more), event)]

    api = embedded(hooks={"finished": hanging("finished", "", "time.sleep(600)"),
                          "failed": hanging("failed", ", stdout=-3, stderr=-3", ""), "timeout": 1})
    tids = {"finished": api.add(serve("/a", b"a")), "failed": api.add(origin.url("/none"))}
    for event, tid in tids.items():
        line = until(lambda: hook_lines(api, tid))[0]
        assert line.startswith("hook %s " % event) and "killed after 1 s" in line and "begun" in line
        until(lambda: not any(alive(pid) for pid in (tmp_path / ("pids-" + event)).read_text().split()))


def test_a_flood_leaves_its_last_4_kb_in_the_log(embedded, program, serve):
    hook = program("for n in range(30000): print(n)\nprint('x' * 2000)\nprint('the end')")
    api = embedded(hooks={"finished": [hook]})
    tid = api.add(serve("/a", b"a"))
    line = until(lambda: hook_lines(api, tid), 60)[0]
    assert line.startswith("hook finished exited with 0: ") and line.endswith("x | the end")
    assert 4000 < len(line) < 4300


@pytest.mark.parametrize("code, words", [
    ("sys.exit(7)", "exited with 7"), ("os.kill(os.getpid(), 9)", "was ended by signal 9"),
    ("print('\\033[31mred\\033[0m')", "\ufffd[31mred"), ("os.write(1, b'\\xff\\xfe')", "exited with 0: \ufffd\ufffd"),
    ("os.close(0); os.close(1); os.close(2)", "exited with 0")])
def test_the_log_says_how_it_ended(embedded, program, serve, code, words):
    api = embedded(hooks={"finished": [program(code)]})
    tid = api.add(serve("/a", b"a"))
    assert words in until(lambda: hook_lines(api, tid))[0]


def test_a_program_that_has_gone_is_a_line_in_the_log(embedded, program, serve):
    hook = program("")
    api = embedded(hooks={"finished": [hook]})
    os.remove(hook)
    tid = api.add(serve("/a", b"a"))
    assert "could not be run: " in until(lambda: hook_lines(api, tid))[0]
    api.reach(api.add(serve("/b", b"b")), "finished")


@pytest.mark.parametrize("spoil, words", [
    (lambda path: path.write_text("no program"), "Exec format error"),
    (lambda path: path.write_text("#!/no/such/shell\n"), "No such file"),
    (lambda path: path.chmod(0o644), "Permission denied"),
    (lambda path: (path.unlink(), path.mkdir()), "Permission denied")])
def test_a_program_that_was_spoilt_is_a_line_in_the_log(embedded, program, serve, tmp_path, spoil, words):
    api = embedded(hooks={"finished": [program("")]})
    spoil(tmp_path / "hook")
    tid = api.add(serve("/a", b"a"))
    line = until(lambda: hook_lines(api, tid))[0]
    assert "could not be run: " in line and words in line
    assert api.get("/health").status == 200


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="there is no /proc to look into")
def test_a_flood_of_one_that_has_left_the_session_holds_nothing_up(embedded, program, serve, tmp_path):
    hook = program("""
if os.fork() == 0:
    os.setsid()
    open(os.path.join(here, "pid.new"), "w").write(str(os.getpid()))
    os.rename(os.path.join(here, "pid.new"), os.path.join(here, "pid"))
    while True: os.write(1, b"x" * 65536)
while not os.path.exists(os.path.join(here, "pid")): time.sleep(0.01)""")
    api = embedded(hooks={"finished": [hook], "parallel": 1})
    tids = [api.add(serve("/a", b"a")), api.add(serve("/b", b"b"))]
    for tid in tids:
        assert "exited with 0" in until(lambda: hook_lines(api, tid))[0]
    until(lambda: not alive(read(tmp_path / "pid")))      # nobody reads its output, which ends it


@pytest.mark.parametrize("hooks, words", [
    ({"finished": ["/no/such/program"]}, "hooks.finished: /no/such/program does not exist or cannot be executed"),
    ({"idle": ["no-such-program"]}, "hooks.idle: no-such-program does not exist"),
    ({"failed": [ROOT]}, "hooks.failed: "), ({"failed": ["./x"]}, "hooks.failed: its first string is neither"),
    ({"finished": "rm -rf x"}, "hooks.finished: this is not a list of strings"),
    ({"finished": [["a"]]}, "hooks.finished: "), ({"finish": ["a"]}, "hooks.finish: there is no such key"),
    ({"timeout": 0}, "hooks.timeout: 0 is not a number")])
def test_a_start_names_the_key_that_is_wrong(tmp_path, folder, hooks, words):
    path = tmp_path / "c.json"
    path.write_text(json.dumps({"hooks": hooks}))
    done = forks.run(["-c", path, "--port", "0", "--download-dir", folder, "--db", tmp_path / "db"], timeout=30)
    assert done.returncode == 2 and words in done.stderr.decode() and b"Traceback" not in done.stderr


def test_no_more_run_at_a_time_than_allowed(embedded, program, serve, tmp_path):
    hook = program("""
mine = os.path.join(here, "now-%d" % os.getpid())
open(mine, "w").close()
count = sum(name.startswith("now-") for name in os.listdir(here))
time.sleep(0.2)
os.remove(mine)
open(os.path.join(here, "counts"), "a").write("%d\\n" % count)""")
    api = embedded(hooks={"finished": [hook], "parallel": 2})
    api.post("/task/batch/add", {"tasks": [serve("/%d" % n, b"x") for n in range(6)]})
    until(lambda: len(read(tmp_path / "counts").split()) == 6, 30)
    counts = read(tmp_path / "counts").split()
    assert max(map(int, counts)) <= 2


def test_a_daemon_ends_in_time_though_a_hook_hangs(configured, program, serve, tmp_path):
    hook = program("open(os.path.join(here, 'pid'), 'w').write(str(os.getpid()))\ntime.sleep(600)")
    daemon = configured(hooks={"finished": [hook]})
    daemon.api.add(serve("/a", b"a"))
    pid = until(lambda: read(tmp_path / "pid"))
    assert daemon.stop() == 0
    assert not alive(pid) and "Traceback" not in daemon.log and "timed out" not in daemon.log


def test_a_daemon_that_a_hook_starts_warns_of_no_variable(embedded, program, serve, tmp_path):
    hook = program("""
out = subprocess.run([sys.executable, %r, "--export", "-", "--db", os.path.join(here, "none")],
                     stdout=-1, stderr=-2, stdin=-3)
env = subprocess.run([sys.executable, "-c",
    "import os, sys; sys.path.insert(0, %r); from dlserv.settings.config import from_environment as f;"
    "print(f(os.environ)[1])"], stdout=-1)
print(env.stdout.decode().strip())""" % (os.path.join(ROOT, "dlserv.py"), ROOT))
    api = embedded(hooks={"finished": [hook]})
    tid = api.add(serve("/a", b"a"))
    assert until(lambda: hook_lines(api, tid))[0].endswith(": []")


def test_hooks_are_shown_masked_and_never_set_over_the_api(configured, program):
    hook = program("")
    daemon = configured(hooks={"finished": [hook, "--token", "s3cret", "Authorization: s3cret", "http://u:s3cret@h/"]})
    before = daemon.api.get("/config")["config"]
    assert before["hooks"]["finished"][0] == hook and "s3cret" not in json.dumps(before)
    for section, value in (("hooks", {"idle": ["/bin/sh"]}), ("webhooks", []), ("watch", [{"dir": "/"}]),
                           ("schedule", []), ("rules", []), ("hooks", 5), ("hooks", {})):
        answer = daemon.api.post("/config", {section: value, "download": {"retries": 7}})
        assert answer.status == 403 and section in answer["errmsg"]
    assert daemon.api.get("/config")["config"] == before


def test_sighup_takes_hooks_anew_and_keeps_them_if_wrong(configured, program, ran, serve):
    daemon = configured(hooks={})
    configured.path.write_text(json.dumps({"hooks": {"finished": [program(KEEP)]}}))
    daemon.popen.send_signal(signal.SIGHUP)
    until(lambda: daemon.api.get("/config")["config"]["hooks"]["finished"])
    configured.path.write_text(json.dumps({"hooks": {"finished": ["/no/such"]}}))
    daemon.popen.send_signal(signal.SIGHUP)
    until(lambda: "hooks.finished: /no/such" in daemon.log)
    daemon.api.add(serve("/a", b"a"))
    until(ran)


def test_an_embedded_daemon_checks_its_hooks_at_the_start(settings):
    from dlserv import Daemon
    daemon = Daemon(dict(settings, hooks={"finished": ["/no/such"]}))
    with pytest.raises(InvalidValue, match="hooks.finished"):
        daemon.start()
