"""Connections: what is a request, what is none, and what becomes of the connection then."""

import json
import logging
import random
import re
import socket
import struct
import threading
import time
from collections import namedtuple

import pytest

from harness import PATIENCE, Api, noise, until
from servers.origin import Gate

from dlserv import Daemon, Server
from dlserv.api import handler as handler_module
from dlserv.api import wire as wire_module

GET = b"GET /config HTTP/1.1\r\nHost: localhost\r\n\r\n"
NOWHERE = "http://127.0.0.1:1/"

Reply = namedtuple("Reply", "status headers json")


class Wire:
    """One connection, byte by byte."""

    def __init__(self, url, buffer=None):
        host, _, port = url.partition("//")[2].rpartition(":")
        host = host.strip("[]")
        self.sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        if buffer:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.sock.settimeout(PATIENCE)
        try:
            self.sock.connect((host, int(port)))
        except OSError:
            self.sock.close()
            raise
        self.reader = self.sock.makefile("rb")

    def send(self, *pieces):
        for piece in pieces:
            self.sock.sendall(piece)
        return self

    def reply(self, body=True):
        """The next reply, which must be JSON; None at the end of the connection."""
        try:
            line = self.reader.readline()
        except ConnectionError:
            line = b""
        if not line:
            return None
        match = re.fullmatch(rb"HTTP/1\.1 ([1-5][0-9][0-9]) [A-Za-z' -]+\r\n", line)
        assert match, line
        headers = {}
        for line in iter(self.reader.readline, b"\r\n"):
            name, colon, value = line.decode("latin-1").rstrip("\r\n").partition(": ")
            assert colon and name.lower() not in headers
            headers[name.lower()] = value
        if int(match.group(1)) < 200:
            return self.reply(body)
        data = self.reader.read(int(headers["content-length"]) if body else 0)
        return Reply(int(match.group(1)), headers, json.loads(data) if body else None)

    def replies(self):
        """All of them, until the connection is closed."""
        return list(iter(self.reply, None))

    @property
    def closed(self):
        """Return whether the server has sent everything and closed the connection."""
        try:
            return self.sock.recv(1) == b""
        except ConnectionError:
            return True

    def reset(self):
        """Hang up the hard way."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self):
        self.reader.close()
        self.sock.close()


@pytest.fixture
def connect():
    """A function that opens a Wire; all are closed afterwards."""
    wires = []

    def make(url, buffer=None):
        wires.append(Wire(url, buffer))
        return wires[-1]
    yield make
    for each in wires:
        each.close()


@pytest.fixture
def wire(api, connect):
    return connect(api.url)


@pytest.fixture(scope="module")
def quiet(tmp_path_factory):
    """The API of one daemon for the whole file, for requests that change nothing."""
    folder = tmp_path_factory.mktemp("quiet")
    general = {"download_dir": str(folder / "downloads"), "db_path": str(folder / "state.db")}
    with Daemon({"general": general}) as daemon, Server(daemon, "127.0.0.1", 0) as server:
        with Api(server.url) as api:
            api.get("/config")      # so that its thread is there before any test
            yield api


@pytest.fixture
def line(quiet, connect):
    return connect(quiet.url)


@pytest.fixture
def settings(settings):
    """One slot, which the fuzzing keeps taken: what it adds must not call anywhere."""
    settings["download"]["max_concurrent"] = 1
    settings["general"]["log_size"] = 1000
    return settings


def post(body, *headers, path="/task", method="POST"):
    """A request of these bytes, which says so itself."""
    lines = ["%s %s HTTP/1.1" % (method, path), "Host: localhost", "Content-Length: %d" % len(body)] + list(headers)
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def task(name, **options):
    return json.dumps({"url": NOWHERE + name, "options": dict(options, paused=True)}).encode()


def clients(without=()):
    """The threads that serve connections, without these."""
    return [thread for thread in threading.enumerate()
            if thread.name == "dlserv-http-client" and thread not in without]


# -- one request after the other --------------------------------------------------------

def test_pipelined_requests_are_answered_in_order(wire, api):
    lost = GET.replace(b"config", b"none")
    wire.send(post(task("1")) + GET + post(b"{") + post(task("2")) + lost + GET)
    assert [wire.reply().status for _ in range(6)] == [200, 200, 400, 200, 404, 200]
    assert api.get("/task/state_counter")["detail"]["paused"] == 2


def test_a_request_may_come_byte_by_byte(wire):
    for number in range(2):
        for byte in post(task("%d" % number)):
            wire.send(bytes([byte]))
        assert wire.reply().status == 200


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


def test_a_stray_line_end_before_a_request_is_forgiven(line):
    line.send(GET + b"\r\n" + GET)
    assert [line.reply().status for _ in range(2)] == [200, 200]


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


@pytest.mark.parametrize("target, path", [
    (b"http://localhost/config", "config"), (b"HTTP://LocalHost:1/config?x=y", "config"),
    (b"http://localhost/task/list?limit=0", "state_counter")])
def test_a_target_may_be_a_whole_url(line, target, path):
    line.send(GET.replace(b"/config", target))
    assert path in line.reply().json


def test_the_server_can_be_asked_about_itself(line):
    line.send(b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n" + GET)
    assert [line.reply().status for _ in range(2)] == [200, 200]


# -- bodies -----------------------------------------------------------------------------

CHUNKED = b"POST /task HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunks(data, size, extension=b""):
    pieces = [data[start:start + size] for start in range(0, len(data), size)]
    return b"".join(b"%X%s\r\n%s\r\n" % (len(piece), extension, piece) for piece in pieces)


@pytest.mark.parametrize("size, extension, trailer", [
    (1, b"", b""), (7, b" ;a=b", b"X-Sum: 1\r\n"), (10 ** 6, b';q="x"', b"A: b\r\nC: d\r\n")])
def test_a_body_may_come_in_chunks(wire, size, extension, trailer):
    for number in range(2):
        wire.send(CHUNKED + chunks(task("%d" % number), size, extension) + b"0\r\n" + trailer + b"\r\n")
    wire.send(GET)
    assert [wire.reply().status for _ in range(3)] == [200, 200, 200]


def test_small_chunks_are_no_quadratic_work(wire):
    spent = []
    for size in (2 ** 18, 2 ** 20 - 1):
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


def test_chunks_without_end_are_a_413(line):
    line.send(CHUNKED)
    try:
        while True:
            line.send(b"10000\r\n" + b"x" * 65536 + b"\r\n")
    except ConnectionError:
        pass
    assert line.reply().status == 413


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


# -- stopping ---------------------------------------------------------------------------

def test_a_stop_does_not_wait_for_idle_connections(daemon, connect):
    before = clients()
    server = Server(daemon, "127.0.0.1", 0).start()
    idle, used, half = [connect(server.url) for _ in range(3)]
    assert used.send(GET).reply().status == 200
    half.send(GET[:-10])
    until(lambda: len(clients(before)) == 3)
    began = time.monotonic()
    server.stop()
    assert time.monotonic() - began < 0.5
    assert idle.closed and used.closed and not clients(before)
    with pytest.raises(OSError):
        connect(server.url)


def long_reply(daemon, connect, server):
    """A Wire, and the bytes of a reply that is too long for any socket's buffer."""
    for number in range(12):
        daemon.add("%s%d" % (NOWHERE, number), {"paused": True}, ["x" * 1000] * 1000)
    wire = connect(server.url,
        buffer=4096).send(b"GET /task/list?exerpt=no HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert wire.sock.recv(1) == b"H"
    wire.reader = wire.sock.makefile("rb")
    return wire


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


def test_a_reply_under_way_is_finished_before_the_stop(daemon, connect):
    server = Server(daemon, "127.0.0.1", 0).start()
    wire = long_reply(daemon, connect, server)
    stopping = threading.Thread(target=server.stop)
    stopping.start()
    reply = wire.reader.read()
    stopping.join()
    head, _, body = reply.partition(b"\r\n\r\n")
    assert len(json.loads(body)["detail"]) == 12


def test_a_stop_waits_briefly_for_a_client_that_reads_not(daemon, connect):
    before = clients()
    server = Server(daemon, "127.0.0.1", 0).start()
    long_reply(daemon, connect, server)
    began = time.monotonic()
    server.stop(seconds=0.2)
    assert 0.1 < time.monotonic() - began < 1
    until(lambda: not clients(before))


@pytest.mark.parametrize("waits", ["in the kernel", "in Python"])
def test_a_client_that_reads_slowly_gets_everything(daemon, connect, monkeypatch, waits):
    if waits == "in Python":        # as where the kernel does not take the options
        monkeypatch.delattr(socket, "MSG_DONTWAIT")
    monkeypatch.setattr(wire_module, "WRITE_SECONDS", 1)
    with Server(daemon, "127.0.0.1", 0) as server:
        wire = long_reply(daemon, connect, server)
        wire.send(GET.replace(b"Host", b"Connection: close\r\nHost"))
        reply = b""
        for _ in range(8):      # takes longer in all, but is never idle for so long
            time.sleep(0.15)
            reply += wire.reader.read(2 ** 20)
        reply += wire.reader.read()
        assert reply.count(b'"status": "success"') == 2


def test_what_a_stopped_daemon_cannot_do_is_a_503(settings, connect):
    daemon = Daemon(settings).start()
    with Server(daemon, "127.0.0.1", 0) as server:
        tid = daemon.add(NOWHERE + "a", {"paused": True})
        daemon.stop()
        wire = connect(server.url)
        wire.send(post(task("b")), b"PUT /task/tid/%s?act=resume HTTP/1.1\r\nHost: localhost\r\n\r\n" % tid.encode())
        for _ in range(2):
            answer = wire.reply()
            assert answer.status == 503 and "shutting down" in answer.json["errmsg"]


# -- addresses --------------------------------------------------------------------------

def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
        return True
    except OSError:
        return False


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no ::1")
def test_ipv6_works_and_shows_in_the_url(daemon, connect):
    with Server(daemon, "::1", 0) as server:
        assert re.fullmatch(r"http://\[::1\]:[1-9][0-9]*", server.url)
        assert connect(server.url).send(GET).reply().status == 200


@pytest.mark.parametrize("host", ["no-such-host.invalid", "256.256.256.256", "a..b", "x" * 64, "192.0.2.1"])
def test_an_address_that_cannot_be_had_is_an_oserror(daemon, host):
    with pytest.raises(OSError):
        Server(daemon, host, 0)


def test_a_port_that_is_taken_is_an_oserror(daemon):
    with Server(daemon, "127.0.0.1", 0) as server:
        with pytest.raises(OSError):
            Server(daemon, "127.0.0.1", server.server_address[1])


# -- bodies that are no task ------------------------------------------------------------

@pytest.mark.parametrize("body", [
    b"", b" ", b"{", b"}", b"nul", b"{'url': 'x'}", b'{"url": "http://h/"', b'{"url": "http://h/",}',
    b'{"url"}',
    b'{"url": "http://h/"} x', b'\xef\xbb\xbf{"url": "http://h/"}', b'{"url": "http://h/\xff"}',
    b"\xff\xfe{\0}\0",
    b'{"url": "http://h/\n"}', b'{"url": "\\x"}', b'{"url": NaN}', b'{"url": Infinity}',
    b'{"url": -Infinity}',
    b'{"options": {"timeout": NaN}, "url": "http://h/"}', b"[" * 100000, b'{"a":' * 100000,
    b"[" * 33 + b"]" * 33,
    b'{"url": 1' + b"0" * 5000 + b"}", b"1" * 1000000, b'"http://h/"', b"1", b"null", b"true", b"[]",
    b'["http://h/"]'])
def test_a_body_that_is_no_object_of_json_is_a_400(line, quiet, body):
    began = time.monotonic()
    answer = line.send(post(body), GET).reply()
    assert answer.status == 400 and re.match("body|url", answer.json["errmsg"]), answer
    assert time.monotonic() - began < 1
    assert line.reply().status == 200


@pytest.mark.parametrize("url", [
    "missing", None, True, 0, 1.5, [], ["http://h/"], {}, "", "\0", "http://h/\0", "http://h/a\nb",
    "http://h\t/",
    "http://h/\x7f", "http://h/\ud800", "http://\udfffh/", "http://\ud800@h/", "http://me:\udc00@h/",
    "http://h/#\ud800", "http://h/?\ud800", "http://h/\u2028", "http://[::1/", "http://[::zz]/",
    "http://h:port/",
    "http://h:-1/", "http://a..b/", "http://" + "h" * 300, "http://%00/", "http://\x00@h/", "http://ä\ud800/",
    "http://h\\@evil/", "http://a b/", "http:/h/", "//h/", "http://h/" + "ä" * 9000])
def test_a_wrong_url_is_a_400_that_names_it(line, quiet, url):
    body = {} if url == "missing" else {"url": url}
    answer = line.send(post(json.dumps(body).encode())).reply()
    assert answer.status == 400 and answer.json["errmsg"].startswith("url: "), answer
    assert quiet.get("/task/state_counter")["detail"]["all"] == 0


WORST = [None, True, False, 0, -1, 1.5, 1e308, 10 ** 399, "", " ", "\0", "a\nb", "\x7f", "\ud800",
    "9" * 400, "1e999",
         "NaN", [], {}, [[]], ["\0"], {"\0": "a"}, {"a": "\0"}, {"a": "\r\nb: c"}, {"a": None}, {"ä": "b"},
         {"a": "\ud800"}, ["http://h/\ud800"], ["http://\ud800@h/"], [1], "x" * 100000, "../x", "/x", "a/b",
         "..", ".",
         "nonsense", "sha-256=0", "md5=" + "g" * 32, "http://", "ftp://h/", "http://h:0/", "9" * 300 + "T"]
OPTIONS = ("filename dir headers user_agent referer cookies user password proxy ratelimit connections "
           "mirrors checksum retries timeout paused priority verify_tls").split()


@pytest.mark.parametrize("name", OPTIONS)
def test_no_value_of_an_option_is_too_bad_for_a_sentence(wire, name):
    accepted = []
    for number, value in enumerate(WORST):
        options = dict({"paused": True}, **{name: value})
        answer = wire.send(post(json.dumps({"url": "%s%d" % (NOWHERE, number),
            "options": options}).encode())).reply()
        if answer.status == 200:
            accepted.append(value)
        else:
            assert answer.status == 400, (value, answer)
            assert answer.json["errmsg"].startswith("options.%s: " % name), answer
    for value in ("\0", "a\nb", "\ud800", 10 ** 399, ["\0"], {"a": "\0"}):
        assert value not in accepted


@pytest.mark.parametrize("value", [[], ["paused"], "", "paused", 0, 1, False, True, 1.5])
def test_options_that_are_no_object_are_a_400_that_names_them(line, value):
    answer = line.send(post(json.dumps({"url": NOWHERE, "options": value}).encode())).reply()
    assert answer.status == 400 and "options" in answer.json["errmsg"], answer


@pytest.mark.parametrize("key", ["", "\0", "\ud800", "ä" * 1000, "url\n", "x" * 100000, "__class__", "<b>"])
def test_no_key_is_too_bad_for_a_sentence(wire, key):
    for body in ({"url": NOWHERE, key: 1}, {"url": NOWHERE, "options": {key: 1}}, {"tids": [], key: 1}):
        path = "/task/batch/delete" if "tids" in body else "/task"
        answer = wire.send(post(json.dumps(body).encode(), path=path)).reply()
        assert answer.status == 400 and len(answer.json["errmsg"]) < 400
    body = {"url": NOWHERE, "ydl_opts": {key: 1}, "options": {"paused": True}}
    assert wire.send(post(json.dumps(body).encode())).reply().status == 200


@pytest.mark.parametrize("tid", ["", "\0", "\ud800", "ä", "x" * 100000, "../x", "%00", "a/b", "0" * 40])
def test_a_tid_that_is_none_fails_alone(line, tid):
    for act in ("pause", "resume", "delete"):
        answer = line.send(post(json.dumps([tid]).encode(), path="/task/batch/" + act)).reply()
        assert answer.status == 207 and len(answer.json["detail"]) == 1


# -- what nobody thought of -------------------------------------------------------------

@pytest.fixture
def busy(api, origin):
    """The API of a daemon whose only slot is taken, so that nothing else starts."""
    origin.put("/a", noise(1000), script=[Gate(after=10)])
    tid = api.add(origin.url("/a"), priority=1000)
    until(lambda: api.status(tid)["downloaded_bytes"])
    yield api
    assert api.status(tid)["state"] == "downloading"


def requests_to_spoil():
    body = task("fuzz", connections=2, headers={"X-A": "b"})
    return [GET, post(body), post(body) + GET, CHUNKED + chunks(body, 20) + b"0\r\n\r\n",
            b"GET /task/list?exerpt=false&state=paused&offset=1&limit=2 HTTP/1.1\r\nHost: localhost\r\n\r\n",
            b"PUT /task/tid/" + b"0" * 40 + b"?act=pause HTTP/1.1\r\nHost: localhost\r\n\r\n",
            post(b'{"tids": ["' + b"0" * 40 + b'"], "del_file": true}', path="/task/batch/delete"),
            post(b"url=http://127.0.0.1:1/form&paused=true",
            "Content-Type: application/x-www-form-urlencoded"),
            b"OPTIONS * HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + GET]


def spoil(data, rng):
    """The bytes with a few accidents."""
    data = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 5))):
        start = rng.randrange(len(data) + 1)
        end = min(len(data), start + rng.choice((0, 1, 1, 2, 10, 100)))
        junk = rng.choice((b"", b"\0", b"\r", b"\n", b"\r\n", b" ", b":", b"%", b"\xff", b"\xc3", b'"',
            b"{", b"9",
                           b"-1", b"\\ud800", bytes([rng.randrange(256)]), bytes(data[end:end + 50])))
        data[start:end] = junk
    return bytes(data)


@pytest.mark.parametrize("seed", range(3))
def test_spoiled_requests_are_answered_or_dropped(busy, connect, seed):
    rng = random.Random(seed)
    corpus = requests_to_spoil()
    for _ in range(200):
        request = spoil(rng.choice(corpus), rng)
        wire = connect(busy.url)
        try:
            wire.send(request).sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        for answer in wire.replies():
            assert answer.status != 500 and answer.json["status"] in ("success", "error"), (seed, request,
                answer)
            assert (answer.json["status"] == "success") == (answer.status == 200), (seed, request, answer)
        wire.close()
    assert busy.get("/config").status == 200


def random_text(rng):
    return "".join(rng.choice("ab/:@?#%.\\[]~ä\ud800\U0001f600" + rng.choice("ab \0\n"))
                   for _ in range(rng.randrange(12)))


def random_value(rng, depth=0):
    kind = rng.randrange(7 if depth < 3 else 5)
    if kind == 5:
        return [random_value(rng, depth + 1) for _ in range(rng.randrange(4))]
    if kind == 6:
        return {rng.choice(OPTIONS + ["url", "a", ""]): random_value(rng,
            depth + 1) for _ in range(rng.randrange(4))}
    return random_text(rng) if kind == 4 else rng.choice(WORST)


def random_request(rng, tid):
    """(method, path, body) of a request that is nearly right."""
    options = {rng.choice(OPTIONS): random_value(rng) for _ in range(rng.randrange(3))}
    entry = {"url": NOWHERE + random_text(rng), "options": options}
    if rng.random() < 0.3:
        return "PATCH", "/task/tid/" + tid, rng.choice((entry, {"options": options}, random_value(rng)))
    return ("POST",) + rng.choice((
        ("/task/batch/add", {"tasks": [rng.choice((entry, random_value(rng))) for _ in range(rng.randrange(4))]}),
        ("/task/batch/add", random_value(rng)),
        ("/task", entry),
        ("/task", {"url": NOWHERE + "a", "ydl_opts": options}),
        ("/task", {"url": random_value(rng), "options": random_value(rng)}),
        ("/task/batch/" + rng.choice(("pause", "resume", "restart", "delete")), random_value(rng)),
        ("/task/batch/delete", {"tids": random_value(rng), "del_file": random_value(rng)})))


@pytest.mark.parametrize("seed", range(3))
def test_random_bodies_are_taken_or_refused_with_a_sentence(busy, connect, seed):
    rng = random.Random(seed)
    wire = connect(busy.url)
    tid = busy.add(NOWHERE + "paused", paused=True)
    for _ in range(500):
        method, path, body = random_request(rng, tid)
        answer = wire.send(post(json.dumps(body).encode(), path=path, method=method)).reply()
        assert answer.status in (200, 207, 400, 409), (seed, path, body, answer)
        assert answer.status == 200 or isinstance(answer.json["errmsg"], str)
    assert busy.get("/task/list?exerpt=false").status == 200
