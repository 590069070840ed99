"""Replies as routes return them, apart from any socket.

`Reply.body` is one of four things: bytes, or a memoryview of many; `Portions`, which become
those before they are sent; a `FilePart`, which the server copies without reading it into
memory; or an iterator of bytes without a known end, after which the connection is closed. An
error is JSON with `errmsg`, a sentence for people, and `code`, a word for programs; `key` is
the field that was wrong, if one was.
"""

import itertools
from collections import namedtuple

from ..errors import (Archived, Conflict, Error, Exhausted, Exists, Forbidden, Full, NotFound, RequestError,
                      StoreBroken, Unavailable)
from ..units import safe_json
from .large import joined
from .requests import NoLength, WrongType

_JSON_HEADERS = [("Content-Type", "application/json; charset=utf-8"), ("Cache-Control", "no-store")]

PORTION = 64            # items of a long list that exist as objects at the same time

# The code of an error by HTTP status; with those below, the closed list of the wire contract.
CODES = {207: "partial", 400: "bad_value", 401: "unauthorized", 403: "forbidden", 404: "not_found",
         405: "wrong_method", 408: "timeout", 409: "conflict", 411: "no_length", 412: "changed",
         413: "too_large", 414: "too_large", 415: "wrong_type", 416: "wrong_range", 429: "too_many",
         431: "too_large", 500: "internal", 503: "unavailable", 505: "wrong_version"}

# (class, HTTP status, code if it is not the status's own): the first class that matches decides.
FAILURES = ((NotFound, 404, None), (Archived, 409, "archived"), (Exists, 409, "exists"),
            (Conflict, 409, None), (WrongType, 415, None),
            (NoLength, 411, None), (Forbidden, 403, None), (Full, 503, "full"), (RequestError, 400, None),
            (StoreBroken, 503, None), (Exhausted, 503, None), (Unavailable, 503, None), (Error, 500, None))


class Reply(namedtuple("Reply", "status headers body")):
    """`headers` is a list of (name, value); Date, Content-Length and Connection come from the server."""

    __slots__ = ()

    def __new__(cls, status, headers=(), body=b""):
        return super().__new__(cls, status, list(headers), body)

    @property
    def length(self):
        """Bytes of the body, or None for an iterator."""
        return len(self.body) if isinstance(self.body, _KNOWN_LENGTH) else None

    def close(self):
        """Release what the body holds open."""
        close = getattr(self.body, "close", None)
        if close is not None:
            close()


class FilePart:
    """`count` bytes of an open binary file from `start` on; owns the file."""

    def __init__(self, file, start, count):
        self.file, self.start, self._count = file, start, count

    def __len__(self):
        return self._count

    def close(self):
        self.file.close()


_KNOWN_LENGTH = (bytes, memoryview, FilePart)


class Portions:
    """A body of JSON that is made in portions of bytes, once."""

    def __init__(self, portions):
        self._portions = portions

    def __iter__(self):
        return iter(self._portions)


class Encoded:
    """A list for a reply, encoded value by value, because there may be thousands.

    So many small objects would leave the heap in pieces that the system never gets back.
    """

    def __init__(self, values=()):
        self.json, self._count = bytearray(), 0
        for value in values:
            self.add(value)

    def add(self, value):
        self.json += (b", " if self.json else b"") + to_json(value)
        self._count += 1

    def add_failure(self, name, error):
        """Add what a 207 says of each that failed: [name, reason]."""
        self.add([name, str(error)])

    def __len__(self):
        return self._count


def with_lists(reply, **lists):
    """Return the Reply with these Encoded lists beside the fields of its envelope."""
    pieces = [reply.body[:reply.body.rindex(b"}")]]
    for name, encoded in lists.items():
        pieces += [b', "%s": [' % name.encode(), encoded.json, b"]"]
    return reply._replace(body=joined(pieces + [b"}\n"]))


def to_json(value):
    """Return the value as JSON in UTF-8, safe to print."""
    return safe_json(value).encode()


def json_reply(fields, status=200, headers=()):
    """Return a Reply of `fields` in the envelope that every JSON answer has."""
    envelope = {"status": "error" if "errmsg" in fields else "success"}
    envelope.update(fields)
    return Reply(status, _JSON_HEADERS + list(headers), to_json(envelope) + b"\n")


def list_reply(items, count, /, **fields):
    """Return the Reply with `detail`, a list of the `count` items of an iterator, and other fields.

    A long list is made in Portions: its items as objects would take five times the memory.
    """
    if count <= PORTION:
        return json_reply(dict({"detail": list(items)}, **fields))
    return Reply(200, _JSON_HEADERS, Portions(_list_in_portions(items, fields)))


def _list_in_portions(items, fields):
    yield b'{"status": "success", "detail": ['
    separator = b""
    for first in items:
        yield separator + to_json([first, *itertools.islice(items, PORTION - 1)])[1:-1]
        separator = b", "
    yield b"], " + to_json(fields)[1:] + b"\n"


def error_reply(status, sentence, headers=(), code=None, **fields):
    """Return a Reply that says what was wrong; `code` defaults to that of the status."""
    return json_reply(dict(fields, errmsg=sentence, code=code or CODES[status]), status, headers)


def failure_reply(error, refuse=error_reply):
    """Return the Reply to a request that failed with this errors.Error; `refuse` makes it."""
    status, code = next(row[1:] for row in FAILURES if isinstance(error, row[0]))
    fields = {name: getattr(error, name) for name in ("key", "tid") if hasattr(error, name)}
    return refuse(status, str(error), code=code, **fields)
