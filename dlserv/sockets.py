"""Host name resolution, and a self-pipe to wake `select`; for every room with sockets."""

import socket


def resolve(host, port, flags=0):
    """Return getaddrinfo's TCP addresses. Raise OSError, or UnicodeError if `host` is not a host name.

    The name is passed as bytes, because a str needs the idna codec, which small boxes lack.
    """
    try:
        host = host.encode("ascii")
    except UnicodeError:
        pass        # an international name needs the codec
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)


class Waker:
    """A self-pipe: `select` finds it readable from `wake` until `clear`.

    `wake` may be called from any thread. `writing_end` is for signal.set_wakeup_fd.
    """

    def __init__(self):
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)

    def fileno(self):
        return self._reader.fileno()

    @property
    def writing_end(self):
        """Return the descriptor to which a byte can be written to wake `select`."""
        return self._writer.fileno()

    def wake(self):
        try:
            self._writer.send(b"!")
        except BlockingIOError:
            pass    # the pipe is full and so readable already

    def clear(self):
        try:
            self._reader.recv(4096)
        except BlockingIOError:
            pass    # `wake` was not called

    def close(self):
        self._reader.close()
        self._writer.close()
