"""A connected socket whose waits all end: with data, a timeout or error, or a stop.

Each wait watches the socket and the download's stop signal together, so a pause takes effect at
once even in a stuck connect, TLS handshake or read.
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
from ..threads import Flag
from .low_water import BESIDE_A_RECORD, LONGEST_WAIT, LowWater
from .socket_errors import awaited, connection_error
from .tls import NestedTls

_Selector = getattr(selectors, "PollSelector", selectors.SelectSelector)
_SPLICE = getattr(os, "SPLICE_F_MOVE", 0) | getattr(os, "SPLICE_F_NONBLOCK", 0)
REFUSALS = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM)    # of splice


class Signal:
    """A flag that others can wait for together with sockets."""

    def __init__(self):
        self._lock = threading.Lock()   # `set` must not write to a closed and reused descriptor
        self._gate = Flag()
        self.is_set = False
        self._waker = Waker()       # last, as it has open files

    def set(self):
        with self._lock:
            if self.is_set or self._waker.fileno() < 0:
                return
            self.is_set = True      # before a waiting thread wakes up and checks it
            self._gate.set()
            self._waker.wake()

    def stir(self):
        """End a thread's `sleep` early, or shorten the next one."""
        with self._lock:
            self._gate.set()

    def fileno(self):
        return self._waker.fileno()

    def check(self):
        if self.is_set:
            raise Stopped()

    def sleep(self, seconds):
        """Sleep, less after `stir`. Raise Stopped as soon as the signal is set."""
        if self._gate.wait(seconds):
            with self._lock:
                if not self.is_set:
                    self._gate.clear()
            self.check()

    def close(self):
        with self._lock:
            self._waker.close()


def wait_any(waits, stop, seconds):
    """Return the files in `waits`, (file, event) pairs, that are ready; [] after `seconds`. Raise Stopped."""
    with _Selector() as selector:
        for file, event in waits + [(stop, selectors.EVENT_READ)]:
            selector.register(file, event)
        ready = selector.select(seconds)
    stop.check()
    return [key.fileobj for key, _ in ready]


class Channel:
    """A connected, non-blocking socket, plain or TLS, with one owner at a time.

    Raise Temporary after `timeout` seconds without a byte or if it breaks; Stopped.
    """

    def __init__(self, sock, stop, timeout):
        self.sock, self.timeout = sock, timeout
        self.secure = hasattr(sock, "pending")      # as sockets with TLS have
        self._low_water, self._mark, self._drained, self._waited = LowWater(), 1, False, 0.0
        self._deadline, self._ahead = None, memoryview(b"")
        self.adopt(stop)

    def adopt(self, stop):
        self._stop, self._watch = stop, Watch(stop)

    @contextlib.contextmanager
    def hurried(self):
        """Bound all waits in the block together by `timeout`: the peer may send byte by byte."""
        outer = self._deadline
        self._deadline = outer or time.monotonic() + self.timeout
        try:
            yield
        finally:
            self._deadline = outer

    def recv_into(self, view):
        """Return the bytes read into the buffer, 0 if the peer has closed."""
        if not self._ahead:
            return self._retry(lambda: self.sock.recv_into(view))
        count = min(len(view), len(self._ahead))
        view[:count], self._ahead = self._ahead[:count], self._ahead[count:]
        return count

    def put_back(self, data):
        """Let the next read, or the TLS that is started, take these bytes first; waits and splices ignore them."""
        self._ahead = memoryview(data)

    def read_body(self, view, certain):
        """Return the bytes read of a body, 0 at its end; at least `certain` are still to come: low_water.py."""
        self._await_body(min(certain, len(view)))
        filled = self.recv_into(view)
        while self.secure and 0 < filled < len(view):       # one TLS read returns only one record
            try:
                count = self.sock.recv_into(view[filled:])
            except OSError:
                break       # nothing more yet, or an error that the next read meets again
            if not count:
                break
            filled += count
        return self._counted(filled, len(view))

    def splice_body(self, pipe, count, certain):
        """Return the bytes moved into a pipe within the kernel; see read_body. Raise OSError if it cannot."""
        self._await_body(min(certain, count))
        return self._counted(self._retry(lambda: os.splice(self.sock.fileno(), pipe, count, flags=_SPLICE),
                                         refusals=True), count)

    def _counted(self, count, wanted):
        self._low_water.moved(count)
        self._drained = count < wanted
        return count

    def _await_body(self, certain):
        """Wait until enough of the `certain` bytes has arrived."""
        if self._deadline or not self._drained or self.secure and self.sock.pending():
            return      # TLS may hold bytes that it has read from the socket
        mark = self._low_water.mark(certain - BESIDE_A_RECORD if self.secure else certain)
        if mark <= 1:
            return
        if not self._set_mark(mark):
            return self._stop.sleep(self._low_water.pause(mark))
        began = time.monotonic()
        if not self._select(selectors.EVENT_READ, min(LONGEST_WAIT, self.timeout)):
            self._waited = time.monotonic() - began

    def _set_mark(self, mark):
        """Return False if the system has no low-water mark."""
        if mark != self._mark:
            try:
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, mark)
            except (AttributeError, OSError):
                return False
            self._mark = mark
        return True

    def recv(self, count):
        view = memoryview(bytearray(count))
        return bytes(view[:self.recv_into(view)])

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
        host = host.partition("%")[0].encode("ascii")   # bytes: str needs the idna codec
        try:
            if self.secure or self._ahead:
                self.sock = NestedTls(self.sock, context, host, self._ahead)
                self.put_back(b"")
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
        """Wait for bytes; not under TLS, which may hold them already."""
        if not self.secure:
            self._wait(selectors.EVENT_READ)

    def detach(self):
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
