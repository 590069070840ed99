"""Large requests and replies: memory that goes back to the system, and turns.

A request of LARGE bytes may make tens of thousands of objects. Were each worked on by the
thread of its connection, sixteen at once would need sixteen times the memory, and the C
library would keep that much for each of its threads. So one thread works on them, one after
the other, and what waits lies in anonymous memory maps.
"""

import queue
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
    """The thread and its queue; the thread starts with the first request."""

    def __init__(self):
        self._lock = threading.Lock()
        self._queue, self._thread = queue.Queue(), None

    def do(self, work):
        """Return `work()`, which raises nothing, after those that were asked for before."""
        results, done = [], threading.Event()
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="dlserv-http-large", daemon=True)
                self._thread.start()
        self._queue.put((work, results, done))
        done.wait()
        return results[0]

    def close(self, seconds):
        """End the thread; a request that takes longer than `seconds` is left to itself."""
        with self._lock:
            thread = self._thread
        if thread is not None:
            self._queue.put(None)
            thread.join(seconds)

    def _run(self):
        for work, results, done in iter(self._queue.get, None):
            results.append(work())
            done.set()
            del work, results, done     # or they would stay until the next request
