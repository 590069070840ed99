"""The bodies of responses; one that is cut short never passes for a file."""

import re
import time

from ..errors import Permanent, Temporary
from ..units import format_size

LONGEST_SIZE_LINE = 4096        # bytes
_SIZE_LINE = re.compile(rb"0*([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?(\r?\n)")
_BETWEEN_CHUNKS = re.compile(rb"\r\n([0-9A-Fa-f]{1,15})(\r\n)")   # as nearly all servers send it
_PIECE = 4096       # bytes that `peek` reads at a time


class Body:
    """The body of one response, read once from start to end.

    expected   int bytes of the whole body, or None if unknown
    received   int bytes that have been read
    leftover   memoryview of bytes that have arrived and not been read
    at_hand    bool: `leftover` is all that is still to be read
    channel    the Channel that it comes over
    slot       the host_limits.Slot of the connection

    `exchange` is an Exchange, an FTP session or another Body.
    """

    expected, at_hand, leftover = None, False, memoryview(b"")

    def __init__(self, exchange):
        self._exchange, self.received = exchange, 0
        self.channel, self.slot = exchange.channel, exchange.slot

    def read_into(self, view):
        """Read into `view`; return how many bytes, 0 at the true end. Raise Temporary at any other."""
        raise NotImplementedError

    def peek(self, count):
        """Return the next bytes, to be read again: at least `count` unless the body ends."""
        seen, piece = bytearray(self.take_at_hand()), memoryview(bytearray(_PIECE))
        try:
            while len(seen) < count:
                more = self.read_into(piece)
                if not more:
                    break
                seen += piece[:more]
        finally:
            self.received -= len(seen)
            self.leftover = memoryview(bytes(seen))
        return bytes(seen)

    def take_at_hand(self):
        """Return the bytes in `leftover`, and count them as read."""
        rest, self.leftover = self.leftover, memoryview(b"")
        self.received += len(rest)
        return rest

    def _take_leftover(self, view):
        count = min(len(view), len(self.leftover))
        view[:count] = self.leftover[:count]
        self.leftover = self.leftover[count:]
        self.received += count
        return count

    def adopt(self, stop):
        self.channel.adopt(stop)

    def close(self):
        """Release the slot; keep the connection if the whole body has been read."""
        self._exchange.close()


def framed(exchange, expected):
    """Return the Body of a response (RFC 9112, 6.3). Raise Permanent for an unknown transfer coding."""
    codings = exchange.headers.tokens("Transfer-Encoding")
    if codings == ["chunked"]:
        return Chunked(exchange)
    if codings:
        named = ", ".join(codings)[:40]
        raise Permanent(f"the server used a transfer coding that was not asked for: {named}")
    return Plain(exchange, expected, exchange.reader.rest())


class Plain(Body):
    """A body of known length, or up to the connection's end."""

    def __init__(self, exchange, expected, rest=b""):
        super().__init__(exchange)
        self.leftover, self.expected = memoryview(rest)[:expected], expected
        self._is_followed = expected is not None and len(rest) > expected

    @property
    def at_hand(self):
        return self.expected is not None and len(self.leftover) == self.expected - self.received

    def read_into(self, view):
        if self.leftover:
            return self._take_leftover(view)
        left = self._left
        view = view[:left]
        return self._counted(self.channel.read_body(view, left) if view else 0)

    def splice_into(self, pipe, wanted):
        """Return the bytes moved into a pipe; `leftover` must be empty. Raise OSError if that cannot be."""
        left = self._left
        wanted = min(wanted, left)
        return self._counted(self.channel.splice_body(pipe, wanted, left) if wanted else 0)

    @property
    def _left(self):
        # without a length any number will do, as the connection's end ends every wait
        return 2 ** 62 if self.expected is None else self.expected - self.received

    def _counted(self, count):
        self.received += count
        if not count and self.expected is not None and self.received < self.expected:
            raise Temporary(f"the connection was closed after {format_size(self.received)} "
                            f"of {format_size(self.expected)}", word="network")
        return count

    def close(self):
        self._exchange.close(reusable=self.received == self.expected and not self._is_followed)


class Chunked(Body):
    """A chunked body (RFC 9112, 7.1); trailers are not waited for.

    Lines may end in LF alone, and a chunk's data must end in the same way as the line with its size.
    """

    def __init__(self, exchange):
        super().__init__(exchange)
        self._reader = exchange.reader
        self._left, self._line_end = 0, b""     # of this chunk: bytes to come, the line end to follow
        self._has_ended = False

    def read_into(self, view):
        filled = self._take_leftover(view)
        if not filled and view and (self._left or self._begin_chunk()):
            filled = self._read_some(view)
        while filled < len(view) and self._reader.buffered and (self._left or self._begin_at_hand()):
            filled += self._read_some(view[filled:])
        return filled

    def _read_some(self, view):
        count = self._reader.read_into(view[:self._left])
        if not count:
            raise self._cut()
        self._left -= count
        self.received += count
        return count

    def _begin_chunk(self):
        """Read up to the next chunk's data; return its size, 0 for the last chunk."""
        if self._begin_at_hand() or self._has_ended:
            return self._left
        return self._begin(self._wait_for_size())

    def _begin_at_hand(self):
        """Return the next chunk's size if it has arrived in the usual form, else 0."""
        may_match = self._line_end == b"\r\n" and not self._has_ended
        match = may_match and self._reader.take_match(_BETWEEN_CHUNKS)
        return self._begin(match) if match else 0

    def _begin(self, match):
        digits, self._line_end = match.groups()
        self._left = int(digits, 16)
        self._has_ended = not self._left
        return self._left

    def _wait_for_size(self):
        if not self._reader.fill():
            raise self._cut()
        with self.channel.hurried():
            end = self._reader.read_line(len(self._line_end))
            if end != self._line_end:
                raise self._broken(end, len(self._line_end))
            line = self._reader.read_line(LONGEST_SIZE_LINE)
        match = _SIZE_LINE.fullmatch(line)
        if match is None:
            raise self._broken(line, LONGEST_SIZE_LINE)
        return match

    def _broken(self, line, most):
        if not line.endswith(b"\n") and len(line) < most:
            return self._cut()
        return Temporary(f"the server's chunked answer is malformed after {format_size(self.received)}")

    def _cut(self):
        return Temporary("the connection was closed in the middle of a chunked answer, "
                         f"after {format_size(self.received)}", word="network")

    def close(self):
        self._exchange.close(reusable=self._has_ended and self._reader.rest() == self._line_end)


def read_whole(stream, most, seconds):
    """Return the bytes. Raise Permanent if there are more than `most`, Temporary after `seconds`."""
    data, piece = bytearray(), memoryview(bytearray(2 ** 16))
    deadline = time.monotonic() + seconds
    while True:
        count = stream.read_into(piece)
        if not count:
            return bytes(data)
        data += piece[:count]
        if len(data) > most:
            raise Permanent(f"the server sent more than {most >> 20} MiB")
        if time.monotonic() > deadline:
            raise Temporary(f"the server did not complete its response within {seconds:g} s", word="timeout")
