"""The WebSocket of the aria2 door: handshake, calls, notifications, limits, and its end."""

import json
import os
import socket
import ssl
import threading

import pytest

from aria2 import CLOSE, PING, PONG, TEXT, TOKEN, NoWebSocket, Rpc, WebSocket, frame
from harness import noise, until
from servers.origin import Gate, paced, refuse

from dlserv import Daemon, Server
from dlserv.api.aria2.frames import LONGEST
from dlserv.api.aria2.websocket import MOST_BEHIND

NOWHERE = "http://127.0.0.1:1/"
FOREIGN = "chrome-extension://mpkodccbngfoacfalldjimigbofkhgjn"
VERSION = {"jsonrpc": "2.0", "id": "v", "method": "aria2.getVersion", "params": ["token:" + TOKEN]}


@pytest.fixture
def ws(api):
    with WebSocket(api.url) as opened:
        assert call(opened, "getVersion")       # from now on it is told what happens
        yield opened


def call(ws, method, *params):
    return ws.call({"jsonrpc": "2.0", "id": 1, "method": "aria2." + method, "params": list(params)})["result"]


def note(event, gid):
    return {"jsonrpc": "2.0", "method": "aria2.on" + event, "params": [{"gid": gid}]}


# -- the handshake --------------------------------------------------------------------------


def test_a_websocket_opens_on_the_path_of_the_door(ws):
    assert ws.status == 101 and ws.accepted
    assert ws.headers["upgrade"] == "websocket" and ws.headers["connection"] == "Upgrade"
    assert "sec-websocket-extensions" not in ws.headers and "content-length" not in ws.headers


@pytest.mark.parametrize("headers, status", [({"Sec_WebSocket_Version": "8"}, 426),
                                             ({"Sec_WebSocket_Version": None}, 426),
                                             ({"Sec_WebSocket_Key": None}, 400),
                                             ({"Sec_WebSocket_Key": "x"}, 400), ({"Origin": FOREIGN}, 403),
                                             ({"Host": "evil.example"}, 403)])
def test_a_wrong_handshake_is_refused_as_json_rpc(api, headers, status):
    with pytest.raises(NoWebSocket) as error:
        WebSocket(api.url, **headers)
    assert error.value.args[0] == status and "error" in json.loads(error.value.args[2])
    assert (error.value.args[1].get("sec-websocket-version") == "13") == (status == 426)


@pytest.mark.parametrize("path, status", [("/task", 405), ("/nowhere", 404), ("/task/list", 200)])
def test_there_is_no_websocket_on_another_path(api, path, status):
    with pytest.raises(NoWebSocket) as error:
        WebSocket(api.url, path)
    assert error.value.args[0] == status


def test_extensions_and_protocols_are_not_agreed_to(api):
    with WebSocket(api.url,
                   Sec_WebSocket_Extensions="permessage-deflate; client_max_window_bits",
                   Sec_WebSocket_Protocol="chat") as ws:
        assert not {"sec-websocket-extensions", "sec-websocket-protocol"} & set(ws.headers)
        assert call(ws, "getVersion")["version"] == "1.37.0"


def test_what_comes_with_the_handshake_is_read(api):
    sock = socket.create_connection(api.url[7:].split(":"), 5)
    with sock:
        sock.sendall(
            b"GET /jsonrpc HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n" +
            frame(TEXT,
                  json.dumps(VERSION).encode()))
        received = b""
        while b"1.37.0" not in received:
            received += sock.recv(4096) or pytest.fail("no answer")


def test_over_tls_long_messages_and_short_ones_are_answered(settings):
    certs = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "certs")
    settings["server"]["tls_cert"] = os.path.join(certs, "server.pem")
    context = ssl.create_default_context(cafile=os.path.join(certs, "ca.pem"))
    with Daemon(settings) as daemon, Server(daemon, "127.0.0.1", 0) as server, WebSocket(
            server.url.replace("https", "http"),
            wrap=lambda sock: context.wrap_socket(sock, server_hostname="localhost")) as ws:
        for size in (0, 20000, 2 ** 18, LONGEST):
            ws.send(json.dumps(VERSION).ljust(size))
            assert ws.next()["id"] == "v"
        tid = daemon.add(NOWHERE, {"paused": True})
        daemon.delete(tid)
        assert ws.next() == note("DownloadStop", tid[:16])
        ws.put(frame(PING, b"p"))
        assert ws.receive() == (PONG, b"p")
        server.aria2.close()
        assert ws.ending() == 1001


# -- calls ----------------------------------------------------------------------------------


def test_calls_batches_and_multicalls_are_answered(ws):
    assert ws.call(VERSION)["result"]["version"] == "1.37.0"
    ws.send([dict(VERSION, id=0), dict(VERSION, id=-1), 5])
    assert [each["id"] for each in ws.next()] == [0, -1]
    assert ws.call(
        {"id": 2 ** 60, "method": "system.multicall",
         "params": [[{"methodName": "system.listMethods"}]]})["id"] == 2 ** 60


@pytest.mark.parametrize("text, code", [("{", -32700), ("", -32700), ("5", -32600), ("{}", -32600),
                                        ("[]", None)])
def test_a_bad_message_is_answered_and_the_session_goes_on(ws, text, code):
    ws.send(text)
    answer = ws.next()
    assert answer == [] if code is None else answer["error"]["code"] == code and answer["id"] is None
    assert ws.call(VERSION)["id"] == "v"


def test_a_message_may_come_in_pieces_and_fragments(ws):
    data = json.dumps(VERSION).encode()
    for byte in frame(TEXT, data):
        ws.put(bytes([byte]))
    assert ws.next()["id"] == "v"
    ws.put(
        frame(TEXT, data[:9], final=False) + frame(PING, b"between") + frame(0, data[9:20], final=False) +
        frame(0, data[20:]))
    assert ws.receive() == (PONG, b"between") and ws.next()["id"] == "v"


def test_many_calls_at_once_are_answered_in_order(ws):
    ws.put(b"".join(frame(TEXT, json.dumps(dict(VERSION, id=number)).encode()) for number in range(200)))
    assert [ws.next()["id"] for _ in range(200)] == list(range(200))


@pytest.mark.parametrize("size, fits", [(LONGEST, True), (LONGEST + 1, False)])
def test_a_message_has_at_most_2_mib(ws, size, fits):
    data = json.dumps(VERSION).encode().ljust(size)
    ws.put(frame(TEXT, data, mask=b"\0\0\0\0") if fits else frame(TEXT, data, mask=b"\0\0\0\0")[:14])
    if fits:
        assert ws.next()["id"] == "v"
    else:
        assert ws.ending() == 1009


# -- control frames, and what ends a session ---------------------------------------------------


@pytest.mark.parametrize("payload", [b"", b"hello", b"x" * 125])
def test_a_ping_is_answered_with_its_payload(ws, payload):
    ws.put(frame(PING, payload) + frame(PONG, b"unasked"))
    assert ws.receive() == (PONG, payload)


@pytest.mark.parametrize("data, code", [(frame(TEXT, b"{}", mask=None), 1002),
                                        (frame(TEXT, b"{}", reserved=0x40), 1002), (frame(3), 1002),
                                        (frame(0, b"x"), 1002), (frame(PING, b"x" * 126), 1002),
                                        (frame(PING, final=False), 1002), (frame(2, b"x"), 1003),
                                        (frame(TEXT, b"\xff"), 1007),
                                        (frame(TEXT, b"\xc3", final=False) + frame(0, b"x"), 1007),
                                        (frame(CLOSE, b"\x03"), 1002), (frame(CLOSE, b"\x03\xee"), 1002),
                                        (frame(CLOSE, b"\x03\xe8\xff"), 1007), (frame(CLOSE), 1000),
                                        (frame(CLOSE, b"\x03\xe9bye"), 1001),
                                        (frame(CLOSE, b"\x0f\xa0"), 4000)])
def test_an_error_or_a_close_is_answered_with_its_code(api, ws, data, code):
    ws.put(data)
    assert ws.ending() == code and ws.receive()[0] is None
    assert Rpc(api.url)("getVersion")


def test_a_client_that_just_goes_is_forgotten(daemon):
    with Server(daemon, "127.0.0.1", 0) as server:
        for data in (b"", frame(TEXT, b"x" * 100)[:50]):
            with WebSocket(server.url) as ws:
                ws.put(data)
                until(lambda: len(server.aria2.notifications) == 1)
            until(lambda: len(server.aria2.notifications) == 0 and len(server.connections) == 0)


def test_sessions_are_closed_when_the_daemon_stops(daemon):
    server = Server(daemon, "127.0.0.1", 0).start()
    opened = [WebSocket(server.url) for _ in range(3)]
    until(lambda: len(server.aria2.notifications) == 3)
    server.stop()
    assert [ws.ending() for ws in opened] == [1001] * 3
    for ws in opened:
        ws.close()


# -- notifications --------------------------------------------------------------------------


def test_the_life_of_a_download_is_told(ws, origin):
    origin.put("/a", noise(2 ** 20), script=[paced(600000)])
    gid = call(ws, "addUri", [origin.url("/a")], {"split": "1"})
    assert ws.next() == note("DownloadStart", gid)
    assert call(ws, "pause", gid) == gid
    assert ws.next() == note("DownloadPause", gid)
    origin.put("/a", noise(2 ** 20))
    assert call(ws, "changeOption", gid, {"split": "4"}) == "OK"
    call(ws, "unpause", gid)
    assert [ws.next(), ws.next()] == [note("DownloadStart", gid), note("DownloadComplete", gid)]


def test_a_failure_and_a_removal_are_told(ws, origin):
    gid = call(ws, "addUri", [origin.url("/none")])
    assert [ws.next(), ws.next()] == [note("DownloadStart", gid), note("DownloadError", gid)]
    paused = call(ws, "addUri", [NOWHERE], {"pause": "true"})
    call(ws, "remove", paused)
    call(ws, "removeDownloadResult", gid)
    assert ws.next() == note("DownloadStop", paused)
    again = call(ws, "addUri", [origin.url("/none")])
    assert again == gid and ws.next() == note("DownloadStart", gid)


def test_a_try_that_is_repeated_starts_nothing(ws, origin):
    gate = Gate(0)
    origin.put("/a", b"x", script=[refuse(503), refuse(503), gate])
    gid = call(ws, "addUri", [origin.url("/a")], {"max-tries": "9"})
    assert gate.reached.wait(15)
    gate.open()
    assert [ws.next(), ws.next()] == [note("DownloadStart", gid), note("DownloadComplete", gid)]


def test_a_failed_url_that_is_added_again_gets_another_gid(ws, origin):
    origin.put("/a", b"x", script=[refuse(404)])
    gid = call(ws, "addUri", [origin.url("/a")])
    assert [ws.next(), ws.next()] == [note("DownloadStart", gid), note("DownloadError", gid)]
    again = call(ws, "addUri", [origin.url("/a")])
    assert again != gid and [ws.next(), ws.next()] == [
        note("DownloadStart", again), note("DownloadComplete", again)
    ]


def test_what_rest_does_is_told_too_and_to_everybody(api, ws, daemon):
    with WebSocket(api.url) as other:
        assert call(other, "getVersion")
        tid = daemon.add(NOWHERE, {"paused": True})
        daemon.delete(tid)
        assert ws.next() == other.next() == note("DownloadStop", tid[:16])


def test_what_was_so_before_is_not_told(daemon, settings, origin):
    origin.put("/a", b"x")
    daemon.wait(daemon.add(origin.url("/a")), 15)
    daemon.add(NOWHERE, {"paused": True})
    with Server(daemon, "127.0.0.1", 0) as server, WebSocket(server.url) as ws:
        assert call(ws, "getVersion")
        tid = daemon.add(NOWHERE + "x", {"paused": True})
        daemon.delete(tid)
        assert ws.next() == note("DownloadStop", tid[:16])


# -- tokens -----------------------------------------------------------------------------------


def test_each_call_needs_the_token(locked):
    with WebSocket("http://" + locked.host) as ws:
        assert ws.call({"id": 1,
                        "method": "aria2.getVersion"})["error"] == {"code": 1, "message": "Unauthorized"}
        assert "result" in ws.call(VERSION)
        assert "error" in ws.call({"id": 1, "method": "aria2.getVersion"})
        assert len(ws.call({"id": 1, "method": "system.listMethods"})["result"]) == 36


def test_a_foreign_site_needs_the_token_in_each_call(locked):
    with WebSocket("http://" + locked.host, Origin=FOREIGN, Authorization="Bearer " + TOKEN) as ws:
        assert "error" in ws.call({"id": 1, "method": "aria2.getVersion"})
        assert "result" in ws.call(VERSION)


def test_only_those_with_the_token_are_told(locked):
    url = "http://" + locked.host
    right = {"Authorization": "Bearer " + TOKEN}
    with WebSocket(url) as stranger, WebSocket(url) as caller, WebSocket(url, **right) as listener, \
            WebSocket(url, Origin="https://evil.example", **right) as foreign:
        assert "result" in caller.call(VERSION)
        gid = locked("addUri", [NOWHERE], {"pause": "true"})
        locked("remove", gid)
        assert caller.next() == listener.next() == note("DownloadStop", gid)
        for silent in (stranger, foreign):
            silent.send({"id": 5, "method": "system.listNotifications"})
            assert silent.next()["id"] == 5


def test_guesses_over_a_websocket_are_damped(locked):
    with WebSocket("http://" + locked.host) as ws:
        for number in range(12):
            assert "error" in ws.call(
                {"id": 1, "method": "aria2.getVersion", "params": ["token:guess%d" % number]})
        assert "error" in ws.call(VERSION)
    assert locked.answer("getVersion").status == 429


# -- limits -------------------------------------------------------------------------------------


def test_sessions_count_among_the_connections(settings):
    settings["server"]["max_connections"] = 4
    with Daemon(settings) as daemon, Server(daemon, "127.0.0.1", 0) as server:
        opened = [WebSocket(server.url) for _ in range(4)]
        for ws in opened:
            assert call(ws, "getVersion")
        assert len(server.connections) == 4
        with pytest.raises(NoWebSocket) as error:
            WebSocket(server.url)
        assert error.value.args[0] == 503
        for ws in opened:
            ws.close()
        until(lambda: len(server.connections) == 0)


def test_a_stranger_makes_room_for_others(settings):
    settings["server"].update(max_connections=4, token=TOKEN)
    with Daemon(settings) as daemon, Server(daemon, "127.0.0.1", 0) as server:
        strangers = []
        for number in range(4):     # one after the other, so that the first has waited longest
            strangers.append(WebSocket(server.url))
            until(lambda: len(server.aria2.notifications) == number + 1)
        assert Rpc(server.url, TOKEN)("getVersion")
        assert None in [ws.ending() for ws in strangers[:1]]
        for ws in strangers:
            ws.close()


def test_a_client_that_reads_nothing_is_dropped(api, daemon):
    with WebSocket(api.url) as lazy, WebSocket(api.url) as reader:
        assert call(lazy, "getVersion") and call(reader, "getVersion")
        heard = []
        thread = threading.Thread(target=_read_all, args=(reader, heard))
        thread.start()
        _flood(lazy, frame(TEXT, json.dumps({"id": 1, "method": "system.listMethods"}).encode()))
        count = MOST_BEHIND + 500
        tids, _ = daemon.add_all([(NOWHERE + str(number), {"paused": True}, ()) for number in range(count)])
        daemon.delete_all(tids)
        until(lambda: len(heard) == count)
        assert lazy.ending() == 1008
        reader.put(frame(CLOSE))
        thread.join()


def _flood(ws, data):
    """Ask until the server reads no more, because its answers are not read."""
    ws.sock.settimeout(0.3)
    try:
        while True:
            ws.sock.sendall(data * 100)
    except socket.timeout:
        ws.sock.settimeout(15)


def _read_all(ws, heard):
    while True:
        opcode, payload = ws.receive()
        if opcode != TEXT:
            return
        heard.append(payload)
