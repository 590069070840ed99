"""Heads and bodies of requests: what is one, what is none, and what must never be guessed."""

import time

import pytest

from raw import CHUNKED, GET, chunks, post, task


def test_a_request_may_come_byte_by_byte(wire):
    for number in range(2):
        for byte in post(task("%d" % number)):
            wire.send(bytes([byte]))
        assert wire.reply().status == 200


def test_a_stray_line_end_before_a_request_is_forgiven(line):
    line.send(GET + b"\r\n" + GET)
    assert [line.reply().status for _ in range(2)] == [200, 200]


@pytest.mark.parametrize("target, path", [
    (b"http://localhost/config", "config"), (b"HTTP://LocalHost:1/config?x=y", "config"),
    (b"http://localhost/task/list?limit=0", "state_counter")])
def test_a_target_may_be_a_whole_url(line, target, path):
    line.send(GET.replace(b"/config", target))
    assert path in line.reply().json


@pytest.mark.parametrize("size, extension, trailer", [
    (1, b"", b""), (7, b" ;a=b", b"X-Sum: 1\r\n"), (10 ** 6, b';q="x"', b"A: b\r\nC: d\r\n")])
def test_a_body_may_come_in_chunks(wire, size, extension, trailer):
    for number in range(2):
        wire.send(CHUNKED + chunks(task("%d" % number), size, extension) + b"0\r\n" + trailer + b"\r\n")
    wire.send(GET)
    assert [wire.reply().status for _ in range(3)] == [200, 200, 200]


def test_small_chunks_are_no_quadratic_work(wire):
    spent = []
    for size in (2 ** 17, 2 ** 19):
        sent, began = CHUNKED + chunks(b" " * size, 4) + b"0\r\n\r\n", time.process_time()
        wire.send(sent)
        assert wire.reply().status == 400
        spent.append(time.process_time() - began)
    assert spent[1] < 8 * spent[0], "four times the work, and not sixteen"


@pytest.mark.parametrize("body", [
    b"x\r\n\r\n", b"-1\r\n\r\n", b"0x1\r\na\r\n0\r\n\r\n", b"+1\r\na\r\n0\r\n\r\n", b"1\na\r\n0\r\n\r\n",
    b"\r\n", b"1 \r\na\r\n0\r\n\r\n", b"1\r\nab\r\n0\r\n\r\n", b"2\r\na\r\n0\r\n\r\n", b"1 1\r\na\r\n",
    b"1;\0\r\na\r\n0\r\n\r\n",
    b"1;" + b"x" * 5000 + b"\r\na\r\n0\r\n\r\n", b"1_0\r\n0123456789abcdef\r\n0\r\n\r\n",
    b"0\r\nno header\r\n\r\n", b"0\r\n" + b"A: b\r\n" * 9000 + b"\r\n", b"fffffffffffffffff\r\n"])
def test_bad_chunks_close_the_connection(line, quiet, body):
    line.send(CHUNKED + body)
    assert line.reply().status in (400, 413, 431) and line.closed
    assert quiet.get("/config").status == 200


@pytest.mark.parametrize("framing", [
    b"Content-Length: 2\r\nTransfer-Encoding: chunked", b"Transfer-Encoding: chunked\r\nContent-Length: 2",
    b"Content-Length: 2\r\nContent-Length: 3", b"Content-Length: 2, 3", b"Content-Length: +2",
    b"Content-Length: -2", b"Content-Length: 0x2", b"Content-Length: 2.0", b"Content-Length: two",
    b"Content-Length:", b"Content-Length: 2 2", b"Content-Length: \xb2", b"Content-Length: 1_0",
    b"Content-Length: " + b"9" * 40,
    b"Transfer-Encoding: gzip", b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding: chunked, chunked",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", b"Transfer-Encoding: xchunked",
    b"Transfer-Encoding:", b"Transfer-Encoding: \x0bchunked", b"Transfer_Encoding : chunked",
    b"Content-Length : 2", b" Content-Length: 2", b"X: y\r\n Content-Length: 2", b"X: y\r\n\tz",
    b"X: a\rb", b"X: a\0b", b"X: a\nY: b", b"X\0: a", b"X Y: a", b": a", b"no colon", b"\xc3\xa4: a"])
def test_a_head_that_could_be_read_twice_is_a_400_and_the_end(line, quiet, framing):
    line.send(b"POST /task HTTP/1.1\r\nHost: localhost\r\n" + framing + b"\r\n\r\n{}" + GET)
    answer = line.reply()
    assert answer.status == 400 and answer.json["status"] == "error" and len(answer.json["errmsg"]) > 10
    assert answer.headers["connection"] == "close" and line.closed
    assert quiet.get("/config").status == 200


def test_a_length_that_is_told_twice_alike_is_one_or_none(wire):
    wire.send(post(task("a"), "Content-Length: %d" % len(task("a"))))
    assert wire.reply().status in (200, 400)       # RFC 9112, 6.3 leaves the choice


def test_a_coding_in_http_1_0_is_refused(line):
    line.send(CHUNKED.replace(b"HTTP/1.1", b"HTTP/1.0") + b"0\r\n\r\n")
    assert line.reply().status == 400 and line.closed


@pytest.mark.parametrize("request_line, status", [
    (b"GET /config HTTP/1.1\n", 400), (b"GET  /config HTTP/1.1\r\n", 400), (b"GET /config\r\n", 400),
    (b"GET /config HTTP/1.1 \r\n", 400), (b" GET /config HTTP/1.1\r\n", 400),
    (b"GET\t/config\tHTTP/1.1\r\n", 400),
    (b"GET /con\0fig HTTP/1.1\r\n", 400), (b"GET /con fig HTTP/1.1\r\n", 400),
    (b"GET /\xc3\xa4 HTTP/1.1\r\n", 400),
    (b"GET config HTTP/1.1\r\n", 400), (b"GET  HTTP/1.1\r\n", 400), (b"G\xc3T /config HTTP/1.1\r\n", 400),
    (b"CONNECT localhost:80 HTTP/1.1\r\n", 400), (b"GET ftp://h/config HTTP/1.1\r\n", 400),
    (b"GET /config http/1.1\r\n", 400), (b"GET /config HTTP/1,1\r\n", 400), (b"GET /config HTTP/11\r\n", 400),
    (b"GET /config HTTP/1.1\r\r\n", 400), (b"\r\n\r\n\r\n", 400),
    (b"GET http://a@localhost/config HTTP/1.1\r\n", 400),
    (b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\r\n", 400),
    (b"GET /config HTTP/2.0\r\n", 505), (b"GET /config HTTP/0.9\r\n", 505),
    (b"GET /config HTTP/9.9\r\n", 505),
    (b"PRI * HTTP/2.0\r\n", 505), (b"GET /" + b"x" * 70000 + b" HTTP/1.1\r\n", 414)])
def test_a_request_line_that_is_none_is_answered_and_ends_it(line, quiet, request_line, status):
    try:
        line.send(request_line + b"Host: localhost\r\n\r\n")
    except ConnectionError:
        pass        # it has been refused already
    answer = line.reply()
    assert answer.status == status and answer.json["errmsg"] and answer.headers["connection"] == "close"
    assert line.closed and quiet.get("/config").status == 200


@pytest.mark.parametrize("headers", [
    b"X: " + b"y" * 70000 + b"\r\n", b"X: y\r\n" * 20000,
    b"".join(b"X-%d: y\r\n" % number for number in range(1000))])
def test_headers_beyond_measure_are_a_431(line, quiet, headers):
    try:
        line.send(b"GET /config HTTP/1.1\r\nHost: localhost\r\n" + headers + b"\r\n")
    except ConnectionError:
        pass
    assert line.reply().status == 431 and line.closed
    assert quiet.get("/config").status == 200

SLACK = b"y" + b" " * 15000 + b"y"


@pytest.mark.parametrize("value", [b" " * 1500 + b"\0", SLACK + b"\r\nY: " + SLACK, b"\t " * 750 + b"\n\r"],
                         ids=["then a control character", "then more", "then a line feed"])
def test_blanks_in_a_header_are_read_in_no_time(line, value):
    began = time.monotonic()
    line.send(b"GET /config HTTP/1.1\r\nHost: localhost\r\nX:" + value + b"\r\n\r\n")
    assert line.reply().status in (200, 400)
    assert time.monotonic() - began < 0.2


@pytest.mark.parametrize("hosts, status", [
    (b"Host: localhost\r\n", 200), (b"HOST:localhost:6880\r\n", 200), (b"host: [::1]:80  \r\n", 200),
    (b"", 400),
    (b"Host: localhost\r\nHost: localhost\r\n", 400), (b"Host: localhost\r\nhost: evil.example\r\n", 400),
    (b"Host: localhost, evil.example\r\n", 400), (b"Host: local host\r\n", 400),
    (b"Host: evil.example@localhost\r\n", 400), (b"Host: localhost/\r\n", 400), (b"Host: l\xc3\xb6\r\n", 400)])
def test_there_is_exactly_one_host(line, hosts, status):
    line.send(b"GET /config HTTP/1.1\r\n" + hosts + b"\r\n")
    assert line.reply().status == status


def test_chunks_without_end_are_a_413(line):
    line.send(CHUNKED)
    try:
        while True:
            line.send(b"10000\r\n" + b"x" * 65536 + b"\r\n")
    except ConnectionError:
        pass
    assert line.reply().status == 413


def test_headers_are_those_of_each_request(api, connect):
    """Those of the last request are remembered, which no other request may notice."""
    wire, codes = connect(api.url), []
    for host in ("localhost", "localhost", "elsewhere.example", "localhost", "127.0.0.1", "elsewhere.example"):
        head = b"GET /config HTTP/1.1\r\nHost: %s\r\n" % host.encode()
        wire.send(head, b"\r\n")           # in two pieces, or in one
        codes.append(wire.reply().status)
        wire.send(head + b"\r\n" + GET)
        codes += [wire.reply().status, wire.reply().status]
    assert codes == [200] * 6 + [403, 403, 200] + [200] * 6 + [403, 403, 200]


def test_a_head_in_bytes_is_read_like_one_in_a_packet(api, connect):
    wire = connect(api.url)
    for _ in range(2):
        for byte in GET:
            wire.send(bytes([byte]))
        assert wire.reply().status == 200
        wire.send(GET)
        assert wire.reply().status == 200
