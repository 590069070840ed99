"""Large requests and replies: memory that goes back to the system, and turns.

A request of LARGE bytes may make tens of thousands of objects. So one is worked on at a time;
those that wait lie in memory maps.
"""

import threading

LARGE = 2 ** 16         # bytes


def memory(size):
    """Return a writable memoryview of zeroes, which goes back to the system with its last use."""
    try:
        import mmap
    except ImportError:
        return memoryview(bytearray(size))
    return memoryview(mmap.mmap(-1, size))


def joined(pieces):
    """Return the pieces in one: bytes, or a memoryview if they are LARGE."""
    size = sum(map(len, pieces))
    if size <= LARGE:
        return b"".join(pieces)
    whole, position = memory(size), 0
    for piece in pieces:
        whole[position:position + len(piece)] = piece
        position += len(piece)
    return whole


class LargeRequests:
    """Turns for large requests."""

    def __init__(self):
        self._lock = threading.Lock()

    def do(self, size, work):
        """Return `work()`; if `size` is over LARGE, while no other large request is worked on."""
        if size <= LARGE:
            return work()
        with self._lock:
            return work()
