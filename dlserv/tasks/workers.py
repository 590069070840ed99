"""The threads that perform attempts: one whose attempt has ended waits a moment for the next."""

import threading
from collections import deque


class Workers:
    """Threads that call `perform(attempt)`, which returns the attempt to go on with, or None.

    A thread is started where none waits. `lock` guards all of this.
    """

    LINGER = 1.0        # seconds for which a thread waits for another attempt

    def __init__(self, lock, perform):
        self._perform = perform
        self._changed = threading.Condition(lock)
        self._given, self._idle, self._stopping = deque(), 0, False

    def give(self, attempt):
        """Let a thread perform the attempt; call it with the lock held.

        Raise RuntimeError if the system has no thread left.
        """
        if self._idle > len(self._given):
            self._given.append(attempt)
            self._changed.notify()
        else:
            threading.Thread(target=self._work, args=(attempt,), name="dlserv-" + attempt.tid[:8],
                             daemon=True).start()

    def stop(self):
        """Let each thread end once its attempt has; call it with the lock held."""
        self._stopping = True
        self._changed.notify_all()

    def _work(self, attempt):
        while attempt is not None:
            attempt = self._perform(attempt) or self._next()

    def _next(self):
        with self._changed:
            if not self._given and not self._stopping:
                self._idle += 1
                self._changed.wait(self.LINGER)
                self._idle -= 1
            return self._given.popleft() if self._given else None
