"""The socket of a client: read until a deadline, written in portions.

On a socket with a timeout, Python makes two system calls of each, and lets another thread go
first. So a plain socket is left blocking: the kernel ends a read that takes too long
(SO_RCVTIMEO), and a write is tried before it is waited for. TLS, and a system without those
options, need Python's timeouts.
"""

import functools
import io
import os
import select
import socket
import struct
import time

from .connection_limit import UNREAD

WRITE_SECONDS = 30      # without the client taking a byte
PORTION = 2 ** 18       # bytes of a file that are sent before the progress is noted
READ_SIZE = 65536


class Wire(io.RawIOBase):
    """A raw stream; `enter(state)` tells the ConnectionLimit what the connection waits for.

    Reading raises socket.timeout at the `deadline`, a time.monotonic().
    """

    def __init__(self, sock, limit):
        super().__init__()
        self.sock = sock
        self.enter = functools.partial(limit.enter, sock)
        self._kernel_seconds = 0.0
        self._is_plain = _can_wait_in_kernel(sock)
        self._not_yet = (BlockingIOError,)      # the exceptions that say that nothing is there
        if hasattr(sock, "pending"):
            import ssl
            self._not_yet += ssl.SSLWantReadError, ssl.SSLWantWriteError
        self.deadline = 0.0

    def readable(self):
        return True

    def readinto(self, view):
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise socket.timeout("timed out")
        if self._is_plain:
            self._let_kernel_wait(left)
        else:
            self._set_timeout(left)
        try:
            return self.sock.recv_into(view)
        except BlockingIOError:
            raise socket.timeout("timed out") from None

    def receive(self):
        """Return bytes that are there, b"" at the end, None if there are none yet."""
        if self.sock.gettimeout() != 0:
            self.sock.settimeout(0)
        try:
            data = self.sock.recv(READ_SIZE)
            while data and self._is_more():
                data += self.sock.recv(READ_SIZE)
        except self._not_yet:
            return None
        return data

    def _is_more(self):
        """Return whether TLS holds bytes that no wait for the socket would tell of."""
        return hasattr(self.sock, "pending") and self.sock.pending() > 0

    def write(self, data):
        """Send all of it; the client has WRITE_SECONDS for each part."""
        view = memoryview(data)
        if self._is_plain:
            view = view[self._send_now(view):]
        while view:
            self.enter(UNREAD)
            self._set_timeout(WRITE_SECONDS)
            view = view[self.sock.send(view):]

    def send_file(self, part):
        """Send a replies.FilePart; return False if the file was truncated meanwhile."""
        self._set_timeout(WRITE_SECONDS)
        sent = 0
        while sent < len(part):
            self.enter(UNREAD)
            count = self.sock.sendfile(part.file, part.start + sent, min(PORTION, len(part) - sent))
            if not count:
                return False
            sent += count
        return True

    def _send_now(self, view):
        """Send what the system takes at once, all of a short reply; return how many bytes.

        With a timeout left by an earlier wait, Python would wait, unknown to the limit.
        """
        if self.sock.gettimeout():
            return 0
        try:
            return self.sock.send(view, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return 0

    def _let_kernel_wait(self, seconds):
        if self.sock.gettimeout() is not None:
            self.sock.settimeout(None)
        if not seconds <= self._kernel_seconds <= seconds + 0.5:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _timeval(seconds))
            self._kernel_seconds = seconds

    def _set_timeout(self, seconds):
        current = self.sock.gettimeout()
        if current is None or not seconds <= current <= seconds + 0.5:
            self.sock.settimeout(seconds)


def _timeval(seconds):
    """Return the C structure; zero would mean forever."""
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


def has_hung_up(sock):
    """Return whether the peer has closed the connection, if the system can tell."""
    if not hasattr(select, "POLLRDHUP"):
        return False
    poll = select.poll()
    poll.register(sock, select.POLLRDHUP)
    return bool(poll.poll(0))
