"""Content coding: replies packed with gzip for clients that take it (RFC 9110, 8.4.1 and 12.5.3).

A reply is packed in portions, with its Content-Length as ever. A stream is flushed after
each of its parts, so that no event waits for the next. A reply with an entity tag or a coding of
its own passes unchanged.

The length of a packed reply reveals something of its content if it holds both a secret and text
of an attacker (BREACH). No reply here does: the token is in none, other secrets are masked, and
no reply with data repeats a part of its request.
"""

import re

from .large import joined
from .replies import FilePart, Portions

SHORTEST = 1024         # bytes; a body that is not longer is sent as it is
LEVEL = 1               # of 9; a higher level hardly shortens a list of tasks
# Binary logarithm of the window, and zlib's memLevel: 48 KiB while a reply is packed, 16 KiB
# for each client of a stream; zlib adds 6 KiB of its own.
REPLY, STREAM = (12, 6), (11, 4)
_GZIP = 16              # added to the logarithm, for gzip's header and checksum

_SYNC_FLUSH = 2         # zlib.Z_SYNC_FLUSH; zlib is imported when a client takes gzip

_CODING = re.compile(r"[ \t]*([^\s;]+)[ \t]*(?:;[ \t]*q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)[ \t]*)?",
                     re.IGNORECASE)
_CHOSEN = {"ETag", "Content-Encoding"}
_VARY = [("Vary", "Accept-Encoding")]
_PACKED = _VARY + [("Content-Encoding", "gzip")]


def takes_gzip(accepted):
    """Return whether a client with this Accept-Encoding, or None, is to be sent gzip.

    It is not if the client weights gzip 0, or lower than identity. Malformed members are
    ignored.
    """
    found = [_CODING.fullmatch(member) for member in (accepted or "").split(",")]
    weights = {match.group(1).lower(): float(match.group(2) or 1) for match in found if match}
    gzip = weights.get("gzip", weights.get("x-gzip", weights.get("*", 0)))
    return gzip > 0 and gzip >= weights.get("identity", 0)


def coded(reply, accepted):
    """Return the reply as a client with this Accept-Encoding gets it; no Portions are left in it."""
    body = reply.body
    if type(body) is bytes and len(body) <= SHORTEST:
        return reply
    if not body or isinstance(body, FilePart) or reply.status == 101 or _has_chosen(reply):
        return reply
    if isinstance(body, (bytes, memoryview, Portions)):
        body, is_packed = _settle(body, accepted)
    else:
        packer = _packer(STREAM, accepted)
        body, is_packed = PackedStream(body, packer) if packer else body, bool(packer)
    return reply._replace(headers=reply.headers + (_PACKED if is_packed else _VARY), body=body)


def _has_chosen(reply):
    return any(name in _CHOSEN for name, _ in reply.headers)


def _settle(body, accepted):
    """Return (the body as bytes or a memoryview, whether it is packed)."""
    is_whole = not isinstance(body, Portions)
    packer = _packer(REPLY, accepted)
    if packer is None:
        return body if is_whole else joined(list(body)), False
    packed = [packer.compress(portion) for portion in ([body] if is_whole else body)]
    return joined(packed + [packer.flush()]), True


def _packer(sizes, accepted, level=LEVEL):
    """Return a compressor; None if the client does not take gzip, or Python has no zlib."""
    if not takes_gzip(accepted):
        return None
    try:
        import zlib
    except ImportError:
        return None
    window, memory = sizes
    return zlib.compressobj(level, zlib.DEFLATED, _GZIP + window, memory)


def pack(data):
    """Return the bytes packed as far as possible, None where Python has no zlib."""
    packer = _packer((15, 9), "gzip", 9)
    return packer and packer.compress(data) + packer.flush()


class PackedStream:
    """A stream's parts, each packed so that the client can unpack it as soon as it has arrived."""

    def __init__(self, stream, packer):
        self._stream, self._parts, self._packer = stream, iter(stream), packer

    def __iter__(self):
        return self

    def __next__(self):
        """Return the next part, which may be b"", and after the last one the end of the gzip data."""
        if self._packer is None:
            raise StopIteration
        try:
            part = next(self._parts)
        except StopIteration:
            packer, self._packer = self._packer, None
            return packer.flush()
        return part and self._packer.compress(part) + self._packer.flush(_SYNC_FLUSH)

    def close(self):
        """Close the stream."""
        close = getattr(self._stream, "close", None)
        if close is not None:
            close()
