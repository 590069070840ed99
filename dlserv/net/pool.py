"""A pool of idle connections, bounded in number and age, so that small files share a handshake."""

import threading
import time

from ..sockets import Watch
from ..threads import begin, join


class Pool:
    """Idle sockets by key: those with equal keys are interchangeable.

    `generation` is part of each key; `clear` increments it. The thread that closes expired
    sockets runs only while there are any.
    """

    IDLE = 10.0         # seconds; servers commonly allow more
    MOST = 32           # sockets of all keys

    def __init__(self, clock=time.monotonic):
        self._clock = clock
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._idle = []             # (since, key, socket), oldest first
        self._thread = None
        self._closed, self.generation = False, 0

    def take(self, key):
        """Return the socket of this key that was used last, or None."""
        while True:
            with self._lock:
                entry = next((each for each in reversed(self._idle) if each[1] == key), None)
                if entry is None:
                    return None
                self._idle.remove(entry)
            if not _is_readable(entry[2]):
                return entry[2]
            entry[2].close()        # the server has closed it or sent unrequested data

    def put(self, key, sock):
        with self._lock:
            if self._closed:
                sock.close()
                return
            self._idle.append((self._clock(), key, sock))
            if len(self._idle) > self.MOST:
                self._idle.pop(0)[2].close()
            if self._thread is None or not self._thread.is_alive():
                self._thread = begin(self._expire, "dlserv-pool")
                if self._thread is None:
                    self._close_idle()

    def _close_idle(self):
        for _, _, sock in self._idle:
            sock.close()
        self._idle.clear()

    def clear(self):
        """Close every idle socket and reuse none that is in use, because settings have changed."""
        with self._lock:
            self.generation += 1
            self._close_idle()
            self._changed.notify_all()

    def close(self):
        with self._lock:
            self._closed = True
            thread = self._thread
        self.clear()
        join(thread)

    def _expire(self):
        with self._lock:
            try:
                while self._idle:
                    left = self._idle[0][0] + self.IDLE - self._clock()
                    if left <= 0:
                        self._idle.pop(0)[2].close()
                    else:
                        self._changed.wait(left)
            finally:
                self._thread = None


def _is_readable(sock):
    return Watch(sock).wait(sock, writing=False, seconds=0)
