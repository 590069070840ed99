"""list, status, info, log, stats, config, openurl: for scripts here, for people in test_terminal.py."""

import json
import os
import socket

import pytest

from harness import noise
from servers.origin import refuse

from dlserv import Daemon, Server

NOWHERE = "http://127.0.0.1:1/"
DATA = noise(50000)


def test_list_is_made_for_scripts_where_it_is_piped(three, here, run):
    code, out, err = run("list")
    assert (code, err) == (0, "")
    lines = [line.split("\t") for line in out.splitlines()]
    assert [line[:5] for line in lines] == [[tid, "paused", "0.0%", "0", "0"] for tid in three]
    assert [line[6] for line in lines] == [""] * 3
    assert [json.loads(line)["tid"] for line in run("list", "--json")[1].splitlines()] == three


def test_list_takes_states_and_tasks_as_the_other_commands_do(three, here, run):
    for words in (["paused"], ["paused", "finished"], ["all"], ["--state", "paused"]):
        assert [line[:40] for line in run("list", *words)[1].splitlines()] == three
    for words in (["finished"], ["failed"], ["--state", "finished"]):
        assert run("list", *words) == (0, "", "")
    assert run("list", three[1], "a.iso")[1].splitlines()[0][:40] == three[1]
    code, out, err = run("list", "done")
    assert (code, out) == (1, "") and "no task done" in err
    assert run("list", "--state", "done")[0] == 2


def test_list_says_why_a_task_failed(here, run, origin):
    origin.put("/x.iso", DATA, script=[refuse("404 Not here")])
    here.wait(here.add(origin.url("/x.iso")))
    fields = run("list")[1].rstrip("\n").split("\t")
    assert fields[1] == "invalid" and fields[6] == "the server answered 404 Not Found"


def test_list_names_files_with_their_extensions(here, run, origin):
    for name in ("/film.mkv", "/film.srt"):
        origin.put(name, DATA)
        here.wait(here.add(origin.url(name)))
    assert run("list")[1].count("film.mkv") == run("list")[1].count("film.srt") == 1


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


def test_words_of_others_cannot_steer_the_terminal(here, run, origin):
    origin.put("/x.iso", DATA, headers={"Content-Disposition": "attachment; filename*=UTF-8''b%1B%5B2J.iso"})
    tid = here.add(origin.url("/x.iso"), {"referer": "http://h/\u202egpj.exe"})
    here.wait(tid)
    here.add(NOWHERE + "%1b%5b2Jc%e2%80%ae", {"paused": True})
    for command in (["list"], ["status", "all"], ["info", "all"], ["log", "all"]):
        out = run(*command)[1]
        assert out and not set(out) & set("\x1b\u202e\x9b\r"), out


# -- config ---------------------------------------------------------------------------------

def test_settings_are_read_and_changed(here, run):
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


def test_a_misspelt_setting_names_the_nearest(here, run):
    for word, near in (("max_concurent=3", "download.max_concurrent"),
                       ("downlod.retries", "download.retries"), ("download.retires=3", "download.retries")):
        code, out, err = run("config", word)
        assert (code, out) == (2, "") and "did you mean %s?" % near in err


# -- openurl --------------------------------------------------------------------------------

def test_the_address_of_the_page_is_printed(here, run):
    for arguments in (["openurl"], ["openurl", "--print"], ["openurl", "-p"]):
        assert run(*arguments) == (0, os.environ["DLSERV_URL"] + "/\n", "")


def test_a_daemon_on_every_address_has_the_machine_s_name(settings, run, monkeypatch):
    with Daemon(settings) as daemon, Server(daemon, "0.0.0.0", 0) as server:
        port = server.server_address[1]
        monkeypatch.setenv("DLSERV_URL", "http://0.0.0.0:%d" % port)
        assert run("openurl") == (0, "http://%s:%d/\n" % (socket.gethostname(), port), "")


def test_nobody_there_is_told(run, monkeypatch):
    monkeypatch.setenv("DLSERV_URL", "http://127.0.0.1:1")
    code, out, err = run("openurl")
    assert (code, out) == (3, "") and "starts one" in err


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no sockets in the file system here")
def test_a_unix_socket_has_no_page(settings, run, tmp_path, monkeypatch):
    host = "unix:%s" % (tmp_path / "s.sock")
    monkeypatch.setenv("DLSERV_URL", host)
    with Daemon(settings) as daemon, Server(daemon, host, 0):
        code, out, err = run("openurl")
    assert (code, out) == (1, "") and "no browser" in err
