"""aria2's methods: downloads by gid, their states, lists, places and results."""

import hashlib
import os
import re

import pytest

from aria2 import Refused
from harness import noise, until
from servers.origin import Gate, paced, refuse

from dlserv import Daemon, Server
from dlserv.api.aria2 import gids
from dlserv.api.aria2.results import page

NOWHERE = "http://127.0.0.1:1/"
UNKNOWN = "0123456789abcdef"
ALWAYS = {
    "gid", "status", "totalLength", "completedLength", "uploadLength", "downloadSpeed", "uploadSpeed",
    "connections", "pieceLength", "numPieces", "dir", "files"
}


def tid_of(url):
    return hashlib.sha1(url.encode()).hexdigest()


def status_of(rpc, gid):
    return rpc("tellStatus", gid)["status"]


def reach(rpc, gid, status):
    until(lambda: status_of(rpc, gid) == status)
    return rpc("tellStatus", gid)


def add_paused(rpc, *names, **options):
    return [rpc("addUri", [NOWHERE + name], dict(options, pause="true")) for name in names]


def message(rpc, method, *params):
    """Return the message of a call that must fail with code 1."""
    with pytest.raises(Refused) as error:
        rpc(method, *params)
    assert error.value.code == 1
    return error.value.message


# -- the life of a download -----------------------------------------------------------------


def test_a_download_from_beginning_to_end(rpc, origin, folder):
    origin.put("/a.bin", noise(3 * 2 ** 20 + 5), script=[paced(2 ** 20)] * 20)
    url = origin.url("/a.bin")
    gid = rpc("addUri", [url])
    assert gid == tid_of(url)[:16]
    until(lambda: int(rpc("tellStatus", gid)["completedLength"]) > 2 ** 18)
    active = rpc("tellActive")[0]
    assert ALWAYS <= set(active) and active["status"] == "active" and active["totalLength"] == str(
        3 * 2 ** 20 + 5)
    assert active["numPieces"] == "4" and active["dir"] == str(folder) and int(active["connections"]) > 0
    assert not {"errorCode", "errorMessage", "bittorrent", "infoHash"} & set(active)
    assert rpc("getServers", gid)[0]["servers"][0]["uri"] == url
    assert rpc("pause", gid) == gid and reach(rpc, gid, "paused")["downloadSpeed"] == "0"
    assert rpc("unpause", gid) == gid
    done = reach(rpc, gid, "complete")
    assert done["errorCode"] == "0" and done["errorMessage"] == "" and done["bitfield"] == "f0"
    assert done["completedLength"] == done["totalLength"] == done["files"][0]["length"]
    assert done["files"] == rpc("getFiles", gid) == [{
        "index": "1", "path": str(folder / "a.bin"), "length": str(3 * 2 ** 20 + 5),
        "completedLength": str(3 * 2 ** 20 + 5), "selected": "true", "uris": [{"uri": url, "status": "used"}]
    }]
    assert (folder / "a.bin").read_bytes() == noise(3 * 2 ** 20 + 5)
    assert rpc("removeDownloadResult", gid) == "OK" and (folder / "a.bin").exists()
    assert message(rpc, "tellStatus", gid) == f"GID {gid} is not found"


def test_every_value_is_a_string_or_a_list_of_structs(rpc, origin):

    def check(value):
        if isinstance(value, (list, tuple)):
            for each in value:
                check(each)
        elif isinstance(value, dict):
            for each in value.values():
                check(each)
        else:
            assert isinstance(value, str), value

    origin.put("/a", b"x")
    done = rpc("addUri", [origin.url("/a")])
    failed = rpc("addUri", [origin.url("/none")])
    waiting, gone = add_paused(rpc, "w", "g")
    rpc("remove", gone)
    reach(rpc, done, "complete"), reach(rpc, failed, "error")
    for gid in (done, failed, waiting, gone):
        check(rpc("tellStatus", gid))
        check(rpc("getOption", gid))
    for method in ("getGlobalStat", "getVersion", "getSessionInfo", "getGlobalOption", "tellActive"):
        check(rpc(method))


@pytest.mark.parametrize("path, code, word", [("/none", "3", "404"), ("/gone", "3", "410"),
                                              ("/secret", "24", "401"), ("/forbidden", "24", "403"),
                                              ("/teapot", "22", "418"), ("/busy", "29", "503"),
                                              ("/many", "29", "429"), ("/broken", "22", "500")])
def test_the_code_tells_why_it_failed(rpc, origin, path, code, word):
    if path != "/none":
        origin.put(path, b"x", script=[refuse(word)] * 20)
    failed = reach(rpc, rpc("addUri", [origin.url(path)], {"max-tries": "1"}), "error")
    assert failed["errorCode"] == code and word in failed["errorMessage"]


@pytest.mark.parametrize("url, code", [(NOWHERE, "6"), ("http://no-such-host.invalid/", "19")])
def test_what_is_not_reached_has_a_code_of_its_own(rpc, url, code):
    assert reach(rpc, rpc("addUri", [url], {"max-tries": "1"}), "error")["errorCode"] == code


def test_wrong_bytes_are_code_32(rpc, origin):
    origin.put("/a", b"x")
    gid = rpc("addUri", [origin.url("/a")], {"checksum": "sha-256=" + "0" * 64})
    assert reach(rpc, gid, "error")["errorCode"] == "32"


def test_a_try_that_is_repeated_is_no_error_yet(rpc, origin, daemon):
    daemon.configure({"download": {"retry_wait": 60}})
    origin.put("/a", b"x", script=[refuse(503)])
    gid = rpc("addUri", [origin.url("/a")])
    until(lambda: daemon.list()[0].error)
    told = rpc("tellStatus", gid)
    assert told["status"] == "waiting" and not {"errorCode", "errorMessage"} & set(told)


# -- gids -----------------------------------------------------------------------------------


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
    from aria2 import Rpc
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


def test_a_url_that_is_there_answers_with_its_gid(rpc):
    first = rpc("addUri", [NOWHERE + "a"], {"pause": "true", "out": "first"})
    assert rpc("addUri", [" " + NOWHERE + "a\n"], {"out": "second"}) == first
    assert rpc("getOption", first)["out"] == "first" and status_of(rpc, first) == "paused"


def test_a_failed_url_is_tried_again_with_the_new_options(rpc, origin):
    origin.put("/a", b"x", script=[refuse(404)])
    first = rpc("addUri", [origin.url("/a")], {"out": "one"})
    reach(rpc, first, "error")
    second = rpc("addUri", [origin.url("/a")], {"out": "two", "user-agent": "agent/2", "pause": "true"})
    assert second != first and status_of(rpc, second) == "paused"
    assert rpc("getOption", second)["out"] == "two" and rpc("getOption", second)["user-agent"] == "agent/2"
    rpc("unpause", second)
    assert reach(rpc, second, "complete")["files"][0]["path"].endswith("/two")


# -- removal ------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["remove", "forceRemove"])
def test_a_removed_download_is_told_until_it_is_forgotten(rpc, daemon, origin, method):
    origin.put("/a", noise(2 ** 20), script=[paced(10000)])
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


def test_a_removed_url_may_be_added_again(rpc):
    gid, = add_paused(rpc, "a")
    rpc("remove", gid)
    again, = add_paused(rpc, "a")
    assert status_of(rpc, again) == "paused" and rpc("tellStopped", 0, 10) == []


def test_only_the_last_removed_ones_are_remembered(rpc):
    added = add_paused(rpc, *map(str, range(gids.MOST_REMOVED + 2)))
    for gid in added:
        rpc("remove", gid)
    assert [each["gid"] for each in rpc("tellStopped", 0, 1000, ["gid"])] == added[2:]


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


# -- lists and places -----------------------------------------------------------------------


@pytest.mark.parametrize("offset, count, wanted", [(0, 2, "ab"), (1, 2, "bc"), (3, 9, "d"), (4, 1, ""),
                                                   (0, 0, ""), (0, 9, "abcd"), (-1, 2, "dc"), (-2, 9, "cba"),
                                                   (-4, 1, "a"), (-4, 9, "a"), (-5, 9, ""), (-1, 0, ""),
                                                   (2 ** 40, 2 ** 40, ""), (-2 ** 40, 2 ** 40, "")])
def test_pages_are_counted_as_aria2_does(offset, count, wanted):
    assert "".join(page(list("abcd"), offset, count)) == wanted


def test_the_waiting_are_told_in_the_order_of_the_queue(rpc, daemon):
    low, high, other = add_paused(rpc, "low", "high", "other")
    daemon.change(tid_of(NOWHERE + "high"), posted={"priority": 5})
    assert [each["gid"] for each in rpc("tellWaiting", 0, 9, ["gid"])] == [high, low, other]
    assert [each["gid"] for each in rpc("tellWaiting", -1, 2, ["gid"])] == [other, low]
    assert rpc("getGlobalStat") == {
        "downloadSpeed": "0", "uploadSpeed": "0", "numActive": "0", "numWaiting": "3", "numStopped": "0",
        "numStoppedTotal": "0"
    }


def test_the_stopped_are_told_in_the_order_of_their_ends(rpc, origin):
    gate = Gate(0)
    origin.put("/late", b"x", script=[gate])
    origin.put("/early", b"x")
    late, early = rpc("addUri", [origin.url("/late")]), rpc("addUri", [origin.url("/early")])
    reach(rpc, early, "complete")
    failed = rpc("addUri", [origin.url("/none")])
    reach(rpc, failed, "error")
    gone, = add_paused(rpc, "gone")
    rpc("remove", gone)
    gate.open()
    reach(rpc, late, "complete")
    assert [each["gid"] for each in rpc("tellStopped", 0, 9, ["gid"])] == [early, failed, gone, late]
    assert [each["gid"] for each in rpc("tellStopped", -1, 2, ["gid"])] == [late, gone]


@pytest.mark.parametrize("keys, wanted", [(["gid"], {"gid"}),
                                          (["gid", "nope", 5, None, "status"], {"gid", "status"}),
                                          ([], ALWAYS), (["nope"], set()), (["bittorrent"], set()),
                                          (["errorCode"], set())])
def test_keys_choose_what_is_told(rpc, keys, wanted):
    gid, = add_paused(rpc, "a")
    assert set(rpc("tellStatus", gid, keys)) == set(rpc("tellWaiting", 0, 1, keys)[0]) == wanted


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


def test_a_download_is_added_at_a_place(rpc):
    a, b = add_paused(rpc, "a", "b")
    first = rpc("addUri", [NOWHERE + "1"], {"pause": "true"}, 0)
    middle = rpc("addUri", [NOWHERE + "m"], {"pause": "true"}, 2)
    last = rpc("addUri", [NOWHERE + "l"], {"pause": "true"}, 2 ** 31 - 1)
    assert [each["gid"] for each in rpc("tellWaiting", 0, 9, ["gid"])] == [first, a, middle, b, last]
    assert message(rpc, "addUri", [NOWHERE], {}, -1) == "Position must be greater than or equal to 0."


# -- uris -----------------------------------------------------------------------------------


def uris_of(rpc, gid):
    return [each["uri"].replace(NOWHERE, "") for each in rpc("getUris", gid)]


def test_further_uris_are_mirrors(rpc):
    gid = rpc("addUri", [NOWHERE + "a", NOWHERE + "b", NOWHERE + "b", 5, NOWHERE + "c"], {"pause": "true"})
    assert uris_of(rpc, gid) == ["a", "b", "c"]
    assert {each["status"] for each in rpc("getUris", gid)} == {"waiting"}
    many = rpc("addUri", [NOWHERE + str(number) for number in range(60)], {"pause": "true"})
    assert len(uris_of(rpc, many)) == 33


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


@pytest.mark.parametrize("uris, words", [([], "URI is not provided."), ([5, None], "URI is not provided."),
                                         (["magnet:?xt=urn:btih:0"], "magnet links need"),
                                         ([NOWHERE, "magnet:?xt=urn:btih:0"], "HTTP, HTTPS and FTP only"),
                                         (["gopher://x/"], "gopher"), (["x"], "absolute URL"),
                                         ([""], "missing"), (["http://"], "host"), (["nope", 5, "x"], "absolute URL")])
def test_what_cannot_be_fetched_is_refused_with_a_sentence(rpc, daemon, uris, words):
    assert words in message(rpc, "addUri", uris) and daemon.list() == []


# -- the daemon -----------------------------------------------------------------------------


def test_menus_for_torrents_are_hidden(rpc):
    version = rpc("getVersion")
    assert version["version"] == "1.37.0" and version["dlserv"]
    assert version["enabledFeatures"] == ["Async DNS", "GZip", "HTTPS", "Message Digest"]


def test_the_session_is_the_servers(rpc, daemon):
    session = rpc("getSessionInfo")["sessionId"]
    assert re.fullmatch("[0-9a-f]{40}", session) and rpc("getSessionInfo")["sessionId"] == session


@pytest.mark.parametrize("method, params, words", [("addTorrent", ["ZDg6YW5ub3VuY2Vl"], "BitTorrent"),
                                                   ("addMetalink", ["PG1ldGFsaW5rLz4="], "Metalink"),
                                                   ("shutdown", [], "stop it where it was started"),
                                                   ("forceShutdown", [], "stop it where it was started")])
def test_what_is_lacking_is_refused_with_a_sentence(rpc, method, params, words):
    assert words in message(rpc, method, *params)
    assert "version" in rpc("getVersion")


def test_there_is_nothing_to_save(rpc):
    assert rpc("saveSession") == "OK"


@pytest.mark.parametrize("method, params, wanted",
                         [("tellStatus", [], "The parameter at 0 is required but missing."),
                          ("tellStatus", [5], "The parameter at 0 has wrong type."),
                          ("tellStatus", [UNKNOWN, "x"], "The parameter at 1 has wrong type."),
                          ("tellActive", [5], "The parameter at 0 has wrong type."),
                          ("tellWaiting", [0], "The parameter at 1 is required but missing."),
                          ("tellWaiting", ["0", 1], "The parameter at 0 has wrong type."),
                          ("tellStopped", [True, 1], "The parameter at 0 has wrong type."),
                          ("addUri", ["x"], "The parameter at 0 has wrong type."),
                          ("addUri", [[NOWHERE], []], "The parameter at 1 has wrong type."),
                          ("addUri", [[NOWHERE], {}, "1"], "The parameter at 2 has wrong type."),
                          ("changePosition", [UNKNOWN, 0], "The parameter at 2 is required but missing."),
                          ("changeOption", [UNKNOWN], "The parameter at 1 is required but missing."),
                          ("changeGlobalOption", [], "The parameter at 0 is required but missing."),
                          ("changeUri", [UNKNOWN, 1, []], "The parameter at 3 is required but missing.")])
def test_parameters_are_checked_with_aria2s_messages(rpc, method, params, wanted):
    assert message(rpc, method, *params) == wanted


def test_the_part_file_stays_when_a_download_is_removed(rpc, origin, folder):
    origin.put("/a", noise(2 ** 20), script=[paced(200000)] * 8)
    gid = rpc("addUri", [origin.url("/a")])
    until(lambda: int(rpc("tellStatus", gid)["completedLength"]) > 100000)
    rpc("remove", gid)
    assert os.listdir(folder)
