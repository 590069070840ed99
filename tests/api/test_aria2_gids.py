"""Gids of the aria2 door: what they name, and how long."""

import hashlib

import pytest

from aria2 import UNKNOWN, Rpc, add_paused, message, reach, status_of, tid_of
from harness import noise, until
from servers.origin import Gate, refuse

from dlserv import Daemon, Server
from dlserv.api.aria2 import gids


@pytest.mark.parametrize("gid", ["", "zz", "x" * 16, "0123456789abcdef0", "-1", " ", "é", "0x12"])
def test_what_is_no_gid_is_said_to_be_none(rpc, gid):
    assert message(rpc, "tellStatus", gid) == "Invalid GID " + gid


def test_a_unique_beginning_will_do(rpc):
    first, second = add_paused(rpc, "a", "b")
    assert first[0] != second[0] and rpc("tellStatus", first[:1])["gid"] == first
    assert rpc("tellStatus", first.upper())["gid"] == first
    assert message(rpc, "tellStatus", UNKNOWN) == f"GID {UNKNOWN} is not found"
    many = add_paused(rpc, *map(str, range(40)))
    shared = next(gid for gid in many if sum(each[0] == gid[0] for each in many) > 1)
    assert message(rpc, "tellStatus", shared[0]) == f"GID {shared[0]} is not unique"


def test_a_gid_outlives_the_daemon_but_not_the_life(settings, origin):
    origin.put("/a", b"x", script=[refuse(404)])
    with Daemon(settings) as daemon, Server(daemon, "127.0.0.1", 0) as server:
        rpc = Rpc(server.url)
        first = rpc("addUri", [origin.url("/a")])
        reach(rpc, first, "error")
        second = rpc("addUri", [origin.url("/a")])
        assert second == hashlib.sha1((tid_of(origin.url("/a")) + ":1").encode()).hexdigest()[:16]
        assert message(rpc, "tellStatus", first) == f"GID {first} is not found"
        reach(rpc, second, "complete")
    with Daemon(settings) as daemon, Server(daemon, "127.0.0.1", 0) as server:
        rpc = Rpc(server.url)
        assert status_of(rpc, second) == "complete"
        assert rpc("addUri", [origin.url("/a")]) == second
        third = rpc("addUri", [origin.url("/a")], {"allow-overwrite": "true"})
        assert third not in (first, second)
        reach(rpc, third, "complete")


def test_a_gid_is_the_same_over_pauses_and_retries(rpc, origin):
    gate = Gate(2 ** 18)
    origin.put("/a", noise(2 ** 20), script=[refuse(503), gate])
    gid = rpc("addUri", [origin.url("/a")])
    until(lambda: int(rpc("tellStatus", gid)["completedLength"]) > 0)
    rpc("pause", gid), rpc("unpause", gid)
    gate.open()
    assert reach(rpc, gid, "complete")["gid"] == gid


def test_only_the_last_removed_ones_are_remembered(rpc, monkeypatch):
    monkeypatch.setattr(gids, "MOST_REMOVED", 50)
    added = add_paused(rpc, *map(str, range(gids.MOST_REMOVED + 2)))
    for gid in added:
        rpc("remove", gid)
    assert [each["gid"] for each in rpc("tellStopped", 0, 1000, ["gid"])] == added[2:]
