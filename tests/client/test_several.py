"""Several daemons as one: who owns a task, what a longer list changes, and one daemon that hangs.

The commands test the rest.
"""

import contextlib
import hashlib
import pathlib
import re
import socket
import threading

import pytest

from dlserv import Client, Daemon, Server
from dlserv.client.several import Several
from dlserv.contract import tid_of
from dlserv.errors import InvalidValue, NoDaemon, Refused
from harness import ROOT, until

URLS = ["http://nas%d:6880" % number for number in range(1, 6)]
TIDS = [hashlib.sha1(b"%d" % number).hexdigest() for number in range(3000)]


def owners(urls):
    several = Several([Client(url) for url in urls], "$DLSERV_URL", pytest.fail)
    return {tid: several.owner(tid).url.rstrip("/") for tid in TIDS}


def test_the_highest_hash_of_url_and_tid_owns_the_task():
    found = owners(URLS)
    for tid in TIDS[:100]:
        assert found[tid] == max(URLS, key=lambda url: hashlib.sha1((url + tid).encode()).hexdigest())


def test_the_tasks_are_spread_evenly():
    found = list(owners(URLS).values())
    assert all(500 < found.count(url) < 700 for url in URLS)


def test_the_order_and_a_final_slash_change_nothing():
    assert owners(URLS) == owners([url + "/" for url in reversed(URLS)])


def test_a_longer_list_moves_tasks_to_the_new_daemon_alone():
    before, after = owners(URLS[:4]), owners(URLS)
    moved = [tid for tid in TIDS if before[tid] != after[tid]]
    assert 450 < len(moved) < 750 and {after[tid] for tid in moved} == {URLS[4]}


def test_a_route_is_for_one_daemon():
    several = Several([Client(url) for url in URLS], "$DLSERV_URL", pytest.fail)
    for call in (several.config, lambda: several.get("/health"), lambda: several.url):
        with pytest.raises(InvalidValue, match=r"\$DLSERV_URL: it names 5 daemons"):
            call()


# -- one that accepts connections and never answers -------------------------------------------

class Silent:
    """A server that reads requests and answers none. `requests` are their first lines."""

    def __init__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = "http://127.0.0.1:%d" % self._listener.getsockname()[1]
        self.requests, self._sockets = [], []
        self._thread = threading.Thread(target=self._accept, name="silent")
        self._thread.start()

    def _accept(self):
        while True:
            sock, _ = self._listener.accept()
            self._sockets.append(sock)
            line = sock.makefile("rb").readline()
            if not line:
                return
            self.requests.append(line.decode().split(" HTTP")[0])

    def close(self):
        socket.create_connection(self._listener.getsockname()).close()
        self._thread.join()
        for sock in self._sockets + [self._listener]:
            sock.close()


@pytest.fixture
def silent():
    with contextlib.closing(Silent()) as server:
        yield server


class Trio:
    """A Several of two daemons, and of one between them that hangs for a moment; what it tells, in `told`."""

    def __init__(self, daemons, urls):
        self.daemons, self.urls, self.hanging = daemons, urls, urls[1]
        self.told = []
        self.several = Several([Client(url, timeout=0.3 if url == self.hanging else 60) for url in urls],
                               "$DLSERV_URL", self.told.append)

    def owned_by(self, index, count):
        """URLs whose tasks belong to the daemon with this index."""
        names = ("http://127.0.0.1:1/x%d" % number for number in range(10000))
        found = (name for name in names if self.several.owner(tid_of(name)).url == self.urls[index])
        return [next(found) for _ in range(count)]


@pytest.fixture
def trio(tmp_path, silent):
    with contextlib.ExitStack() as stack:
        daemons = [stack.enter_context(Daemon({"general": {
            "download_dir": str(tmp_path / name), "db_path": str(tmp_path / (name + ".db"))}})) for name in "ab"]
        urls = [stack.enter_context(Server(daemon, "127.0.0.1", 0)).url for daemon in daemons]
        trio = Trio(daemons, [urls[0], silent.url, urls[1]])
        stack.enter_context(trio.several)
        yield trio


def test_a_daemon_that_hangs_is_asked_and_named_once(trio, silent):
    wanted = [trio.daemons[number % 2].add("http://127.0.0.1:1/%d" % number, {"paused": True}) for number in range(4)]
    for _ in range(3):
        assert [row["tid"] for row in trio.several.tasks()] == wanted
    assert [each["url"] for each in trio.several.stats()["daemons"]] == [trio.urls[0], trio.urls[2]]
    with trio.several.events() as events:
        snapshot = next(iter(events))
        assert [row["tid"] for row in snapshot.data["detail"]] == wanted and not events.connected
    assert until(lambda: silent.requests)[0] == "GET /task/list?rows=true&state=all"
    assert set(silent.requests[1:]) <= {"GET /events"}      # the event stream goes on trying
    assert trio.told == ["the daemon at %s does not answer" % silent.url]
    assert [client.url for client in trio.several.absent] == [silent.url]


def test_a_daemon_that_hangs_keeps_no_task_from_the_others(trio, silent):
    urls = [url for index in range(3) for url in trio.owned_by(index, 2)]
    tids, refused, had = trio.several.add_many([(url, {"paused": True}) for url in urls])
    assert tids == [tid_of(url) for url in urls[:2] + urls[4:]]
    assert [url for url, _ in refused] == urls[2:4] and had == [] and len(until(lambda: silent.requests)) == 1
    assert all("the daemon that this task belongs to, %s, does not answer" % silent.url in reason for _, reason in refused)
    assert trio.several.act_on_all("pause", tids[:1] + [tid_of(urls[2])]) != []
    assert [len(daemon.list()) for daemon in trio.daemons] == [2, 2]


def test_a_task_is_found_behind_a_daemon_that_hangs(trio, silent):
    url, missing = trio.owned_by(1, 2)
    trio.daemons[1].add(url, {"paused": True})
    assert trio.several.task(tid_of(url))["state"] == "paused"
    trio.several.change(tid_of(url), ratelimit=1024)
    assert trio.daemons[1].get(tid_of(url)).posted["ratelimit"] == 1024
    with pytest.raises(Refused, match="does not answer") as raised:
        trio.several.task(tid_of(missing))
    assert raised.value.status == 503 and len(until(lambda: silent.requests)) == 1


def test_the_error_of_one_that_hangs_is_raised_where_none_answers(silent):
    told = []
    several = Several([Client(silent.url, timeout=0.5), Client("http://127.0.0.1:1")], "$DLSERV_URL", told.append)
    for _ in range(2):
        with several, pytest.raises(NoDaemon, match="%s does not answer" % silent.url):
            several.tasks()
    assert len(told) == 2 and len(silent.requests) == 1


def test_every_method_that_commands_call_is_that_of_a_client():
    commands = pathlib.Path(ROOT, "dlserv", "commands").glob("*.py")
    called = {name for path in commands for name in re.findall(r"\bclient\.([a-z]\w*)\(", path.read_text("utf-8"))}
    assert {"add_many", "archive", "act_on_all"} <= called
    for name in sorted(called):
        assert hasattr(Several, name), name
