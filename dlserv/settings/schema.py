"""Settings as a table: one row says a key's name, type, default and meaning.

A `Table` checks what a person wrote (JSON values, or plain text from a form, the
environment or the command line), names the key that is wrong, and masks secrets.
config.py and options.py are such tables; the command line, `GET /config`, OpenAPI and
README follow from them.

A parser is a callable that takes a JSON value and returns the checked value or raises
ValueError with the reason. If its values are not strings, it also has `from_text`, which
reads them from a string.
"""

from collections import namedtuple

from ..errors import InvalidValue
from ..masking import MASK, shown
from ..units import parse_size

LONGEST_KEY = 40        # characters of an unknown key that a sentence repeats

_WORDS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
_FORM_WORDS = dict(_WORDS, on=True, off=False)


def parse_boolean(text, words=_WORDS):
    """Return True or False for one of the words, in any case. Raises ValueError."""
    try:
        return words[text.strip().lower()]
    except KeyError:
        raise ValueError(f"{shown(text)} is neither true nor false") from None


def check_text(value):
    """Return the string if it may stand in a header or a name. Raises ValueError."""
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
        return {"enum": list(self.words)}


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
        return _from_text(self.parser, text)


class Field(namedtuple("Field", "name parse default doc mask")):
    """One key. `mask` returns the value as it may be shown; None if it is not secret."""

    __slots__ = ()

    def __new__(cls, name, parse, default, doc, mask=None):
        return super().__new__(cls, name, parse, default, doc, mask)


def key_name(key):
    """Return a key that somebody sent as a sentence may repeat it: short, in ASCII, on one line."""
    return shown(key, LONGEST_KEY).strip('"')


def json_schema(parse):
    """Return the JSON Schema of a parser's values; a plain function takes a string."""
    return dict(getattr(parse, "json_schema", {"type": "string"}))


def _from_text(parse, text):
    return getattr(parse, "from_text", parse)(text)


class Table:
    """The fields of one section; `where` is the prefix of their names in sentences."""

    def __init__(self, where, *fields):
        self.where = where
        self.fields = {field.name: field for field in fields}

    def parse(self, mapping, text=False):
        """Return the checked values of a mapping's keys. Raises InvalidValue."""
        if not isinstance(mapping, dict):
            raise InvalidValue(self.where, f"{shown(mapping)} is not an object")
        return {key: self._parse_one(key, value, text) for key, value in mapping.items()}

    def merge(self, values, given):
        """The values with those given, checked. Raises InvalidValue."""
        return dict(values, **self.parse(given))

    def of(self, values):
        """The values of the section as a dict, from a namedtuple."""
        return {name: getattr(values, name) for name in self.fields}

    def _parse_one(self, key, value, text):
        field = self.fields.get(key)
        if field is None:
            raise InvalidValue(self._name(key), f"there is no such key{self._hint(key)}")
        if field.mask and value == MASK:
            raise InvalidValue(self._name(key), f"{MASK} only stands for a secret; leave the key out")
        try:
            return _from_text(field.parse, value) if text else field.parse(value)
        except ValueError as error:
            reason = str(error) if isinstance(error, Refusal) or not field.mask \
                else f"this cannot be used; expected: {field.doc}"
            raise InvalidValue(self._name(key), reason) from None

    def _hint(self, key):
        import difflib
        near = difflib.get_close_matches(key[:LONGEST_KEY], self.fields, 1)
        return f"; is {near[0]} meant?" if near else ""

    def _name(self, key):
        return f"{self.where}.{key_name(key)}"

    def json_schema(self):
        """Return the JSON Schema of the mappings that `parse` takes."""
        return {"type": "object", "additionalProperties": False, "properties": {
            name: dict(json_schema(field.parse), description=field.doc)
            for name, field in self.fields.items()}}

    def defaults(self):
        """Return the default of every key."""
        return {name: field.default for name, field in self.fields.items()}

    def masked(self, values):
        """Return the values as they may be shown, secrets masked."""
        return {key: self.fields[key].mask(value) if self.fields[key].mask else value
                for key, value in values.items()}


class Rows:
    """A section that is a list of at most `most` objects with these fields, some of them `needed`."""

    def __init__(self, where, most, needed, *fields):
        self.where, self._most, self._needed = where, most, needed
        self.fields = {field.name: field for field in fields}

    def defaults(self):
        """No object at all."""
        return []

    def merge(self, values, given):
        """The objects given, checked and complete. Raises InvalidValue."""
        if not isinstance(given, list) or len(given) > self._most:
            raise InvalidValue(self.where, "it is not a list of at most %d objects" % self._most)
        return [self._parse_one(Table("%s[%d]" % (self.where, index), *self.fields.values()), each)
                for index, each in enumerate(given)]

    def _parse_one(self, table, given):
        parsed = table.parse(given)
        for name in self._needed:
            if parsed.get(name) is None:
                raise InvalidValue("%s.%s" % (table.where, name), "must be given")
        return dict(table.defaults(), **parsed)

    def of(self, values):
        """The objects as they are."""
        return values

    def masked(self, values):
        """The objects as they may be shown to anyone who asks."""
        return [Table(self.where, *self.fields.values()).masked(each) for each in values]

    def json_schema(self):
        """Return the accepted values as JSON Schema."""
        each = Table(self.where, *self.fields.values()).json_schema()
        return {"type": "array", "maxItems": self._most, "items": dict(each, required=list(self._needed))}
