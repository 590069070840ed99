"""Two things that every room with sockets needs: host names to addresses, and a way to wake `select`."""

import socket


def resolve(host, port, flags=0):
    """Return what getaddrinfo finds for TCP. Raises OSError, or UnicodeError if `host` is no name.

    The name goes as bytes: a str would be encoded by the idna codec, which small boxes lack.
    """
    try:
        host = host.encode("ascii")
    except UnicodeError:
        pass        # an international name does need the codec
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
        """Return the descriptor that makes it readable when a byte is written there."""
        return self._writer.fileno()

    def wake(self):
        try:
            self._writer.send(b"!")
        except BlockingIOError:
            pass    # full, and so readable already

    def clear(self):
        try:
            self._reader.recv(4096)
        except BlockingIOError:
            pass    # nobody called `wake`

    def close(self):
        self._reader.close()
        self._writer.close()
