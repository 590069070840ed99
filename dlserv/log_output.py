"""The destination of the log, and the entries about threads that have died."""

import logging
import os
import sys

from .complaint import Complaint
from .errors import Unwritable
from .exhaustion import exhaustion_in

log = logging.getLogger("dlserv")


class LogOutput:
    """The destination of the log: standard error, or a file that may be moved away before a SIGHUP."""

    def __init__(self, general):
        self._handler = None
        self.open(general)

    def open(self, general):
        """Write to where the settings say. Raise Unwritable."""
        handler = self._make(general.log_file)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        root = logging.getLogger()
        root.addHandler(handler)
        if self._handler is not None:
            root.removeHandler(self._handler)
            self._handler.close()
        self._handler = handler
        log.setLevel(general.log_level.upper())

    def _make(self, path):
        if path is None:
            return logging.StreamHandler(sys.stderr)
        try:
            # A FIFO without a reader would block.
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NONBLOCK", 0)
            os.close(os.open(path, flags, 0o600))
            return logging.FileHandler(path, encoding="utf-8")
        except OSError as error:
            raise Unwritable(f"general.log_file: {path} cannot be written: {error.strerror}") from error


class Obituary:
    """Logs the death of every thread, but only the first of a series for lack of memory."""

    def __init__(self):
        self._complaint = Complaint(log)

    def tell(self, death):
        """Log the death, as threading.excepthook."""
        exhausted = exhaustion_in(death.exc_value)
        if exhausted is not None:
            self._complaint.tell(f"a thread has ended: {exhausted}")
            return
        log.critical("a bug ended the thread %s", death.thread.name if death.thread else "?",
                     exc_info=(death.exc_type, death.exc_value, death.exc_traceback))
