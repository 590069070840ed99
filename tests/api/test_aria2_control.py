"""aria2's methods that change downloads: pause, remove, move, change."""

import os

import pytest

from aria2 import NOWHERE, UNKNOWN, add_paused, message, reach, status_of, uris_of
from harness import noise, until
from servers.origin import paced


@pytest.mark.parametrize("method", ["remove", "forceRemove"])
def test_a_removed_download_is_told_until_it_is_forgotten(rpc, daemon, origin, method):
    origin.put("/a", noise(2 ** 21), script=[paced(200000)])
    gid = rpc("addUri", [origin.url("/a")], {"header": ["Authorization: x"]})
    until(lambda: int(rpc("tellStatus", gid)["completedLength"]) > 0)
    assert rpc(method, gid) == gid and daemon.list() == []
    told = rpc("tellStatus", gid)
    assert told["status"] == "removed" and told["errorCode"] == "31" and told["connections"] == "0"
    assert rpc("tellStopped", 0, 10) == [told] and rpc("getGlobalStat")["numStopped"] == "1"
    assert rpc("getFiles", gid) == told["files"] and rpc("getOption", gid)["header"] == "Authorization: ***"
    assert message(rpc, method, gid) == f"Active Download not found for GID#{gid}"
    assert rpc("removeDownloadResult", gid) == "OK" and rpc("tellStopped", 0, 10) == []
    assert message(rpc, "removeDownloadResult", gid) == f"GID {gid} is not found"


def test_a_purge_forgets_what_has_stopped_and_keeps_files(rpc, origin, folder):
    origin.put("/a", b"x")
    done, failed = rpc("addUri", [origin.url("/a")]), rpc("addUri", [origin.url("/none")])
    reach(rpc, done, "complete"), reach(rpc, failed, "error")
    kept, gone = add_paused(rpc, "kept", "gone")
    rpc("remove", gone)
    assert rpc("purgeDownloadResult") == "OK"
    assert rpc("tellStopped", 0, 10) == [] and status_of(rpc, kept) == "paused" and (folder / "a").exists()


def test_each_state_permits_what_aria2_permits(rpc, origin):
    origin.put("/a", b"x")
    paused, gone = add_paused(rpc, "p", "g")
    done = rpc("addUri", [origin.url("/a")])
    reach(rpc, done, "complete"), rpc("remove", gone)
    for gid in (paused, done, gone):
        assert message(rpc, "pause", gid) == message(rpc, "forcePause",
                                                     gid) == f"GID#{gid} cannot be paused now"
    for gid in (done, gone):
        assert message(rpc, "unpause", gid) == f"GID#{gid} cannot be unpaused now"
        assert message(rpc, "forceRemove", gid) == f"Active Download not found for GID#{gid}"
        assert message(rpc, "getUris", gid) == f"No URI data is available for GID#{gid}"
        assert message(rpc, "changeOption", gid, {}) == f"Cannot change option for GID#{gid}"
        assert message(rpc, "changeUri", gid, 1, [], []) == f"Cannot remove URIs from GID#{gid}"
        assert message(rpc, "changePosition", gid, 0,
                       "POS_SET") == f"GID#{gid} not found in the waiting queue."
    for gid in (paused, done, gone):
        assert message(rpc, "getServers", gid) == f"No active download for GID#{gid}" and rpc(
            "getPeers", gid) == []
    assert message(rpc, "removeDownloadResult", paused) == f"Could not remove download result of GID#{paused}"


def test_all_are_paused_and_resumed_without_errors(rpc, origin):
    origin.put("/a", noise(2 ** 20), script=[paced(10000)] * 10)
    assert rpc("pauseAll") == rpc("unpauseAll") == rpc("forcePauseAll") == "OK"
    running, (paused, ) = rpc("addUri", [origin.url("/a")]), add_paused(rpc, "p")
    assert rpc("pauseAll") == "OK"
    assert status_of(rpc, running) == status_of(rpc, paused) == "paused"
    assert rpc("unpauseAll") == "OK" and status_of(rpc, running) in ("waiting", "active")
    assert rpc("forcePauseAll") == "OK" and status_of(rpc, running) == "paused"


def test_a_place_is_set_moved_and_counted_from_the_end(rpc):
    a, b, c, d = add_paused(rpc, *"abcd")

    def order():
        return [each["gid"] for each in rpc("tellWaiting", 0, 9, ["gid"])]

    for gid, offset, how, place, wanted in [(c, 0, "POS_SET", 0, [c, a, b, d]),
                                            (c, 2, "POS_SET", 2, [a, b, c, d]),
                                            (c, 99, "POS_SET", 3, [a, b, d, c]),
                                            (c, -9, "POS_SET", 0, [c, a, b, d]),
                                            (a, 1, "POS_CUR", 2, [c, b, a, d]),
                                            (a, -1, "POS_CUR", 1, [c, a, b, d]),
                                            (a, -9, "POS_CUR", 0, [a, c, b, d]),
                                            (a, 0, "POS_END", 3, [c, b, d, a]),
                                            (a, -2, "POS_END", 1, [c, a, b, d]),
                                            (b, 2, "POS_SET", 2, [c, a, b, d]),
                                            (d, 5, "POS_CUR", 3, [c, a, b, d]),
                                            (d, 5, "POS_END", 3, [c, a, b, d])]:
        assert rpc("changePosition", gid, offset, how) == place and order() == wanted
    assert message(rpc, "changePosition", a, 0, "POS_X") == "Illegal argument."
    assert message(rpc, "changePosition", UNKNOWN, 0, "POS_SET") == f"GID {UNKNOWN} is not found"


@pytest.mark.parametrize("gone, new, position, counts, wanted", [([], ["c"], None, [0, 1], "abc"),
                                                                 ([], ["c"], 0, [0, 1], "cab"),
                                                                 ([], ["c", "d"], 1, [0, 2], "acdb"),
                                                                 (["b"], [], None, [1, 0], "a"),
                                                                 (["a"], [], None, [1, 0], "b"),
                                                                 (["a", "b"], [], None, [1, 0], "a"),
                                                                 (["a", "b"], ["c"], None, [2, 1], "c"),
                                                                 (["x"], [], None, [0, 0], "ab"),
                                                                 (["b", "b"], [], None, [1, 0], "a"),
                                                                 ([], ["c"], 99, [0, 1], "abc")])
def test_uris_are_taken_and_given(rpc, gone, new, position, counts, wanted):
    gid = rpc("addUri", [NOWHERE + "a", NOWHERE + "b"], {"pause": "true"})
    parameters = [[NOWHERE + name for name in gone], [NOWHERE + name for name in new]]
    assert rpc("changeUri", gid, 1, *parameters, *([] if position is None else [position])) == counts
    assert uris_of(rpc, gid) == list(wanted)


def test_only_the_first_file_has_uris(rpc):
    gid, = add_paused(rpc, "a")
    assert message(rpc, "changeUri", gid, 2, [], []) == "fileIndex is out of range"
    assert "greater than or equal to 1" in message(rpc, "changeUri", gid, 0, [], [])
    assert rpc("changeUri", gid, 1, [], ["nope", 5, "magnet:?xt=urn:btih:x"]) == [0, 0]


def test_the_part_file_stays_when_a_download_is_removed(rpc, origin, folder):
    origin.put("/a", noise(2 ** 21), script=[paced(10 ** 6)] * 8)
    gid = rpc("addUri", [origin.url("/a")], {"split": "1"})
    until(lambda: int(rpc("tellStatus", gid)["completedLength"]) > 100000)
    rpc("remove", gid)
    assert os.listdir(folder)
