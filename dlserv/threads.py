"""Threads of a process that may run out of threads or memory.

A `Thread` begins or fails within bounds, where threading's waits for ever for one that died
for want of memory before it could say that it runs. `join` is at ease with both.
"""

import threading

BEGIN_SECONDS = 1.0         # that a new thread may take to begin


class _Begun(threading.Event):
    """What Thread.start waits for, without a limit of its own."""

    def wait(self, timeout=None):
        return super().wait(BEGIN_SECONDS if timeout is None else timeout)


class Thread(threading.Thread):
    """A daemon thread. `start` raises RuntimeError or MemoryError if it cannot begin."""

    def __init__(self, target, name, args=()):
        super().__init__(target=target, name=name, args=args, daemon=True)
        self._started = _Begun()        # threading's own; nothing public bounds the wait for it
        self._given_up = False

    def start(self):
        super().start()
        if self.ident is None:
            self._given_up = True
            raise RuntimeError("can't start new thread: it found no memory")

    def run(self):
        if not self._given_up:          # else it begins after all, and what it was to do is done with
            super().run()


def begin(target, name, args=()):
    """Return a Thread that has begun, or None where the system lets this program have no more."""
    try:
        thread = Thread(target, name, args)
        thread.start()
        return thread
    except (RuntimeError, MemoryError):
        return None


def join(thread, timeout=None):
    """Wait for the thread's end; at once for None, and for one that has not begun."""
    if thread is not None and thread.ident is not None:
        thread.join(timeout)
