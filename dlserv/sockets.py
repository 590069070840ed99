"""Host name resolution, a self-pipe to wake `select`, and waiting for one socket."""

import math
import os
import select
import socket


def resolve(host, port, flags=0):
    """Return getaddrinfo's TCP addresses. Raise OSError, or UnicodeError if `host` is not a host name.

    A str needs the idna codec, which small boxes lack; bytes do not.
    """
    try:
        host = host.encode("ascii")
    except UnicodeError:
        pass        # an international name needs the codec
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)


class Waker:
    """A self-pipe: `select` finds it readable from `wake`, by any thread, until `clear`.

    `writing_end` is a descriptor for signal.set_wakeup_fd.
    """

    def __init__(self):
        if hasattr(os, "pipe2"):    # costs a third of a socket pair
            self._ends = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
            self._descriptor, self.writing_end = self._ends
            self._read, self._write, self._close = os.read, os.write, os.close
        else:       # macOS, and Windows, which selects sockets only
            self._ends = socket.socketpair()
            for end in self._ends:
                end.setblocking(False)
            self._descriptor, self.writing_end = [end.fileno() for end in self._ends]
            self._read, self._write, self._close = socket.socket.recv, socket.socket.send, socket.socket.close

    def fileno(self):
        """Return the descriptor to wait for, -1 after `close`."""
        return self._descriptor

    def wake(self):
        try:
            self._write(self._ends[1], b"!")
        except BlockingIOError:
            pass    # the pipe is full and so readable already

    def clear(self):
        try:
            self._read(self._ends[0], 4096)
        except BlockingIOError:
            pass    # `wake` was not called

    def close(self):
        ends, self._ends = self._ends, (-1, -1)     # the system reuses descriptors
        if self._descriptor >= 0:
            self._descriptor = self.writing_end = -1
            for end in ends:
                self._close(end)


class Watch:
    """Waits for one socket with one or two system calls; an `interrupter`, such as a Waker, ends any wait."""

    def __init__(self, interrupter):
        self._interrupter, self._events = interrupter, {}
        self._poll = None
        if hasattr(select, "poll"):
            self._poll = select.poll()
            self._poll.register(interrupter, select.POLLIN)

    def wait(self, sock, writing, seconds):
        """Return whether one of both becomes ready within `seconds`."""
        if self._poll is None:
            files = [self._interrupter] + [sock] * (not writing)
            return any(select.select(files, [sock] * writing, [sock] * writing, seconds))
        fd, event = sock.fileno(), select.POLLOUT if writing else select.POLLIN
        if self._events.get(fd) != event:
            self._poll.register(fd, event)
            self._events = {fd: event}
        return bool(self._poll.poll(math.ceil(seconds * 1000)))
