"""300 calls to a real aria2c and to us: the same status, codes, messages and shapes.

DIFFERENCES lists the calls that are answered otherwise here, each with the reason. A call
that is not listed must be answered alike; one that is listed must differ.
"""

import re
import shutil
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from aria2 import TOKEN, Rpc
from harness import until

from dlserv.api.aria2.methods import METHODS

NO_PEER = "NOT COMPARED WITH ARIA2: there is no aria2c here; install aria2"
UNKNOWN, NOWHERE = "0123456789abcdef", "http://127.0.0.1:1/"

# Parameters of every kind; a call with each of them is sent to each method.
PARAMETERS = {
    "nothing": [], "number": [5], "no gid": ["zz"], "unknown gid": [UNKNOWN], "long gid": [UNKNOWN + "0"],
    "gid, number": [UNKNOWN, 5], "gid, string, number": [UNKNOWN, "x", 5], "list": [[]], "struct": [{}],
    "numbers": [0, 5], "negative": [0, -1]
}
STOPS = ("aria2.shutdown", "aria2.forceShutdown")    # whose success would end the comparison

# Calls in order; G0, G1 … are the gids of the downloads that were added, in the order of adding.
STORY = [("addUri", [[NOWHERE + "a"], {"pause": "true"}]),
         ("addUri", [[NOWHERE + "b", NOWHERE + "c"], {"pause": "true"}, 0]),
         ("addUri", [[NOWHERE + "d"], {"pause": "true", "unknown": "x", "split": "3"}, 1]),
         ("addUri", [[], {}]), ("addUri", [[5, None]]), ("addUri", ["x"]), ("addUri", [[NOWHERE], []]),
         ("addUri", [[NOWHERE], {}, "x"]), ("addUri", [[NOWHERE], {}, -1]),
         ("tellWaiting", [0, 10, ["gid", "status"]]), ("tellWaiting", [-1, 2, ["gid"]]),
         ("tellWaiting", [-9, 9]), ("tellWaiting", [1, 1, ["gid"]]), ("tellWaiting", [9, 9]),
         ("tellWaiting", [0, 10]), ("tellWaiting", [0, 0]), ("tellWaiting", [0, 10, "gid"]),
         ("tellActive", []), ("tellActive", [[]]), ("tellActive", [["gid"]]), ("tellStopped", [0, 10]),
         ("tellStopped", [-1, 10]), ("tellStatus", ["G0"]), ("tellStatus", ["G0", ["gid", "status", "nope"]]),
         ("tellStatus", ["G0", []]), ("tellStatus", ["G0", [5, None]]), ("tellStatus", ["G0", {}]),
         ("getUris", ["G1"]), ("getFiles", ["G1"]), ("getServers", ["G1"]), ("getPeers", ["G1"]),
         ("pause", ["G0"]), ("forcePause", ["G0"]), ("changePosition", ["G0", 0, "POS_SET"]),
         ("changePosition", ["G0", 99, "POS_SET"]), ("changePosition", ["G0", -9, "POS_SET"]),
         ("changePosition", ["G0", 1, "POS_CUR"]), ("changePosition", ["G0", -9, "POS_CUR"]),
         ("changePosition", ["G0", -1, "POS_END"]), ("changePosition", ["G0", 9, "POS_END"]),
         ("changePosition", ["G0", 0, "POS_X"]), ("changePosition", ["G0", "0", "POS_SET"]),
         ("changePosition", ["G0", 1.9, "POS_SET"]), ("tellWaiting", [0, 10, ["gid"]]),
         ("changeOption", ["G0", {}]), ("changeOption", ["G0"]),
         ("changeOption", ["G0", {"split": "2", "max-download-limit": "10K"}]), ("changeOption", ["G0", []]),
         ("changeUri", ["G1", 1, [], [NOWHERE + "z"]]), ("getUris", ["G1"]),
         ("changeUri", ["G1", 1, [NOWHERE + "z"], []]),
         ("changeUri", ["G1", 1, [NOWHERE + "none"], ["nope", 5]]), ("changeUri", ["G1", 2, [], []]),
         ("changeUri", ["G1", 0, [], []]), ("changeUri", ["G1", 1, []]), ("changeUri", ["G1", 1, [], [],
                                                                                        "x"]),
         ("changeUri", ["G1", 1, [NOWHERE + "c"], [NOWHERE + "e"], 0]), ("removeDownloadResult", ["G1"]),
         ("getGlobalStat", []), ("unpause", ["G2"]), ("WAIT", ["G2", "error"]), ("tellStatus", ["G2"]),
         ("tellStopped", [0, 10]), ("tellStopped", [-1, 1, ["gid", "status"]]), ("pause", ["G2"]),
         ("unpause", ["G2"]), ("remove", ["G2"]), ("forceRemove", ["G2"]), ("getUris", ["G2"]),
         ("getFiles", ["G2"]), ("getServers", ["G2"]), ("changeOption", ["G2", {}]),
         ("changeUri", ["G2", 1, [], []]), ("changePosition", ["G2", 0, "POS_SET"]), ("getGlobalStat", []),
         ("removeDownloadResult", ["G2"]), ("removeDownloadResult", ["G2"]), ("tellStatus", ["G2"]),
         ("unpause", ["G2"]), ("pauseAll", []), ("forcePauseAll", []),
         ("changeGlobalOption", [{"max-concurrent-downloads": "3", "max-overall-download-limit": "0"}]),
         ("changeGlobalOption", [[]]), ("changeGlobalOption", [{"nobody-knows": "x"}]), ("remove", ["G0"]),
         ("purgeDownloadResult", []), ("tellStopped", [0, 10]), ("unpauseAll", []), ("WAIT", ["G1", "error"]),
         ("tellStatus", ["G1", ["status", "files"]]), ("purgeDownloadResult", []), ("getGlobalStat", [])]

# Whole requests; T stands for the token's parameter.
REQUESTS = [
    b"{", b"", b"[]", b"5", b'"x"', b"null", b"true", {}, {"id": None}, {"id": 1}, {"id": 1, "method": 5},
    {"id": 1, "method": None}, {"id": 1,
                                "method": "x"}, {"id": 1, "method": "x",
                                                 "params": ["T"]}, {"id": 1, "method": "", "params": ["T"]},
    {"id": 1,
     "method": "aria2.getVersion"}, {"id": 1, "method": "aria2.getVersion", "params": ["token:wrong"]},
    {"id": 1, "method": "aria2.getVersion",
     "params": ["x", "T"]}, {"id": 1, "method": "aria2.getVersion",
                             "params": {}}, {"id": 1, "method": "aria2.getVersion", "params": None},
    {"id": 1, "method": "aria2.getVersion",
     "params": "x"}, {"id": "x", "method": "aria2.getSessionInfo",
                      "params": ["T"]}, {"id": -1, "method": "aria2.getSessionInfo", "params": ["T"]},
    {"id": 0, "method": "aria2.getSessionInfo",
     "params": ["T"]}, {"id": 2 ** 60, "method": "aria2.getSessionInfo",
                        "params": ["T"]}, {"id": None, "method": "aria2.getSessionInfo", "params": ["T"]},
    {"id": True, "method": "aria2.getSessionInfo",
     "params": ["T"]}, {"id": {"a": []}, "method": "aria2.getSessionInfo",
                        "params": ["T"]}, {"id": [1], "method": "system.listMethods"},
    {"method": "aria2.getSessionInfo",
     "params": ["T"]}, {"id": 1, "jsonrpc": 2.0, "method": "system.listNotifications"}, [1, "x", None, []],
    [{}], [{"id": 1, "method": "system.listNotifications"}, {"id": 2, "method": "aria2.getVersion"}, 5], {
        "id": 1, "method": "system.multicall",
        "params": [[{"methodName": "aria2.getSessionInfo", "params": ["T"]}, 5, {}, {"methodName": 5},
                    {"methodName": "system.multicall"}, {"methodName": "system.listNotifications"},
                    {"methodName": "x"}, {"methodName": "x", "params": ["T"]},
                    {"methodName": "aria2.pause",
                     "params": ["T", "zz"]}, {"methodName": "aria2.getVersion", "params": 5}]]
    }, {"id": 1, "method": "system.multicall",
        "params": [[]]}, {"id": 1, "method": "system.multicall",
                          "params": []}, {"id": 1, "method": "system.multicall"
                                          }, {"id": 1, "method": "system.multicall", "params": [5]
                                              }, {"id": 1, "method": "system.multicall", "params": [{}]}
]

# What is answered otherwise here: a regular expression for the call, and why.
DIFFERENCES = {
    r"tellStatus \['G1', \['status', 'files'\]\]":
        "a mirror is always told as waiting: which were asked is not kept",
    r"system.multicall \((nothing|list)":
        "a token before the list of calls is passed over, as in every other call",
    r"request b'5'": "aria2's parser takes no number at the top; JSON-RPC calls that an invalid request",
    r"aria2.addTorrent \((no|unknown|long) gid":
        "torrents are refused with a sentence before they are decoded",
    r"aria2.addMetalink \((no|unknown|long) gid":
        "Metalink files are refused with a sentence before they are parsed",
    r"aria2.getVersion":
        "no BitTorrent and no Metalink, so that clients hide their menus; our own version is told too",
    r"aria2.getGlobalOption": "options without a meaning here are not told",
    r"aria2.saveSession": "the database is always written, so there is nothing that could fail",
}


@pytest.fixture
def peer(tmp_path):
    """A real aria2c with the same secret."""
    program = shutil.which("aria2c")
    if program is None:
        pytest.skip(NO_PEER)
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    folder = tmp_path / "peer"
    folder.mkdir()
    process = subprocess.Popen([
        program, "--enable-rpc", f"--rpc-listen-port={port}", "--rpc-secret=" + TOKEN, "--no-conf", "--quiet",
        f"--dir={folder}", "--enable-dht=false", "--enable-dht6=false", "--max-tries=1"
    ],
                               stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    try:
        rpc = Rpc(f"http://127.0.0.1:{port}", TOKEN)
        until(lambda: _answers(rpc))
        yield rpc
    finally:
        process.kill()
        process.wait()


def _answers(rpc):
    try:
        return rpc("getVersion")
    except OSError:
        return None


class Side:
    """One of the two that are compared, with the gids of its downloads."""

    def __init__(self, rpc):
        self.rpc, self.gids = rpc, []

    def call(self, method, params):
        """Return what a call comes to, without anything that is one side's own."""
        if method == "WAIT":
            until(lambda: self.rpc("tellStatus", self._gid(params[0]))["status"] == params[1])
            return None
        answer = self.rpc.answer(method, *map(self._gid, params))
        if method == "addUri" and answer.status == 200:
            self.gids.append(answer["result"])
        return self._essence(answer)

    def send(self, body):
        return self._essence(self.rpc.send(_with_token(body)))

    def _gid(self, value):
        match = re.fullmatch("G([0-9])", value) if isinstance(value, str) else None
        return self.gids[int(match.group(1))] if match else value

    def _essence(self, answer):
        """Return (whether it is a success, the answer with shapes in place of values)."""
        return answer.status < 400, self._shape(answer.json)

    def _shape(self, value):
        if isinstance(value, dict):
            if "message" in value and "code" in value:
                return {"code": value["code"], "message": self._named(value["message"])}
            return {name: self._shape(each) for name, each in value.items()}
        if isinstance(value, list):
            return [self._shape(each) for each in value]
        if isinstance(value, str):
            value = self._named(value)
            return "a number" if value.isdigit() else value if re.fullmatch(
                "G[0-9]|[a-z]+|http:.*|aria2[.].*", value) else "a string"
        return value

    def _named(self, text):
        for number, gid in enumerate(self.gids):
            text = text.replace(gid, f"G{number}")
        return text


def _with_token(value):
    if isinstance(value, dict):
        return {name: _with_token(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_with_token(each) for each in value]
    return "token:" + TOKEN if value == "T" else value


def compared(ours, theirs):
    """Yield (name, our answer, aria2's answer) of each call."""
    for method, params in STORY:
        yield f"{method} {params}", ours.call(method, params), theirs.call(method, params)
    for body, answer in zip(REQUESTS, at_once(theirs.send, REQUESTS)):
        yield f"request {body}", ours.send(body), answer
    for method in METHODS:
        for name, params in PARAMETERS.items():
            if method not in STOPS:
                yield f"{method} ({name})", ours.call(method, params), theirs.call(method, params)


def at_once(send, bodies):
    """Return the answers to requests that change nothing, sent at the same time.

    aria2 keeps a client with a wrong token waiting for a second, in which it does nothing but poll.
    """
    with ThreadPoolExecutor(len(bodies)) as pool:
        return list(pool.map(send, bodies))


def test_300_calls_are_answered_as_aria2_does(locked, peer):
    ours, theirs = Side(locked), Side(peer)
    found, count = {}, 0
    for name, one, other in compared(ours, theirs):
        count += 1
        if one != other:
            found[name] = (one, other)
    assert count >= 300
    unlisted = {
        name: pair
        for name, pair in found.items() if not any(re.match(each, name) for each in DIFFERENCES)
    }
    assert not unlisted, "\n".join(f"{name}\n  ours   {pair[0]}\n  aria2  {pair[1]}"
                                   for name, pair in unlisted.items())
    idle = [each for each in DIFFERENCES if not any(re.match(each, name) for name in found)]
    assert not idle, "no longer different: %s" % idle
