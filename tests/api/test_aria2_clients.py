"""The requests of each client of aria2, as it sends them, and the parts of the answer that it needs.

The bodies were recorded from the clients themselves or read from their sources. `call` rows
are (the client, headers, body); TOKEN stands for the secret.
"""

import base64
import json

import pytest

from aria2 import TOKEN, WebSocket, url_of
from harness import noise, until
from servers.origin import paced

SECRET = "token:" + TOKEN
JSON = {"Content-Type": "application/json"}
FILES = [
    "gid", "totalLength", "completedLength", "uploadSpeed", "downloadSpeed", "connections", "numSeeders",
    "seeder", "status", "errorCode", "verifiedLength", "verifyIntegrityPending", "files", "bittorrent",
    "infoHash"
]
ARIANG_LIST = {
    "jsonrpc": "2.0", "method": "aria2.tellActive", "id": "QXJpYU5nXzE3MzI2MDAwMDBfMC4x",
    "params": [SECRET, FILES]
}

# The tables of downloads that clients draw at each poll.
POLLS = [
    ("AriaNg", dict(JSON, Accept="application/json, text/plain, */*"), ARIANG_LIST),
    ("aria2p", {}, {"jsonrpc": "2.0", "id": -1, "method": "aria2.tellActive", "params": [SECRET]}),
    ("Aria2-Explorer", dict(JSON, Origin="chrome-extension://mpkodccbngfoacfalldjimigbofkhgjn"),
     {"jsonrpc": "2.0", "id": 0, "method": "aria2.tellActive", "params": [SECRET]}),
    ("Aria2 Integration", dict(JSON, Origin="moz-extension://b1c2d3e4-0000-4000-8000-000000000000"),
     {"json-rpc": "2.0", "id": "5e2", "method": "aria2.tellActive", "params": [SECRET, ["gid", "status"]]}),
    ("Aria2App", JSON,
     {"jsonrpc": "2.0", "id": "-4962768465676381896", "method": "aria2.tellActive", "params": [SECRET]}),
    ("curl -d", {"Content-Type": "application/x-www-form-urlencoded"},
     {"jsonrpc": "2.0", "method": "aria2.tellActive", "id": "P3TERX", "params": [SECRET]}),
    ("OpenList", JSON,
     {"version": "2.0", "method": "aria2.tellActive", "params": [SECRET], "id": 2 ** 63 + 12345}),
    ("uGet", {"Content-Type": "application/json-rpc"},
     {"jsonrpc": "2.0", "id": 1, "method": "aria2.tellActive", "params": [SECRET]})
]

# Polls and dialogues that are one multicall.
MULTICALLS = [("webui-aria2", JSON, {
    "jsonrpc": 2.0, "id": "webui", "method": "system.multicall",
    "params": [[{"methodName": "aria2.tellActive",
                 "params": [SECRET]}, {"methodName": "aria2.tellWaiting", "params": [SECRET, 0, 1000]},
                {"methodName": "aria2.tellStopped",
                 "params": [SECRET, 0, 1000]}, {"methodName": "aria2.getGlobalStat", "params": [SECRET]},
                {"methodName": "aria2.getGlobalOption",
                 "params": [SECRET]}, {"methodName": "system.listMethods"}]]
}),
              ("Download with Aria2", {
                  "Content-Type": "text/plain;charset=UTF-8",
                  "Origin": "chrome-extension://jjfgljkjddpcpfapejfkelkbjbehagbh"
              }, {
                  "id": "", "jsonrpc": "2.0", "method": "system.multicall",
                  "params": [[{"methodName": "aria2.getGlobalStat",
                               "params": [SECRET]}, {"methodName": "aria2.tellActive", "params": [SECRET]},
                              {"methodName": "aria2.tellWaiting", "params": [SECRET, 0, 999]},
                              {"methodName": "aria2.tellStopped", "params": [SECRET, 0, 999]}]]
              }),
              ("Aria2.NET", {"Content-Type": "text/plain; charset=utf-8"}, {
                  "id": "aria2net", "jsonrpc": "2.0", "method": "system.multicall",
                  "params": [[{"methodName": "aria2.tellActive", "params": [SECRET]},
                              {"methodName": "aria2.tellWaiting", "params": [SECRET, 0, 1000]},
                              {"methodName": "aria2.tellStopped", "params": [SECRET, 0, 1000]}]]
              }),
              ("Aria2App", JSON, {
                  "jsonrpc": "2.0", "id": "-77", "method": "system.multicall",
                  "params": [[{"methodName": "aria2.getVersion", "params": [SECRET]},
                              {"methodName": "aria2.getSessionInfo", "params": [SECRET]}]]
              })]

# How each adds a download.
ADDS = [
    ("AriaNg", JSON, {"jsonrpc": "2.0", "method": "aria2.addUri", "id": "a", "params": [SECRET, ["URL"],
                                                                                        {}]}),
    ("AriaNg, options", JSON, {
        "jsonrpc": "2.0", "method": "aria2.addUri", "id": "a", "params": [
            SECRET, ["URL"], {
                "dir": "DIR", "max-download-limit": "0", "split": "5", "allow-overwrite": "false",
                "pause": "false"
            }
        ]
    }),
    ("aria2p", {}, {"jsonrpc": "2.0", "id": -1, "method": "aria2.addUri", "params": [SECRET, ["URL"], {},
                                                                                     0]}),
    ("Aria2-Explorer", JSON, {
        "jsonrpc": "2.0", "id": 0, "method": "aria2.addUri", "params": [
            SECRET, ["URL"], {
                "header": ["Cookie: a=1", "User-Agent: Mozilla/5.0", "Connection: keep-alive"],
                "referer": "http://r/", "out": "f", "dir": "DIR"
            }
        ]
    }),
    ("Download with Aria2", {"Content-Type": "text/plain;charset=UTF-8"}, {
        "id": "", "jsonrpc": "2.0", "method": "aria2.addUri", "params": [
            SECRET, ["URL"], {
                "out": None, "dir": "DIR", "user-agent": "Mozilla/5.0", "all-proxy": "",
                "header": ["Referer: http://r/"], "split": "5", "max-connection-per-server": "1",
                "min-split-size": "20M", "disk-cache": "16M"
            }
        ]
    }),
    ("Aria2 Integration", JSON, {
        "json-rpc": "2.0", "id": "1", "method": "aria2.addUri", "params": [
            SECRET, ["URL"],
            {"dir": "", "out": "f", "header": ["Cookie: a=1", "Accept-Encoding: gzip, deflate"]}
        ]
    }),
    ("webui-aria2", JSON, {
        "jsonrpc": 2.0, "id": "webui", "method": "aria2.addUri",
        "params": [SECRET, ["URL"], {"pause": False, "max-connection-per-server": 4}]
    }),
    ("Aria2App", JSON,
     {"jsonrpc": "2.0", "id": "-1", "method": "aria2.addUri", "params": [SECRET, ["URL"], {}, 2 ** 31 - 1]}),
    ("FlexGet", {},
     {"jsonrpc": "2.0", "id": "1", "method": "aria2.addUri", "params": [SECRET, ["URL"], {"dir": "DIR"}]}),
    ("OpenList", JSON, {
        "version": "2.0", "id": 5577006791947779410, "method": "aria2.addUri",
        "params": [SECRET, ["URL"], {"dir": "DIR/temp/aria2/2f3b"}]
    }),
    ("Aria2.NET", {"Content-Type": "text/plain; charset=utf-8"}, {
        "id": "aria2net", "jsonrpc": "2.0", "method": "aria2.addUri",
        "params": [SECRET, ["URL"], {"dir": "DIR/show", "out": "f.mkv"}, 0]
    }),
    ("uGet", {"Content-Type": "application/json-rpc"}, {
        "jsonrpc": "2.0", "id": 7, "method": "aria2.addUri", "params": [
            SECRET, ["URL"],
            {"split": "2", "continue": "true", "gid": "0123456789abcdef", "http-user": "", "max-tries": "2"}
        ]
    }),
    ("a userscript", {"Content-Type": "application/json;charset=utf-8", "Origin": "https://pan.example"}, {
        "id": 1732600000000, "jsonrpc": "2.0", "method": "aria2.addUri", "params": [
            SECRET, ["URL"],
            {"dir": "DIR", "out": "名前.zip", "header": ["User-Agent: LogStatistic"], "split": 16}
        ]
    })
]


def check_download(told):
    """Fields that strict clients parse without checking that they exist."""
    for name in ("totalLength", "completedLength", "uploadLength", "downloadSpeed", "uploadSpeed",
                 "pieceLength", "numPieces", "connections"):
        assert told[name].isdigit(), name
    assert told["status"] in ("active", "waiting", "paused", "error", "complete",
                              "removed") and told["dir"].startswith("/")
    assert not told.get("errorMessage") or told["status"] == "error"
    for file in told["files"]:
        assert int(file["index"]) == 1 and file["selected"] == "true" and file["length"].isdigit()
        assert all(each["uri"] and each["status"] in ("used", "waiting") for each in file["uris"])


@pytest.fixture
def running(locked, origin):
    """The gid of a download that goes on for long."""
    origin.put("/running", noise(2 ** 22), script=[paced(200000)] * 20)
    gid = locked("addUri", [origin.url("/running")], {"split": "1"})
    until(lambda: locked("tellStatus", gid)["completedLength"] != "0")
    return gid


@pytest.mark.parametrize("client, headers, body", POLLS, ids=[row[0] for row in POLLS])
def test_a_poll_is_answered(locked, running, client, headers, body):
    answer = locked.send(body, headers)
    assert answer.status == 200 and answer["id"] == body["id"] and answer["jsonrpc"] == "2.0"
    told, = answer["result"]
    assert told["gid"] == running
    if len(body["params"]) == 1:
        check_download(told)


@pytest.mark.parametrize("client, headers, body", MULTICALLS, ids=[row[0] for row in MULTICALLS])
def test_a_multicall_is_answered(locked, running, client, headers, body):
    answer = locked.send(body, headers)
    assert answer.status == 200 and answer["id"] == body["id"]
    assert len(answer["result"]) == len(body["params"][0]) and all(
        isinstance(each, list) for each in answer["result"])
    for entry, (value, ) in zip(body["params"][0], answer["result"]):
        if entry["methodName"].startswith("aria2.tell"):
            for told in value:
                check_download(told)


@pytest.mark.parametrize("client, headers, body", ADDS, ids=[row[0] for row in ADDS])
def test_a_download_is_added(locked, origin, folder, client, headers, body):
    origin.put("/a", b"bytes")
    text = json.dumps(body).replace("URL", origin.url("/a")).replace("DIR", str(folder))
    answer = locked.send(text.encode(), headers)
    assert answer.status == 200 and answer["id"] == body["id"]
    until(lambda: locked("tellStatus", answer["result"])["status"] == "complete")
    told = locked("tellStatus", answer["result"])
    check_download(told)
    with open(told["files"][0]["path"], "rb") as file:
        assert file.read() == b"bytes"
    assert told["files"][0]["uris"][0]["uri"] == origin.url("/a")


def test_ariang_over_get(locked, running):
    path = url_of("/jsonrpc", "aria2.tellActive", "QXJpYU5n", [SECRET, FILES])
    assert locked.send(None, (), "GET", path)["result"][0]["gid"] == running


@pytest.mark.parametrize("headers, params", [({}, ["token:wrong-secret"]), ({}, ["token:"]),
                                             (dict(JSON, Origin="https://ariang.example"), []),
                                             ({"Content-Type": "text/plain"}, ["token:$$secret$$"])])
def test_ariang_stops_polling_at_this_word(locked, headers, params):
    answer = locked.send({"jsonrpc": "2.0", "method": "aria2.getGlobalStat", "id": "x", "params": params},
                         headers)
    assert answer.status == 400 and answer["error"]["message"] == "Unauthorized" and answer["error"][
        "code"] == 1


def test_hass_aria2_over_a_websocket(locked):
    with WebSocket("http://" + locked.host,
                   User_Agent="Python/3.13 websockets/15.0",
                   Sec_WebSocket_Extensions="permessage-deflate; client_max_window_bits") as ws:
        call = {
            "jsonrpc": "2.0", "id": "8d2b1e0c-1111-4222-8333-944445555666", "method": "aria2.getGlobalOption",
            "params": [SECRET]
        }
        assert ws.call(call)["result"]["max-concurrent-downloads"] == "5"
        for method, params in (("aria2.nope", [SECRET]), ("aria2.pause", [SECRET, "0123456789abcdef"]),
                               ("aria2.getVersion", [])):
            assert ws.call(dict(call, method=method, params=params))["error"]["code"] == 1


def test_hass_aria2_polls_in_one_multicall(locked, running):
    with WebSocket("http://" + locked.host) as ws:
        names = ["aria2.tellActive", "aria2.getGlobalStat"]
        answer = ws.call({
            "jsonrpc": "2.0", "id": "u", "method": "system.multicall",
            "params": [[{"methodName": name, "params": [SECRET]} for name in names]]
        })
        assert answer["result"][0][0][0]["gid"] == running and int(answer["result"][1][0]["numActive"]) == 1


def test_rdt_client_from_add_to_the_file_on_disk(locked, origin, folder):

    def call(method, *params):
        return locked.send(
            {"id": "aria2net", "jsonrpc": "2.0", "method": method, "params": [SECRET] + list(params)},
            {"Content-Type": "text/plain; charset=utf-8"})

    origin.put("/a.mkv", b"film")
    gid = call("aria2.addUri", [origin.url("/a.mkv")],
               {"dir": str(folder / "show"), "out": "a.mkv"})["result"]
    until(lambda: call("aria2.tellStatus", gid)["result"]["status"] == "complete")
    refused = call("aria2.forceRemove", gid)
    assert refused.status == 400 and (folder / "show" / "a.mkv").read_bytes() == b"film"
    assert call("aria2.removeDownloadResult", gid)["result"] == "OK"
    assert (folder / "show" / "a.mkv").read_bytes() == b"film"
    assert call("aria2.tellStatus", gid)["error"]["message"] == f"GID {gid} is not found"


def test_a_retry_removes_the_old_download_after_adding_it(locked, origin):
    origin.put("/b", b"x")
    first = locked("addUri", [origin.url("/none")])
    until(lambda: locked("tellStatus", first)["status"] == "error")
    told = locked("tellStatus", first)
    uris = [each["uri"] for file in told["files"] for each in file["uris"]]
    options = {name: value for name, value in locked("getOption", first).items() if name != "gid"}
    second = locked("addUri", uris, options)
    assert second != first
    answer = locked.answer("removeDownloadResult", first)
    assert answer["error"]["message"] == f"GID {first} is not found"
    assert locked("tellStatus", second)["gid"] == second


def test_webui_aria2s_restart(locked, origin):
    origin.put("/a", noise(2 ** 20), script=[paced(20000)] * 9)
    gid = locked("addUri", [origin.url("/a")], {"split": "1"})
    locked("remove", gid)
    results = locked("system.multicall", [{"methodName": "aria2.getOption", "params": [SECRET, gid]},
                                          {"methodName": "aria2.getFiles", "params": [SECRET, gid]}])
    options, files = results[0][0], results[1][0]
    assert locked("removeDownloadResult", gid) == "OK"
    again = locked("addUri", [each["uri"] for each in files[0]["uris"]], options)
    assert locked("tellStatus", again)["status"] in ("waiting", "active")


def test_basic_authorization_of_aria2app(locked, running):
    basic = base64.b64encode(b"aria2:" + TOKEN.encode()).decode()
    answer = locked.send({"jsonrpc": "2.0", "id": "-9", "method": "aria2.tellActive", "params": []},
                         {"Authorization": "Basic " + basic})
    assert answer["result"][0]["gid"] == running


def test_varia_ignores_the_answer_to_a_dir(locked):
    answer = locked.send(
        locked.request("aria2.changeGlobalOption", {"dir": "/elsewhere", "max-overall-download-limit": "0K"}))
    assert answer["error"]["code"] == 1 and "configuration file" in answer["error"]["message"]
