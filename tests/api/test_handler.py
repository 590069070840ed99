"""One connection: requests in order, and clients that are slow, silent or gone."""

import logging
import socket
import threading
import time

import pytest

from harness import Api, until
from raw import CHUNKED, GET, Wire, clients, post, task

from dlserv.api import handler as handler_module


# -- one request after the other --------------------------------------------------------

def test_pipelined_requests_are_answered_in_order(wire, api):
    lost = GET.replace(b"config", b"none")
    wire.send(post(task("1")) + GET + post(b"{") + post(task("2")) + lost + GET)
    assert [wire.reply().status for _ in range(6)] == [200, 200, 400, 200, 404, 200]
    assert api.get("/task/state_counter")["detail"]["paused"] == 2


@pytest.mark.parametrize("first, status", [
    (post(GET), 400), (post(GET, path="/none"), 404), (post(GET, "Content-Type: text/plain"), 415),
    (post(GET).replace(b"POST", b"GET"), 405), (post(GET).replace(b"POST /task", b"GET /config"), 200),
    (post(GET).replace(b"POST", b"BREW"), 405), (post(GET).replace(b"POST /task", b"DELETE /task/tid/1"),
    404),
    (post(GET).replace(b"POST", b"OPTIONS"), 200), (post(b"").replace(b"POST", b"PUT"), 405)])
def test_a_body_is_never_taken_for_the_next_request(line, first, status):
    line.send(first + GET)
    assert line.reply().status == status
    last = line.reply()
    assert last.status == 200 and "config" in last.json
    line.send(GET)
    assert line.reply().status == 200


def test_a_request_can_be_the_last(line):
    line.send(GET.replace(b"Host", b"Connection: TE, Close\r\nHost") + GET)
    assert line.reply().headers["connection"] == "close"
    assert line.reply() is None


def test_http_1_0_closes_unless_it_is_asked_not_to(connect, quiet):
    line = connect(quiet.url).send(b"GET /config HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    assert line.reply().headers["connection"].lower() == "keep-alive"
    line.send(b"HEAD /config HTTP/1.0\r\n\r\n")
    assert line.reply(body=False).status == 200 and line.closed
    line = connect(quiet.url).send(b"GET /config HTTP/1.0\r\n\r\n")
    assert line.reply().status == 200 and line.closed


def test_the_server_can_be_asked_about_itself(line):
    line.send(b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n" + GET)
    assert [line.reply().status for _ in range(2)] == [200, 200]


def test_a_client_that_waits_is_told_to_continue(wire):
    body = task("a")
    wire.send(post(body, "Expect: 100-Continue")[:-len(body)])
    assert wire.reader.readline() == b"HTTP/1.1 100 Continue\r\n" and wire.reader.readline() == b"\r\n"
    wire.send(body + GET)
    assert [wire.reply().status for _ in range(2)] == [200, 200]


def test_a_client_that_waits_with_too_much_gets_no_100(line):
    line.send(b"POST /task HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000000\r\nExpect: 100-continue\r\n\r\n")
    assert line.reader.readline().split()[1] == b"413"


@pytest.mark.parametrize("size", [2 ** 20 + 1, 2 ** 23])
def test_a_client_that_sends_too_much_gets_to_read_why(quiet, size):
    """A close with bytes unread is a reset, which may overtake the reply (RFC 9112, 9.6)."""
    for _ in range(5):
        with Api(quiet.url) as client:
            assert client.post("/task", b"x" * size).status == 413


# -- clients that are slow, silent or gone ----------------------------------------------

@pytest.mark.parametrize("words", [
    b"", b"GET", GET[:-2], GET[:-10], post(task("a"))[:-3], CHUNKED, CHUNKED + b"5\r\nab", GET, GET * 50])
def test_a_client_that_goes_away_leaves_nothing_behind(api, connect, caplog, words):
    caplog.set_level(logging.INFO, "dlserv.api")
    api.get("/config")
    before = clients()
    for leave in (Wire.close, Wire.reset):
        leave(connect(api.url).send(words))
    until(lambda: not clients(before))
    assert api.get("/task/state_counter")["detail"]["all"] == 0
    assert not [record for record in caplog.records if record.name.startswith("dlserv.api")]


def test_a_request_that_ends_too_early_is_told_so(connect, quiet):
    for words in (GET[:-2], post(task("a"))[:-3], CHUNKED + b"5\r\nab"):
        line = connect(quiet.url).send(words)
        line.sock.shutdown(socket.SHUT_WR)
        assert line.reply().status == 400 and line.closed


def test_an_idle_connection_is_closed_without_a_word(quiet, connect, monkeypatch):
    monkeypatch.setattr(handler_module, "IDLE_SECONDS", 0.1)
    fresh, used = connect(quiet.url), connect(quiet.url).send(GET)
    assert used.reply().status == 200
    assert fresh.closed and used.closed


def test_a_head_that_comes_too_slowly_is_given_up_as_a_whole(quiet, connect, monkeypatch):
    monkeypatch.setattr(handler_module, "HEAD_SECONDS", 0.3)
    line = connect(quiet.url)
    began, gone = time.monotonic(), threading.Event()

    def drip():
        for byte in GET * 10:
            if gone.wait(0.02):     # never silent for long, but never done either
                return
            try:
                line.send(bytes([byte]))
            except OSError:
                return
    thread = threading.Thread(target=drip)
    thread.start()
    answer = line.reply()
    gone.set()
    thread.join()
    assert answer.status == 408 and line.closed and time.monotonic() - began < 2


def test_a_body_that_does_not_come_is_given_up(quiet, connect, monkeypatch):
    monkeypatch.setattr(handler_module, "BODY_SECONDS", 0.1)
    line = connect(quiet.url).send(post(task("a"))[:-3])
    assert line.reply().status == 408 and line.closed


def test_many_connections_wait_without_holding_up_another(quiet, connect):
    before = clients()
    wires = [connect(quiet.url).send(GET[:number % 40]) for number in range(50)]
    began = time.monotonic()
    assert connect(quiet.url).send(GET.replace(b"Host", b"Connection: close\r\nHost")).reply().status == 200
    assert time.monotonic() - began < 1
    for wire in wires:
        wire.close()
    until(lambda: not clients(before))
