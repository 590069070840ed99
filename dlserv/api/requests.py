"""A request's query and body as checked values. Knows no socket and no task.

Every wrong value is an InvalidValue that names the field it came in; a body of the wrong
type is a WrongType.
"""

import json
import re
from collections import namedtuple
from urllib.parse import parse_qsl

from ..errors import InvalidValue, RequestError
from ..masking import shown
from ..settings.schema import parse_boolean

DEEPEST = 32            # levels of nesting in a JSON body
_LONGEST_NUMBER = 400   # digits; int() of more takes quadratic time on older Pythons
_FORM = "application/x-www-form-urlencoded"


class WrongType(RequestError):
    """The body is of a media type that this route does not read: 415."""


class NoLength(RequestError):
    """The body is missing: 411."""


class Request(namedtuple("Request", "method path query headers body server")):
    """`query` is {name: last value}, `headers` {lower name: value}, `body` bytes.

    `server` is what routes may ask besides the daemon: its `feed` and its count of `replies`.
    """

    __slots__ = ()

    def __new__(cls, method, path, query, headers, body=b"", server=None):
        return super().__new__(cls, method, path, query, headers, body, server)

    def boolean(self, *names, default):
        """The boolean by any of the names in the query."""
        for name in names:
            if name in self.query:
                try:
                    return parse_boolean(self.query[name])
                except ValueError as error:
                    raise InvalidValue(name, str(error)) from None
        return default

    def integer(self, name, default):
        """The whole number in the query, 0 or more."""
        text = self.query.get(name)
        if text is None:
            return default
        if re.fullmatch("[0-9]{1,15}", text) is None:
            raise InvalidValue(name, "%s is not a whole number from 0 to 999999999999999" % shown(text))
        return int(text)

    def choice(self, name, words, default=None):
        """One of the words; without a default the query must have it."""
        word = self.query.get(name, default)
        if word not in words:
            raise InvalidValue(name, "%s is not one of %s" % (
                "nothing" if word is None else shown(word), ", ".join(words)))
        return word

    @property
    def is_form(self):
        return self._media_type() == _FORM

    def json(self):
        """The body as JSON. Raises WrongType, NoLength or InvalidValue."""
        if not self.body:
            if not {"content-length", "transfer-encoding"} & set(self.headers):
                raise NoLength("this request needs a body and its Content-Length")
            raise InvalidValue("body", "it is empty; JSON is needed")
        kind = self._media_type()
        if kind == _FORM and self.body.lstrip()[:1] in (b"{", b"["):
            raise InvalidValue("body", "this is JSON sent as a form; send it with "
                                       "Content-Type: application/json")
        if kind not in ("", "application/json") or not self._is_utf8():
            raise WrongType("the body must be application/json in UTF-8, not %s"
                            % shown(self.headers.get("content-type", "")))
        return parse_json(self.body)

    def form(self):
        """The body as {name: value}; a name that comes again has its values joined by a line end."""
        if self.body.lstrip()[:1] in (b"{", b"["):
            self.json()
        try:
            pairs = parse_qsl(self.body.decode("utf-8").strip("&"), keep_blank_values=True,
                              strict_parsing=bool(self.body), errors="strict", max_num_fields=200)
        except UnicodeDecodeError:
            raise InvalidValue("body", "it is not UTF-8") from None
        except ValueError:
            raise InvalidValue("body", "it is not a form: name=value&…, at most 200 of them") from None
        fields = {}
        for name, value in pairs:
            fields[name] = fields[name] + "\n" + value if name in fields else value
        return fields

    def _media_type(self):
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def _is_utf8(self):
        match = re.search(r'charset="?([^\s";]+)', self.headers.get("content-type", ""), re.IGNORECASE)
        return match is None or match.group(1).lower() in ("utf-8", "utf8", "us-ascii")


def parse_query(text):
    """{name: last value}. Raises InvalidValue."""
    try:
        return dict(parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=100))
    except ValueError:
        raise InvalidValue("query", "it is not encoded as UTF-8, or too long") from None


def parse_json(data):
    """What the bytes say. Raises InvalidValue for everything that is not plain, finite JSON."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidValue("body", "it is not UTF-8") from None
    if _depth(text) > DEEPEST:
        raise InvalidValue("body", "it is nested deeper than %d levels" % DEEPEST)
    try:
        value = json.loads(text, parse_constant=_refuse, parse_int=_parse_int)
    except ValueError as error:
        raise InvalidValue("body", "it is not JSON: %s" % error) from None
    return value


def _refuse(word):
    raise ValueError("%s is not a number that JSON knows" % word)


def _parse_int(digits):
    if len(digits) > _LONGEST_NUMBER:
        raise ValueError("a number has more than %d digits" % _LONGEST_NUMBER)
    return int(digits)


def _depth(text):
    """How deep the brackets nest, strings aside; json itself would recurse."""
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
