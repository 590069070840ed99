"""Threads for a process that may run out of threads or memory, where a Condition's `with` may keep its lock."""

import threading
import time

BEGIN_SECONDS = 1.0         # in which a new thread must begin
PAUSE = 0.1                 # seconds after a failure; nothing else would slow `persist` down


class _Begun(threading.Event):
    """The event that Thread.start waits for, with a limit: a thread that dies for lack of memory never sets it."""

    def wait(self, timeout=None):
        return super().wait(BEGIN_SECONDS if timeout is None else timeout)


class Flag:
    """A threading.Event of a plain lock: the Event's Condition may stay locked where there is no memory."""

    def __init__(self):
        self._unset = threading.Lock()
        self._unset.acquire()

    def is_set(self):
        return not self._unset.locked()

    def set(self):
        try:
            self._unset.release()
        except RuntimeError:
            pass        # it is set already

    def clear(self):
        self._unset.acquire(False)

    def wait(self, seconds=-1):
        """Return whether it is set within `seconds`; without them, wait for ever."""
        if not self._unset.acquire(timeout=seconds):
            return False
        self.set()
        return True


class Thread(threading.Thread):
    """A daemon thread. `start` raises RuntimeError or MemoryError if it cannot begin."""

    def __init__(self, target, name, args=()):
        super().__init__(target=target, name=name, args=args, daemon=True)
        self._started = _Begun()        # threading's own; nothing public bounds the wait for it
        self._turn = threading.Lock()   # of `run`, or of `start` to give up

    def start(self):
        try:
            super().start()
            if self._started.is_set():
                return
            raise RuntimeError("can't start new thread: it found no memory")
        except (RuntimeError, MemoryError):
            if self._turn.acquire(False):
                raise

    def run(self):
        if self._turn.acquire(False):
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
    if thread is not None and thread.is_alive():
        thread.join(timeout)


def persist(work, stumble):
    """Call `work()` until it returns, again after each error, of which `stumble(error)` is told.

    Where there is no memory, `stumble` raises too, which must not end a thread that the daemon cannot do without.
    """
    while True:
        try:
            work()
            return
        except Exception as error:
            try:
                stumble(error)
            except Exception:
                pass        # the next call is told, if there is memory then
            time.sleep(PAUSE)
