"""The values of settings: one parser for each type.

A parser is a callable that takes a JSON value and returns the checked value or raises
ValueError with the reason. If its values are not strings, it also has `from_text`, which
reads them from a string. `json_schema` describes what it accepts.
"""

from ..masking import shown
from ..units import parse_size

_WORDS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
_FORM_WORDS = dict(_WORDS, on=True, off=False)


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
    if any(char < " " or char == "\x7f" for char in value):
        raise ValueError(f"{shown(value)} has a control character")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError(f"{shown(value)} is not valid Unicode") from None
    return value


class Refusal(ValueError):
    """A reason that does not quote the value, which may be secret."""


class Text:
    """A string without control characters, at most `most` characters."""

    def __init__(self, most=4096, least=0):
        self.most, self.least = most, least

    def __call__(self, value):
        check_text(value)
        if len(value) > self.most:
            raise ValueError(f"{shown(value)} is longer than {self.most} characters")
        if len(value) < self.least:
            raise ValueError("must not be empty")
        return value

    @property
    def json_schema(self):
        return {"type": "string", "minLength": self.least, "maxLength": self.most}


class Choice:
    """One of a few words."""

    def __init__(self, *words):
        self.words = words

    def __call__(self, value):
        if value not in self.words or not isinstance(value, str):
            raise ValueError(f"{shown(value)} is not one of {', '.join(self.words)}")
        return value

    @property
    def json_schema(self):
        return {"type": "string", "enum": list(self.words)}


class Boolean:
    """true or false; as text, also yes, no, on, off, 1 and 0."""

    json_schema = {"type": "boolean"}

    def __call__(self, value):
        if not isinstance(value, bool):
            raise ValueError(f"{shown(value)} is neither true nor false")
        return value

    def from_text(self, text):
        return parse_boolean(text, _FORM_WORDS)


class Integer:
    """A whole number within bounds."""

    def __init__(self, least, most):
        self.least, self.most = least, most

    def __call__(self, value):
        if isinstance(value, bool) or not isinstance(value, int) \
                or not self.least <= value <= self.most:
            raise ValueError(f"{shown(value)} is not a whole number from {self.least} to {self.most}")
        return value

    @property
    def json_schema(self):
        return {"type": "integer", "minimum": self.least, "maximum": self.most}

    def from_text(self, text):
        try:
            return self(int(text))
        except ValueError:
            return self(text)


class Number:
    """A finite number within bounds; stays int or float."""

    def __init__(self, least, most):
        self.least, self.most = least, most

    def __call__(self, value):
        if isinstance(value, bool) or not isinstance(value, (int, float)) \
                or not self.least <= value <= self.most:
            raise ValueError(f"{shown(value)} is not a number from {self.least:g} to {self.most:g}")
        return value

    @property
    def json_schema(self):
        return {"type": "number", "minimum": self.least, "maximum": self.most}

    def from_text(self, text):
        for kind in (int, float):
            try:
                return self(kind(text))
            except (ValueError, OverflowError):
                pass
        return self(text)


class Size:
    """A number of bytes: a whole number, or a string such as "512K"."""

    _number = Integer(0, 2 ** 53)
    json_schema = {"anyOf": [_number.json_schema, {"type": "string"}]}

    def __call__(self, value):
        return self._number(parse_size(value) if isinstance(value, str) else value)


class Items:
    """A list of items that the given parser accepts; as text, separated by blanks."""

    def __init__(self, item, most):
        self.item, self.most = item, most

    def __call__(self, value):
        if not isinstance(value, list) or len(value) > self.most:
            raise ValueError(f"{shown(value)} is not a list of at most {self.most} strings")
        return [self.item(each) for each in value]

    @property
    def json_schema(self):
        return {"type": "array", "items": json_schema(self.item), "maxItems": self.most}

    def from_text(self, text):
        return self(text.split())


class Optional:
    """null, or a value that the given parser accepts."""

    def __init__(self, parser):
        self.parser = parser

    def __call__(self, value):
        return None if value is None else self.parser(value)

    @property
    def json_schema(self):
        return {"anyOf": [json_schema(self.parser), {"type": "null"}]}

    def from_text(self, text):
        return from_text(self.parser, text)


def json_schema(parse):
    """Return the JSON Schema of a parser's values; a plain function takes a string."""
    return dict(getattr(parse, "json_schema", {"type": "string"}))


def from_text(parse, text):
    """Return the value that a string has for a parser. Raise ValueError."""
    return getattr(parse, "from_text", parse)(text)
