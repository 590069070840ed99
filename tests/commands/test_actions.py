"""add, pause, resume, restart, rm, move, set: what they do to a real daemon's tasks."""

import os

import pytest

from harness import noise

from dlserv.contract import tid_of

NOWHERE = "http://127.0.0.1:1/"
DATA = noise(50000)


def states(daemon):
    return [task.state for task in daemon.list()]


# -- add ------------------------------------------------------------------------------------

def test_add_takes_urls_and_options_and_prints_tids(here, run):
    code, out, err = run(
        "add", NOWHERE + "a", "-o", "x.iso", "-d", "isos", "--limit", "2M", "--connections", "2", "--header",
        "X-A: b", "-H", "X-C: d", "--mirror", NOWHERE + "m", "--priority", "3", "--checksum",
        "md5:" + "0" * 32, "-u", "me:pw", "-U", "mine/1", "-e", NOWHERE, "-k", "--tries", "3", "--timeout",
        "7", "--paused", "-c")
    assert (code, out, err) == (0, tid_of(NOWHERE + "a") + "\n", "")
    assert here.get(out.strip()).posted == {
        "filename": "x.iso", "dir": "isos", "ratelimit": 2 ** 21, "connections": 2, "priority": 3,
        "user": "me", "password": "pw", "headers": {"X-A": "b", "X-C": "d"}, "mirrors": [NOWHERE + "m"],
        "checksum": "md5=" + "0" * 32, "user_agent": "mine/1", "referer": NOWHERE, "verify_tls": False,
        "retries": 2, "timeout": 7, "paused": True}


@pytest.mark.parametrize("arguments, filename", [
    (("-o", "isos/x.iso"), "isos/x.iso"), (("-d", "a", "-o", "b/x.iso"), "a/b/x.iso"),
    (("-P", "isos", "-O", "x"), "isos/x"),
    (("-O", "isos/x.iso"), "isos/x.iso"), (("-o", "isos/"), "")])
def test_add_puts_the_file_into_folders(here, run, arguments, filename):
    out = run("add", "--paused", NOWHERE + "a", *arguments)[1]
    task = here.get(out.strip())
    assert task.filename == filename and (filename or task.options.dir == "isos")


def test_add_keeps_the_server_s_name_as_curl_does(here, run):
    code, out, err = run("add", "--paused", "-O", NOWHERE + "a", "-O", NOWHERE + "b")
    assert (code, err) == (0, "") and out.split() == [tid_of(NOWHERE + name) for name in "ab"]


@pytest.mark.parametrize("arguments, flag", [
    (("-o", "/etc/x"), "-o"), (("--out", "../x"), "--out"), (("-d", "/etc"), "-d"), (("-P", ".."), "-P"),
    (("-o", "-"), "-o"),
    (("-O", "/etc/x"), "-O"), (("--load-cookies", "/none"), "--load-cookies")])
def test_add_stays_below_the_download_directory(here, run, arguments, flag):
    code, out, err = run("add", NOWHERE + "a", *arguments)
    assert (code, out, here.list()) == (2, "", []) and err.startswith("dlserv: %s: " % flag)


def test_add_sends_the_cookies_of_a_file_that_belong_to_the_url(here, run, origin, tmp_path):
    origin.put("/x.iso", DATA)
    (tmp_path / "cookies.txt").write_text(
        "# Netscape HTTP Cookie File\n127.0.0.1\tFALSE\t/\tFALSE\t0\tsession\ts3cret\n"
        "other.example\tTRUE\t/\tFALSE\t0\tforeign\tx\n")
    code, out, err = run("add", "--wait", "--load-cookies", str(tmp_path / "cookies.txt"),
                         "--option", "cookies=a=b", origin.url("/x.iso"))
    assert (code, err) == (0, "")
    assert origin.asked("/x.iso")[0].headers["cookie"] == "a=b; session=s3cret"


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
    assert run("rm", "x.iso")[0] == 0 and os.listdir(str(folder)) == ["x.iso"]


def test_refresh_finished_asks_again_for_every_finished_file(here, run, origin, folder):
    files = [origin.put("/%d.iso" % number, DATA, conditions=True) for number in range(3)]
    for number in range(3):
        assert here.wait(here.add(origin.url("/%d.iso" % number))).state == "finished"
    here.add(NOWHERE, {"paused": True})
    files[1].data, files[1].etag = DATA[::-1], '"v2"'
    assert run("refresh", "finished") == (0, "", "")
    code, out, err = run("refresh", NOWHERE)
    assert (code, out) == (1, "") and "the task is paused; it cannot be refreshed" in err
    for task in here.list():
        assert task.url == NOWHERE or here.wait(task.tid).state == "finished"
    assert (folder / "1.iso").read_bytes() == DATA[::-1] and (folder / "2.iso").read_bytes() == DATA


def test_rm_with_file(here, run, origin, folder):
    origin.put("/x.iso", DATA)
    here.wait(here.add(origin.url("/x.iso")))
    assert run("rm", "--with-file", "finished") == (0, "", "") and os.listdir(str(folder)) == []


def test_all_is_every_task_that_the_command_applies_to(three, here, run):
    assert run("restart", "all")[0] == 0 and states(here) == ["paused"] * 3
    code, _, err = run("restart", "paused")
    assert code == 1 and err.count("\n") == 3
    code, _, err = run("pause", three[0], NOWHERE + "z")
    assert code == 1 and err.count("\n") == 2


def test_move_changes_the_order(three, here, run):
    assert run("move", three[2], "top") == (0, "", "")
    assert sorted(here.list(), key=lambda task: task.position)[0].tid == three[2]
    assert run("move", three[2], "sideways")[0] == 2


# -- set ------------------------------------------------------------------------------------

def test_set_changes_options_and_restores_their_defaults(three, here, run):
    assert run("set", three[0], "ratelimit=2M", "connections=8", "headers=A: b=c") == (0, "", "")
    changed = here.get(three[0]).options
    assert (changed.ratelimit, changed.connections, changed.headers) == (2 ** 21, 8, {"A": "b=c"})
    assert run("set", "a.iso", "ratelimit=null", "max-connection-per-server=2") == (0, "", "")
    task = here.get(three[0])
    assert (task.options.ratelimit, task.options.connections) == (0, 2) and "ratelimit" not in task.posted
    assert run("set", "paused", "priority=5")[0] == 0
    assert [here.get(tid).options.priority for tid in three] == [5, 5, 5]


def test_set_gives_a_fresh_link(three, here, run, origin):
    origin.put("/fresh", DATA)
    assert run("set", three[0], "url=" + origin.url("/fresh")) == (0, "", "")
    assert run("resume", three[0])[0] == 0 and here.wait(three[0]).state == "finished"
    code, _, err = run("set", "all", "url=" + NOWHERE)
    assert code == 2 and "3 tasks" in err


@pytest.mark.parametrize("change, code, words", [
    ("ratelimit=fast", 2, "ratelimit: "), ("conections=3", 2, "connections"), ("ratelimit", 2, "name=value"),
    ("url=nonsense", 1, "url: "), ("paused=true", 1, "paused"), ("conections=null", 2, "connections")])
def test_set_refuses_wrong_changes(three, here, run, change, code, words):
    before = here.get(three[0]).posted
    found, out, err = run("set", three[0], change)
    assert (found, out, err.count("\n")) == (code, "", 1) and words in err, err
    assert here.get(three[0]).posted == before
