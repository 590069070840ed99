"""An HTTP server for tests that does what it is told, wrong things above all.

    origin.put("/x.iso", data, script=[drop(after=1000)])

serves `data` properly, except that the first request for it meets the fault. A fault is
a function (exchange) -> None that answers one request its own way; after the script is
played, requests are answered well. `origin.requests` remembers what was asked.
"""

import email.utils
import re
import socket
import socketserver
import threading
import time
from collections import namedtuple

from servers.background import Background

Request = namedtuple("Request", "method path headers")

OLD = "Mon, 01 Jan 2024 00:00:00 GMT"


class File:
    """The file under one path, and its faults; change its fields while the server runs.

    With `conditions`, If-None-Match and If-Modified-Since may be answered with a 304.
    """

    def __init__(self, data, etag='"v1"', modified=OLD, ranges=True, headers=(), script=(), conditions=False):
        self.data, self.etag, self.modified, self.ranges = data, etag, modified, ranges
        self.headers, self.script, self.conditions = dict(headers), list(script), conditions


class Exchange:
    """One request and the connection its answer goes to."""

    def __init__(self, origin, sock, request, file):
        self.origin, self.sock, self.request, self.file = origin, sock, request, file
        self.odd = b""      # bytes between the status line and the fields of every head
        self.close = request.headers.get("connection") == "close"

    def validators(self):
        headers = {"Date": email.utils.formatdate(usegmt=True), "Accept-Ranges": "bytes",
                   "ETag": self.file.etag, "Last-Modified": self.file.modified}
        if not self.file.ranges:
            del headers["Accept-Ranges"]
        return {name: value for name, value in headers.items() if value is not None}

    def head(self, status, headers):
        fields = "".join("%s: %s\r\n" % pair for pair in headers.items())
        self.send(("HTTP/1.1 %s\r\n" % status).encode("utf-8") + self.odd + (fields + "\r\n").encode("utf-8"))

    def send(self, data):
        self.sock.sendall(data)
        self.origin.count(len(data))

    def wanted(self):
        """(start, end) of the Range the server would honour, or None."""
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", self.request.headers.get("range", ""))
        if not match or not self.file.ranges:
            return None
        condition = self.request.headers.get("if-range")
        if condition is not None and condition not in (self.file.etag, self.file.modified):
            return None
        return int(match.group(1)), min(len(self.file.data), int(match.group(2) or 2 ** 62) + 1)

    def begin(self, length=None, **headers):
        """Send the head that fits the request; return the bytes that should follow."""
        wanted, size = self.wanted(), len(self.file.data)
        fields = dict(self.validators(), **self.file.headers)
        if wanted is None:
            body, status = self.file.data, "200 OK"
        elif wanted[0] >= size:
            self.head("416 Range Not Satisfiable", {"Content-Range": "bytes */%d" % size,
                                                    "Content-Length": 0})
            return b""
        else:
            body, status = self.file.data[wanted[0]:wanted[1]], "206 Partial Content"
            fields["Content-Range"] = "bytes %d-%d/%d" % (wanted[0], wanted[1] - 1, size)
        fields["Content-Length"] = len(body) if length is None else length
        fields.update({name.replace("_", "-"): value for name, value in headers.items()})
        self.head(status, {name: value for name, value in fields.items() if value is not None})
        return body

    def is_known(self):
        """Return whether the client has the file already, by its conditions (RFC 9110, 13.2.2)."""
        tags, since = (self.request.headers.get(name) for name in ("if-none-match", "if-modified-since"))
        if tags is not None:
            return self.file.etag is not None and tags.replace("W/", "") == self.file.etag.replace("W/", "")
        return since is not None and since == self.file.modified

    def answer(self):
        if self.file.conditions and self.is_known():
            return self.head("304 Not Modified", {"ETag": self.file.etag or '"?"'})
        body = self.begin()
        if self.request.method != "HEAD":
            self.send(body)

    def hang_up(self, reset=False):
        """Close the connection; with `reset`, the hard way."""
        if reset:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.close = True


class Origin(Background):
    """The server; a context manager."""

    request_queue_size = 128

    def __init__(self, context=None, host="127.0.0.1", port=0):
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), _Connection)
        self.host, self.context = host, context
        self.files, self.requests, self.sent = {}, [], 0
        self.connections = self.most_at_once = 0
        self._open = set()
        self._lock = threading.Lock()

    def put(self, path, data=b"", **options):
        """Serve `data` under `path`; return the File."""
        self.files[path] = File(data, **options)
        return self.files[path]

    def url(self, path="", host=None, user=None):
        host = host or ("[%s]" % self.host if ":" in self.host else self.host)
        return "%s://%s%s:%d%s" % ("https" if self.context else "http", user + "@" if user else "",
                                   host, self.server_address[1], path)

    def count(self, number):
        with self._lock:
            self.sent += number

    def opened(self, sock):
        """A client has connected: how many has it connected now, without those it closed?"""
        with self._lock:
            self.connections += 1
            self._open = {each for each in self._open if not _is_over(each)} | {sock}
            self.most_at_once = max(self.most_at_once, len(self._open))

    def asked(self, path):
        """The requests for this path so far."""
        return [request for request in list(self.requests) if request.path == path]

    def handle_error(self, request, client_address):
        pass    # clients that hang up are what these tests are about


class _Connection(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True

    def setup(self):
        self.server.opened(self.request)
        if self.server.context is not None:
            self.request.settimeout(10)
            self.request = self.server.context.wrap_socket(self.request, server_side=True)
        super().setup()

    def finish(self):
        try:
            super().finish()
        finally:
            if self.server.context is not None:
                self.request.close()

    def handle(self):
        while not self.server.closing.is_set():
            request = self._read()
            if request is None:
                return
            self.server.requests.append(request)
            exchange = Exchange(self.server, self.request, request, self.server.files.get(request.path))
            if exchange.file is None:
                exchange.head("404 Not Found", {"Content-Length": 0})
            else:
                script = exchange.file.script
                (script.pop(0) if script else Exchange.answer)(exchange)
            if exchange.close:
                return

    def _read(self):
        line = self.rfile.readline().decode("latin-1").split()
        if len(line) != 3:
            return None
        headers = {}
        for raw in iter(self.rfile.readline, b"\r\n"):
            if not raw:
                return None
            name, _, value = raw.decode("latin-1").partition(":")
            headers[name.strip().lower()] = value.strip()
        return Request(line[0], line[1], headers)


# -- faults -----------------------------------------------------------------------------

def drop(after, reset=False):
    """Promise everything, send `after` bytes of it, hang up."""
    def fault(exchange):
        exchange.send(exchange.begin()[:after])
        exchange.hang_up(reset)
    return fault


def refuse(status, **headers):
    """Answer with an error: refuse("503 Service Unavailable", Retry_After=1)."""
    def fault(exchange):
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        exchange.head(status, dict({"Content-Length": 0}, **fields))
    return fault


def whole(status="200 OK", **headers):
    """Answer with the whole file under this status; headers as in `head`."""
    def fault(exchange):
        fields = dict(exchange.validators(), Content_Length=len(exchange.file.data), **headers)
        named = {name.replace("_", "-"): value for name, value in fields.items()}
        exchange.head(status, {name: value for name, value in named.items() if value is not None})
        exchange.send(exchange.file.data)
    return fault


def redirect(location, status="302 Found"):
    """Send the client elsewhere."""
    return refuse(status, Location=location)


def ignore_range(exchange):
    """Answer 200 with everything, whatever range was asked for."""
    exchange.request.headers.pop("range", None)
    exchange.answer()


def ignore_if_range(exchange):
    """Answer 200 to any request with If-Range, as some CDNs do though nothing has changed."""
    if "if-range" in exchange.request.headers:
        exchange.request.headers.pop("range", None)
    exchange.answer()


def other_bytes(data):
    """Answer any range with the right Content-Range, but with the bytes `data(start, end)`."""
    def fault(exchange):
        wanted, body = exchange.wanted(), exchange.begin()
        exchange.send(body if wanted is None else data(*wanted))
    return fault


def raw(data):
    """Send these very bytes and hang up."""
    def fault(exchange):
        exchange.send(data)
        exchange.hang_up()
    return fault


def head(**headers):
    """Answer properly, but with these headers in place of the true ones; None leaves one out."""
    def fault(exchange):
        exchange.send(exchange.begin(**headers))
    return fault


def odd(lines, fault=Exchange.answer):
    """Put these very bytes before the fields of the head, and answer as `fault` does."""
    def odd_fault(exchange):
        exchange.odd = lines
        fault(exchange)
    return odd_fault


def dripped(pieces):
    """Send each of the pieces in a packet of its own, and hang up."""
    def fault(exchange):
        for piece in pieces:
            exchange.send(piece)
            time.sleep(0.0005)
        exchange.hang_up()
    return fault


def without_end(beginning, piece):
    """Send `beginning` and then `piece` for as long as the client takes it."""
    def fault(exchange):
        exchange.send(beginning)
        try:
            while not exchange.origin.closing.is_set():
                exchange.send(piece)
        except OSError:
            exchange.close = True
    return fault


def chunked(pieces, end=b"0\r\n\r\n", **headers):
    """Send the pieces with chunked coding and `end` behind them, then hang up."""
    def fault(exchange):
        exchange.head("200 OK", dict(exchange.validators(), **{"Transfer-Encoding": "chunked"}, **headers))
        for piece in pieces:
            exchange.send(b"%x\r\n%s\r\n" % (len(piece), piece))
        exchange.send(end)
        exchange.hang_up()
    return fault


def accept_and_sleep(exchange):
    """Never answer."""
    _wait_for_client(exchange)


def _wait_for_client(exchange):
    """Until the client hangs up or the test is over."""
    exchange.sock.settimeout(0.05)
    while not exchange.origin.closing.is_set():
        try:
            if not exchange.sock.recv(1):
                break
        except (socket.timeout, ValueError):
            continue
        except OSError:
            break
    exchange.close = True


class Gate:
    """A fault that sends `after` bytes, then waits until the test opens it.

    With `sized=False` the answer has no Content-Length and ends with the connection.
    """

    def __init__(self, after, sized=True):
        self.after, self.sized = after, sized
        self.reached, self._open = threading.Event(), threading.Event()

    def __call__(self, exchange):
        body = exchange.begin(**({} if self.sized else {"Content_Length": None}))
        exchange.close = exchange.close or not self.sized
        exchange.send(body[:self.after])
        self.reached.set()
        while not self._open.wait(0.02):
            if exchange.origin.closing.is_set() or _has_hung_up(exchange.sock):
                exchange.close = True
                return
        exchange.send(body[self.after:])

    def open(self):
        self._open.set()


def _is_over(sock):
    """Return whether the client has closed this connection, or we have."""
    try:
        return sock.recv(1, socket.MSG_PEEK | getattr(socket, "MSG_DONTWAIT", 0)) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def _has_hung_up(sock):
    sock.setblocking(False)
    try:
        return sock.recv(1, socket.MSG_PEEK) == b""
    except (BlockingIOError, ValueError):
        return False
    except OSError as error:
        return "want" not in str(error).lower()
    finally:
        sock.setblocking(True)


class paced:
    """Answer properly at about `rate` bytes a second, which may be changed meanwhile.

    `piece` is the number of bytes that are sent at once; otherwise a hundredth of the rate, and at least 4 KiB.
    """

    def __init__(self, rate, piece=None):
        self.rate, self._piece = rate, piece

    def __call__(self, exchange):
        body, position = exchange.begin(), 0
        due = time.monotonic()
        while position < len(body):
            size = self._piece or int(min(max(4096, self.rate / 100), len(body)))
            exchange.send(body[position:position + size])
            position += size
            due += size / self.rate
            ahead = due - time.monotonic()
            if ahead > 0 and exchange.origin.closing.wait(ahead):
                return
