"""HTTP/1.1 on a connection: requests are read, framed strictly (RFC 9112), and replies encoded.

The parser of http.server accepts what another parser might read differently (request
smuggling): bare line feeds, folded headers, blanks before a colon, two lengths. Each raises
`BadMessage`, after which it is unknown where the next request starts.
"""

import http
import re
from collections import namedtuple

from ..errors import Error
from .large import LARGE, memory

LONGEST_LINE = 16 * 1024        # bytes of the request line, or of one header
LONGEST_HEAD = 32 * 1024        # bytes of all headers
LONGEST_REMEMBERED = 2048       # bytes of the headers that a connection remembers
MOST_HEADERS = 64
LONGEST_BODY = 2 ** 20

_REQUEST_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([\x21-\x7e]+) HTTP/([0-9])\.([0-9])\r\n")
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([^\x00-\x08\x0a-\x1f\x7f]*)\r\n")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})(?:[ \t]*;[^\x00-\x08\x0a-\x1f\x7f]*)?\r\n")
_LENGTH = re.compile("[0-9]{1,15}")
_HOST = re.compile(r"[\w.~%:\[\]-]*", re.ASCII)
_ABSOLUTE = re.compile("https?://(%s)(?![^/?])" % _HOST.pattern, re.IGNORECASE)
_PHRASES = {status.value: status.phrase for status in http.HTTPStatus}


class BadMessage(Error):
    """A request that cannot be read: reply with `status` and `code`, then close the connection."""

    def __init__(self, status, sentence):
        super().__init__(sentence)
        self.status, self.code = status, "malformed" if status == 400 else None


class Head(namedtuple("Head", "method target version headers")):
    """A request without its body: `target` in origin form, `headers` {lower name: value}, `version` (1, n).

    The values of a repeated header are joined by ", ".
    """

    __slots__ = ()

    @property
    def keep_alive(self):
        options = words(self.headers, "connection")
        return "close" not in options and (self.version >= (1, 1) or "keep-alive" in options)

    @property
    def has_body(self):
        return "transfer-encoding" in self.headers or self.headers.get("content-length", "0") != "0"

    @property
    def length(self):
        return int(self.headers.get("content-length", 0))

    @property
    def awaits_continue(self):
        return (self.version >= (1, 1) and self.headers.get("expect", "").lower() == "100-continue"
                and self.length <= LONGEST_BODY)


def words(headers, name):
    """Return the lower-case members of a header that is a list."""
    return [each.strip().lower() for each in headers.get(name, "").split(",")]


class HeadReader:
    """Reads a connection's heads; remembers the last headers, which a client that polls repeats."""

    def __init__(self, reader):
        self._reader = reader
        self._block, self._headers = None, {}

    def read(self):
        """Return the next Head, None at the end. Raise BadMessage."""
        line = self._reader.readline(LONGEST_LINE + 1)
        if line == b"\r\n":         # one empty line before a request is ignored (RFC 9112, 2.2)
            line = self._reader.readline(LONGEST_LINE + 1)
        if not line:
            return None
        method, target, version = _parse_request_line(line)
        headers = self._read_headers()
        _check_framing(headers, version)
        if _HOST.fullmatch(headers.get("host", "," if version >= (1, 1) else "")) is None:
            raise BadMessage(400, "there must be exactly one Host header, of one host")
        return Head(method, _origin_form(target, headers), version, headers)

    def _read_headers(self):
        """Return {lower name: value}, the last ones if their bytes are the same."""
        buffered = self._reader.peek(1)
        size = buffered.find(b"\r\n\r\n") + 4
        if not 4 <= size <= LONGEST_REMEMBERED or buffered.startswith(b"\r\n"):    # then there are none
            return _read_headers(self._reader)
        block = buffered[:size]
        if block == self._block:
            self._reader.read(size)
        else:
            self._headers, self._block = _read_headers(self._reader), block
        return dict(self._headers)


def _parse_request_line(line):
    if len(line) > LONGEST_LINE:
        raise BadMessage(414, f"the request line is longer than {LONGEST_LINE} bytes")
    match = _REQUEST_LINE.fullmatch(line)
    if match is None:
        raise BadMessage(400, "the request line is malformed")
    method, target, major, minor = match.groups()
    if major != b"1":
        raise BadMessage(505, "this version of HTTP is not supported; use HTTP/1.1 or HTTP/1.0")
    return method.decode("ascii"), target.decode("ascii"), (1, int(minor))


def _origin_form(target, headers):
    """Return path and query, or "*"; the host of an absolute target replaces Host (RFC 9112, 3.2.2)."""
    match = _ABSOLUTE.match(target)
    if match is not None:
        headers["host"], target = match.group(1), target[match.end():]
        return target if target.startswith("/") else "/" + target
    if not target.startswith("/") and target != "*":
        raise BadMessage(400, "the request target must be a path")
    return target


def _read_headers(reader):
    headers, size = {}, 0
    while True:
        line = reader.readline(LONGEST_LINE + 1)
        if line == b"\r\n":
            return headers
        size += len(line)
        if size > LONGEST_HEAD or len(line) > LONGEST_LINE or len(headers) >= MOST_HEADERS:
            raise BadMessage(431, "the headers are too large")
        match = _HEADER.fullmatch(line)
        if match is None:
            raise BadMessage(400, "a header line is malformed")
        name, value = match.group(1).decode("ascii").lower(), match.group(2).decode("latin-1").strip(" \t")
        headers[name] = headers[name] + ", " + value if name in headers else value


def _check_framing(headers, version):
    """Raise BadMessage if the length of the body is in doubt (RFC 9112, 6.3)."""
    length, coding = headers.get("content-length"), headers.get("transfer-encoding")
    if length is not None and _LENGTH.fullmatch(length) is None:
        raise BadMessage(400, "the Content-Length is not one number")
    if coding is None:
        return
    if length is not None:
        raise BadMessage(400, "the request has both a Content-Length and a Transfer-Encoding")
    if coding.lower() != "chunked" or version < (1, 1):
        raise BadMessage(400, "this transfer coding is not supported; use chunked, over HTTP/1.1")


def read_body(reader, head):
    """Return the whole body, as bytes or as a memoryview of more than LARGE of them. Raise BadMessage."""
    if "transfer-encoding" in head.headers:
        return _read_chunks(reader)
    length = head.length
    if length > LONGEST_BODY:
        raise _too_large()
    if length > LARGE:
        return _fill(reader, memory(length))
    body = reader.read(length)
    if len(body) < length:
        raise _cut_off()
    return body


def _too_large():
    return BadMessage(413, f"the body is longer than {LONGEST_BODY} bytes")


def _cut_off():
    return BadMessage(400, "the body ended before its declared length")


def _fill(reader, view):
    left = view
    while left:
        count = reader.readinto(left)
        if not count:
            raise _cut_off()
        left = left[count:]
    return view


def _read_chunks(reader):
    body, length = memory(LONGEST_BODY), 0
    while True:
        match = _CHUNK.fullmatch(reader.readline(1024))
        if match is None:
            raise BadMessage(400, "the body's chunks are malformed")
        size = int(match.group(1), 16)
        if length + size > LONGEST_BODY:
            raise _too_large()
        if not size:
            _read_headers(reader)       # trailers, which are not used
            return body[:length] if length > LARGE else bytes(body[:length])
        _fill(reader, body[length:length + size])
        length += size
        if reader.read(2) != b"\r\n":
            raise BadMessage(400, "the body's chunks are malformed")


def encode_reply(status, headers):
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers])
    return f"HTTP/1.1 {status} {_PHRASES[status]}\r\n{lines}\r\n".encode("latin-1", "replace")


def joined_fields(headers):
    """Return the list of (name, value) with the values of a repeated name joined (RFC 9110, 5.3)."""
    fields = {}
    for name, value in headers:
        fields[name] = f"{fields[name]}, {value}" if name in fields else value
    return list(fields.items())
