"""Cookies: those of a cookies.txt, and those that servers set on the way to a file.

http.cookiejar knows the rules of domain, path and time; it is loaded when the first
cookie is.
"""

import re

from ..errors import Permanent


def read_file(path):
    """The http.cookiejar.Cookies of a Netscape cookies.txt. Raises Permanent.

    Read here because the library's reader drops HttpOnly cookies on Python 3.8 and 3.9
    and refuses a file without the comment on its first line.
    """
    try:
        with open(path, encoding="utf-8") as file:
            lines = file.read().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise Permanent("the cookies in %s cannot be read: %s" % (path, error)) from error
    cookies = []
    for number, line in enumerate(lines, 1):
        line = re.sub("^#HttpOnly_", "", line)
        if not line.strip() or line.startswith("#"):
            continue
        fields = line.split("\t")
        if len(fields) != 7 or not re.fullmatch("[0-9]*", fields[4]):
            raise Permanent("line %d of %s is not a cookie" % (number, path))
        cookies.append(_cookie(*fields))
    return cookies


def _cookie(domain, subdomains, path, secure, expires, name, value):
    from http.cookiejar import Cookie
    dotted = subdomains == "TRUE"
    domain = "." + domain.lstrip(".") if dotted else domain
    expires = int(expires or 0) or None
    return Cookie(0, name, value, None, False, domain, dotted, dotted, path, bool(path),
                  secure == "TRUE", expires, expires is None, None, None, {})


class Jar:
    """The cookies of one chain of redirects, on top of those of a file."""

    def __init__(self, cookies=()):
        self._cookies, self._jar = cookies, None

    def header(self, url):
        """The Cookie header for a request, or None."""
        if self._jar is None and not self._cookies:
            return None
        request = _Request(url)
        self._open().add_cookie_header(request)
        return request.headers.get("Cookie")

    def keep(self, url, headers):
        """Take the cookies that a response sets; `headers` is a head.Fields."""
        if headers.get("Set-Cookie") is not None:
            self._open().extract_cookies(_Response(headers), _Request(url))

    def _open(self):
        if self._jar is None:
            from http.cookiejar import CookieJar
            self._jar = CookieJar()
            for cookie in self._cookies:
                self._jar.set_cookie(cookie)
            self._jar.clear_expired_cookies()
        return self._jar


class _Response:
    def __init__(self, headers):
        self._headers = headers

    def info(self):
        return self._headers


class _Request:
    """The face of urllib.request.Request that a CookieJar looks at."""

    unverifiable = False

    def __init__(self, url):
        self._url, self.headers = str(url), {}
        self.type, self.host, self.origin_req_host = url.scheme, url.netloc, url.host

    def get_full_url(self):
        return self._url

    def get_header(self, name, default=None):
        return self.headers.get(name, default)

    def has_header(self, name):
        return name in self.headers

    def add_unredirected_header(self, name, value):
        self.headers[name] = value

    def header_items(self):
        return list(self.headers.items())
