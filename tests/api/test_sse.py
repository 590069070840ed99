"""Server-Sent Events: the snapshot, what changes, order, replay, slow readers, and sleep."""

import json
import os
import re
import select
import socket
import time
import tracemalloc

import pytest

from dlserv import Daemon, Server
from dlserv.api import sse
from harness import PATIENCE, Api, noise, until
from servers.origin import Gate

NOWHERE = "http://127.0.0.1:1/"


class Listener:
    """One reader of /events: the events as they come, [(id, kind, data), …], and the rows they add up to."""

    def __init__(self, url, last_id=None, buffer=None):
        host, _, port = url.partition("//")[2].partition(":")
        self.sock = socket.socket()
        if buffer:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.sock.settimeout(PATIENCE)
        self.sock.connect((host, int(port)))
        condition = "Last-Event-ID: %s\r\n" % last_id if last_id else ""
        self.sock.sendall(("GET /events HTTP/1.1\r\nHost: localhost\r\n%s\r\n" % condition).encode())
        self.reader = self.sock.makefile("rb")
        self.events, self.rows = [], {}

    def head(self):
        """(status, headers) of the reply."""
        status = int(self.reader.readline().split()[1])
        pairs = (line.decode().rstrip().partition(": ") for line in iter(self.reader.readline, b"\r\n"))
        return status, {name.lower(): value for name, _, value in pairs}

    def next(self):
        """The next event; None at the end."""
        fields = {}
        for line in self.reader:
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name == "" and "event" in fields:
                self.events.append((fields["id"], fields["event"], json.loads(fields["data"])))
                self.add_up(*self.events[-1][1:])
                return self.events[-1]
            if name:
                fields[name] = value
        return None

    def add_up(self, kind, data):
        if kind == "snapshot":
            self.rows = {row["tid"]: row for row in data["detail"]}
        elif kind == "task":
            self.rows[data["tid"]] = dict(self.rows.get(data["tid"], {}), **data)
        elif kind == "removed":
            del self.rows[data["tid"]]

    def told(self, tid):
        """The events of a task so far."""
        return [data for _, kind, data in self.events if kind == "task" and data["tid"] == tid]

    def wait_for_row(self, tid, condition):
        """The row of the task once it fits."""
        while tid not in self.rows or not condition(self.rows[tid]):
            assert self.next() is not None, "the stream ended"
        return self.rows[tid]

    def wait_for(self, kind, condition=lambda data: True):
        """The first event of the kind that fits, from now on."""
        while True:
            event = self.next()
            assert event is not None, "the stream ended"
            if event[1] == kind and condition(event[2]):
                return event

    def close(self):
        self.reader.close()
        self.sock.close()


@pytest.fixture
def prompt(monkeypatch):
    """Progress and figures are told ten times a second."""
    monkeypatch.setattr(sse, "PROGRESS_EVERY", 0.1)
    monkeypatch.setattr(sse, "STATS_EVERY", 0.1)


@pytest.fixture
def server(daemon):
    with Server(daemon, "127.0.0.1", 0) as running:
        yield running


@pytest.fixture
def listen(server):
    """A function that opens a Listener, its head read; all are closed afterwards."""
    opened = []

    def start(last_id=None, buffer=None):
        opened.append(Listener(server.url, last_id, buffer))
        status, headers = opened[-1].head()
        assert status == 200 and headers["content-type"] == "text/event-stream; charset=utf-8"
        assert headers["cache-control"] == "no-store" and headers["x-accel-buffering"] == "no"
        assert "content-length" not in headers and headers["connection"] == "close"
        return opened[-1]

    yield start
    for each in opened:
        each.close()


def add(daemon, name, **options):
    return daemon.add(NOWHERE + name, dict({"paused": True}, **options))


def test_first_comes_all_there_is(daemon, listen):
    tids = [add(daemon, "%d" % number) for number in range(3)]
    _, kind, data = listen().next()
    assert kind == "snapshot" and [row["tid"] for row in data["detail"]] == tids
    assert data["state_counter"]["paused"] == 3 and data["stats"]["connections"] == 0


def test_then_what_happens(daemon, prompt, listen):
    listener = listen()
    listener.next()
    tid = add(daemon, "a")
    assert listener.wait_for("task")[2]["state"] == "paused"
    daemon.delete(tid)
    assert listener.wait_for("removed")[2] == {"tid": tid}
    assert listener.wait_for("stats")[2]["state_counter"]["all"] == 0


def test_a_download_is_told_to_its_end(daemon, prompt, origin, listen):
    gate = Gate(30000)
    origin.put("/a.bin", noise(100000), script=[gate])
    listener = listen()
    tid = daemon.add(origin.url("/a.bin"))
    listener.wait_for_row(tid, lambda row: row["downloaded_bytes"] >= 30000)
    gate.open()
    row = listener.wait_for_row(tid, lambda row: row["state"] == "finished")
    assert row["percent"] == "100.0%" and row["filename"] == "a.bin" and row["error"] is None


ROW = {"tid", "state", "title", "percent", "total_bytes", "speed", "eta", "filename", "name", "downloaded_bytes",
       "connections", "error", "reason", "create_time", "finish_time", "verified_time", "priority", "place"}


def rows(daemon):
    """The rows as the list has them."""
    with Server(daemon, "127.0.0.1", 0) as server, Api(server.url) as client:
        return {row["tid"]: row for row in client.get("/task/list?rows=true")["detail"]}


def test_after_the_first_event_only_what_changed_is_told(daemon, prompt, listen):
    listener = listen()
    listener.next()         # the snapshot, in which the task would be
    tid = add(daemon, "a")
    listener.wait_for_row(tid, bool)
    assert set(listener.told(tid)[0]) == ROW
    daemon.change(tid, None, {"priority": 5})
    listener.wait_for_row(tid, lambda row: row["priority"] == 5)
    assert listener.told(tid)[1:] == [{"tid": tid, "priority": 5}]
    daemon.delete(tid)
    listener.wait_for("removed")
    add(daemon, "a")
    listener.wait_for_row(tid, bool)
    assert set(listener.told(tid)[-1]) == ROW, "it is another task"


def test_the_first_event_on_each_stream_is_whole(daemon, prompt, listen):
    tid = add(daemon, "a")
    early = listen()
    early.next()
    for priority in (1, 2):
        daemon.change(tid, None, {"priority": priority})
        early.wait_for_row(tid, lambda row: row["priority"] == priority)
    late = listen()
    late.next()
    daemon.change(tid, None, {"priority": 3})
    for each in (early, late):
        each.wait_for_row(tid, lambda row: row["priority"] == 3)
    assert [set(event) for event in early.told(tid)] == [ROW, {"tid", "priority"}, {"tid", "priority"}]
    assert [set(event) for event in late.told(tid)] == [ROW]
    assert early.rows == late.rows == rows(daemon)


def test_a_replay_needs_nothing_from_before(daemon, prompt, listen):
    tids, steady = [add(daemon, name) for name in "abc"], listen()
    for priority in range(1, 4):
        for tid in tids:
            daemon.change(tid, None, {"priority": priority})
        for tid in tids:
            steady.wait_for_row(tid, lambda row: row["priority"] == priority)
    ids = [number for number, _, _ in steady.events]
    for known, last_id in enumerate(ids):
        again = listen(last_id)
        while not ids[-1] == last_id and not (again.events and again.events[-1][0] == ids[-1]):
            again.next()
        assert [event[0] for event in again.events] == ids[known + 1:]
        for tid in tids:
            told = again.told(tid)
            assert not told or set(told[0]) == ROW and again.rows[tid] == steady.rows[tid]
            assert all(set(event) == {"tid", "priority"} for event in told[1:])


def test_progress_is_told_twice_a_second_at_most(daemon, origin, listen):
    origin.put("/a.bin", noise(200000))
    listener = listen()
    began = time.monotonic()
    tid = daemon.add(origin.url("/a.bin"), {"ratelimit": 100000})
    listener.wait_for_row(tid, lambda row: row["state"] == "finished")
    took, told = time.monotonic() - began, listener.told(tid)
    progress = [event for event in told if "state" not in event]
    assert 2 <= len(progress) <= 2 * took + 1, "%d in %.1f s" % (len(progress), took)
    assert all("title" not in event and "create_time" not in event for event in told[1:])
    assert listener.rows == rows(daemon)


def test_a_new_state_does_not_wait_for_progress(daemon, listen, monkeypatch):
    monkeypatch.setattr(sse, "PROGRESS_EVERY", 3600)
    listener = listen()
    listener.next()
    tid = add(daemon, "a")
    listener.wait_for_row(tid, lambda row: row["state"] == "paused")
    daemon.change(tid, None, {"priority": 5})
    daemon.resume(tid)
    row = listener.wait_for_row(tid, lambda row: row["state"] != "paused")
    assert row["priority"] == 5
    daemon.pause(tid)
    listener.wait_for_row(tid, lambda row: row["state"] == "paused")
    daemon.delete(tid)
    listener.wait_for("removed")


def test_another_window_of_the_schedule_is_told(settings, daemon, prompt, listen, monkeypatch):
    monkeypatch.setattr(sse, "KEEP_ALIVE", 0.1)
    listener = listen()
    assert listener.next()[2]["stats"]["window"] is None
    daemon.configuration.reload(dict(settings, schedule=[{"ratelimit": "1M"}]))
    assert listener.wait_for("stats", lambda stats: stats["window"])[2]["window"]["ratelimit"] == 2 ** 20
    daemon.configuration.reload(settings)
    listener.wait_for("stats", lambda stats: not stats["window"])


def test_a_reader_that_comes_back_misses_and_repeats_nothing(daemon, listen):
    steady, first = listen(), listen()
    steady.next()
    first.next()
    for number in range(5):
        add(daemon, "%d" % number)
        steady.wait_for("task")
        if number == 1:
            until(lambda: first.next()[0] == steady.events[-1][0])
            first.close()
    again = listen(first.events[-1][0])
    while not again.events or again.events[-1][0] != steady.events[-1][0]:
        again.next()
    missed = [event for event in steady.events if event not in first.events]
    assert again.events == missed[-len(again.events):]
    assert [row["tid"] for _, kind, row in again.events if kind == "task"] \
        == [row["tid"] for _, kind, row in steady.events if kind == "task"][2:]


@pytest.mark.parametrize("last_id", ["x-1", "1", "-", "", "abc-99999999999999999999999", "%s-99999",
                                     "%s-" + "9" * 5000, "%s-²"])
def test_an_id_that_is_not_known_gets_it_all(daemon, listen, server, last_id):
    add(daemon, "a")
    epoch = listen().next()[0].partition("-")[0]
    assert listen(last_id.replace("%s", epoch)).next()[1] == "snapshot"


def test_many_readers_get_the_same_and_it_is_encoded_once(daemon, server, listen, monkeypatch):
    encoded = []
    encode = sse.encoded
    monkeypatch.setattr(sse, "encoded", lambda number, kind, data: encoded.append(kind) or encode(number, kind, data))
    listeners = [listen() for _ in range(50)]
    for each in listeners:
        assert each.next()[1] == "snapshot"
    assert server.feed.readers == 50 and encoded.count("snapshot") == 1
    for number in range(20):
        add(daemon, "%d" % number)
    for each in listeners:
        while sum(kind == "task" for _, kind, _ in each.events) < 20:
            each.next()
    assert encoded.count("task") == 20
    tasks = [[event for event in each.events if event[1] == "task"] for each in listeners]
    assert all(each == tasks[0] for each in tasks)
    numbers = [int(number.partition("-")[2]) for number, _, _ in listeners[0].events]
    assert numbers == sorted(set(numbers))


def test_a_reader_that_does_not_keep_up_is_dropped(daemon, monkeypatch):
    monkeypatch.setattr(sse, "RING", 64)
    monkeypatch.setattr(sse, "EVERY", 0.001)
    with Server(daemon, "127.0.0.1", 0) as server:
        slow, quick = Listener(server.url, buffer=4096), Listener(server.url)
        quick.head()
        quick.next()
        options = {"paused": True, "dir": "\u754c" * 1024, "filename": "a"}
        for batch in range(70):     # 7 MB, which no socket takes in advance
            names = ["%d-%d" % (batch, number) for number in range(30)]
            daemon.add_all([(NOWHERE + name, options, ()) for name in names])
            while sum(kind == "task" for _, kind, _ in quick.events) < (batch + 1) * 30:
                assert quick.next() is not None
        slow.head()
        while slow.next() is not None:
            pass
        assert 0 < len(slow.events) < len(quick.events), "it has missed some, and the end tells it"
        until(lambda: server.feed.readers == 1)
        slow.close()
        quick.close()


def test_a_reader_who_has_gone_is_noticed(daemon, server, listen):
    listeners = [listen() for _ in range(3)]
    for each in listeners:
        each.next()
    for each in listeners:
        each.close()
    for number in range(2):     # a socket tells of its end at the second write
        add(daemon, "%d" % number)
        time.sleep(0.3)
    until(lambda: server.feed.readers == 0)


@pytest.mark.skipif(not hasattr(select, "POLLRDHUP"), reason="only Linux tells")
def test_a_reader_who_has_gone_is_noticed_with_nothing_to_tell(server, listen, monkeypatch):
    monkeypatch.setattr(sse, "LOOK", 0.05)
    leaving, staying = listen(), listen()
    for each in (leaving, staying):
        each.next()
    leaving.close()
    until(lambda: server.feed.readers == 1)
    monkeypatch.setattr(sse, "KEEP_ALIVE", 0.1)
    assert staying.reader.readline() == b": still here\n"


def test_more_changes_than_the_ring_holds_are_one_snapshot(daemon, monkeypatch):
    monkeypatch.setattr(sse, "RING", 64)
    with Server(daemon, "127.0.0.1", 0) as server:
        listener = Listener(server.url)
        listener.head()
        listener.next()
        tids, _ = daemon.add_all([(NOWHERE + "%d" % number, {"paused": True}, ()) for number in range(1000)])
        known = set()
        while known != set(tids):
            event = listener.next()
            assert event is not None, "it was cut off though it kept up"
            known.update(row["tid"] for row in event[2].get("detail", [event[2]]) if "tid" in row)
        assert "snapshot" in [kind for _, kind, _ in listener.events[1:]]
        listener.close()


def test_what_is_gone_leaves_nothing_in_the_ring():
    def use():
        ring.begin({})
        for number in range(5000):
            ring.append("task", {"tid": "%040d" % number, "state": "queued"})
            (ring.take if number % 2 else ring.append)("removed", {"tid": "%040d" % number})

    def forget():
        ring.snapshot(lambda: {"detail": ["x" * 2 ** 19]})
        ring.clear()

    ring = sse.EventRing(4)
    for work in use, forget:
        tracemalloc.start()
        try:
            work()
            assert tracemalloc.get_traced_memory()[0] < 2 ** 16
        finally:
            tracemalloc.stop()


def test_the_end_of_the_server_is_the_end_of_the_stream(settings):
    with Daemon(settings) as daemon:
        server = Server(daemon, "127.0.0.1", 0).start()
        listener = Listener(server.url)
        listener.head()
        listener.next()
        began = time.monotonic()
        server.stop()
        assert time.monotonic() - began < 1
        assert listener.next() is None
        listener.close()


def test_head_opens_no_stream(server, api):
    answer = api.request("HEAD", "/events")
    assert answer.status == 200 and answer.headers["content-type"].startswith("text/event-stream")
    assert server.feed.readers == 0


def wake_ups(pid):
    """Voluntary context switches of all threads of the process so far."""
    total = 0
    for thread in os.listdir("/proc/%d/task" % pid):
        with open("/proc/%d/task/%s/status" % (pid, thread)) as file:
            total += int(re.search(r"(?m)^voluntary_ctxt_switches:\s*(\d+)", file.read()).group(1))
    return total


@pytest.mark.skipif(not os.path.exists("/proc/self/task"), reason="needs /proc")
def test_with_nothing_to_tell_nobody_wakes_up(process):
    daemon = process()
    daemon.api.post("/task", {"url": NOWHERE, "options": {"paused": True}})
    listener = Listener(daemon.url)
    listener.head()
    listener.next()
    time.sleep(1)
    before = wake_ups(daemon.popen.pid)
    time.sleep(2)
    woken = wake_ups(daemon.popen.pid) - before
    listener.close()
    assert woken <= 4, "%d times in 2 s" % woken
