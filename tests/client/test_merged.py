"""The events of several daemons as one stream."""

import threading

import pytest

from harness import until

from dlserv import Client, Daemon, Server
from dlserv.client import merged as merged_module
from dlserv.client.merged import Merged
from dlserv.errors import NoDaemon, NotAllowed

NOWHERE = "http://127.0.0.1:1/"


@pytest.fixture
def pair(tmp_path):
    """Two daemons."""
    made = [Daemon({"general": {"download_dir": str(tmp_path / name), "db_path": str(tmp_path / (name + ".db"))}})
            for name in "ab"]
    with made[0], made[1]:
        yield made


def tids(event):
    return [row["tid"] for row in event.data["detail"]]


def following(merged, kind):
    """The next event of this kind."""
    return next(event for event in merged if event.kind == kind)


def test_the_first_snapshot_has_the_tasks_of_all(pair):
    wanted = [pair[number % 2].add(NOWHERE + str(number), {"paused": True}) for number in range(6)]
    with Server(pair[0], "127.0.0.1", 0) as one, Server(pair[1], "127.0.0.1", 0) as other:
        with Merged([Client(one.url), Client(other.url)], pytest.fail) as merged:
            first = next(iter(merged))
            assert first.kind == "snapshot" and tids(first) == wanted and merged.connected
            tid = pair[1].add(NOWHERE + "more", {"paused": True})
            assert following(merged, "task").data["tid"] == tid
            pair[0].delete(wanted[0])
            assert following(merged, "removed").data["tid"] == wanted[0]


def test_a_daemon_that_stays_away_is_left_out_for_a_while(pair, monkeypatch):
    monkeypatch.setattr(merged_module, "RETRY", 0.05)
    kept, lost = (daemon.add(NOWHERE + "x%d" % number, {"paused": True}) for number, daemon in enumerate(pair))
    with Server(pair[0], "127.0.0.1", 0) as one:
        with Server(pair[1], "127.0.0.1", 0) as other:
            url = other.url
            merged = Merged([Client(one.url), Client(url)], pytest.fail, patience=0.1)
            assert set(tids(following(merged, "snapshot"))) == {kept, lost}
        with merged:
            assert following(merged, "lost").data == {"url": url} and not merged.connected
            assert tids(following(merged, "snapshot")) == [kept]
            with Server(pair[1], "127.0.0.1", int(url.rpartition(":")[2])):
                assert set(tids(following(merged, "snapshot"))) == {kept, lost} and merged.connected


def test_one_that_is_not_there_is_missed_once(pair):
    tid, missed = pair[0].add(NOWHERE, {"paused": True}), []
    absent = Client(NOWHERE)
    with Server(pair[0], "127.0.0.1", 0) as one:
        with Merged([absent, Client(one.url)], lambda client, error: missed.append((client, type(error)))) as merged:
            assert tids(next(iter(merged))) == [tid] and not merged.connected
    assert missed == [(absent, NoDaemon)]


def test_the_first_error_is_raised_where_none_is_there(pair):
    missed = []
    with pytest.raises(NoDaemon):
        Merged([Client(NOWHERE), Client("http://127.0.0.1:2")], lambda *miss: missed.append(miss))
    assert len(missed) == 2


def test_one_that_lets_nobody_in_is_missed(pair, tmp_path):
    missed = []
    with Daemon({"general": {"download_dir": str(tmp_path / "c"), "db_path": str(tmp_path / "c.db")},
                 "server": {"token": "0123456789abcdef"}}) as guarded:
        with Server(pair[0], "127.0.0.1", 0) as one, Server(guarded, "127.0.0.1", 0) as other:
            with Merged([Client(one.url), Client(other.url)], lambda client, error: missed.append(error)) as merged:
                assert tids(next(iter(merged))) == []
    assert [type(error) for error in missed] == [NotAllowed]


def test_another_thread_may_close_it(pair):
    with Server(pair[0], "127.0.0.1", 0) as one, Server(pair[1], "127.0.0.1", 0) as other:
        with Merged([Client(one.url), Client(other.url)], pytest.fail) as merged:
            kinds = []
            thread = threading.Thread(target=lambda: kinds.extend(event.kind for event in merged))
            thread.start()
            until(lambda: kinds)
            merged.close()
            thread.join(15)
            assert not thread.is_alive() and kinds[0] == "snapshot"
