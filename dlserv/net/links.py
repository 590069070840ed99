"""Link fields of a response (RFC 8288), and the mirrors that they name (RFC 6249). Pure."""

import re
from collections import namedtuple
from itertools import islice

from .. import urls
from ..units import utf8_of
from .head import unescaped
from .remote_file import strongest_digest

MOST_LINKS = 1000       # of one response
LAST = 999999           # the priority of a mirror without one

# Each matches in linear time; a quoted string may lack its end.
_TARGET = re.compile(r"\s*<([^<>]*)>")
_PARAMETER = re.compile(r'\s*;\s*(?:([\w!#$%&\'*+.^`|~-]+)'
                        r'(?:\s*=\s*(?:"([^"\\]*(?:\\.[^"\\]*)*)"?|([^\s;,"]*)))?)?', re.DOTALL)
_REST = re.compile(r'(?:[^",]+|"[^"\\]*(?:\\.[^"\\]*)*"?)*(?:,[,\s]*)?', re.DOTALL)


# The Link fields of one response: its URL, their values, the digest of the file or None.
Told = namedtuple("Told", "url links digest")
# A URI reference, and {lower-case name: value or ""}.
Link = namedtuple("Link", "target parameters")


def told(url, headers):
    """Return [the Told of a response], or [] if it has no Link."""
    values = headers.get_all("Link")
    return [Told(url, tuple(values), strongest_digest(headers, whole=False))] if values else []


def parse_links(values):
    """Yield the Links in the values of Link fields, without malformed ones."""
    for value in values:
        position, value = 0, utf8_of(value)
        while position < len(value):
            target = _TARGET.match(value, position)
            parameters = {}
            position = target.end() if target else position
            match = target and _PARAMETER.match(value, position)
            while match:
                name, quoted, token = match.groups()
                if name:
                    parameters.setdefault(name.lower(), token or "" if quoted is None else unescaped(quoted))
                position = match.end()
                match = _PARAMETER.match(value, position)
            if target:
                yield Link(target.group(1).strip(), parameters)
            position = max(position + 1, _REST.match(value, position).end())


def mirrors(told):
    """Return the URLs of the mirrors that a Told names, the best first."""
    links = sorted(islice(parse_links(told.links), MOST_LINKS), key=_rank)
    return list(dict.fromkeys(filter(None, (_url_of(told.url, link) for link in links))))


def _url_of(context, link):
    """Return the URL of a mirror that is as safe as `context`, or None."""
    if "duplicate" not in link.parameters.get("rel", "").lower().split():
        return None
    try:
        if "anchor" in link.parameters and str(urls.follow(context, link.parameters["anchor"])) != str(context):
            return None
        there = urls.follow(context, link.target)
    except ValueError:
        return None
    safe = ("https", "ftps") if context.scheme == "https" else (context.scheme, "https", "ftps")
    return there if there.scheme in safe and there.user is None and str(there) != str(context) else None


def _rank(link):
    """Return a mirror's key for sorting: preferred ones, then by `pri`."""
    priority = link.parameters.get("pri", "")
    known = re.fullmatch("[0-9]{1,6}", priority) and int(priority)
    return "pref" not in link.parameters, known or LAST
