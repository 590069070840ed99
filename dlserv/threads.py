"""Threads for a process that may run out of threads or memory."""

import threading

BEGIN_SECONDS = 1.0         # in which a new thread must begin


class _Begun(threading.Event):
    """The event that Thread.start waits for, with a limit: a thread that dies for lack of memory never sets it."""

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
        if not self._given_up:          # else it begins too late: `start` has raised
            super().run()


def begin(target, name, args=()):
    """Return a Thread that has begun, or None if the system refuses one."""
    try:
        thread = Thread(target, name, args)
        thread.start()
        return thread
    except (RuntimeError, MemoryError):
        return None


def join(thread, timeout=None):
    """Wait for the thread's end, unless it is None or has not begun."""
    if thread is not None and thread.ident is not None:
        thread.join(timeout)
