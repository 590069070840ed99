"""Large requests and replies: memory that goes back to the system, and turns.

A request of LARGE bytes may make tens of thousands of objects, whose memory the C library keeps
for each thread. So one thread works on them in turn; those that wait lie in memory maps.
"""

import collections
import threading

from ..threads import begin, join

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
        self._waiting, self._thread = collections.deque(), None

    def do(self, size, work):
        """Return `work()`, which may raise only MemoryError; if `size` is over LARGE, in turn."""
        if size <= LARGE:
            return work()
        results, done = [], threading.Event()
        with self._lock:
            self._waiting.append((work, results, done))
            if self._thread is None or not self._thread.is_alive():
                self._thread = begin(self._run, "dlserv-http-large")
                if self._thread is None:
                    self._waiting.pop()
                    return work()
        done.wait()
        if not results:
            raise MemoryError
        return results[0]

    def _run(self):
        while True:
            with self._lock:
                if not self._waiting:
                    self._thread = None
                    return
                work, results, done = self._waiting.popleft()
            try:
                results.append(work())
            except MemoryError:
                pass        # raised where the work was asked for
            done.set()

    def close(self, seconds):
        with self._lock:
            thread = self._thread
        join(thread, seconds)
