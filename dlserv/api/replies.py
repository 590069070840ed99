"""What a route answers with, apart from any socket.

`Reply.body` is one of three things: bytes; a `FilePart`, which the server copies without
reading it into memory; or an iterator of bytes without a known end, after which the
connection is closed.
"""

import json
from collections import namedtuple

JSON = "application/json; charset=utf-8"


class Reply(namedtuple("Reply", "status headers body")):
    """`headers` is a list of (name, value); Date, Content-Length and Connection come from the server."""

    __slots__ = ()

    def __new__(cls, status, headers=(), body=b""):
        return super().__new__(cls, status, list(headers), body)

    @property
    def length(self):
        """Bytes of the body, or None for an iterator."""
        if isinstance(self.body, (bytes, FilePart)):
            return len(self.body)
        return None

    def close(self):
        """Give up what the body holds open."""
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


def json_reply(fields, status=200, headers=()):
    """A Reply of `fields` in the envelope that every JSON answer has."""
    envelope = {"status": "error" if "errmsg" in fields else "success"}
    envelope.update(fields)
    body = json.dumps(envelope, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
    return Reply(status, [("Content-Type", JSON), ("Cache-Control", "no-store")] + list(headers), body)


def error_reply(status, sentence, headers=(), **fields):
    """A Reply that says what was wrong."""
    return json_reply(dict(fields, errmsg=sentence), status, headers)
