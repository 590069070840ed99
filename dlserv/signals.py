"""The signals that end the process or make it read its settings again, and the bound on its end."""

import logging
import os
import select
import signal
import time

from .sockets import Waker
from .threads import Flag, Thread, join, persist

END_SECONDS = 2.5           # that the end may take, from the signal on

log = logging.getLogger("dlserv")


class Signals:
    """Waits for SIGHUP, and for SIGTERM or SIGINT, a second one of which ends the process at once.

    Python wakes the main thread through a Waker: the system may hand a signal to any thread.
    """

    def __init__(self):
        self._waker = Waker()
        self.caught, self._hung_up = False, False
        signal.set_wakeup_fd(self._waker.writing_end, warn_on_full_buffer=False)
        for name in ("SIGTERM", "SIGINT"):
            signal.signal(getattr(signal, name), self._handle)
        if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
            signal.signal(signal.SIGHUP, self._hang_up)     # ignored: nohup started this

    def _hang_up(self, number, frame):
        self._hung_up = True

    def _handle(self, number, frame):
        if self.caught:
            os._exit(128 + number)
        self.caught = True

    def wait(self, reload):
        """Return at the end; `reload()` is called for every SIGHUP."""
        while not self.caught:
            try:
                select.select([self._waker], [], [])
                self._waker.clear()
                if self._hung_up:
                    self._hung_up = False
                    reload()
            except MemoryError:
                time.sleep(1)       # there may be enough for the signal's work later


class Deadline:
    """Context manager: exits the process if the shutdown takes longer than END_SECONDS.

    Its thread starts at once; at the end there might be none.
    """

    def __init__(self):
        self._begun, self._over = Flag(), Flag()
        self._thread = Thread(persist, "dlserv-deadline", (self._wait, log.exception))

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exc_info):
        self._over.set()
        self._begun.set()
        join(self._thread)

    def begin(self):
        self._begun.set()

    def _wait(self):
        self._begun.wait()
        if not self._over.wait(END_SECONDS):    # a disk blocks; acknowledged changes are in the database
            try:
                log.warning("shutdown timed out after %g s; exiting", END_SECONDS)
            finally:
                os._exit(0)
