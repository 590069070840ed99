"""One connection to the interface, byte by byte, and requests to send over it."""

import json
import re
import socket
import struct
import threading
from collections import namedtuple

from harness import PATIENCE

GET = b"GET /config HTTP/1.1\r\nHost: localhost\r\n\r\n"
NOWHERE = "http://127.0.0.1:1/"
CHUNKED = b"POST /task HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
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


def post(body, *headers, path="/task", method="POST"):
    """A request of these bytes, which says so itself."""
    lines = ["%s %s HTTP/1.1" % (method, path), "Host: localhost", "Content-Length: %d" % len(body)] + list(headers)
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def task(name, **options):
    return json.dumps({"url": NOWHERE + name, "options": dict(options, paused=True)}).encode()


def chunks(data, size, extension=b""):
    pieces = [data[start:start + size] for start in range(0, len(data), size)]
    return b"".join(b"%X%s\r\n%s\r\n" % (len(piece), extension, piece) for piece in pieces)


def clients(without=()):
    """The threads that serve connections, without these."""
    return [thread for thread in threading.enumerate()
            if thread.name == "dlserv-http-client" and thread not in without]


def long_reply(daemon, connect, server):
    """A Wire, and the bytes of a reply that is too long for any socket's buffer."""
    for number in range(12):
        daemon.add("%s%d" % (NOWHERE, number), {"paused": True}, ["x" * 1000] * 1000)
    wire = connect(server.url,
        buffer=4096).send(b"GET /task/list?exerpt=no HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert wire.sock.recv(1) == b"H"
    wire.reader = wire.sock.makefile("rb")
    return wire


def receive(sock):
    """Read until the answer or the connection ends."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = sock.recv(65536)
        if not more:
            break
        data += more
    return data
