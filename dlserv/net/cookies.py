"""Cookies from a cookies.txt, and those that servers set during redirects (RFC 6265).

http.cookiejar handles no host without a dot, drops HttpOnly cookies of a file on Python 3.8
and 3.9, and rejects a whole file for one odd line.
"""

import re
import socket
import threading
import time
from calendar import timegm
from collections import namedtuple

from ..errors import Permanent
from ..idn import comparable
from ..units import utf8_of
from .user_file import UserFile, is_clean, lines

MOST = 300              # cookies that servers set
LONGEST = 4096          # characters of a name and its value

_FOR_EVER = float("inf")
_EXPIRY = re.compile(r"[+-]?[0-9]{1,18}(?:\.[0-9]*)?(?:[eE]\+?[0-9]{1,2})?")
_DOMAIN = re.compile(r"[^\s/;,:\[\]@]+|[0-9A-Fa-f:.]+")
_DELIMITERS = re.compile("[\t -/;-@\\[-`{-~]+")
_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
# A token of a date is the first of these that is not known yet.
_DATE = [re.compile(pattern, re.ASCII | re.DOTALL | re.IGNORECASE) for pattern in (
    "([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})(?:[^0-9].*)?", "([0-9]{1,2})(?:[^0-9].*)?",
    "(" + "|".join(_MONTHS) + ").*", "([0-9]{2,4})(?:[^0-9].*)?")]


class Cookie(namedtuple("Cookie", "name value domain host_only path secure expires")):
    """`domain` is as from idn.comparable, `expires` in epoch seconds, inf for a session."""

    __slots__ = ()

    def is_for(self, url, now):
        """Return whether a request carries the cookie (RFC 6265, 5.4)."""
        host = comparable(url.host)
        return (self.expires > now and (url.scheme == "https" or not self.secure)
                and (host == self.domain if self.host_only else _is_below(host, self.domain))
                and _is_under(url.path, self.path))


class CookieFile:
    """A cookies.txt in Netscape's format."""

    def __init__(self):
        self._file = UserFile(parse, "cookies")

    def read(self, path):
        """Return the Cookies in the file. Raise Permanent if it cannot be read."""
        try:
            return self._file.read(path)
        except OSError as error:
            raise Permanent(f"the cookies in {path} cannot be read: {error.strerror or error}") from error


class Jar:
    """A file's cookies and those that servers set. Threads may share one."""

    def __init__(self, cookies=(), clock=time.time):
        self._clock, self._lock = clock, threading.Lock()
        self._given = {_key(cookie): cookie for cookie in cookies}
        self._set = {}

    def header(self, url):
        """Return the Cookie header for a request, or None; the longest paths first, then the oldest."""
        now = self._clock()
        with self._lock:
            cookies = {**self._given, **self._set}.values()
        wanted = sorted((cookie for cookie in cookies if cookie.is_for(url, now)),
                        key=lambda cookie: -len(cookie.path))
        return "; ".join("%s=%s" % cookie[:2] if cookie.name else cookie.value for cookie in wanted) or None

    def keep(self, url, headers):
        for text in headers.get_all("Set-Cookie"):
            cookie = from_header(utf8_of(text), url, self._clock())
            if cookie is not None:
                with self._lock:
                    self._set[_key(cookie)] = cookie        # an expired one hides the file's
                    if len(self._set) > MOST:
                        del self._set[next(iter(self._set))]


def _key(cookie):
    return cookie.domain, cookie.path, cookie.name


def from_header(text, url, now):
    """Return the Cookie of a Set-Cookie header, or None to ignore it (RFC 6265, 5.2 and 5.3)."""
    pair, *rest = text.split(";")
    name, mark, value = (part.strip(" \t") for part in pair.partition("="))
    if not mark or not name or len(name) + len(value) > LONGEST or not is_clean(text.replace("\t", " ")):
        return None
    attributes = {}
    for each in rest:
        key, _, attribute = each.partition("=")
        attributes[key.strip(" \t").lower()] = attribute.strip(" \t")
    domain, host_only = _scope(attributes.get("domain", ""), comparable(url.host))
    if domain is None:
        return None
    path = attributes.get("path", "")
    return Cookie(name, value, domain, host_only, path if path.startswith("/") else _default_path(url.path),
                  "secure" in attributes, _expiry(attributes, now))


def _scope(attribute, host):
    """Return (domain, host_only) for a Domain attribute, (None, None) if the host may not set it.

    A name without a dot, such as "com", is accepted from that very host only.
    """
    domain = comparable(attribute[attribute.startswith("."):])
    if not domain or (domain == host and "." not in domain):
        return host, True
    if "." not in domain or not _is_below(host, domain):
        return None, None
    return domain, False


def _expiry(attributes, now):
    # Max-Age overrides Expires; a malformed attribute is ignored
    age = attributes.get("max-age", "")
    if re.fullmatch("-?[0-9]+", age):
        return now + int(age[:12]) if age.strip("-0") and age[0] != "-" else float("-inf")
    date = parse_date(attributes.get("expires", ""))
    return _FOR_EVER if date is None else date


def parse_date(text):
    """Return the epoch seconds of a cookie's date, or None (RFC 6265, 5.1.1)."""
    found = {}
    for token in _DELIMITERS.split(text[:256]):
        for part in _DATE:
            match = part not in found and part.fullmatch(token)
            if match:
                found[part] = match.groups()
                break
    if len(found) < len(_DATE):
        return None
    time_of_day, (day,), (month,), (year,) = map(found.get, _DATE)
    hour, minute, second, day, year = map(int, time_of_day + (day, year))
    year += 1900 if 70 <= year <= 99 else 2000 if year < 70 else 0
    if not 1 <= day <= 31 or year < 1601 or hour > 23 or minute > 59 or second > 59:
        return None
    return timegm((year, _MONTHS.index(month.lower()) + 1, day, hour, minute, second))


def _default_path(path):
    return path.rpartition("/")[0] or "/"


def _is_under(path, above):
    # RFC 6265, 5.1.4
    return path == above or (path.startswith(above) and (above.endswith("/") or path[len(above)] == "/"))


def _is_below(host, domain):
    # RFC 6265, 5.1.3
    return host == domain or (host.endswith("." + domain) and not _is_address(host))


def _is_address(host):
    try:
        socket.inet_aton(host)
        return True
    except OSError:
        return ":" in host


def parse(text):
    """Return ([Cookie, …], numbers of the invalid lines) of a cookies.txt."""
    cookies, odd = [], []
    for number, line in lines(text):
        line = re.sub("^#HttpOnly_", "", line)
        if not line.strip() or line.startswith("#"):
            continue
        cookie = _from_fields(line.split("\t"))
        if cookie is None:
            odd.append(number)
        else:
            cookies.append(cookie)
    return cookies, odd


def _from_fields(fields):
    # the tab before an empty value or the expiry may be missing
    while len(fields) > 7 and not fields[-1].strip():
        fields.pop()
    if len(fields) == 6:
        fields = fields + [""] if _EXPIRY.fullmatch(fields[4]) else fields[:4] + [""] + fields[4:]
    if len(fields) != 7:
        return None
    domain, subdomains, path, secure, expires, name, value = (field.strip(" ") for field in fields)
    flags = [flag.upper() for flag in (subdomains, secure)]
    bare = domain.lstrip(".").strip("[]")
    if (not set(flags) <= {"TRUE", "FALSE"} or _DOMAIN.fullmatch(bare) is None or path[:1] not in ("", "/")
            or not name + value or ";" in name + value or not is_clean(name + value + path)
            or not (expires == "" or _EXPIRY.fullmatch(expires))):
        return None
    seconds, host_only = float(expires or 0), flags[0] == "FALSE" and not domain.startswith(".")
    return Cookie(name, value, comparable(bare), host_only, path or "/", flags[1] == "TRUE",
                  seconds if seconds > 0 else _FOR_EVER)
