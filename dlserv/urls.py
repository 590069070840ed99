"""URLs: checked, encoded, split, and made fit to be shown.

`parse` takes what a person posts (an IRI may be among it) and gives a `URL` whose
parts are ASCII and safe to write into a request; `follow` does the same, leniently,
for a Location header. Pure: no name is resolved here.
"""

import re
import socket
from collections import namedtuple
from urllib.parse import quote, unquote, urljoin

from .masking import MASK, is_secret
from .masking import shown as json_text
from .units import utf8_of

DEFAULT_PORTS = {"http": 80, "https": 443, "ftp": 21, "ftps": 21, "socks5": 1080, "socks5h": 1080}
SCHEMES = ("http", "https", "ftp", "ftps")              # what can be fetched
PROXY_SCHEMES = ("http", "https", "socks5", "socks5h")
LONGEST = 8192

# What may stand unencoded in a path or a query; "%" because escapes are kept as they are.
_SAFE = "/%:=&?~+!$,;'@()*[]"
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#\\]*)([^?#]*)(\?[^#]*)?(?:#.*)?", re.DOTALL)
_AUTHORITY = re.compile(r"(?:(.*)@)?(\[[^\[\]@]*\]|[^:@\[\]]*)(?::([0-9]*))?", re.DOTALL)
_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_.])?")
_BLANK_OR_CONTROL = re.compile(r"[\x00-\x20\x7f-\xa0\u2028\u2029\u3000\ufeff]")
_SHORTEST_SECRET = len("key")       # of the names that is_secret knows
_SURROGATE = re.compile("[\ud800-\udfff]")


class URL(namedtuple("URL", "scheme user password host port target")):
    """A URL's parts: `host` without brackets, `target` = path and query, all ASCII.

    `user` and `password` are decoded, or None where the URL has none.
    """

    __slots__ = ()

    @property
    def origin(self):
        """What credentials are bound to (RFC 6454)."""
        return self.scheme, self.host, self.port

    @property
    def netloc(self):
        """host[:port] as an absolute URL writes it."""
        host = "[%s]" % self.host if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else "%s:%d" % (host, self.port)

    @property
    def host_header(self):
        """netloc without an IPv6 zone, which means nothing to the server (RFC 6874, 4)."""
        return re.sub(r"%[^\]]*\]", "]", self.netloc)

    def __str__(self):
        """The URL without its userinfo."""
        return "%s://%s%s" % (self.scheme, self.netloc, self.target)

    @property
    def path(self):
        return self.target.partition("?")[0]


def parse(text, schemes=SCHEMES):
    """The URL a person gave. Raises ValueError with the reason."""
    if text is None or text == "":
        raise ValueError("is missing; give an absolute URL")
    if not isinstance(text, str):
        raise ValueError("is not a string")
    if len(text) > LONGEST:
        raise ValueError("is longer than %d characters" % LONGEST)
    if _BLANK_OR_CONTROL.search(text):
        raise ValueError("has a blank or a control character; encode it as %XX")
    if _SURROGATE.search(text):
        raise ValueError("is not valid Unicode")
    return _split(text, schemes)


def follow(base, location, schemes=SCHEMES):
    """Where a Location header leads from `base`. Raises ValueError with the reason."""
    location = re.sub(r"[\x00-\x1f\x7f]", "", utf8_of(location).strip())
    try:
        there = urljoin(str(base), location)
    except ValueError:      # not in words that end our sentence
        raise ValueError("has a host that cannot be understood") from None
    return _split(there[:LONGEST], schemes)


def check_url(text, schemes=SCHEMES):
    """The text itself if `parse` takes it; a parser for schema.Field."""
    try:
        parse(text, schemes)
    except ValueError as error:
        quoted = json_text(shown(text) if isinstance(text, str) else text)
        raise ValueError("%s %s" % (quoted, error)) from None
    return text


def check_proxy(text):
    """A proxy's URL, or "" for none; a parser for schema.Field."""
    return check_url(text, PROXY_SCHEMES) if text != "" else text


def _split(text, schemes):
    match = _URL.fullmatch(text)
    if match is None:
        raise ValueError("is not an absolute URL such as https://host/path")
    scheme, authority, path, query = match.groups()
    if path.startswith("\\"):
        raise ValueError("has a backslash where its path begins")
    scheme = scheme.lower()
    if scheme not in schemes:
        raise ValueError("has the scheme %r, not %s" % (scheme[:20], " or ".join(schemes)))
    match = _AUTHORITY.fullmatch(authority)
    if match is None:
        raise ValueError("has a host that cannot be understood")
    userinfo, host, port = match.groups()
    user, password = _userinfo(userinfo)
    return URL(scheme, user, password, _host(host), _port(port, scheme),
               _encode(path or "/") + _encode(query or ""))


def _userinfo(text):
    if text is None:
        return None, None
    user, _, password = text.partition(":")
    return unquote(user), unquote(password)


def _port(text, scheme):
    port = int(text.lstrip("0")[:6] or 0) if text else DEFAULT_PORTS[scheme]
    if not 0 < port < 65536:
        raise ValueError("has the port %s; ports go from 1 to 65535" % text[:20])
    return port


def _host(host):
    if not host:
        raise ValueError("has no host")
    if host.startswith("["):
        return _ipv6(host[1:-1])
    if not host.isascii():
        host = _idna(host)
    if _HOST.fullmatch(host) is None or ".." in host or len(host) > 254:
        raise ValueError("has a host that is neither a name nor an address")
    return host.lower()


def _ipv6(text):
    address, percent, zone = text.partition("%")
    try:
        socket.inet_pton(socket.AF_INET6, address)
    except (OSError, UnicodeError):
        raise ValueError("has a host that is not an IPv6 address") from None
    if percent and re.fullmatch(r"(?:25)?[A-Za-z0-9_.-]+", zone) is None:
        raise ValueError("has an IPv6 zone that cannot be understood")
    return address.lower() + (percent + zone[2 * zone.startswith("25"):] if percent else "")


class NeedsCodec(ValueError):
    """This Python lacks what a host name outside ASCII takes."""


def _idna(host):
    try:
        return host.encode("idna").decode("ascii")
    except LookupError:
        raise NeedsCodec("has a host name outside ASCII; for that, install python3-codecs here") from None
    except UnicodeError:
        raise ValueError("has a host that is not a valid international name") from None


def _encode(text):
    return quote(text, safe=_SAFE)


def shown(text):
    """The URL, or what was meant for one, as anyone may see it: no userinfo, secrets in the query masked."""
    text = text.strip()
    before, rest = re.match(r"((?:[A-Za-z][A-Za-z0-9+.-]*:)?[/\\]*)(?:[^/\\?#]*@)?(.*)", text, re.DOTALL).groups()
    if "@" in rest:
        try:
            parse(text)
        except ValueError:      # a password may have had a / or ? in it
            rest = rest.rpartition("@")[2]
    text = before + rest
    match = re.search("[?#]", text)
    if match is None:
        return text
    pairs = re.split("([&;#])", text[match.end():])
    return text[:match.end()] + "".join(map(_mask_pair, pairs))


def _mask_pair(text):
    """name=value, maybe of a URL in a value; every step is linear, for this may be long and hostile."""
    if len(text) <= _SHORTEST_SECRET:
        return text
    words = re.split("([=?])", text)
    for index in range(0, len(words) - 2, 2):
        name, mark = words[index:index + 2]
        if mark == "=" and len(name) >= _SHORTEST_SECRET and is_secret(unquote(name)):
            value = "".join(words[index + 2:])
            return "".join(words[:index + 2]) + (value and MASK)
    return text


def file_name(text):
    """The decoded last segment of the URL's path; "" where there is none."""
    match = _URL.fullmatch(text)
    return unquote((match.group(3) if match else text).rpartition("/")[2])
