"""aria2's structs: what is told of a download, and why it failed."""

import pytest

from aria2 import NOWHERE, add_paused, message, reach, tid_of
from harness import noise, until
from servers.origin import paced, refuse

from dlserv.api.aria2.results import page

ALWAYS = {
    "gid", "status", "totalLength", "completedLength", "uploadLength", "downloadSpeed", "uploadSpeed",
    "connections", "pieceLength", "numPieces", "dir", "files"
}


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
    origin.put("/a.bin", noise(3 * 2 ** 20 + 5))
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


@pytest.mark.parametrize("offset, count, wanted", [(0, 2, "ab"), (1, 2, "bc"), (3, 9, "d"), (4, 1, ""),
                                                   (0, 0, ""), (0, 9, "abcd"), (-1, 2, "dc"), (-2, 9, "cba"),
                                                   (-4, 1, "a"), (-4, 9, "a"), (-5, 9, ""), (-1, 0, ""),
                                                   (2 ** 40, 2 ** 40, ""), (-2 ** 40, 2 ** 40, "")])
def test_pages_are_counted_as_aria2_does(offset, count, wanted):
    assert "".join(page(list("abcd"), offset, count)) == wanted


@pytest.mark.parametrize("keys, wanted", [(["gid"], {"gid"}),
                                          (["gid", "nope", 5, None, "status"], {"gid", "status"}),
                                          ([], ALWAYS), (["nope"], set()), (["bittorrent"], set()),
                                          (["errorCode"], set())])
def test_keys_choose_what_is_told(rpc, keys, wanted):
    gid, = add_paused(rpc, "a")
    assert set(rpc("tellStatus", gid, keys)) == set(rpc("tellWaiting", 0, 1, keys)[0]) == wanted
