"""Who may come in: the token, the names this server goes by, and pages of other sites.

Knows heads and addresses, no socket. Three doors, in this order:

  Host      without a token only a name that is surely this machine's: else a page on the
            net could have its own name lead here, and read as if it were ours (DNS rebinding)
  Origin    a page of another site changes nothing, token or not: its browser would send the
            user's credentials along (CSRF)
  token     compared in constant time; who guesses is soon told to wait, but the right one
            always opens, so that nobody locks out the owner
"""

import base64
import binascii
import hmac
import logging
import math
import re
import socket
import threading
import time
from collections import OrderedDict, deque

from ..idn import comparable
from .replies import error_reply

WINDOW = 60.0           # seconds
MOST_FAILURES = 10      # wrong tokens of one address within the window
MOST_ADDRESSES = 1024   # that are kept in mind

HARMLESS = ("GET", "HEAD", "OPTIONS")
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]]*)(?::[0-9]*)?")
_CORS_HEADERS = "Authorization, Content-Type, Last-Event-ID, Range, If-Range"
_CORS_EXPOSED = "Content-Disposition, Content-Range, ETag, Retry-After"

log = logging.getLogger(__name__)


class Guard:
    """The doors of one server. `token` is None where none is needed."""

    def __init__(self, token=None, hosts=(), origins=(), clock=time.monotonic):
        self.token = token
        self._hosts = {comparable(host) for host in hosts} | own_names()
        self._origins = frozenset(map(_as_browsers_send, origins))
        self._failures = _Failures(clock)

    def refusal(self, head, address, public=False):
        """The Reply to a request that may not come in, else None.

        What is public needs neither a token nor a name that is known.
        """
        refused = None
        if not public and self.token is None:
            refused = self._check_host(head.headers.get("host"))
        if refused is None and head.method not in HARMLESS:
            refused = self._check_origin(head.headers)
        if refused is None and not public and self.token is not None and head.method != "OPTIONS":
            refused = self._check_token(head.headers, address)
        return refused

    # -- the doors -------------------------------------------------------------------

    def _check_host(self, host):
        if host is None:        # HTTP/1.0, and so no browser
            return None
        match = _HOST.fullmatch(host)
        name = comparable(match.group(1)) if match else None
        if name in self._hosts or name and (_is_address(name) or self._is_below(name)):
            return None
        return error_reply(403, "the host %s is not known as a name of this daemon; put it into "
                                "server.allowed_hosts, or set a token" % host[:80])

    def _is_below(self, name):
        """Whether one of the ".suffixes" in the settings covers it."""
        return any(host.startswith(".") and name.endswith(host) for host in self._hosts)

    def _check_origin(self, headers):
        origin, site = headers.get("origin"), headers.get("sec-fetch-site", "none").lower()
        if origin is None:      # older browsers; others always send one with what changes something
            if site in ("none", "same-origin"):
                return None
            origin = "another site"
        elif origin.lower() in self._origins or is_same(origin, headers.get("host", "")):
            return None
        return error_reply(403, "pages of %s may change nothing here; put their origin into "
                                "server.allowed_origins to let them" % origin[:80])

    def _check_token(self, headers, address):
        given = _given(headers.get("authorization", ""))
        if given is not None and hmac.compare_digest(given, self.token.encode("ascii")):
            return None
        challenge = [("WWW-Authenticate", _challenge(headers))]
        if given is None:
            return error_reply(401, "a token is needed: send it as Authorization: Bearer TOKEN, or as the "
                                    "password of any user", challenge)
        peer = network_of(address)
        wait = self._failures.wait(peer)
        if wait:
            return error_reply(429, "too many wrong tokens came from your address; try again in %d s" % wait,
                               [("Retry-After", "%d" % wait)])
        self._failures.add(peer)
        return error_reply(401, "this is not the token; it is what server.token, DLSERV_TOKEN or the file "
                                "server.token_file of the daemon says", challenge)

    # -- other sites that are welcome (CORS) --------------------------------------------

    def headers(self, head):
        """What every reply says to a page of another site."""
        if not self._origins:
            return []
        origin = head.headers.get("origin", "")
        if origin.lower() not in self._origins:
            return [("Vary", "Origin")]
        return [("Vary", "Origin"), ("Access-Control-Allow-Origin", origin),
                ("Access-Control-Expose-Headers", _CORS_EXPOSED)]

    def preflight(self, head, methods):
        """What the reply to OPTIONS says besides; `methods` as in Allow."""
        if head.headers.get("origin", "").lower() not in self._origins:
            return []
        return [("Access-Control-Allow-Methods", methods), ("Access-Control-Allow-Headers", _CORS_HEADERS),
                ("Access-Control-Max-Age", "600")]


def _as_browsers_send(origin):
    """Return the origin with its host in ASCII."""
    scheme, mark, authority = origin.partition("://")
    return scheme + mark + re.sub(r"^[^:\[]+", lambda match: comparable(match.group()), authority)


def own_names():
    """The names that surely mean this machine."""
    name = socket.gethostname().lower()
    short = name.partition(".")[0]
    return {"localhost", name, short, short + ".local"} - {"", ".local"}


def is_same(origin, host):
    """Whether the origin is that of a page that this host has served.

    The scheme is not compared: a proxy may speak https for us.
    """
    scheme, _, authority = origin.lower().partition("://")
    port = {"http": ":80", "https": ":443"}.get(scheme)
    return port is not None and bool(host) and host.lower() in (authority, authority + port)


def network_of(address):
    """Who counts as one where guesses are counted: an IPv4 address, or an IPv6 network of 64 bits."""
    if address.startswith("::ffff:"):
        return address[len("::ffff:"):]
    try:
        packed = socket.inet_pton(socket.AF_INET6, address.partition("%")[0])
    except OSError:
        return address
    return socket.inet_ntop(socket.AF_INET6, packed[:8] + bytes(8)) + "/64"


def _is_address(name):
    family = socket.AF_INET6 if name.startswith("[") else socket.AF_INET
    try:
        socket.inet_pton(family, name.strip("[]"))
    except (OSError, ValueError):
        return False
    return True


def _given(authorization):
    """The token in the header as bytes, or None if there is none."""
    scheme, _, value = authorization.partition(" ")
    value = value.strip().encode("latin-1", "replace")
    if scheme.lower() == "bearer":
        return value
    if scheme.lower() != "basic":
        return None
    try:
        return base64.b64decode(value, validate=True).partition(b":")[2]
    except (binascii.Error, ValueError):
        return b""


def _challenge(headers):
    """Basic, so that a browser asks its user; not if a page asks, which does that itself."""
    if "x-requested-with" in headers:
        return 'Bearer realm="dlserv"'
    return 'Basic realm="dlserv", charset="UTF-8"'


class _Failures:
    """Wrong tokens of late, by address."""

    def __init__(self, clock):
        self._clock = clock
        self._lock = threading.Lock()
        self._times = OrderedDict()

    def add(self, address):
        with self._lock:
            times = self._times.setdefault(address, deque(maxlen=MOST_FAILURES))
            times.append(self._clock())
            self._times.move_to_end(address)
            if len(self._times) > MOST_ADDRESSES:
                self._times.popitem(last=False)
        if len(times) == MOST_FAILURES:
            log.warning("%d wrong tokens came from %s", MOST_FAILURES, address)

    def wait(self, address):
        """Whole seconds until this address may try again; 0 for now."""
        with self._lock:
            times = self._times.get(address, ())
            if len(times) < MOST_FAILURES:
                return 0
            return max(0, math.ceil(times[0] + WINDOW - self._clock()))
