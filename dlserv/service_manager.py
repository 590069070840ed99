"""The messages of sd_notify(3) to the service manager at $NOTIFY_SOCKET, if there is one, and its watchdog."""

import contextlib
import logging
import os
import socket
import threading
import time

from .complaint import Complaint
from .threads import Flag, Thread, join, persist
from .units import clean

VARIABLES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
SEND_SECONDS = 0.5      # for which a manager that does not read may delay a message

log = logging.getLogger("dlserv")


class ServiceManager:
    """Tells the service manager how the daemon is doing.

    Its variables are taken out of `environ`, so that no hook speaks in the daemon's name.
    """

    def __init__(self, environ):
        address, usec, pid = [environ.pop(name, "") for name in VARIABLES]
        self._socket, self._address = _open(address)
        self._seconds = _half(usec) if pid in ("", str(os.getpid())) else None
        self._complaint = Complaint(log)

    def close(self):
        if self._socket is not None:
            self._socket.close()

    @contextlib.contextmanager
    def serving(self, status, check):
        """Tell that the daemon serves; answer the watchdog as long as `check()` raises nothing.

        Raise RuntimeError or MemoryError if no thread can be started.
        """
        self._status = status
        self._send("READY=1", "STATUS=" + status)
        if self._socket is None or self._seconds is None:
            yield
            return
        over = Flag()
        thread = Thread(persist, "dlserv-watchdog", (
            lambda: self._watch(check, over),
            lambda error: self._complaint.tell(f"the service manager's watchdog is not answered: {error}")))
        thread.start()
        try:
            yield
        finally:
            over.set()
            join(thread, SEND_SECONDS)      # `check()` may hang

    def reload(self, act):
        """Call `act()`, which returns phrases about what failed; tell when it begins and ends."""
        if self._socket is None:
            act()
            return
        usec = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._send("RELOADING=1", f"MONOTONIC_USEC={usec}", "STATUS=reading the settings again")
        failed = []
        try:
            failed = act()
        finally:
            self._send("READY=1", "STATUS=" + "; ".join([self._status] + failed))

    def stopping(self, seconds):
        self._send("STOPPING=1", f"EXTEND_TIMEOUT_USEC={int(seconds * 1e6)}", "STATUS=stopping")

    def _watch(self, check, over):
        while not over.is_set():
            check()
            if not over.is_set():
                self._send("WATCHDOG=1")
            over.wait(self._seconds)

    def _send(self, *lines):
        if self._socket is None:
            return
        message = "\n".join(map(clean, lines)).encode("utf-8", "replace")
        try:
            self._socket.connect(self._address)     # or a manager that does not read is asked in a busy loop
            self._socket.send(message)
            self._complaint.over()
        except OSError as error:
            self._complaint.tell(f"$NOTIFY_SOCKET, the service manager's, takes no messages: {error}")


def _open(address):
    """Return (socket, address to send to), or (None, None)."""
    if not address:
        return None, None
    if address[0] not in "/@" or not hasattr(socket, "AF_UNIX"):
        log.warning("$NOTIFY_SOCKET is ignored, since it is neither an absolute path nor begins with @")
        return None, None
    sock, address = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM), os.fsencode(address)
    sock.settimeout(SEND_SECONDS)
    return sock, b"\0" + address[1:] if address[:1] == b"@" else address


def _half(usec):
    """Return half of the watchdog's period, in seconds, or None."""
    if usec.isascii() and usec.isdigit() and len(usec) <= 20 and int(usec) > 0:
        return min(int(usec) / 2e6, threading.TIMEOUT_MAX)
    if usec:
        log.warning("$WATCHDOG_USEC is ignored, since it is not a number of microseconds")
    return None
