"""Large requests and replies: memory that goes back to the system, and turns.

A request of LARGE bytes may make tens of thousands of objects. Were each worked on by the
thread of its connection, sixteen at once would need sixteen times the memory, and the C
library would keep that much for each of its threads. So one thread works on them, one after
the other, and what waits lies in anonymous memory maps.
"""

import collections
import threading

from ..threads import Thread, join

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
    """Turns for large requests; the thread is there while there are any."""

    def __init__(self):
        self._lock = threading.Lock()
        self._waiting, self._thread = collections.deque(), None

    def do(self, work):
        """Return `work()`, which may raise nothing but MemoryError, after the requests that came before."""
        results, done = [], threading.Event()
        with self._lock:
            self._waiting.append((work, results, done))
            if not self._is_running() and not self._start():
                self._waiting.pop()
                return work()
        done.wait()
        if not results:
            raise MemoryError
        return results[0]

    def _is_running(self):
        return self._thread is not None and self._thread.is_alive()

    def _start(self):
        """Start the thread; return False if the system has no thread or memory left."""
        thread = Thread(self._run, "dlserv-http-large")
        try:
            thread.start()
        except (RuntimeError, MemoryError):
            return False
        self._thread = thread
        return True

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
        """Wait at most `seconds` for the requests that are under way."""
        with self._lock:
            thread = self._thread
        join(thread, seconds)
