"""HTTP proxies for tests: absolute requests are forwarded, CONNECT makes a tunnel."""

import base64
import hashlib
import re
import select
import socket
import socketserver

from servers.background import Background


class HttpProxy(Background):
    """A context manager. `seen` lists the request lines it got.

    refuse    a status line to answer CONNECT with, instead of making the tunnel
    stand_in  bytes that every other request is answered with, instead of being forwarded
    password  "user:password" that a client must show
    context   an ssl.SSLContext, for a proxy that is spoken to over TLS
    digest    whether the password must come as a Digest answer
    places    {"host:port": (host, port)} where to connect to in their place
    status    what its answer to CONNECT begins with, where it makes the tunnel
    greeting  bytes between that line and the fields
    joined    ports of servers whose first bytes it sends at once with its answer
    """

    def __init__(self, refuse=None, password=None, context=None, stand_in=None,
                 status="200 Connection established", greeting=b"", digest=False, places=(),
                 joined=()):
        super().__init__(("127.0.0.1", 0), _Proxied)
        self.established = b"HTTP/1.1 %s\r\n%s" % (status.encode(), greeting)
        self.refuse, self.password, self.context, self.seen = refuse, password, context, []
        self.stand_in, self.digest, self.places, self.joined = stand_in, digest, dict(places), joined

    def url(self, user=None):
        return "%s://%s127.0.0.1:%d" % ("https" if self.context else "http",
                                        user + "@" if user else "", self.server_address[1])

    def handle_error(self, request, client_address):
        pass


class _Proxied(socketserver.BaseRequestHandler):
    def setup(self):
        if self.server.context is not None:
            self.request.settimeout(10)
            self.request = self.server.context.wrap_socket(self.request, server_side=True)

    def finish(self):
        if self.server.context is not None:
            self.request.close()

    def handle(self):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = self.request.recv(1)
            if not byte:
                return
            head += byte
        line = head.split(b"\r\n")[0].decode()
        self.server.seen.append(line)
        if not self._is_allowed(head):
            challenge = b'Proxy-Authenticate: Digest realm="r", nonce="n", qop="auth"\r\n'
            self.request.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n"
                                 + challenge * self.server.digest + b"\r\n")
            return
        method, target, _ = line.split()
        if method == "CONNECT":
            self._tunnel(*target.rsplit(":", 1))
        elif self.server.stand_in is not None:
            self.request.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s"
                                 % (len(self.server.stand_in), self.server.stand_in))
        else:
            self._forward(head, target)

    def _is_allowed(self, head):
        if self.server.password is None:
            return True
        if self.server.digest:
            return self._is_right_digest(head.decode())
        token = base64.b64encode(self.server.password.encode())
        return b"Proxy-Authorization: Basic " + token + b"\r\n" in head

    def _is_right_digest(self, head):
        """RFC 7616, 3.4.1, with MD5 and qop=auth."""
        match = re.search("\r\nProxy-Authorization: Digest ([^\r]*)", head)
        given = dict(re.findall(r'(\w+)="?([^",]*)"?', match.group(1))) if match else {}
        user, _, password = self.server.password.partition(":")
        method, target, _ = head.split("\r\n")[0].split()

        def h(*parts):
            return hashlib.md5(":".join(parts).encode()).hexdigest()
        count, cnonce = given.get("nc", ""), given.get("cnonce", "")
        right = h(h(user, "r", password), "n", count, cnonce, "auth", h(method, target))
        return given.get("response") == right and given.get("uri") == target

    def _connect(self, host, port):
        """A trailing dot says only that the name is whole."""
        place = self.server.places.get("%s:%s" % (host, port), (host.strip("[]").rstrip("."), int(port)))
        return socket.create_connection(place, 10)

    def _tunnel(self, host, port):
        if self.server.refuse:
            self.request.sendall(b"HTTP/1.1 " + self.server.refuse.encode() + b"\r\n\r\n")
            return
        with self._connect(host, port) as upstream:
            first = upstream.recv(65536) if int(port) in self.server.joined else b""
            self.request.sendall(self.server.established + b"X-Proxy: yes\r\n\r\n" + first)
            shovel(self.request, upstream)

    def _forward(self, head, target):
        host, port, path = re.fullmatch(r"http://([^/:]+)(?::(\d+))?(.*)", target).groups()
        with self._connect(host, port or 80) as upstream:
            upstream.sendall(head.replace(target.encode(), path.encode(), 1))
            shovel(self.request, upstream)


def shovel(one, other):
    """Carry bytes both ways until either side hangs up."""
    while True:
        pending = getattr(one, "pending", lambda: 0)()
        ready = [one] if pending else select.select([one, other], [], [], 10)[0]
        if not ready:
            return
        for source, sink in ((one, other), (other, one)):
            if source in ready:
                data = source.recv(65536)
                if not data:
                    return
                sink.sendall(data)


class SocksProxy(Background):
    """A SOCKS5 proxy that sends its replies a byte at a time; a context manager.

    `seen` lists (host or name, port); `refuse` is a reply code to answer with; `login` is
    (user, password) that a client must show.
    """

    def __init__(self, refuse=0, login=None):
        super().__init__(("127.0.0.1", 0), _Socks)
        self.refuse, self.login, self.seen = refuse, login, []

    handle_error = HttpProxy.handle_error

    def url(self, scheme="socks5", user=None):
        return "%s://%s127.0.0.1:%d" % (scheme, user + "@" if user else "", self.server_address[1])


class _Socks(socketserver.BaseRequestHandler):
    def _read(self, count):
        data = b""
        while len(data) < count:
            data += self.request.recv(count - len(data)) or exit_thread()
        return data

    def _send(self, data):
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in data:
            self.request.sendall(bytes([byte]))

    def handle(self):
        methods = self._read(self._read(2)[1])
        if self.server.login is None:
            self._send(b"\x05\x00")
        elif 2 not in methods:
            return self._send(b"\x05\xff")
        elif not self._login():
            return None
        kind = self._read(4)[3]
        if kind == 3:
            host = self._read(self._read(1)[0]).decode()
        else:
            family, size = {1: (socket.AF_INET, 4), 4: (socket.AF_INET6, 16)}[kind]
            host = socket.inet_ntop(family, self._read(size))
        port = int.from_bytes(self._read(2), "big")
        self.server.seen.append((host, port))
        if self.server.refuse:
            return self._send(b"\x05" + bytes([self.server.refuse]) + b"\x00\x01" + bytes(6))
        with socket.create_connection((host, port), 10) as upstream:
            self._send(b"\x05\x00\x00\x03\x04name" + bytes(2))
            shovel(self.request, upstream)

    def _login(self):
        self._send(b"\x05\x02")
        self._read(1)
        given = tuple(self._read(self._read(1)[0]).decode() for _ in range(2))
        self._send(b"\x01" + (b"\x00" if given == self.server.login else b"\x01"))
        return given == self.server.login


def exit_thread():
    raise ConnectionError("the client has gone")
