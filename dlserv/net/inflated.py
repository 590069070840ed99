"""Compressed bodies, decoded while they are read."""

from ..errors import MissingModule, Permanent, Temporary
from .bodies import Body

try:
    import zlib
except ImportError:     # a Python built without it
    zlib = None

ZLIB, GZIP, RAW = 15, 31, -15   # zlib's wbits
LOOK = 512      # bytes decoded on trial to recognise raw deflate


def decoded(body, coding):
    """Return the body decoded from this Content-Encoding, or itself. Raise Temporary, MissingModule."""
    if coding not in ("gzip", "x-gzip", "deflate"):
        return body
    with body.channel.hurried():
        wbits = _wbits(body, coding)
    return body if wbits is None else Inflated(body, wbits)


def _wbits(body, coding):
    """Return zlib's wbits for a body that claims to be encoded, None if it is not."""
    start = body.peek(2)[:2]
    if not start:
        return None if body.expected == 0 else GZIP     # without a length, an empty body is cut short
    if b"\x1f\x8b".startswith(start):
        return GZIP
    if coding != "deflate":
        return None
    if len(start) == 2 and start[0] & 0x8f == 8 and not int.from_bytes(start, "big") % 31:
        return ZLIB
    try:
        if zlib is not None:
            zlib.decompressobj(RAW).decompress(body.peek(LOOK), LOOK)
    except zlib.error:
        return None
    return RAW      # many servers send raw deflate (RFC 9110, 8.4.1.2)


class Inflated(Body):
    """The decoded bytes of another body. Bounds on the ratio stop decompression bombs."""

    RATIO, GRACE = 200, 64 * 2 ** 20            # decoded : encoded at most, beyond GRACE bytes
    LEAST_RATIO, LEAST_GRACE = 0.5, 2 ** 20     # and at least: compression hardly enlarges a text

    def __init__(self, body, wbits):
        super().__init__(body)
        if zlib is None:
            raise MissingModule("a compressed answer", "zlib")
        self._body, self._wbits = body, wbits
        self._inflater = zlib.decompressobj(wbits)
        self._input, self._pending = memoryview(bytearray(65536)), b""

    def read_into(self, view):
        if self.leftover:
            return self._take_leftover(view)
        data = self._more(len(view))
        view[:len(data)] = data
        self.received += len(data)
        if self.received > self.GRACE + self.RATIO * self._body.received:
            raise Permanent("the server's compressed answer unpacks to more than "
                            f"{self.RATIO} times its size")
        return len(data)

    def _more(self, most):
        data = b""
        while not data:
            if not self._pending:
                count = self._body.read_into(self._input)
                self._pending = bytes(self._input[:count])
                # endless empty members, or bytes after the last one
                if self.received < self.LEAST_RATIO * (self._body.received - self.LEAST_GRACE):
                    raise Permanent("the server's compressed answer is nearly empty and does not end")
            if not self._pending:
                if self._inflater.eof:
                    return b""
                raise Temporary("the server's compressed answer is cut short")
            data = self._inflate(most)
        return data

    def _inflate(self, most):
        if self._inflater.eof and self._wbits == GZIP and self._pending[:1] == b"\x1f":     # another member
            self._inflater = zlib.decompressobj(GZIP)                                       # (RFC 1952, 2.2)
        if self._inflater.eof:
            self._pending = b""     # bytes after the end are ignored
            return b""
        try:
            data = self._inflater.decompress(self._pending, most)
        except zlib.error as error:
            raise Permanent(f"the server's compressed answer is damaged: {error}") from error
        self._pending = self._inflater.unconsumed_tail or self._inflater.unused_data
        return data
