"""A connection that has stopped speaking HTTP: what a reply that takes it over may use.

The handler's thread stays the only one that reads and writes. Each method tells the
server's ConnectionLimit what the connection waits for.
"""

READ_SIZE = 65536


class Line:
    """One connection after its 101 reply.

    connection   the socket, to wait for
    leftover     bytes that the client sent along with its request
    """

    def __init__(self, connection, limit, write, leftover):
        self.connection, self.leftover = connection, leftover
        self._limit, self._write = limit, write
        self._not_yet = _not_yet(connection)

    def read(self):
        """Return bytes that are there, b"" at the end of the stream, None if there are none yet."""
        if self.connection.gettimeout() != 0:
            self.connection.settimeout(0)
        try:
            data = self.connection.recv(READ_SIZE)
            while data and self._is_more():
                data += self.connection.recv(READ_SIZE)
        except self._not_yet:
            return None
        return data

    def _is_more(self):
        """Return whether TLS holds bytes that waiting for the socket would not tell of."""
        return hasattr(self.connection, "pending") and self.connection.pending() > 0

    def write(self, data):
        """Send all of the data; the client has some time for each part that it takes."""
        self._write(data)

    def busy(self):
        """Protect the connection while the daemon works for its client."""
        self._limit.busy(self.connection)

    def wait(self, is_partial, is_known):
        """Tell the limit that the client's turn has come; unknown or half-heard clients may be evicted."""
        if is_partial:
            self._limit.unfinished(self.connection)
        elif is_known:
            self._limit.busy(self.connection)
        else:
            self._limit.idle(self.connection)


def _not_yet(connection):
    """Return the exceptions that say that nothing is there yet."""
    if not hasattr(connection, "pending"):
        return (BlockingIOError,)
    import ssl
    return BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError
