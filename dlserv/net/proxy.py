"""The route to a server: direct, through an HTTP proxy, or through SOCKS."""

import re
import socket
import struct

from .. import urls
from ..errors import Permanent, Temporary
from .auth import Credentials
from .address_policy import bypassed
from .connect import connect, resolve
from .head import encode_head, read_head
from .reader import Reader
from .tls import require_ssl

_SOCKS_REASONS = {1: "general failure", 2: "not allowed by its rules", 3: "network unreachable",
                  4: "host unreachable", 5: "connection refused", 6: "time to live expired",
                  7: "command not supported", 8: "address type not supported"}
_SOCKS_TEMPORARY = (1, 3, 4, 5, 6)


class Route:
    """The route to the server of one URL. Raise Temporary, Permanent, MissingModule or Stopped."""

    def __init__(self, url, options, network):
        self._url, self._options = url, options
        self._tls, self._policy = network.tls, network.policy
        self._proxy = proxy = choose(url, options.proxy, network.proxies)
        self._credentials = Credentials(proxy.user, proxy.password) if proxy and proxy.user is not None else None
        self._answer = None         # to the proxy's challenge
        # True if the proxy forwards requests instead of tunnelling bytes.
        self._is_forwarded = (proxy is not None and proxy.scheme in ("http", "https")
                              and url.scheme in ("http", "ftp"))
        # For the Pool: connections with equal keys are interchangeable.
        self.key = url.origin, proxy, options.verify_tls, network.pool.generation

    @property
    def target(self):
        """The target of the request line; ftp URLs get ";type=i", for binary (RFC 1738, 3.2.2)."""
        if not self._is_forwarded:
            return self._url.target
        typed = self._url.scheme != "ftp" or re.search(";type=[aid]$", self._url.target, re.IGNORECASE)
        return str(self._url) + ("" if typed else ";type=i")

    @property
    def headers(self):
        """The headers for a forwarding proxy, else {}."""
        return self._authorization() if self._is_forwarded else {}

    def _authorization(self):
        if self._credentials is None:
            return {}
        return {"Proxy-Authorization": self._answer or self._credentials.basic()}

    def answer(self, challenges):
        """Answer the challenges of a forwarding proxy; return whether to send the request again."""
        return self._is_forwarded and self._answers(challenges, "GET", self.target)

    def _answers(self, challenges, method, target):
        """Answer a challenge once, to Digest, since Basic was sent before; return whether that is possible."""
        answer = self._credentials and self._credentials.answer(challenges, method, target)
        if self._answer or not answer or not answer.startswith("Digest"):
            return False
        self._answer = answer
        return True

    def open(self, stop):
        """Return a Channel to write the request to."""
        is_secure = self._url.scheme == "https"
        if is_secure:
            require_ssl()
        channel = self.carry(self._url.port, stop)
        try:
            if is_secure:
                self.secure(channel)
            return channel
        except BaseException:
            channel.close()
            raise

    def secure(self, channel):
        self._tls.start(channel, self._url.host, self._options.verify_tls)

    def remember(self, channel):
        if self._url.scheme in ("https", "ftps"):
            self._tls.remember(channel, self._url.host, self._options.verify_tls)

    def carry(self, port, stop, beside=None):
        """Return a Channel to a port of the server, or to the proxy if it forwards the requests.

        `beside` is an open one, whose peer address is used again (FTP data).
        """
        near, permit = self._proxy or self._url._replace(port=port), self._permit
        if beside is not None and self._proxy is None:
            near, permit = near._replace(host=beside.sock.getpeername()[0]), lambda *where: where[2]
        if not self._is_forwarded:
            self._answer = None     # it was for another port
        while True:
            channel = connect(near.host, near.port, stop, self._options.timeout, permit)
            try:
                if self._proxy is None or self._is_through(channel, port, stop):
                    return channel
            except BaseException:
                channel.close()
                raise
            channel.close()

    def _permit(self, host, port, addresses):
        policy = self._policy
        if policy is None or self._proxy is not None and policy.exempts(self._options.proxy):
            return addresses
        return policy.permit(host, port, addresses)

    def _is_through(self, channel, port, stop):
        """Connect through the proxy; return False if it has challenged, to be answered on a new connection."""
        proxy, host = self._proxy, self._url.host
        if proxy.scheme == "socks5":        # with socks5h the proxy resolves the name
            host = resolve(host, port, stop, self._options.timeout)[0][4][0]
        if proxy.scheme == "https":
            self._tls.start(channel, proxy.host, True)
        with channel.hurried():
            if proxy.scheme.startswith("socks"):
                _socks(channel, proxy, host, port)
            elif not self._is_forwarded:
                return self._is_tunnel(channel, port)
        return True

    def _is_tunnel(self, channel, port):
        """Ask an HTTP proxy for a tunnel (RFC 9110, 9.3.6)."""
        place = self._url._replace(port=port).endpoint
        channel.sendall(encode_head("CONNECT", place, dict({"Host": place}, **self._authorization())))
        reader = Reader(channel, 4096)
        head = read_head(reader, "proxy")
        channel.put_back(reader.rest())     # they are the server's
        if 200 <= head.status < 300:
            return True
        if head.status == 407 and self._answers(head.fields.get_all("Proxy-Authenticate"), "CONNECT", place):
            return False
        family = Temporary if head.status in (408, 429) or 500 <= head.status < 600 else Permanent
        word = "auth" if head.status == 407 else "network"
        raise family(f"the proxy answered {head.status} {head.reason}", word=word)


def choose(url, proxy, environment):
    """Return the proxy's URL, or None. `proxy` is the setting: "" for none, None if unset."""
    if proxy is None and not bypassed(url, environment.get("no", "")):
        proxy = environment.get(url.scheme) or environment.get("all")
    if not proxy:
        return None
    try:
        return urls.parse(proxy if "://" in proxy else "http://" + proxy, urls.PROXY_SCHEMES)
    except ValueError as error:
        raise Permanent(f"the proxy {error}") from error


def _socks(channel, proxy, host, port):
    """Ask a SOCKS5 proxy for a connection (RFC 1928)."""
    methods = b"\x00" if proxy.user is None else b"\x00\x02"
    channel.sendall(b"\x05" + _sized(methods))
    version, method = channel.recv_exactly(2)
    if version != 5:
        raise Permanent("the proxy does not speak SOCKS5")
    if method == 2 and proxy.user is not None:
        _socks_login(channel, proxy)
    elif method != 0:
        raise Permanent("the SOCKS proxy requires a login; put user:password@ into the proxy's URL",
                        word="auth")
    channel.sendall(b"\x05\x01\x00" + _socks_address(host) + struct.pack(">H", port))
    version, reply, _, kind = channel.recv_exactly(4)
    if reply:
        family = Temporary if reply in _SOCKS_TEMPORARY else Permanent
        raise family(f"the SOCKS proxy refused: {_SOCKS_REASONS.get(reply, f'code {reply}')}", word="refused")
    length = {1: 4, 4: 16}.get(kind) or channel.recv_exactly(1)[0]
    channel.recv_exactly(length + 2)


def _socks_login(channel, proxy):
    """Log in with user and password (RFC 1929)."""
    user, password = proxy.user.encode("utf-8"), (proxy.password or "").encode("utf-8")
    if not 0 < len(user) < 256 or len(password) > 255:
        raise Permanent("the SOCKS proxy takes a user and a password of at most 255 bytes", word="auth")
    channel.sendall(b"\x01" + _sized(user) + _sized(password))
    if channel.recv_exactly(2)[1]:
        raise Permanent("the SOCKS proxy refused the user or the password", word="auth")


def _socks_address(host):
    for family, kind in ((socket.AF_INET, b"\x01"), (socket.AF_INET6, b"\x04")):
        try:
            return kind + socket.inet_pton(family, host.partition("%")[0])
        except OSError:
            pass
    return b"\x03" + _sized(host.encode("ascii"))


def _sized(data):
    return bytes([len(data)]) + data
