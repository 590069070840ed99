"""Access to the interface: by token, by the host name called, and by the site of the caller.

Knows heads and addresses, no socket. Three checks, in this order:

  Host      without a token, only names that certainly mean this machine: otherwise a site
            could point its own name here and read the replies (DNS rebinding)
  Origin    a page of another site cannot change anything, with a token or without: the
            browser would send the user's credentials along (CSRF)
  token     compared in constant time; after too many wrong ones, no token of that client
            is looked at for a while, so that guessing is slow. Other clients are not affected.
"""

import base64
import binascii
import logging
import math
import re
import socket
import threading
import time
from collections import OrderedDict, deque

try:
    from _operator import _compare_digest as compare_digest     # hmac's own, without OpenSSL
except ImportError:
    from hmac import compare_digest

from ..idn import comparable
from ..units import clean
from .peer import is_loopback, network_of
from .replies import error_reply

WINDOW = 60.0           # seconds
MOST_FAILURES = 10      # wrong tokens of one client within the window
MOST_CLIENTS = 1024     # whose failures are remembered
MOST_CALLED, LONGEST_CALLED = 64, 80    # Host headers that are remembered, and their length

VARY_ORIGIN = ("Vary", "Origin")        # of every reply where other sites may use the interface
HARMLESS = ("GET", "HEAD", "OPTIONS")
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]]*)(?::[0-9]*)?")
_CORS_HEADERS = "Authorization, Content-Type, Last-Event-ID, Range, If-Range"
_CORS_EXPOSED = "Content-Disposition, Content-Range, ETag, Retry-After"

log = logging.getLogger(__name__)


class Access:
    """The checks of one server. `token` is None if none is needed."""

    def __init__(self, token=None, hosts=(), origins=(), clock=time.monotonic):
        self.token = token
        self._hosts = {comparable(host) for host in hosts} | own_names()
        self._origins = frozenset(map(_as_browsers_send, origins))
        self._called = set()            # Host headers that were found to be right
        self._failures = _Failures(clock)

    def refusal(self, head, address, public=False):
        """Return the Reply to a request that is not let in, otherwise None.

        `address` is the client's, None on a unix socket. A `public` route needs neither a
        token nor a known host name.
        """
        refused = None
        if not public and self.token is None:
            refused = _forbidden(self.host_problem(head.headers))
        if refused is None and head.method not in HARMLESS:
            refused = _forbidden(self.origin_problem(head.headers))
        if refused is None and not public and self.token is not None and head.method != "OPTIONS":
            refused = self._check_token(head.headers, address)
        return refused

    def is_trusted(self, headers, address):
        """Return whether the caller of a public route is on this machine or has sent the token.

        A wrong token counts as a guess here as well.
        """
        if address is None or is_loopback(address):
            return True
        return self.token is not None and self._check_token(headers, address) is None

    # -- the checks ------------------------------------------------------------------

    def host_problem(self, headers):
        """Return the sentence for a request to a host that is not certainly this daemon, or None.

        `refusal` makes a 403 of it for REST, aria2/door.py another for the aria2 door.
        """
        host = headers.get("host")
        if host is None or host in self._called:        # None in HTTP/1.0, and so from no browser
            return None
        match = _HOST.fullmatch(host)
        name = comparable(match.group(1)) if match else None
        if name in self._hosts or name and (_is_address(name) or self._is_below(name)):
            if len(self._called) < MOST_CALLED and len(host) <= LONGEST_CALLED:
                self._called.add(host)
            return None
        return (f"the host {clean(host[:80])} is not a known name of this daemon; "
                "add it to server.allowed_hosts, or set a token")

    def _is_below(self, name):
        """Return whether one of the ".suffixes" in the settings covers the name."""
        return any(host.startswith(".") and name.endswith(host) for host in self._hosts)

    def origin_problem(self, headers):
        """Return the sentence for a change that a page of another site wants, or None."""
        site = self.foreign_site(headers)
        return site and (f"pages of {site} may not change anything here; "
                         "add their origin to server.allowed_origins to allow it")

    def foreign_site(self, headers):
        """Return the name of another site whose page makes the request, or None if it comes from none."""
        origin, site = headers.get("origin"), headers.get("sec-fetch-site", "none").lower()
        if origin is None:      # an older browser; newer ones send it with every change
            if site in ("none", "same-origin"):
                return None
            return "another site"
        if origin.lower() in self._origins or is_same(origin, headers.get("host", "")):
            return None
        return clean(origin[:80]) or "another site"

    def _check_token(self, headers, address):
        given = self.given(headers)
        challenge = [("WWW-Authenticate", _challenge(headers))]
        if given is None:
            return error_reply(401, "a token is needed: send it as Authorization: Bearer TOKEN, or as the "
                                    "password of any user", challenge)
        is_right, wait = self.judge(given, address)
        if wait:
            return error_reply(429, "too many wrong tokens came from your address, and no token is accepted "
                                    f"from it now; try again in {wait} s", [("Retry-After", str(wait))])
        if is_right:
            return None
        return error_reply(401, "this is not the token; send the daemon's server.token, DLSERV_TOKEN, or the "
                                "first line of its server.token_file", challenge)

    def given(self, headers):
        """Return the token in the Authorization header as bytes, None if there is none."""
        return _given(headers.get("authorization", ""))

    def judge(self, given, address):
        """Return (whether the bytes are the token, seconds for which this client has to wait).

        Wrong ones are counted; while a client has to wait, its tokens are not looked at.
        """
        client = "the unix socket" if address is None else network_of(address)
        return self._failures.judge(
            client, lambda: compare_digest(given, self.token.encode("ascii")))

    # -- sites that may use the interface (CORS) ------------------------------------------

    def headers(self, head):
        """Return the CORS headers of every reply, a list of (name, value)."""
        if not self._origins:
            return []
        origin = head.headers.get("origin", "")
        if origin.lower() not in self._origins:
            return [VARY_ORIGIN]
        return [VARY_ORIGIN, ("Access-Control-Allow-Origin", origin),
                ("Access-Control-Expose-Headers", _CORS_EXPOSED)]

    def preflight(self, head, methods):
        """Return the further CORS headers of a reply to OPTIONS; `methods` is the value of Allow."""
        if head.headers.get("origin", "").lower() not in self._origins:
            return []
        return [("Access-Control-Allow-Methods", methods), ("Access-Control-Allow-Headers", _CORS_HEADERS),
                ("Access-Control-Max-Age", "600")]


def _as_browsers_send(origin):
    """Return the origin with its host in ASCII."""
    scheme, mark, authority = origin.partition("://")
    return scheme + mark + re.sub(r"^[^:\[]+", lambda match: comparable(match.group()), authority)


def _forbidden(sentence):
    return None if sentence is None else error_reply(403, sentence)


def own_names():
    """Return the names that certainly mean this machine."""
    name = socket.gethostname().lower()
    short = name.partition(".")[0]
    return {"localhost", name, short, short + ".local"} - {"", ".local"}


def is_same(origin, host):
    """Return whether the origin is that of a page served by this host.

    The scheme is not compared, because a reverse proxy may speak https in front of us.
    """
    scheme, _, authority = origin.lower().partition("://")
    port = {"http": ":80", "https": ":443"}.get(scheme)
    return port is not None and bool(host) and host.lower() in (authority, authority + port)


def _is_address(name):
    family = socket.AF_INET6 if name.startswith("[") else socket.AF_INET
    try:
        socket.inet_pton(family, name.strip("[]"))
    except (OSError, ValueError):
        return False
    return True


def _given(authorization):
    """Return the token in an Authorization header as bytes, None if there is none."""
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
    """Return a Basic challenge, which makes a browser ask; Bearer for our page, which asks itself."""
    if "x-requested-with" in headers:
        return 'Bearer realm="dlserv"'
    return 'Basic realm="dlserv", charset="UTF-8"'


class _Failures:
    """The times of recent wrong tokens, by client."""

    def __init__(self, clock):
        self._clock = clock
        self._lock = threading.Lock()
        self._times = OrderedDict()

    def judge(self, client, compare):
        """Return (whether the token is right, seconds that the client has to wait).

        `compare()` looks at the token; it is not called while the client has to wait. The
        lock is held meanwhile, so that many connections do not have a guess each.
        """
        with self._lock:
            wait = self._wait(client)
            if wait:
                return False, wait
            is_right = compare()
            if not is_right:
                self._add(client)
            return is_right, 0

    def _add(self, client):
        times = self._times.setdefault(client, deque(maxlen=MOST_FAILURES))
        times.append(self._clock())
        self._times.move_to_end(client)
        if len(self._times) > MOST_CLIENTS:
            self._times.popitem(last=False)
        if len(times) == MOST_FAILURES:
            log.warning("%d wrong tokens came from %s; its tokens are refused for a while",
                        MOST_FAILURES, client)

    def _wait(self, client):
        times = self._times.get(client, ())
        if len(times) < MOST_FAILURES:
            return 0
        return max(0, math.ceil(times[0] + WINDOW - self._clock()))
