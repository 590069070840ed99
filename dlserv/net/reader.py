"""A channel read through a buffer: blocks of lines for heads, what is left for bodies.

Every read here is linear in what arrives, however the peer splits it, and each block of
lines has a bound. At the end of the connection a read returns less than was asked for, and
the caller judges that; the channel raises what else can happen.
"""

import re

_EMPTY_LINE = re.compile(rb"^\r*\n", re.MULTILINE)


class Reader:
    """The bytes of a Channel, `size` of them at a time; size 1 never reads too far."""

    def __init__(self, channel, size=65536):
        self._channel = channel
        self._buffer = memoryview(bytearray(size))
        self._start = self._end = 0

    @property
    def buffered(self):
        """Bytes that have arrived and not been read."""
        return self._end - self._start

    def fill(self, certain=1):
        """Wait for more if the buffer is empty. Return the bytes buffered, 0 if the peer has closed.

        `certain` bytes are still to come at the least; see Channel.read_body.
        """
        if not self.buffered:
            self._start, self._end = 0, self._channel.read_body(self._buffer, certain)
        return self.buffered

    def read_block(self, most):
        """Return the lines up to and including the next empty one, as bytes.

        Return less at the end of the connection or after `most` bytes.
        """
        block, searched = bytearray(), 0
        while len(block) < most and self.fill():
            piece = self._take(most - len(block))
            block += piece
            if b"\n" not in piece:
                continue
            match = _EMPTY_LINE.search(block, searched)
            if match is not None:
                self._start -= len(block) - match.end()
                return bytes(block[:match.end()])
            searched = block.rfind(b"\n") + 1
        return bytes(block)

    def read_line(self, most):
        """Return the next line with its LF; less likewise."""
        line = b""
        while len(line) < most and not line.endswith(b"\n") and self.fill():
            end = self._buffer.obj.find(b"\n", self._start, self._end) + 1
            line += self._take(min(most - len(line), (end or self._end) - self._start))
        return line

    def take_match(self, pattern):
        """Return the match of what the buffer begins with, which is taken, or None. Does not wait."""
        match = pattern.match(self._buffer, self._start, self._end)
        if match is not None:
            self._start = match.end()
        return match

    def read_into(self, view):
        """Read into the buffer, whose bytes are all still to come. Return how many; 0 at the end."""
        if not self.buffered and len(view) >= len(self._buffer):
            return self._channel.read_body(view, len(view))
        count = min(self.fill(len(view)), len(view))
        view[:count] = self._buffer[self._start:self._start + count]
        self._start += count
        return count

    def rest(self):
        """Take what is buffered; from now on only the channel has more."""
        rest = self._take(self.buffered)
        self._buffer = memoryview(bytearray(1))
        return rest

    def _take(self, count):
        piece = bytes(self._buffer[self._start:self._start + min(count, self.buffered)])
        self._start += len(piece)
        return piece
