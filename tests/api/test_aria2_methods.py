"""aria2's methods that only look: lists in their order, the daemon; and the checks of parameters."""

import re

import pytest

from aria2 import NOWHERE, UNKNOWN, add_paused, message, reach, tid_of
from servers.origin import Gate

# -- lists ----------------------------------------------------------------------------------


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
