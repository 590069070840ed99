"""A request's query and body as checked values. Knows no socket and no task.

A wrong value raises InvalidValue, which names its field; a body of another media type
raises WrongType, a missing one NoLength.
"""

import json
import re
from collections import namedtuple
from urllib.parse import parse_qsl

from ..errors import InvalidValue, RequestError
from ..masking import shown
from ..settings.values import parse_boolean

DEEPEST = 32            # levels of nesting in a JSON body
_LONGEST_NUMBER = 400   # digits; int() of more takes quadratic time on older Pythons
_CHARSET = re.compile(r'charset="?([^\s";]+)', re.IGNORECASE)
_FORM = "application/x-www-form-urlencoded"
_JSON = ("", "application/json")
_PATCH = _JSON + ("application/merge-patch+json",)      # RFC 7396


class WrongType(RequestError):
    """The body has a media type that this route does not read: 415."""


class NoLength(RequestError):
    """The body is missing: 411."""


class Request(namedtuple("Request", "method path query headers body server address")):
    """`query` is {name: last value}, `headers` {lower name: value}, `body` bytes.

    `server` is the Server that routes may use next to the daemon; `address` is the
    client's, None on a unix socket.
    """

    __slots__ = ()

    def __new__(cls, method, path, query, headers, body=b"", server=None, address=None):
        return super().__new__(cls, method, path, query, headers, body, server, address)

    def boolean(self, *names, default):
        """Return the boolean under the first of the names that the query has."""
        for name in names:
            if name in self.query:
                try:
                    return parse_boolean(self.query[name])
                except ValueError as error:
                    raise InvalidValue(name, str(error)) from None
        return default

    def integer(self, name, default):
        """Return the whole number under the name, 0 or more."""
        text = self.query.get(name)
        if text is None:
            return default
        if re.fullmatch("[0-9]{1,15}", text) is None:
            raise InvalidValue(name, f"{shown(text)} is not a whole number from 0 to 999999999999999")
        return int(text)

    def choice(self, name, words, default=None):
        """Return the query's value, one of the words; without a default it is required."""
        word = self.query.get(name, default)
        if word is None:
            raise InvalidValue(name, f"is missing; use one of {', '.join(words)}")
        if word not in words:
            raise InvalidValue(name, f"{shown(word)} is not one of {', '.join(words)}")
        return word

    @property
    def is_form(self):
        return self._media_type() == _FORM

    def json(self):
        """Return the body parsed as JSON. Raise WrongType, NoLength or InvalidValue."""
        if not self.body:
            if not {"content-length", "transfer-encoding"} & set(self.headers):
                raise NoLength("this request needs a body and its Content-Length")
            raise InvalidValue("body", "it is empty; send JSON")
        kind = self._media_type()
        if kind == _FORM and self.body.lstrip()[:1] in (b"{", b"["):
            raise InvalidValue("body", "it is JSON sent as a form; send it with "
                                       "Content-Type: application/json")
        if kind not in (_PATCH if self.method == "PATCH" else _JSON) or not self._is_utf8():
            given = shown(self.headers.get("content-type", ""))
            raise WrongType(f"the body must be application/json in UTF-8, not {given}")
        return parse_json(self.body)

    def form(self):
        """Return the body as {name: value}; the values of a repeated name are joined by a line feed."""
        if self.body.lstrip()[:1] in (b"{", b"["):
            self.json()
        try:
            pairs = parse_qsl(self.body.decode("utf-8").strip("&"), keep_blank_values=True,
                              strict_parsing=bool(self.body), errors="strict", max_num_fields=200)
        except UnicodeDecodeError:
            raise InvalidValue("body", "it is not UTF-8") from None
        except ValueError:
            raise InvalidValue("body", "it is not a form of at most 200 fields: name=value&…") from None
        fields = {}
        for name, value in pairs:
            fields[name] = fields[name] + "\n" + value if name in fields else value
        return fields

    def _media_type(self):
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def _is_utf8(self):
        match = _CHARSET.search(self.headers.get("content-type", ""))
        return match is None or match.group(1).lower() in ("utf-8", "utf8", "us-ascii")


def parse_query(text):
    """Return {name: last value}. Raise InvalidValue."""
    if not text:
        return {}
    try:
        return dict(parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=100))
    except ValueError:
        raise InvalidValue("query", "it is not encoded as UTF-8, or has more than 100 parameters") from None


def parse_json(data):
    """Return the value of JSON in UTF-8 with finite numbers. Raise InvalidValue."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidValue("body", "it is not UTF-8") from None
    if _depth(text) > DEEPEST:
        raise InvalidValue("body", f"it is nested deeper than {DEEPEST} levels")
    try:
        return _DECODER.decode(text)
    except ValueError as error:
        raise InvalidValue("body", f"it is not JSON: {error}") from None


def _refuse(word):
    raise ValueError(f"{word} is not a number in JSON")


def _parse_int(digits):
    if len(digits) > _LONGEST_NUMBER:
        raise ValueError(f"a number has more than {_LONGEST_NUMBER} digits")
    return int(digits)


_DECODER = json.JSONDecoder(parse_constant=_refuse, parse_int=_parse_int)


def _depth(text):
    """Return how deep the brackets nest outside strings.

    RecursionError is no substitute: the json module recurses in C, and the 128 KiB stack
    that musl (OpenWrt, Alpine) allots to a thread overflows long before the limit.
    """
    if text.count("[") + text.count("{") <= DEEPEST:
        return 0
    depth = deepest = 0
    for bracket in re.findall(r'"(?:[^"\\]|\\.)*"?|[\[\]{}]', text):
        if bracket in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif bracket in "]}":
            depth -= 1
    return deepest
