"""Move bytes from a body into the part file: where possible within the kernel, socket -> pipe -> file;
else, or if the kernel refuses in mid-file, through one large reused buffer.
"""

import os

from ..net.channel import REFUSALS

try:
    import fcntl
except ImportError:     # Windows
    fcntl = None
try:
    import mmap
except ImportError:     # a small box may lack it
    mmap = None

BUFFER = 2 ** 20        # bytes; large reads and writes cost least (make bench)
TLS_BUFFER = 2 ** 17    # bytes; more bring nothing where each record is decrypted on its own
OWN_PAGES = 2 ** 17     # bytes of a buffer that gets pages of its own, which go back to the system at once
SMALLEST = 2 ** 14      # bytes of a buffer
WORTH_A_PIPE = 2 ** 18  # bytes; for fewer, a pipe costs more than it saves
_F_SETPIPE_SZ = 1031


def move(stream, part, segments, segment, throttle):
    """Write the body at the segment's position until the segment or the body ends.

    throttle.take(wanted) returns how many bytes may be read now; throttle.moved(taken, count)
    is called with how many were read.
    """
    expected, secure = stream.expected, stream.channel.secure
    if hasattr(os, "splice") and expected is not None and not secure and segment.left >= WORTH_A_PIPE:
        while stream.leftover and segment.left > 0:
            _copy_once(stream, part, segments, segment, throttle, memoryview(bytearray(stream.leftover)))
        if _splice(stream, part, segments, segment, throttle):
            return
    shorter = segment.left if expected is None else min(expected, segment.left)
    size = max(SMALLEST, min(TLS_BUFFER if secure else BUFFER, shorter))
    buffer = memoryview(mmap.mmap(-1, size) if mmap and size >= OWN_PAGES else bytearray(size))
    while segment.left > 0 and _copy_once(stream, part, segments, segment, throttle, buffer):
        pass


def fill_at_hand(file, answer):
    """Write and close an answer that has arrived as the whole of a new file; return whether it has.

    A Fetch would cost more than these bytes.
    """
    stream, segments = answer.stream, file.segments
    if not stream.at_hand or answer.start or segments.count or segments.total != stream.expected:
        return False
    file.part.write(stream.take_at_hand(), 0)
    segments.fill()
    stream.close()
    return True


def _copy_once(stream, part, segments, segment, throttle, buffer):
    wanted = throttle.take(min(len(buffer), segment.left))
    count = stream.read_into(buffer[:wanted])
    if count:
        part.write(buffer[:count], segment.position)
        segments.advance(segment, count)
    throttle.moved(wanted, count)
    return count


def _splice(stream, part, segments, segment, throttle):
    """Return True when the segment or the body has ended, False if the kernel refuses."""
    with _Pipe() as pipe:
        while segment.left > 0:
            wanted = throttle.take(min(pipe.size, segment.left))
            try:
                count = stream.splice_into(pipe.sink, wanted)
            except OSError as error:
                if error.errno not in REFUSALS:
                    raise
                throttle.moved(wanted, 0)
                return False
            if not count:
                return True
            in_kernel = pipe.empty_into(part, segment.position, count)
            segments.advance(segment, count)
            throttle.moved(wanted, count)
            if not in_kernel:
                return False
    return True


class _Pipe:
    def __init__(self):
        self._source, self.sink = os.pipe()
        self.size = 65536
        for size in (BUFFER, 2 ** 18):
            try:
                self.size = fcntl.fcntl(self.sink, _F_SETPIPE_SZ, size)
                break
            except OSError:
                pass    # the user's budget for pipes is used up; a smaller buffer works too

    def empty_into(self, part, offset, count):
        """Move the pipe's bytes into the file; return False if they had to pass through Python."""
        moved = 0
        while moved < count:
            try:
                with part.lock:
                    moved += os.splice(self._source, part.fileno(), count - moved, offset_dst=offset + moved)
            except OSError as error:
                if error.errno not in REFUSALS:
                    raise part.local_error(error) from error
                while moved < count:
                    data = os.read(self._source, count - moved)
                    part.write(data, offset + moved)
                    moved += len(data)
                return False
        return True

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        os.close(self._source)
        os.close(self.sink)
