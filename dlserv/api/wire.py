"""The socket of a client as the handler uses it: read until a deadline, written in portions.

A request should cost one `recv` and one `send`. Python makes two system calls of each on a
socket that has a timeout, and lets another thread go first at every call. So a plain socket
is left blocking: the kernel ends a read that takes too long (SO_RCVTIMEO), and a write is
tried before it is waited for. TLS, and a system without those options, need Python's timeouts.

Before each wait for the client the ConnectionLimit is told, so that it may evict the connection.
"""

import io
import os
import socket
import struct
import time

WRITE_SECONDS = 30      # without the client taking a byte
PORTION = 2 ** 18       # bytes of a file that are sent before the progress is noted


class Wire(io.RawIOBase):
    """A raw stream over the socket; `reader` buffers it. Raise socket.timeout at the `deadline`.

    `deadline` is a time.monotonic(); in the past, it lets only what is buffered be read.
    """

    def __init__(self, sock, limit):
        super().__init__()
        self._sock, self._limit = sock, limit
        self._kernel_seconds = 0.0
        self._is_plain = _can_wait_in_kernel(sock)
        self.deadline = 0.0
        self.reader = io.BufferedReader(self, 16384)

    def readable(self):
        return True

    def readinto(self, view):
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise socket.timeout("timed out")
        self._set_timeout(left)
        try:
            return self._sock.recv_into(view)
        except BlockingIOError:
            raise socket.timeout("timed out") from None

    def write(self, data):
        """Send all of the data; the client has WRITE_SECONDS for each part that it takes."""
        view = memoryview(data)
        if self._is_plain:
            view = view[self._send_now(view):]
        while view:
            self._limit.unread(self._sock)
            view = view[self._send(view):]

    def send_file(self, part):
        """Send a replies.FilePart; return False if the file was truncated meanwhile."""
        set_timeout(self._sock, WRITE_SECONDS)
        sent = 0
        while sent < len(part):
            self._limit.unread(self._sock)
            count = self._sock.sendfile(part.file, part.start + sent, min(PORTION, len(part) - sent))
            if not count:
                return False
            sent += count
        return True

    def _send_now(self, view):
        """Send what the system takes at once, which is all of a short reply; return how many bytes.

        Where an earlier wait has left a timeout, Python would wait first, and the limit not know of it.
        """
        if self._sock.gettimeout():
            return 0
        try:
            return self._sock.send(view, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return 0

    def _send(self, view):
        """Send some of the bytes, once the client takes them; return how many."""
        set_timeout(self._sock, WRITE_SECONDS)
        return self._sock.send(view)

    def _set_timeout(self, seconds):
        """Let a read end after the seconds, or at most half a second later."""
        if not self._is_plain:
            return set_timeout(self._sock, seconds)
        if self._sock.gettimeout() is not None:
            self._sock.settimeout(None)
        if not seconds <= self._kernel_seconds <= seconds + 0.5:
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _timeval(seconds))
            self._kernel_seconds = seconds


def set_timeout(sock, seconds):
    """Set the timeout, but skip the system call if the timeout is about right already."""
    current = sock.gettimeout()
    if current is None or not seconds <= current <= seconds + 0.5:
        sock.settimeout(seconds)


def _timeval(seconds):
    """Return the C structure for a time of at least a microsecond; zero would mean forever."""
    return struct.pack("ll", int(seconds), int(seconds % 1 * 1000000) or 1)


def _can_wait_in_kernel(sock):
    """Return whether the socket takes the options; some 32-bit systems have another structure."""
    if os.name != "posix" or hasattr(sock, "do_handshake") or not hasattr(socket, "MSG_DONTWAIT"):
        return False
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _timeval(WRITE_SECONDS))
    except (OSError, AttributeError):
        return False
    return True
