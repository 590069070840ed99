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
    """A self-pipe: `select` finds it readable from `wake`, by any thread, until `clear`."""

    def __init__(self):
        self._end = _PipeEnd() if hasattr(os, "pipe2") else _SocketEnd()

    def fileno(self):
        """Return the descriptor to wait for, -1 after `close`."""
        return self._end.fileno()

    @property
    def writing_end(self):
        """Return a descriptor for signal.set_wakeup_fd."""
        return self._end.writing_end

    def wake(self):
        try:
            self._end.write()
        except BlockingIOError:
            pass    # the pipe is full and so readable already

    def clear(self):
        try:
            self._end.read()
        except BlockingIOError:
            pass    # `wake` was not called

    def close(self):
        self._end.close()


class _PipeEnd:
    """A pipe; costs a third of a socket pair."""

    def __init__(self):
        self._reader, self.writing_end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def fileno(self):
        return self._reader

    def write(self):
        os.write(self.writing_end, b"!")

    def read(self):
        os.read(self._reader, 4096)

    def close(self):
        if self._reader >= 0:
            os.close(self._reader)
            os.close(self.writing_end)
            self._reader = self.writing_end = -1


class _SocketEnd:
    """A socket pair, for Windows, which selects sockets only, and systems without pipe2 (macOS)."""

    def __init__(self):
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        self.fileno, self.read = self._reader.fileno, lambda: self._reader.recv(4096)
        self.write = lambda: self._writer.send(b"!")

    @property
    def writing_end(self):
        return self._writer.fileno()

    def close(self):
        self._reader.close()
        self._writer.close()


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
