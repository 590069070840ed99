"""Read a channel through a buffer, in time linear in the bytes, however the peer splits them."""

import re

_EMPTY_LINE = re.compile(rb"^\r*\n", re.MULTILINE)


class Reader:
    """Lines and bytes of a Channel through a buffer of `size` bytes.

    At the end of the connection, a read returns less than was requested.
    """

    def __init__(self, channel, size=65536):
        self._channel = channel
        self._buffer = memoryview(bytearray(size))
        self._start = self._end = 0

    @property
    def buffered(self):
        return self._end - self._start

    def fill(self, certain=1):
        """Wait for bytes if none are buffered; return how many are, 0 if the peer has closed.

        At least `certain` bytes are still to come; see Channel.read_body.
        """
        if not self.buffered:
            self._start, self._end = 0, self._channel.read_body(self._buffer, certain)
        return self.buffered

    def read_block(self, most, last=_EMPTY_LINE):
        """Return the lines up to the next one that `last` matches, at most `most` bytes."""
        block, searched = bytearray(), 0
        while len(block) < most and self.fill():
            piece = self._take(most - len(block))
            block += piece
            if b"\n" not in piece:
                continue
            match = last.search(block, searched)
            if match is not None:
                self._start -= len(block) - match.end()
                return bytes(block[:match.end()])
            searched = block.rfind(b"\n") + 1
        return bytes(block)

    def read_line(self, most):
        """Return the next line with its LF; see read_block."""
        line = bytearray()
        while len(line) < most and not line.endswith(b"\n") and self.fill():
            end = self._buffer.obj.find(b"\n", self._start, self._end) + 1
            line += self._take(min(most - len(line), (end or self._end) - self._start))
        return bytes(line)

    def take_match(self, pattern):
        """Consume buffered bytes that match; return the match or None."""
        match = pattern.match(self._buffer, self._start, self._end)
        if match is not None:
            self._start = match.end()
        return match

    def read_into(self, view):
        """Read into `view`, whose bytes are all still to come; return how many, 0 at the end."""
        if not self.buffered and len(view) >= len(self._buffer):
            return self._channel.read_body(view, len(view))
        count = min(self.fill(len(view)), len(view))
        view[:count] = self._buffer[self._start:self._start + count]
        self._start += count
        return count

    def rest(self):
        """Return the buffered bytes; the next are in the channel."""
        rest = self._take(self.buffered)
        self._buffer = memoryview(bytearray(1))
        return rest

    def _take(self, count):
        piece = bytes(self._buffer[self._start:self._start + min(count, self.buffered)])
        self._start += len(piece)
        return piece
