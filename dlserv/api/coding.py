"""Replies packed with gzip for clients that take it (RFC 9110, 8.4.1 and 12.5.3).

The length of a packed reply tells something of a secret that is in it beside text of an attacker
(BREACH). None is: secrets are masked, and no reply with data repeats a part of its request.
"""

import contextlib
import re

from .large import joined
from .replies import FilePart, Portions

SHORTEST = 1024         # bytes, up to which a body is sent as it is
# zlib's level (more hardly shortens a list of tasks), logarithm of the window, and memLevel: 48 KiB
# while a reply is packed, 16 KiB for each client of a stream.
REPLY, STREAM, ASSET = (1, 12, 6), (1, 11, 4), (9, 15, 9)
_GZIP = 16              # added to the logarithm, for gzip's header and checksum

_SYNC_FLUSH = 2         # zlib.Z_SYNC_FLUSH; zlib is imported when a client takes gzip
_CODING = re.compile(r"[ \t]*([^\s;]+)[ \t]*(?:;[ \t]*q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)[ \t]*)?",
                     re.IGNORECASE)
_CHOSEN = {"ETag", "Content-Encoding"}
_VARY = [("Vary", "Accept-Encoding")]
_PACKED = _VARY + [("Content-Encoding", "gzip")]


def takes_gzip(accepted):
    """Return whether this Accept-Encoding, or None, weights gzip over 0 and no lower than identity."""
    found = [_CODING.fullmatch(member) for member in (accepted or "").split(",")]
    weights = {match.group(1).lower(): float(match.group(2) or 1) for match in found if match}
    gzip = weights.get("gzip", weights.get("x-gzip", weights.get("*", 0)))
    return gzip > 0 and gzip >= weights.get("identity", 0)


def coded(reply, accepted):
    """Return the reply as a client with this Accept-Encoding gets it, without Portions."""
    body = reply.body
    if type(body) is bytes and len(body) <= SHORTEST:
        return reply
    if not body or isinstance(body, FilePart) or reply.status == 101 or _CHOSEN & dict(reply.headers).keys():
        return reply
    if isinstance(body, (bytes, memoryview, Portions)):
        packer = _packer(REPLY, accepted)
        if packer is not None:
            packed = [packer.compress(each) for each in (body if isinstance(body, Portions) else [body])]
            body = joined(packed + [packer.flush()])
        elif isinstance(body, Portions):
            body = joined(list(body))
    else:
        packer = _packer(STREAM, accepted)
        body = body if packer is None else _packed(body, packer)
    return reply._replace(headers=[*reply.headers, *(_VARY if packer is None else _PACKED)], body=body)


def _packer(sizes, accepted):
    """Return a compressor, None if the client does not take gzip or Python has no zlib."""
    if not takes_gzip(accepted):
        return None
    try:
        import zlib
    except ImportError:
        return None
    level, window, memory = sizes
    return zlib.compressobj(level, zlib.DEFLATED, _GZIP + window, memory)


def pack(data):
    packer = _packer(ASSET, "gzip")
    return packer and packer.compress(data) + packer.flush()


def _packed(stream, packer):
    """Yield each part packed and flushed, so that no event waits for the next."""
    with contextlib.closing(stream):
        for part in stream:
            yield part and packer.compress(part) + packer.flush(_SYNC_FLUSH)
        yield packer.flush()
