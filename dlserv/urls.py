"""Check, encode, split and display URLs. No host name is resolved here."""

import re
import socket
from collections import namedtuple
from urllib.parse import quote, unquote

from .contract import BLANKS
from .idn import to_ascii
from .masking import hide, is_secret
from .masking import shown as json_text
from .units import utf8_of

DEFAULT_PORTS = {"http": 80, "https": 443, "ftp": 21, "ftps": 21, "socks5": 1080, "socks5h": 1080}
SCHEMES = ("http", "https", "ftp", "ftps")              # what can be fetched
PROXY_SCHEMES = ("http", "https", "socks5", "socks5h")
LONGEST = 8192

# Characters that stay unencoded in a path or query; "%" because escapes are kept.
_SAFE = "/%:=&?~+!$,;'@()*[]"
_ENCODED = re.compile(r"[A-Za-z0-9_.~/%:=&?+!$,;'@()*\[\]-]*")        # needs no encoding: most are so
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#\\]*)([^?#]*)(\?[^#]*)?(?:#.*)?", re.DOTALL)
_AUTHORITY = re.compile(r"(?:(.*)@)?(\[[^\[\]@]*\]|[^:@\[\]]*)(?::([0-9]*))?", re.DOTALL)
_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_.])?")
_REFERENCE = re.compile(r"(?:([A-Za-z][A-Za-z0-9+.-]*):)?(?://([^/?#]*))?([^?#]*)(\?[^#]*)?(?:#.*)?",
                        re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff]")
# A name as long as the shortest secret one, "key", and "=" if a value follows; matches in linear time.
_NAME = re.compile("([^=?]{3,})(=?)")
_SURROGATE = re.compile("[\ud800-\udfff]")
# One escaped character of UTF-8, and a run of them; decoding rejects what only has the form.
_ESCAPED = re.compile("%[0-7][0-9a-f]|%[cd].%[89ab].|%e.%[89ab].%[89ab].|%f[0-7]%[89ab].%[89ab].%[89ab]."
                      .replace(".", "[0-9a-f]"), re.IGNORECASE)
_ESCAPES = re.compile("(?:%s)+" % _ESCAPED.pattern, re.IGNORECASE)


class URL(namedtuple("URL", "scheme user password host port target")):
    """A URL's parts, safe to write into a request: `host` without brackets, `target` = path and query, all ASCII.

    `user` and `password` are decoded, or None.
    """

    __slots__ = ()

    @property
    def origin(self):
        """(scheme, host, port), to which credentials are bound (RFC 6454)."""
        return self.scheme, self.host, self.port

    @property
    def endpoint(self):
        """host:port, even of the scheme's default port."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def netloc(self):
        """host[:port] as in an absolute URL."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def host_header(self):
        """netloc without an IPv6 zone, which only this machine knows (RFC 6874, 4)."""
        netloc = self.netloc
        return re.sub(r"%[^\]]*\]", "]", netloc) if "%" in netloc else netloc

    def __str__(self):
        """Return the URL without its userinfo."""
        return f"{self.scheme}://{self.netloc}{self.target}"

    @property
    def path(self):
        return self.target.partition("?")[0]


def parse(text, schemes=SCHEMES):
    """Return the URL in a user's text, which may be an IRI. Raise ValueError with the reason."""
    if not isinstance(text, (str, type(None))):
        raise ValueError("is not a string")
    text = (text or "").strip(BLANKS)
    if not text:
        raise ValueError("is missing; give an absolute URL")
    if len(text) > LONGEST:
        raise ValueError("is longer than %d characters" % LONGEST)
    if not (text.isascii() and text.isprintable()):     # nearly all are both
        if _CONTROL.search(text):
            raise ValueError("has a control character; encode it as %XX")
        if _SURROGATE.search(text):
            raise ValueError("is not valid Unicode")
    return _split(text, schemes)


def follow(base, location, schemes=SCHEMES):
    """Return the URL that a Location header leads to from `base`, leniently. Raise ValueError with the reason."""
    there = _resolve(base, re.sub(r"[\x00-\x1f\x7f]", "", utf8_of(location).strip()))
    if len(there) > LONGEST:
        raise ValueError("is longer than %d characters" % LONGEST)
    return _split(there, schemes)


def _resolve(base, reference):
    """Return the reference as an absolute URL (RFC 3986, 5.2); "http:path" counts as relative (5.2.2)."""
    scheme, authority, path, query = _REFERENCE.fullmatch(reference).groups()
    if authority is None and scheme and scheme.lower() != base.scheme:
        return reference        # the caller rejects it
    if authority is None and not path:
        path, query = base.path, query or base.target[len(base.path):]
    elif authority is None:
        path = path if path.startswith("/") else base.path.rpartition("/")[0] + "/" + path
    authority = base.netloc if authority is None else authority
    return f"{scheme or base.scheme}://{authority}{_without_dots(path)}{query or ''}"


def _without_dots(path):
    """Return the path with its "." and ".." segments resolved, empty ones kept (RFC 3986, 5.2.4)."""
    if "/." not in path:
        return path
    kept, segments = [], path.split("/")[1:]
    for segment in segments:
        if segment not in (".", ".."):
            kept.append(segment)
        elif segment == ".." and kept:
            kept.pop()
    if segments[-1] in (".", ".."):
        kept.append("")
    return "/" + "/".join(kept)


def check_url(text, schemes=SCHEMES):
    """Return the text without surrounding blanks if it is a URL; a parser for schema.Field."""
    try:
        parse(text, schemes)
    except ValueError as error:
        quoted = json_text(shown(text) if isinstance(text, str) else text)
        raise ValueError(f"{quoted} {error}") from None
    return text.strip(BLANKS)


def check_proxy(text):
    """Return a proxy's URL, or "" for none; a parser for schema.Field."""
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
    target = (path or "/") + (query or "")
    if _ENCODED.fullmatch(target) is None:
        target = quote(target, safe=_SAFE)
    user, _, password = (None, None, None) if userinfo is None else map(unquote, userinfo.partition(":"))
    return URL(scheme, user, password, _host(host), _port(port, scheme), target)


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
    host = to_ascii(host)
    if _HOST.fullmatch(host) is None or ".." in host or len(host) > 254:
        raise ValueError("has a host that is neither a name nor an address")
    return host


def _ipv6(text):
    address, percent, zone = text.partition("%")
    try:
        socket.inet_pton(socket.AF_INET6, address)
    except (OSError, UnicodeError):
        raise ValueError("has a host that is not an IPv6 address") from None
    if percent and re.fullmatch(r"(?:25)?[A-Za-z0-9_.-]+", zone) is None:
        raise ValueError("has an IPv6 zone that cannot be understood")
    return address.lower() + (percent + zone[2 * zone.startswith("25"):] if percent else "")


def shown(text):
    """Return a URL, valid or not, without its userinfo and with the secrets in its query masked."""
    text = text.strip(BLANKS)
    if "@" not in text and "?" not in text and "#" not in text:     # most are so, and lists show many
        return text
    before, rest = re.match(r"((?:[A-Za-z][A-Za-z0-9+.-]*:)?[/\\]*)(?:[^/\\?#]*@)?(.*)", text, re.DOTALL).groups()
    if "@" in rest:
        try:
            parse(text)
        except ValueError:      # the password may contain a / or ?
            rest = rest.rpartition("@")[2]
    text = before + rest
    match = re.search("[?#]", text)
    if match is None:
        return text
    pairs = re.split("([&;#])", text[match.end():])
    return text[:match.end()] + "".join(map(_mask_pair, pairs))


def _mask_pair(text):
    """Mask the value of a secret "name=value", also within a URL that is a value; in linear time."""
    for match in _NAME.finditer(text):
        if match.group(2) and is_secret(unquote(match.group(1))):
            return text[:match.end()] + hide(text[match.end():])
    return text


def file_name(text):
    """Return the decoded last segment of the URL's path, or "". Keep escapes that are not UTF-8."""
    match = _URL.fullmatch(text)
    name = (match.group(3) if match else text).rpartition("/")[2]
    return _ESCAPES.sub(_decode, name) if "%" in name else name


def _decode(match):
    try:
        return bytes.fromhex(match.group().replace("%", "")).decode("utf-8")
    except UnicodeDecodeError:      # a part of the run only looks like UTF-8
        return match.group() if match.re is _ESCAPED else _ESCAPED.sub(_decode, match.group())
