"""TLS inside a TLS socket, for a server behind a proxy that is reached over TLS."""

import selectors

from .socket_errors import awaited


class NestedTls:
    """TLS inside a TLS socket; has the socket methods that a Channel uses."""

    session = None

    def __init__(self, sock, context, host):
        import ssl
        self._sock, self._unsent = sock, b""
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host.decode("ascii"))
        self.fileno, self.close = sock.fileno, sock.close

    def do_handshake(self):
        self._pump(self._tls.do_handshake)
        self._flush()

    def recv_into(self, view):
        return self._pump(lambda: self._tls.read(len(view), view))

    def recv(self, count):
        return self._pump(lambda: self._tls.read(count))

    def send(self, data):
        self._flush()
        count = self._pump(lambda: self._tls.write(data))
        try:
            self._flush()
        except OSError as error:
            if not awaited(error, writing=True):
                raise
            # the rest is sent before the next data
        return count

    def _pump(self, action):
        while True:
            try:
                return action()
            except OSError as error:
                if awaited(error, writing=False) != selectors.EVENT_READ:
                    raise
                self._flush()
                data = self._sock.recv(65536)
                if data:
                    self._incoming.write(data)
                else:
                    self._incoming.write_eof()

    def _flush(self):
        while self._unsent or self._outgoing.pending:
            self._unsent = self._unsent or self._outgoing.read()
            self._unsent = self._unsent[self._sock.send(self._unsent):]
