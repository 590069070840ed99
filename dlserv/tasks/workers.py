"""The threads that perform attempts."""

import threading

from ..threads import Flag, Thread


class Workers:
    """Threads that call `perform(attempt)`, which returns the attempt to go on with, or None.

    A thread is started if none waits, which it does for `linger` seconds; `attempt.thread` is the
    one that has the attempt.
    """

    def __init__(self, perform, linger=1.0):
        self._perform, self._linger, self._lock = perform, linger, threading.Lock()
        self._idle, self._stopping = [], False

    def give(self, attempt):
        """Let a thread perform the attempt. Raise RuntimeError or MemoryError if none can be started."""
        with self._lock:
            if self._idle:
                worker = self._idle.pop()
                attempt.thread = worker.thread
                worker.take(attempt)
                return
        thread = Thread(self._work, "dlserv-" + attempt.tid[:8], (attempt,))
        thread.start()
        attempt.thread = thread

    def stop(self):
        """Let each thread end once its attempt has."""
        with self._lock:
            self._stopping = True
            for worker in self._idle:
                worker.take(None)
            self._idle.clear()

    def _work(self, attempt):
        worker = _Worker()
        while attempt is not None:
            attempt = self._perform(attempt) or self._next(worker)

    def _next(self, worker):
        """Return the attempt that the worker is given while it lingers, or None."""
        with self._lock:
            if self._stopping:
                return None
            self._idle.append(worker)
        worker.wait(self._linger)
        with self._lock:
            if worker in self._idle:
                self._idle.remove(worker)
            return worker.given()


class _Worker(Flag):
    """A thread that waits; `take` is called at most once for each wait."""

    def __init__(self):
        super().__init__()
        self.thread, self._attempt = threading.current_thread(), None

    def take(self, attempt):
        self._attempt = attempt
        self.set()

    def given(self):
        """Return the attempt that was taken, or None, and be ready for the next wait."""
        self.clear()
        attempt, self._attempt = self._attempt, None
        return attempt
