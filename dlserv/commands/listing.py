"""The files and folders that directory listings name below the URL where a walk began. Pure.

A link counts if it has the origin of the start, goes on below its path, and has no query. Paths are
compared decoded; a separator in a segment, or a "." or ".." in disguise, disqualifies the link.
"""

import re
from collections import namedtuple
from html.parser import HTMLParser
from urllib.parse import quote, unquote_to_bytes

from .. import urls
from ..net.ftp import path_of

MOST_LINKS = 100000     # of one page
_ESCAPE = re.compile("%([0-9A-Fa-f]{2})")
_UNRESERVED = re.compile("[A-Za-z0-9._~-]")
_ODD = re.compile(rb"\.{0,2}|.*[/\\\0].*", re.DOTALL)      # no name: empty, a dot segment, or more than one
_PAGES = (".html", ".htm", ".php", ".asp", ".aspx")


# `url` is normalised; `names` are the decoded segments below the start, `key` is for comparison.
Link = namedtuple("Link", "url names is_folder key")


class Bounds:
    """The URL of the folder where a walk starts, and all below it; `page`, that or one in it, is read first."""

    def __init__(self, url):
        url = urls.follow(url, str(url))        # without dot segments
        path = path_of(url) if url.scheme.startswith("ftp") else ""
        target = "/" + quote(path, "/", "latin-1") if path else _normal(url.path)
        head, _, last = target.rpartition("/")
        is_page = last.lower().endswith(_PAGES)
        target = head + "/" if is_page or not last else target + "/"
        self.start = url._replace(user=None, password=None, target=target)
        self.page = self.start._replace(target=url.target) if is_page else self.start
        self._before = _segments(target)[:-1]

    def link(self, url):
        """Return the Link, or None unless it is the start or lies below it."""
        segments = _segments(url.path)
        count = len(self._before)
        if url.origin != self.start.origin or url.user is not None or "?" in url.target \
                or segments[:count] != self._before or len(segments) == count:
            return None
        below = segments[count:]
        is_folder = not below[-1]
        if any(map(_ODD.fullmatch, below[:-1] if is_folder else below)):
            return None
        target = self.start.target + _normal(url.path.split("/", count + 1)[-1])
        names = [urls.file_name(quote(each)) for each in below]
        return Link(self.start._replace(target=target), names[:-1] if is_folder else names, is_folder,
                    b"/".join(below))


def _segments(path):
    """Return the decoded segments; the last one is empty if the path ends with a slash."""
    return [unquote_to_bytes(each) for each in path.split("/")[1:]]


def _normal(path):
    """Return the path with only those escapes that it needs, in upper case (RFC 3986, 6.2.2)."""
    return _ESCAPE.sub(_normal_escape, path)


def _normal_escape(match):
    char = chr(int(match.group(1), 16))
    return char if _UNRESERVED.fullmatch(char) else match.group().upper()


def links_of_page(bounds, url, page):
    """Return (the Links of the page, which is bytes; whether these are all)."""
    try:
        text = page.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = page.decode("latin-1")
    anchors = _Anchors()
    anchors.read(text)
    base = _followed(url, anchors.base) or url
    found = [bounds.link(there) for there in (_followed(base, href) for href in anchors.hrefs) if there]
    return list(filter(None, found)), anchors.is_whole


def _followed(base, href):
    href = re.sub("[\t\r\n]", "", (href or "").strip())
    if not href or re.search("[\x00-\x1f\x7f]", href):
        return None
    try:
        return urls.follow(base, re.sub("[^\x00-\x7f]+", _quoted, href))
    except ValueError:
        return None


def _quoted(match):
    return quote(match.group(), errors="replace")


class _Anchors(HTMLParser):
    """Collects the href of `<base>` and those of all `<a>`."""

    base, is_whole = None, True

    def read(self, text):
        self.hrefs = []
        try:
            self.feed(text)     # at once and never closed, so that each byte is parsed only a few times
        except AssertionError:
            self.is_whole = False

    def error(self, message):       # which Python 3.8 and 3.9 call
        raise AssertionError(message)

    def handle_starttag(self, tag, attributes):
        href = next((value for name, value in attributes if name == "href"), None)
        if tag == "base" and self.base is None:
            self.base = href
        elif tag == "a" and href:
            if len(self.hrefs) == MOST_LINKS:
                self.error("there are too many links")
            self.hrefs.append(href)


def links_of_folder(bounds, url, entries):
    """Return the Links to the ftp_listing.Entries."""
    targets = [url.target + quote(entry.name, "") + "/" * bool(entry.is_folder) for entry in entries]
    return list(filter(None, (bounds.link(url._replace(target=target)) for target in targets)))
