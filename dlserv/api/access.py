"""Access to the interface: three checks of a request's head, in this order.

  Host      without a token, only names that certainly mean this machine: otherwise a site
            could point its own name here and read the replies (DNS rebinding)
  Origin    no change by a page of another site: the browser would send the user's
            credentials along (CSRF)
  token     after too many wrong ones, none of that client is looked at for a while
"""

import base64
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
from .connection_limit import is_loopback, network_of
from .replies import error_reply

WINDOW = 60.0           # seconds
MOST_FAILURES = 10      # wrong tokens of one client within the window
MOST_CLIENTS = 1024     # whose failures are remembered

VARY_ORIGIN = ("Vary", "Origin")        # of every reply where other sites may use the interface
HARMLESS = ("GET", "HEAD", "OPTIONS")
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]]*)(?::[0-9]*)?")
_CORS_HEADERS = "Authorization, Content-Type, Last-Event-ID, Range, If-Range"
_CORS_EXPOSED = "Content-Disposition, Content-Range, ETag, Retry-After"

log = logging.getLogger(__name__)


class Access:
    """`token` is None if none is needed; addresses are None on a unix socket."""

    def __init__(self, token=None, hosts=(), origins=(), clock=time.monotonic):
        self.token = token
        self._hosts = {comparable(host) for host in hosts} | own_names()
        self._origins = frozenset(map(_as_browsers_send, origins))
        self._known_host = None         # the last Host header that was right, which clients repeat
        self._clock, self._lock = clock, threading.Lock()
        self._failures = OrderedDict()  # client: times of its latest wrong tokens

    def refusal(self, head, address, public=False):
        """Return the Reply to a request that is not let in, or None; `public` routes check only the Origin."""
        problem = self.host_problem(head.headers) if self.token is None and not public else None
        if problem is None and head.method not in HARMLESS:
            site = self.foreign_site(head.headers)
            problem = site and (f"pages of {site} may not change anything here; "
                                "add their origin to server.allowed_origins to allow it")
        if problem is not None:
            return error_reply(403, problem)
        if public or self.token is None or head.method == "OPTIONS":
            return None
        return self._check_token(head.headers, address)

    def is_trusted(self, headers, address):
        """Return whether the caller of a public route is on this machine or has sent the token."""
        if address is None or is_loopback(address):
            return True
        return self.token is not None and self._check_token(headers, address) is None

    def host_problem(self, headers):
        """Return a sentence unless the request is certainly for this daemon."""
        host = headers.get("host")
        if host in (None, self._known_host):    # None in HTTP/1.0, and so from no browser
            return None
        match = _HOST.fullmatch(host)
        name = comparable(match.group(1)) if match else None
        if name in self._hosts or name and (_is_address(name) or any(
                suffix.startswith(".") and name.endswith(suffix) for suffix in self._hosts)):
            self._known_host = host
            return None
        return (f"the host {clean(host[:80])} is not a known name of this daemon; "
                "add it to server.allowed_hosts, or set a token")

    def foreign_site(self, headers):
        """Return the name of the other site whose page makes the request, or None."""
        origin = headers.get("origin")
        if origin is None:      # an older browser; newer ones send it with every change
            is_foreign = headers.get("sec-fetch-site", "none").lower() not in ("none", "same-origin")
            return "another site" if is_foreign else None
        if origin.lower() in self._origins or is_same(origin, headers.get("host", "")):
            return None
        return clean(origin[:80]) or "another site"

    def _check_token(self, headers, address):
        given = self.given(headers)
        is_right, wait = (False, 0) if given is None else self.judge(given, address)
        if is_right:
            return None
        if wait:
            return error_reply(429, "too many wrong tokens came from your address, and no token is accepted "
                                    f"from it now; try again in {wait} s", [("Retry-After", str(wait))])
        challenge = 'Basic realm="dlserv", charset="UTF-8"'     # makes a browser ask
        if "x-requested-with" in headers:       # our page, which asks itself
            challenge = 'Bearer realm="dlserv"'
        problem = ("a token is needed: send it as Authorization: Bearer TOKEN, or as the password of any user"
                   if given is None else "this is not the token; send the daemon's server.token, DLSERV_TOKEN, "
                                         "or the first line of its server.token_file")
        return error_reply(401, problem, [("WWW-Authenticate", challenge)])

    def given(self, headers):
        """Return the token in the Authorization header as bytes, or None."""
        scheme, _, value = headers.get("authorization", "").partition(" ")
        value = value.strip().encode("latin-1", "replace")
        if scheme.lower() == "bearer":
            return value
        if scheme.lower() != "basic":
            return None
        try:
            return base64.b64decode(value, validate=True).partition(b":")[2]
        except ValueError:
            return b""

    def judge(self, given, address):
        """Return (whether that is the token, seconds that this client has to wait)."""
        client = "the unix socket" if address is None else network_of(address)
        with self._lock:        # held for all of it, so that many connections do not have a guess each
            times = self._failures.get(client, ())
            wait = math.ceil(times[0] + WINDOW - self._clock()) if len(times) == MOST_FAILURES else 0
            if wait > 0:
                return False, wait
            is_right = compare_digest(given, self.token.encode("ascii"))
            if not is_right:
                self._add_failure(client)
            return is_right, 0

    def _add_failure(self, client):
        times = self._failures.setdefault(client, deque(maxlen=MOST_FAILURES))
        times.append(self._clock())
        self._failures.move_to_end(client)
        if len(self._failures) > MOST_CLIENTS:
            self._failures.popitem(last=False)
        if len(times) == MOST_FAILURES:
            log.warning("%d wrong tokens came from %s; its tokens are refused for a while",
                        MOST_FAILURES, client)

    def headers(self, head):
        """Return the headers that let other sites use the interface (CORS)."""
        if not self._origins:
            return []
        origin = head.headers.get("origin", "")
        if origin.lower() not in self._origins:
            return [VARY_ORIGIN]
        return [VARY_ORIGIN, ("Access-Control-Allow-Origin", origin),
                ("Access-Control-Expose-Headers", _CORS_EXPOSED)]

    def preflight(self, head, methods):
        if head.headers.get("origin", "").lower() not in self._origins:
            return []
        return [("Access-Control-Allow-Methods", methods), ("Access-Control-Allow-Headers", _CORS_HEADERS),
                ("Access-Control-Max-Age", "600")]


def _as_browsers_send(origin):
    return re.sub(r"(?<=://)[^:\[]+", lambda match: comparable(match.group()), origin, count=1)


def own_names():
    name = socket.gethostname().lower()
    short = name.partition(".")[0]
    return {"localhost", name, short, short + ".local"} - {"", ".local"}


def is_same(origin, host):
    """Return whether the host serves the pages of the origin, whose scheme may be that of a proxy before us."""
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
