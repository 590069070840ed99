"""A request's query and body as checked values; those of options are left to the daemon.

A wrong value or shape raises InvalidValue, which names the field.
"""

import itertools
import json
import re
from collections import namedtuple
from urllib.parse import parse_qsl

from ..errors import InvalidValue, RequestError
from ..masking import MASK, shown
from ..settings import options
from ..settings.schema import key_name
from ..settings.values import parse_boolean

DEEPEST = 32            # levels of nesting in a JSON body
MOST = 20000            # tasks, or tids, in one request
MOST_NAMED = 5          # unknown options that a note names
_LONGEST_NUMBER = 400   # digits; int() of more takes quadratic time on older Pythons
_CHARSET = re.compile(r'charset="?([^\s";]+)', re.IGNORECASE)
_FORM = "application/x-www-form-urlencoded"
_JSON = ("", "application/json")
_PATCH = _JSON + ("application/merge-patch+json",)      # RFC 7396
_FLAGS = {"true": True, "false": False}
_STEPS = {"[": 1, "{": 1, "]": -1, "}": -1}


class WrongType(RequestError):
    """415: this route does not read the media type of the body."""


class NoLength(RequestError):
    """411: the body is missing."""


class Request(namedtuple("Request", "method path query headers body server address",
                         defaults=(b"", None, None))):
    """`query` is {name: last value}, `headers` {lower name: value}, `body` bytes.

    `server` is the Server; `address` is the client's, None on a unix socket.
    """

    __slots__ = ()

    def boolean(self, *names, default=False):
        for name in names:
            if name in self.query:
                try:
                    return parse_boolean(self.query[name])
                except ValueError as error:
                    raise InvalidValue(name, str(error)) from None
        return default

    def integer(self, name, default):
        text = self.query.get(name)
        if text is None:
            return default
        if re.fullmatch("[0-9]{1,15}", text) is None:
            raise InvalidValue(name, f"{shown(text)} is not a whole number from 0 to 999999999999999")
        return int(text)

    def choice(self, name, words, default=None):
        """Return the query's value, one of the words; without a default it is required."""
        word = self.query.get(name, default)
        if word not in words:
            problem = "is missing; use one of" if word is None else f"{shown(word)} is not one of"
            raise InvalidValue(name, f"{problem} {', '.join(words)}")
        return word

    @property
    def is_form(self):
        return self._media_type() == _FORM

    def json(self):
        if not self.body:
            if not {"content-length", "transfer-encoding"} & set(self.headers):
                raise NoLength("this request needs a body and its Content-Length")
            raise InvalidValue("body", "it is empty; send JSON")
        kind = self._media_type()
        if kind == _FORM and self._looks_like_json():
            raise InvalidValue("body", "it is JSON sent as a form; send it with "
                                       "Content-Type: application/json")
        if kind not in (_PATCH if self.method == "PATCH" else _JSON) or not self._is_utf8():
            given = shown(self.headers.get("content-type", ""))
            raise WrongType(f"the body must be application/json in UTF-8, not {given}")
        return parse_json(self.body)

    def form(self):
        """Return the body as {name: value}; a line feed joins the values of a repeated name."""
        if self._looks_like_json():
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

    def _looks_like_json(self):
        return self.body.lstrip()[:1] in (b"{", b"[")

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


# -- JSON ---------------------------------------------------------------------------------

def parse_json(data):
    """Return the value of JSON in UTF-8 with finite numbers. Raise InvalidValue."""
    try:
        text = data.decode("utf-8")
        if _depth(text) > DEEPEST:
            raise InvalidValue("body", f"it is nested deeper than {DEEPEST} levels")
        return _DECODER.decode(text)
    except UnicodeDecodeError:
        raise InvalidValue("body", "it is not UTF-8") from None
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

    RecursionError is no substitute: json recurses in C, and overflows the 128 KiB stack that musl
    allots to a thread.
    """
    if text.count("[") + text.count("{") <= DEEPEST:
        return 0
    found = re.findall(r'"(?:[^"\\]|\\.)*"?|[\[\]{}]', text)
    return max(itertools.accumulate(_STEPS.get(each, 0) for each in found))


# -- the shapes of bodies -----------------------------------------------------------------

def read_task(body):
    """Return (url, options, notes) from {"url": …, "options": {…}}."""
    _check_keys(body, ("url", "options", "ydl_opts"))
    legacy = _object(body.get("ydl_opts", {}), "ydl_opts")      # older clients send it
    merged = {key: value for key, value in legacy.items() if key in options.TABLE.fields}
    unknown = [key for key in legacy if key not in merged]
    for key, value in _options(body).items():
        if value is not None or key not in merged:      # null means not given
            merged[key] = value
    return body.get("url"), merged, [_note(unknown)] if unknown else []


def _note(unknown):
    names = [key_name(key) for key in unknown[:MOST_NAMED]]
    if len(unknown) > MOST_NAMED:
        names.append(f"{len(unknown) - MOST_NAMED} more")
    return f"ydl_opts: ignored options that dlserv does not have: {', '.join(names)}"


def read_form(fields):
    """Return (url, options, notes) from a form, whose other fields are options."""
    fields = dict(fields)
    return fields.pop("url", None), options.parse(fields, text=True), []


def repeated(task, repeat):
    """Return (url, options, notes) with the option `repeat`, if the query has it."""
    url, posted, notes = task
    return (url, dict(posted, repeat=True), notes) if repeat else task


def read_change(body):
    """Return (url or None, options) from {"url": …, "options": {…}}, each of which may be missing."""
    _check_keys(body, ("url", "options"))
    return body.get("url"), _options(body)


def read_list(body):
    _check_keys(body, ("tasks",))
    return _listed(body, "tasks")


def read_batch(body):
    """Return (tids, del_file) from {"tids": […], "del_file": …} or the bare list."""
    if isinstance(body, list):
        body = {"tids": body}
    _check_keys(body, ("tids", "del_file"))
    tids = _listed(body, "tids")
    for tid in tids:
        if not isinstance(tid, str):
            raise InvalidValue("tids", f"{shown(tid)} is not a tid, which has 40 hexadecimal digits")
    return tids, _read_flag(body.get("del_file", False))


def _check_keys(body, known):
    if not isinstance(body, dict):
        raise InvalidValue("body", f"{shown(body)} is not an object with {' or '.join(known)}")
    for key in body:
        if key not in known:
            raise InvalidValue(key_name(key), f"there is no such key; there are {', '.join(known)}")


def _options(body):
    posted = body.get("options")
    posted = {} if posted is None else _object(posted, "options")
    for name, value in posted.items():
        if re.search(r'["=]\*{3}["&]', json.dumps(value)):        # also in headers, and in URLs
            raise InvalidValue(f"options.{key_name(name)}", f"{MASK} only stands for a secret; leave the key out")
    return posted


def _object(value, key):
    if not isinstance(value, dict):
        raise InvalidValue(key, f"{shown(value)} is not an object")
    return value


def _listed(body, key):
    listed = body.get(key)
    if not isinstance(listed, list):
        raise InvalidValue(key, f"{shown(listed)} is not a list of {key}")
    if len(listed) > MOST:
        raise InvalidValue(key, f"there are {len(listed)}; send at most {MOST} at a time")
    return listed


def _read_flag(value):
    flag = _FLAGS.get(value.lower()) if isinstance(value, str) else value
    if not isinstance(flag, bool):
        raise InvalidValue("del_file", f"{shown(value)} is neither true nor false")
    return flag
