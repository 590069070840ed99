"""Replies as routes return them.

`Reply.body` is bytes, or a memoryview of many; `Portions`, which become those; a `FilePart`; an
iterator of bytes without a known end; or, with a 101, an object whose `converse` takes the wire.Wire
and the bytes that came along with the request.
An error has `errmsg` for people, `code` for programs, and may have `key`, the field that was wrong.
"""

import itertools
import threading
import time
from collections import Counter, namedtuple

from ..errors import (Archived, Conflict, Error, Exhausted, Exists, Forbidden, Full, NotFound, RequestError,
                      StoreBroken, Unavailable)
from ..units import safe_json
from .requests import NoLength, WrongType

PORTION = 64            # items of a long list that exist as objects at the same time

JSON_HEADERS = [("Content-Type", "application/json; charset=utf-8"), ("Cache-Control", "no-store")]

# The code of an error by HTTP status; with those below, the closed list of the wire contract.
CODES = {207: "partial", 400: "bad_value", 401: "unauthorized", 403: "forbidden", 404: "not_found",
         405: "wrong_method", 408: "timeout", 409: "conflict", 411: "no_length", 412: "changed",
         413: "too_large", 414: "too_large", 415: "wrong_type", 416: "wrong_range", 429: "too_many",
         431: "too_large", 500: "internal", 503: "unavailable", 505: "wrong_version"}

# (classes, HTTP status, code if it is not the status's own): the first row that matches decides.
FAILURES = ((NotFound, 404, None), (Archived, 409, "archived"), (Exists, 409, "exists"),
            (Conflict, 409, None), (WrongType, 415, None),
            (NoLength, 411, None), (Forbidden, 403, None), (Full, 503, "full"), (RequestError, 400, None),
            ((StoreBroken, Exhausted, Unavailable), 503, None), (Error, 500, None))


class Reply(namedtuple("Reply", "status headers body", defaults=((), b""))):
    """`headers` are (name, value), to which the handler adds Date, Content-Length and Connection."""

    __slots__ = ()

    @property
    def length(self):
        return len(self.body) if hasattr(self.body, "__len__") else None

    def close(self):
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


class Portions:
    """The JSON of a long list in portions, made once; as objects, it would take five times the memory."""

    def __init__(self, items, fields):
        self._items, self._fields = items, fields

    def __iter__(self):
        yield b'{"status": "success", "detail": ['
        separator = b""
        for first in self._items:
            yield separator + to_json([first, *itertools.islice(self._items, PORTION - 1)])[1:-1]
            separator = b", "
        yield b"], " + to_json(self._fields)[1:] + b"\n"


def to_json(value):
    return safe_json(value).encode()


def json_reply(fields, status=200, headers=()):
    envelope = {"status": "error" if "errmsg" in fields else "success", **fields}
    return Reply(status, JSON_HEADERS + list(headers), to_json(envelope) + b"\n")


def list_reply(items, count, /, **fields):
    """Return the Reply with `detail`, a list of the `count` items of an iterator."""
    if count <= PORTION:
        return json_reply({"detail": list(items), **fields})
    return Reply(200, JSON_HEADERS, Portions(items, fields))


def error_reply(status, sentence, headers=(), code=None, **fields):
    return json_reply(dict(fields, errmsg=sentence, code=code or CODES[status]), status, headers)


def failure_reply(error, refuse=error_reply):
    """Return the Reply for an errors.Error, made by `refuse`."""
    status, code = next(row[1:] for row in FAILURES if isinstance(error, row[0]))
    fields = {name: getattr(error, name) for name in ("key", "tid") if hasattr(error, name)}
    return refuse(status, str(error), code=code, **fields)


class Counters:
    """Of a server's replies; `started` is in epoch seconds."""

    def __init__(self):
        self.started = round(time.time(), 3)
        self._lock = threading.Lock()
        self.replies = Counter()        # HTTP status: number of replies
        self.seconds, self.requests = 0.0, 0

    def count(self, status, seconds=None):
        """Count a reply, and the `seconds` of work if it was to a request."""
        with self._lock:
            self.replies[status] += 1
            if seconds is not None:
                self.seconds += seconds
                self.requests += 1
