"""The values of settings: one parser for each type.

A parser is called with a JSON value, and returns it checked or raises ValueError with the reason.
It may have `from_text`, which reads a value that is no string from a string, and `json_schema`,
which describes the values.
"""

import re

from ..masking import shown
from ..units import parse_size

_WORDS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
_FORM_WORDS = dict(_WORDS, on=True, off=False)
_CONTROL = re.compile("[\x00-\x1f\x7f]")


def parse_boolean(text, words=_WORDS):
    """Return True or False for one of the words, in any case. Raise ValueError."""
    try:
        return words[text.strip().lower()]
    except KeyError:
        raise ValueError(f"{shown(text)} is neither true nor false") from None


def check_text(value):
    """Return the string if it may stand in a header or a name. Raise ValueError."""
    if not isinstance(value, str):
        raise ValueError(f"{shown(value)} is not a string")
    if _CONTROL.search(value):
        raise ValueError(f"{shown(value)} has a control character")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError(f"{shown(value)} is not valid Unicode") from None
    return value


class Refusal(ValueError):
    """A reason that does not quote the value, which may be secret."""


class Text:
    """A string without control characters, of `least` to `most` characters."""

    def __init__(self, most=4096, least=0):
        self.json_schema = {"type": "string", "minLength": least, "maxLength": most}
        self._most, self._least = most, least

    def __call__(self, value):
        if len(check_text(value)) > self._most:
            raise ValueError(f"{shown(value)} is longer than {self._most} characters")
        if len(value) < self._least:
            raise ValueError("must not be empty")
        return value


class Pattern:
    """A string that matches a regular expression; `what` names such a string."""

    def __init__(self, pattern, what, most=255, least=0):
        self._pattern, self._what, self._text = pattern, what, Text(most, least)

    def __call__(self, value):
        if re.fullmatch(self._pattern, self._text(value)) is None:
            raise ValueError(f"{shown(value)} is not {self._what}")
        return value


class Choice:
    """One of a few words."""

    def __init__(self, *words):
        self.json_schema = {"type": "string", "enum": list(words)}
        self._words = words

    def __call__(self, value):
        if value not in self._words or not isinstance(value, str):
            raise ValueError(f"{shown(value)} is not one of {', '.join(self._words)}")
        return value


class Boolean:
    """true or false; as text, also yes, no, on, off, 1 and 0."""

    json_schema = {"type": "boolean"}

    def __call__(self, value):
        if not isinstance(value, bool):
            raise ValueError(f"{shown(value)} is neither true nor false")
        return value

    def from_text(self, text):
        return parse_boolean(text, _FORM_WORDS)


class Number:
    """A finite number within bounds; stays int or float."""

    _kinds, _noun, _type = (int, float), "number", "number"

    def __init__(self, least, most):
        self.json_schema = {"type": self._type, "minimum": least, "maximum": most}
        self._least, self._most = least, most

    def __call__(self, value):
        if isinstance(value, bool) or not isinstance(value, self._kinds) or not self._least <= value <= self._most:
            raise ValueError(f"{shown(value)} is not a {self._noun} from {self._least} to {self._most}")
        return value

    def from_text(self, text):
        for kind in self._kinds:
            try:
                return self(kind(text))
            except (ValueError, OverflowError):
                pass
        return self(text)


class Integer(Number):
    """A whole number within bounds."""

    _kinds, _noun, _type = (int,), "whole number", "integer"


class Size:
    """A number of bytes: a whole number, or a string such as "512K"."""

    _number = Integer(0, 2 ** 53)
    json_schema = {"anyOf": [_number.json_schema, {"type": "string"}]}

    def __call__(self, value):
        return self._number(parse_size(value) if isinstance(value, str) else value)


class Items:
    """A list of items that the given parser accepts; as text, separated by blanks."""

    def __init__(self, item, most):
        self.json_schema = {"type": "array", "items": json_schema(item), "maxItems": most}
        self._item, self._most = item, most

    def __call__(self, value):
        if not isinstance(value, list) or len(value) > self._most:
            raise ValueError(f"{shown(value)} is not a list of at most {self._most} strings")
        return [self._item(each) for each in value]

    def from_text(self, text):
        return self(text.split())


class Optional:
    """null, or a value that the given parser accepts."""

    def __init__(self, parser):
        self.json_schema = {"anyOf": [json_schema(parser), {"type": "null"}]}
        self._parser = parser

    def __call__(self, value):
        return None if value is None else self._parser(value)

    def from_text(self, text):
        return from_text(self._parser, text)


def json_schema(parse):
    """Return the JSON Schema of a parser's values; a plain function takes a string."""
    return dict(getattr(parse, "json_schema", {"type": "string"}))


def from_text(parse, text):
    """Return the value that a string has for a parser. Raise ValueError."""
    return getattr(parse, "from_text", parse)(text)
