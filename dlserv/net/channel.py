"""A connected socket whose waits all end: with data, with a timeout or error, or with a stop.

Each wait watches the non-blocking socket and the download's stop signal together, so a pause
takes effect at once even in a stuck connect, TLS handshake or read.
"""

import contextlib
import errno
import os
import selectors
import socket
import threading
import time

from ..errors import Stopped, Temporary
from ..sockets import Waker, Watch
from .low_water import BESIDE_A_RECORD, LONGEST_WAIT, LowWater
from .socket_errors import awaited, connection_error, loaded_ssl
from .tls import NestedTls

_Selector = getattr(selectors, "PollSelector", selectors.SelectSelector)
_SPLICE = getattr(os, "SPLICE_F_MOVE", 0) | getattr(os, "SPLICE_F_NONBLOCK", 0)
REFUSALS = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM)    # of splice


class Signal:
    """A flag that one thread sets once and others can wait for together with sockets."""

    def __init__(self):
        self._waker = Waker()
        self._lock = threading.Lock()   # `set` must not write to a descriptor closed and reused meanwhile
        self._gate = threading.Lock()   # held until the signal is set; `sleep` needs no descriptor
        self._gate.acquire()
        self.is_set = False

    def set(self):
        with self._lock:
            if self.is_set or self._waker.fileno() < 0:
                return
            self.is_set = True      # before a waiting thread wakes up and checks it
            self._open_gate()
            self._waker.wake()

    def stir(self):
        """End a thread's `sleep` early, or shorten the next one."""
        with self._lock:
            self._open_gate()

    def _open_gate(self):
        if self._gate.locked():
            self._gate.release()

    def fileno(self):
        return self._waker.fileno()

    def check(self):
        """Raise Stopped if the signal is set."""
        if self.is_set:
            raise Stopped()

    def sleep(self, seconds):
        """Sleep, less after `stir`. Raise Stopped as soon as the signal is set."""
        if self._gate.acquire(timeout=seconds):
            with self._lock:
                if self.is_set:
                    self._open_gate()       # for the next waiting thread
            self.check()

    def close(self):
        with self._lock:
            self._waker.close()


def wait_any(waits, stop, seconds):
    """Return those of the files in `waits`, (file, event) pairs, that are ready; [] after `seconds`.

    Raise Stopped as soon as `stop` is set.
    """
    with _Selector() as selector:
        for file, event in waits + [(stop, selectors.EVENT_READ)]:
            selector.register(file, event)
        ready = selector.select(seconds)
    stop.check()
    return [key.fileobj for key, _ in ready]


class Channel:
    """A connected stream socket, plain or TLS, with one owner at a time.

    `timeout` is in seconds, for a single wait without a byte moving. Raise Temporary after that
    or if the connection breaks, Stopped when `stop` is set.
    """

    def __init__(self, sock, stop, timeout):
        self.sock, self.timeout = sock, timeout
        self.secure = _is_secure(sock)
        self._low_water, self._mark, self._drained, self._waited = LowWater(), 1, False, 0.0
        self._deadline = None
        self.adopt(stop)

    def adopt(self, stop):
        """Use the stop signal of a new owner."""
        self._stop, self._watch = stop, Watch(stop)

    @contextlib.contextmanager
    def hurried(self):
        """Bound a peer that sends byte by byte: all waits in the block together last at most `timeout`."""
        outer = self._deadline
        self._deadline = outer or time.monotonic() + self.timeout
        try:
            yield
        finally:
            self._deadline = outer

    def recv_into(self, view):
        """Read into the buffer; return the bytes read, 0 if the peer has closed."""
        return self._retry(lambda: self.sock.recv_into(view))

    def recv_full(self, view):
        """Read all that has arrived; one TLS read returns only one record."""
        filled = self.recv_into(view)
        while self.secure and 0 < filled < len(view):
            try:
                count = self.sock.recv_into(view[filled:])
            except OSError:
                break       # nothing more yet, or an error that the next read meets again
            if not count:
                break
            filled += count
        return filled

    def splice_into(self, pipe, count):
        """Move bytes into the pipe within the kernel; return how many, 0 if the peer has closed.

        Raise OSError if the kernel cannot splice here.
        """
        return self._retry(lambda: os.splice(self.sock.fileno(), pipe, count, flags=_SPLICE), refusals=True)

    def read_body(self, view, certain):
        """Read the part of a body that has arrived into the buffer; return the bytes, 0 at its end.

        At least `certain` bytes are still to come, unless the peer closes; see low_water.py.
        """
        self._await_body(min(certain, len(view)))
        return self._read(self.recv_full(view), len(view))

    def splice_body(self, pipe, count, certain):
        """Do so into a pipe; see splice_into."""
        self._await_body(min(certain, count))
        return self._read(self.splice_into(pipe, count), count)

    def _read(self, count, wanted):
        self._low_water.moved(count)
        self._drained = count < wanted
        return count

    def _await_body(self, certain):
        """Wait until enough of the `certain` bytes has arrived, at most LONGEST_WAIT seconds."""
        if self._deadline or not self._drained or self._may_hold_bytes():
            return
        mark = self._low_water.mark(certain - BESIDE_A_RECORD if self.secure else certain)
        if mark <= 1:
            return
        if not self._set_mark(mark):
            return self._stop.sleep(self._low_water.pause(mark))
        began = time.monotonic()
        if not self._select(selectors.EVENT_READ, min(LONGEST_WAIT, self.timeout)):
            self._waited = time.monotonic() - began

    def _may_hold_bytes(self):      # that were read from the socket already
        return self.secure and (isinstance(self.sock, NestedTls) or self.sock.pending() > 0)

    def _set_mark(self, mark):
        """Set the socket's low-water mark; return False if the system has none."""
        if mark != self._mark:
            try:
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, mark)
            except (AttributeError, OSError):
                return False
            self._mark = mark
        return True

    def recv(self, count):
        """Return at most `count` bytes, b"" if the peer has closed."""
        return self._retry(lambda: self.sock.recv(count))

    def recv_exactly(self, count):
        data = b""
        while len(data) < count:
            more = self.recv(count - len(data))
            if not more:
                raise Temporary("the connection was closed too early", word="network")
            data += more
        return data

    def sendall(self, data):
        view = memoryview(data)
        while view:
            view = view[self._retry(lambda: self.sock.send(view), writing=True):]

    def start_tls(self, context, host, session=None):
        """Wrap the socket in TLS and shake hands; the certificate must name `host`."""
        host = host.partition("%")[0].encode("ascii")   # bytes: str needs the idna codec
        try:
            if self.secure:
                self.sock = NestedTls(self.sock, context, host)
            else:
                self.sock = context.wrap_socket(
                    self.sock, server_hostname=host, do_handshake_on_connect=False,
                    suppress_ragged_eofs=False, session=session)
        except (OSError, ValueError) as error:
            raise Temporary(f"TLS cannot be started: {error}", word="tls") from error
        self.secure = True
        with self.hurried():
            self._retry(self.sock.do_handshake)

    def wait_readable(self):
        """Wait until the socket is readable; return at once for TLS, which may hold the bytes already."""
        if not self.secure:
            self._wait(selectors.EVENT_READ)

    def detach(self):
        """Return the socket for another Channel; this one is no longer usable."""
        self._set_mark(1)
        return self.sock

    def close(self):
        self.sock.close()

    def _retry(self, action, writing=False, refusals=False):
        while True:
            self._stop.check()
            try:
                return action()
            except OSError as error:
                event = awaited(error, writing)
                if not event and refusals and error.errno in REFUSALS:
                    raise
                if not event:
                    raise connection_error(error) from error
            self._wait(event)

    def _wait(self, event):
        seconds = self._deadline - time.monotonic() if self._deadline else self.timeout - self._waited
        self._waited = 0.0
        if self._mark > 1:
            self._set_mark(1)
        if not self._select(event, max(0, seconds)):
            what = "the server did not complete its response within" if self._deadline else "no data came for"
            raise Temporary(f"{what} {self.timeout:g} s", word="timeout")

    def _select(self, event, seconds):
        ready = self._watch.wait(self.sock, event == selectors.EVENT_WRITE, seconds)
        self._stop.check()
        return ready


def _is_secure(sock):
    ssl = loaded_ssl()
    return isinstance(sock, NestedTls) or ssl is not None and isinstance(sock, ssl.SSLSocket)
