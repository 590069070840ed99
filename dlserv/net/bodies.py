"""The bodies of responses: plain or chunked; inflated.py has compressed ones.

A body returns 0 bytes only at its true end and raises Temporary if it is cut short, so that a
truncated body never passes for a file.
"""

import errno
import re
import time

from ..errors import Permanent, Temporary
from ..units import format_size

LONGEST_SIZE_LINE = 4096        # bytes of a chunk's size and its extensions

_SIZE_LINE = re.compile(rb"0*([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?(\r?\n)")
_BETWEEN_CHUNKS = re.compile(rb"\r\n([0-9A-Fa-f]{1,15})(\r\n)")   # the form that nearly all servers use
_PIECE = 4096                   # bytes that `peek` reads at a time


class Body:
    """The body of one response, read once from start to end.

    expected   int bytes of the whole body, or None if unknown
    received   int bytes that have been read
    leftover   memoryview of bytes that have arrived and have not been read yet
    at_hand    bool: all bytes that have not been read have arrived
    channel    the Channel that the bytes come from
    slot       the host_limits.Slot of the connection, None once it is closed

    `exchange` is the owner of the connection, an Exchange, an FTP session or another Body; it
    has a `channel`, a `slot` and `close`.
    """

    expected, at_hand, leftover = None, False, memoryview(b"")

    def __init__(self, exchange):
        self._exchange, self.received = exchange, 0
        self.channel = exchange.channel

    @property
    def slot(self):
        return self._exchange.slot

    def read_into(self, view):
        """Read into `view`; return the bytes read, 0 at the true end. Raise Temporary at any other end."""
        raise NotImplementedError

    def peek(self, count):
        """Return the next bytes without consuming them, at least `count` unless the body is shorter.

        Raise Temporary if reading would.
        """
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

    def splice_into(self, pipe, wanted):
        """Move bytes into the pipe within the kernel; return how many, 0 at the true end.

        Raise OSError if that is not possible. `leftover` must be empty.
        """
        raise OSError(errno.EOPNOTSUPP, "the bytes must be looked at")

    def adopt(self, stop):
        """Use the stop signal of another thread that goes on reading."""
        self.channel.adopt(stop)

    def close(self):
        """Release the slot; keep the connection if the whole body has been read."""
        self._exchange.close()


def framed(exchange, expected):
    """Return the Body of a response; its head decides which (RFC 9112, 6.3).

    Raise Permanent for an unknown transfer coding.
    """
    codings = exchange.headers.transfer_codings
    if codings == ["chunked"]:
        return Chunked(exchange)
    if codings:
        named = ", ".join(codings)[:40]
        raise Permanent(f"the server used a transfer coding that was not asked for: {named}")
    return Plain(exchange, expected)


class Plain(Body):
    """A body of known length, or one that ends with the connection."""

    def __init__(self, exchange, expected):
        super().__init__(exchange)
        rest = memoryview(exchange.leftover())
        self.leftover, self._is_followed = rest[:expected], expected is not None and len(rest) > expected
        self.expected = expected

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
        left = self._left
        wanted = min(wanted, left)
        return self._counted(self.channel.splice_body(pipe, wanted, left) if wanted else 0)

    @property
    def _left(self):
        """Bytes still to come; without a length, any number, as the connection's end ends every wait."""
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
        self._left = 0              # bytes of this chunk that are still to come
        self._line_end = b""        # the line end that must follow this chunk's data
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
        """Read up to the next chunk's data; return the bytes of that, 0 at the last chunk."""
        if self._begin_at_hand() or self._has_ended:
            return self._left
        return self._begin(self._wait_for_size())

    def _begin_at_hand(self):
        """Do so without waiting; return 0 if no size in the usual form has arrived."""
        may_match = self._line_end == b"\r\n" and not self._has_ended
        match = self._reader.take_match(_BETWEEN_CHUNKS) if may_match else None
        return self._begin(match) if match is not None else 0

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
        """Return the error for a line that is cut short or malformed."""
        if not line.endswith(b"\n") and len(line) < most:
            return self._cut()
        return Temporary(f"the server's chunked answer is malformed after {format_size(self.received)}")

    def _cut(self):
        return Temporary("the connection was closed in the middle of a chunked answer, "
                         f"after {format_size(self.received)}", word="network")

    def close(self):
        is_at_end = self._has_ended and self._exchange.leftover() == self._line_end
        self._exchange.close(reusable=is_at_end)


def read_whole(stream, most, seconds):
    """Return the body's bytes. Raise Permanent if there are more than `most`, Temporary after `seconds`."""
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
