"""The commands with several daemons in $DLSERV_URL: owners, merged answers, and one that does not answer."""

import contextlib
import hashlib
import json
import signal

import pytest

from harness import until
from servers.origin import Gate

from dlserv import Daemon, Server
from dlserv.contract import tid_of

NOWHERE = "http://127.0.0.1:1/"
NAMES = ["%02d.iso" % number for number in range(24)]
SILENT = "dlserv: the result is incomplete: 1 of the daemons did not answer\n"


class Fleet:
    """Three daemons, each with its own database and folder. `stop` and `start` its servers by index."""

    def __init__(self, tmp_path, token=None):
        self.daemons, self.urls, self._servers, self._token = [], [], [], token
        for number in range(3):
            folder = tmp_path / ("nas%d" % number)
            folder.mkdir()
            self.daemons.append(Daemon({
                "general": {"download_dir": str(folder), "db_path": str(tmp_path / ("db%d" % number))},
                "server": {"token": token}, "download": {"retry_wait": 0.01, "timeout": 5}}).start())
            self._servers.append(Server(self.daemons[-1], "127.0.0.1", 0).__enter__())
            self.urls.append(self._servers[-1].url)

    def stop(self, index):
        server, self._servers[index] = self._servers[index], None
        server.__exit__(None, None, None)

    def start(self, index):
        port = int(self.urls[index].rpartition(":")[2])
        self._servers[index] = Server(self.daemons[index], "127.0.0.1", port).__enter__()

    def close(self):
        for index, server in enumerate(self._servers):
            if server is not None:
                self.stop(index)
        for daemon in self.daemons:
            daemon.stop()

    def owner(self, url):
        """The index of the daemon that the URL's task belongs to."""
        def rank(index):
            return hashlib.sha1((self.urls[index] + tid_of(url)).encode()).digest()
        return max(range(3), key=rank)

    def holders(self, url):
        """The indexes of the daemons that have the URL's task."""
        return [index for index, daemon in enumerate(self.daemons)
                if tid_of(url) in {task.tid for task in daemon.list()}]

    def owned_by(self, index):
        """A URL whose task belongs to this daemon."""
        return next(url for url in (NOWHERE + "x%d" % number for number in range(1000)) if self.owner(url) == index)


@pytest.fixture
def fleet(tmp_path, monkeypatch):
    with contextlib.closing(Fleet(tmp_path)) as fleet:
        monkeypatch.setenv("DLSERV_URL", " ".join(fleet.urls))
        yield fleet


@pytest.fixture
def urls(fleet, run):
    """The URLs of 24 paused tasks, spread over the daemons."""
    found = [NOWHERE + name for name in NAMES]
    code, out, err = run("add", "--paused", *found)
    assert (code, err) == (0, "") and sorted(out.split()) == sorted(map(tid_of, found))
    return found


# -- owners -----------------------------------------------------------------------------------

def test_each_task_goes_to_its_owner_alone(fleet, urls):
    assert [fleet.holders(url) for url in urls] == [[fleet.owner(url)] for url in urls]
    assert len({fleet.owner(url) for url in urls}) == 3


def test_the_order_of_the_list_does_not_matter(fleet, urls, run, monkeypatch):
    monkeypatch.setenv("DLSERV_URL", "  %s/ \t%s  %s %s/" % (fleet.urls[2], fleet.urls[0], fleet.urls[1], fleet.urls[0]))
    more = [NOWHERE + "more%d" % number for number in range(12)]
    assert run("add", "--paused", *more)[0] == 0
    assert [fleet.holders(url) for url in more] == [[fleet.owner(url)] for url in more]


def test_the_flag_names_several_too(fleet, run, monkeypatch):
    monkeypatch.delenv("DLSERV_URL")
    code, out, err = run("--url", " ".join(fleet.urls), "add", "--paused", NOWHERE)
    assert (code, err) == (0, "") and fleet.holders(NOWHERE) == [fleet.owner(NOWHERE)]


@pytest.mark.parametrize("text", ["http://127.0.0.1:1 nonsense", "nonsense http://127.0.0.1:1", "ftp://a http://b"])
def test_a_wrong_address_in_the_list_is_named(run, monkeypatch, text):
    monkeypatch.setenv("DLSERV_URL", text)
    code, out, err = run("list")
    assert code == 2 and "is not a daemon's address" in err


def test_a_task_that_is_there_already_is_not_added_elsewhere(fleet, run):
    url = fleet.owned_by(0)
    fleet.daemons[1].add(url, {"paused": True})
    code, out, err = run("add", "--paused", url)
    assert (code, out) == (1, "") and err == "dlserv: %s: this URL is already added, at %s\n" % (url, fleet.urls[1])
    code, out, err = run("add", "--paused", url, *[NOWHERE + name for name in NAMES])
    assert code == 1 and len(out.split()) == 24 and fleet.holders(url) == [1]


@pytest.mark.parametrize("word", ["tid", "digits", "url", "name"])
def test_commands_on_a_task_find_its_daemon(fleet, urls, run, word):
    for url in (urls[0], urls[1], urls[2], urls[3]):
        tid = tid_of(url)
        words = {"tid": tid, "digits": tid[:8], "url": url, "name": url.rpartition("/")[2]}
        assert json.loads(run("status", words[word], "--json")[1])["tid"] == tid
        assert json.loads(run("info", words[word], "--json")[1])["url"] == url
        assert run("log", words[word])[0] == 0
        assert run("set", words[word], "ratelimit=1K") == (0, "", "")
        daemon = fleet.daemons[fleet.owner(url)]
        assert daemon.get(tid).posted["ratelimit"] == 1024
        assert run("rm", words[word]) == (0, "", "") and fleet.holders(url) == []


@pytest.mark.parametrize("act", [("status", "{}"), ("set", "{}", "ratelimit=1K"), ("rm", "{}"), ("resume", "{}")])
def test_a_task_from_before_the_list_is_found_where_it_is(fleet, run, act):
    url = fleet.owned_by(2)
    fleet.daemons[0].add(url, {"paused": True})
    assert run(*[word.format(tid_of(url)) for word in act])[0] == 0
    assert fleet.holders(url) == [0] * (act[0] != "rm")


def test_a_second_copy_from_before_the_list_is_removed_too(fleet, run):
    for daemon in fleet.daemons:
        daemon.add(NOWHERE, {"paused": True})
    assert len(run("list")[1].splitlines()) == 3
    assert run("rm", "all") == (0, "", "") and fleet.holders(NOWHERE) == []


def test_a_task_that_nobody_has_is_told(fleet, run):
    for command in ("status", "rm", "info"):
        code, out, err = run(command, "0" * 40)
        assert code == 1 and "there is no task" in err


def test_a_waiting_task_is_moved_on_its_daemon(fleet, run, origin):
    gate = Gate(after=10)
    origin.put("/busy", b"x" * 20000, script=[gate])
    last, daemon = fleet.owned_by(1), fleet.daemons[1]
    daemon.configure({"download": {"max_concurrent": 1}})
    daemon.add(origin.url("/busy"))
    assert gate.reached.wait(15)
    tids = [daemon.add(url) for url in (NOWHERE + "first", last)]
    assert run("move", last, "top") == (0, "", "")
    assert daemon.get(tids[1]).position < daemon.get(tids[0]).position


# -- all together ----------------------------------------------------------------------------

def test_a_list_has_the_tasks_of_all_oldest_first(fleet, run):
    urls = [NOWHERE + name for name in NAMES[:9]]
    for url in urls:
        fleet.daemons[fleet.owner(url)].add(url, {"paused": True})
    code, out, err = run("list")
    assert (code, err) == (0, "")
    assert [line.split("\t")[0] for line in out.splitlines()] == [tid_of(url) for url in urls]
    assert len(run("list", "paused")[1].splitlines()) == 9 and run("list", "finished")[1] == ""


def test_selections_reach_every_daemon(fleet, urls, run):
    assert run("resume", "paused") == (0, "", "")
    assert not [task for daemon in fleet.daemons for task in daemon.list() if task.state == "paused"]
    run("pause", "all")
    until(lambda: {task.state for daemon in fleet.daemons for task in daemon.list()} <= {"paused", "invalid"})
    assert run("rm", "all") == (0, "", "")
    assert [daemon.list() for daemon in fleet.daemons] == [[], [], []]


def test_stats_are_summed_and_told_of_each(fleet, urls, run):
    found = json.loads(run("stats", "--json")[1])
    assert [each["url"] for each in found["daemons"]] == fleet.urls
    for key in ("downloaded_bytes", "connections"):
        assert found[key] == sum(each[key] for each in found["daemons"])
    code, out, err = run("stats")
    assert code == 0 and all(out.count(url + "\n") == 1 for url in fleet.urls) and out.count("uptime") == 3


def test_wait_waits_for_all_daemons(fleet, run, origin):
    gates = []
    for index in range(3):
        url = next(url for url in (origin.url("/w%d-%d" % (index, number)) for number in range(1000))
                   if fleet.owner(url) == index)
        gates.append(Gate(after=1000))
        origin.put("/" + url.rpartition("/")[2], b"x" * 20000, script=[gates[-1]])
        assert run("add", url)[0] == 0
    for gate in gates:
        assert gate.reached.wait(15)
        gate.open()
    assert run("wait") == (0, "", "")
    assert [[task.state for task in daemon.list()] for daemon in fleet.daemons] == [["finished"]] * 3


def test_watch_follows_all_daemons(fleet, urls, start):
    watching = start("watch")
    first = {watching.stdout.readline().split(b"\t")[0].decode() for _ in urls}
    assert first == {tid_of(url) for url in urls}
    for index in range(3):
        url = fleet.owned_by(index)
        fleet.daemons[index].add(url, {"paused": True})
        assert watching.stdout.readline().split(b"\t")[0].decode() == tid_of(url)
    watching.send_signal(signal.SIGINT)
    assert watching.wait(30) == 130


@pytest.mark.parametrize("command", [("config",), ("config", "download.ratelimit=1K"), ("openurl",)])
def test_a_command_for_one_daemon_says_so(fleet, run, command):
    code, out, err = run(*command)
    assert (code, out) == (2, "") and err.startswith("dlserv: $DLSERV_URL: it names 3 daemons, but this command is for one")
    assert [daemon.config.download.ratelimit for daemon in fleet.daemons] == [0, 0, 0]


def test_the_archives_of_all_are_one(fleet, run, origin):
    urls = [origin.url("/%d" % number) for number in range(6)]
    for daemon in fleet.daemons:
        daemon.configure({"general": {"archive": True}})
    for url in urls:
        origin.put("/" + url.rpartition("/")[2], b"x")
        assert run("add", url, "--wait")[0] == 0
    assert run("rm", "all") == (0, "", "")
    assert {line.split("\t")[0] for line in run("archive")[1].splitlines()} == set(map(tid_of, urls))
    code, out, err = run("add", urls[0])
    assert (code, out) == (1, "") and urls[0] in err
    assert run("archive", "--forget", urls[0]) == (0, "", "") and run("add", "--paused", urls[0])[0] == 0
    assert run("archive", "--forget", urls[0])[0] == 1
    assert run("archive", "--forget", "all") == (0, "", "") and run("archive") == (0, "", "")


# -- one that does not answer -----------------------------------------------------------------

def test_what_the_others_know_is_shown(fleet, urls, run):
    fleet.stop(1)
    rest = {tid_of(url) for url in urls if fleet.owner(url) != 1}
    code, out, err = run("list")
    assert code == 3 and {line.split("\t")[0] for line in out.splitlines()} == rest
    assert err.startswith("dlserv: no daemon at %s: " % fleet.urls[1]) and err.endswith(SILENT)
    code, out, err = run("stats", "--json")
    assert code == 3 and len(json.loads(out)["daemons"]) == 2 and fleet.urls[1] in err
    code, out, err = run("resume", "all")
    assert code == 3 and err.count(fleet.urls[1]) == 1
    code, out, err = run("rm", "all")
    assert code == 3 and err.count(fleet.urls[1]) == 1
    assert [len(daemon.list()) > 0 for daemon in fleet.daemons] == [False, True, False]


def test_a_dead_owner_s_task_goes_to_no_other(fleet, run):
    fleet.stop(1)
    dead, alive = fleet.owned_by(1), fleet.owned_by(0)
    code, out, err = run("add", "--paused", dead, alive)
    assert code == 3 and out == tid_of(alive) + "\n"
    assert "%s: the daemon that this task belongs to, %s, does not answer" % (dead, fleet.urls[1]) in err
    assert fleet.holders(dead) == [] and fleet.holders(alive) == [0]
    fleet.start(1)
    assert run("add", "--paused", dead) == (0, tid_of(dead) + "\n", "") and fleet.holders(dead) == [1]


def test_another_dead_daemon_keeps_no_task_from_its_owner(fleet, run):
    fleet.stop(1)
    url = fleet.owned_by(0)
    assert run("add", "--paused", url) == (0, tid_of(url) + "\n", "")


@pytest.mark.parametrize("act", [("status",), ("info",), ("log",), ("pause",), ("rm",)])
def test_a_task_of_a_dead_daemon_is_told(fleet, urls, run, act):
    fleet.stop(1)
    url = next(url for url in urls if fleet.owner(url) == 1)
    code, out, err = run(*act, tid_of(url))
    assert code != 0 and out == "" and "the daemon that this task belongs to, %s, does not answer" % fleet.urls[1] in err
    fleet.start(1)
    assert fleet.holders(url) == [1]


def test_nobody_answers(fleet, run):
    for index in range(3):
        fleet.stop(index)
    for command in (("list",), ("stats",), ("watch",), ("pause", "all")):
        code, out, err = run(*command)
        assert (code, out) == (3, "") and fleet.urls[0] in err


def test_watch_goes_on_without_one_and_takes_it_up_again(fleet, urls, start):
    fleet.stop(1)
    watching = start("watch")
    for url in urls:
        if fleet.owner(url) != 1:
            assert watching.stdout.readline()
    fleet.start(1)
    back = {watching.stdout.readline().split(b"\t")[0].decode() for url in urls if fleet.owner(url) == 1}
    assert back == {tid_of(url) for url in urls if fleet.owner(url) == 1}
    fleet.stop(1)
    url = fleet.owned_by(2)
    fleet.daemons[2].add(url, {"paused": True})
    assert watching.stdout.readline().split(b"\t")[0].decode() == tid_of(url)
    watching.send_signal(signal.SIGINT)
    assert watching.wait(30) == 130 and fleet.urls[1].encode() in watching.stderr.read()


def test_one_token_opens_all(tmp_path, run, monkeypatch):
    with contextlib.closing(Fleet(tmp_path, token="0123456789abcdef")) as fleet:
        monkeypatch.setenv("DLSERV_URL", " ".join(fleet.urls))
        code, out, err = run("list")
        assert (code, out) == (4, "")
        monkeypatch.setenv("DLSERV_TOKEN", "0123456789abcdef")
        assert run("add", "--paused", *[NOWHERE + name for name in NAMES])[0] == 0
        assert len(run("list")[1].splitlines()) == 24
