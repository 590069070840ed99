"""Settings as a table: one row says a key's name, type, default and meaning.

A `Table` turns what a person wrote (JSON values, or plain text from a form, the
environment or the command line) into checked values, names the key that is wrong,
and masks what is secret. config.py and options.py are such tables; the command
line, `GET /config` and README follow from them.

A parser is a callable from a JSON value to a clean value that raises ValueError with
the reason. One whose values are not strings has a `from_text` besides, which reads them
from a string.
"""

from collections import namedtuple

from ..errors import InvalidValue
from ..masking import MASK, shown
from ..units import parse_size

_WORDS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
_FORM_WORDS = dict(_WORDS, on=True, off=False)


def parse_boolean(text, words=_WORDS):
    """True or False from the words people use, any case. Raises ValueError."""
    try:
        return words[text.strip().lower()]
    except KeyError:
        raise ValueError("%s is neither true nor false" % shown(text)) from None


def check_text(value):
    """The string itself, if it could stand in a header or a name. Raises ValueError."""
    if not isinstance(value, str):
        raise ValueError("%s is not a string" % shown(value))
    if any(char < " " or char == "\x7f" for char in value):
        raise ValueError("%s has a control character" % shown(value))
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError("%s is not valid Unicode" % shown(value)) from None
    return value


class Refusal(ValueError):
    """A reason that repeats nothing of a value that may be secret."""


class Text:
    """A string without control characters, at most `most` characters."""

    def __init__(self, most=4096, least=0):
        self.most, self.least = most, least

    def __call__(self, value):
        check_text(value)
        if len(value) > self.most:
            raise ValueError("%s is longer than %d characters" % (shown(value), self.most))
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
            raise ValueError("%s is not one of %s" % (shown(value), ", ".join(self.words)))
        return value

    @property
    def json_schema(self):
        return {"enum": list(self.words)}


class Boolean:
    """true or false; as text, any of the words people use."""

    json_schema = {"type": "boolean"}

    def __call__(self, value):
        if not isinstance(value, bool):
            raise ValueError("%s is neither true nor false" % shown(value))
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
            raise ValueError("%s is not a whole number from %d to %d"
                             % (shown(value), self.least, self.most))
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
    """A finite number within bounds; kept as it was written, int or float."""

    def __init__(self, least, most):
        self.least, self.most = least, most

    def __call__(self, value):
        if isinstance(value, bool) or not isinstance(value, (int, float)) \
                or not self.least <= value <= self.most:
            raise ValueError("%s is not a number from %g to %g"
                             % (shown(value), self.least, self.most))
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
    """Bytes: a whole number, or a string such as "512K"."""

    _number = Integer(0, 2 ** 53)
    json_schema = {"anyOf": [_number.json_schema, {"type": "string"}]}

    def __call__(self, value):
        return self._number(parse_size(value) if isinstance(value, str) else value)


class Items:
    """A list whose every item the given parser accepts; as text, separated by blanks."""

    def __init__(self, item, most):
        self.item, self.most = item, most

    def __call__(self, value):
        if not isinstance(value, list) or len(value) > self.most:
            raise ValueError("%s is not a list of at most %d strings"
                             % (shown(value), self.most))
        return [self.item(each) for each in value]

    @property
    def json_schema(self):
        return {"type": "array", "items": json_schema(self.item), "maxItems": self.most}

    def from_text(self, text):
        return self(text.split())


class Optional:
    """null, or what the given parser accepts."""

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
    """One key. `mask` makes a value fit to be shown; without one it is not secret."""

    __slots__ = ()

    def __new__(cls, name, parse, default, doc, mask=None):
        return super().__new__(cls, name, parse, default, doc, mask)


def json_schema(parse):
    """What a parser takes, as JSON Schema; for a plain function, a string."""
    return dict(getattr(parse, "json_schema", {"type": "string"}))


def _from_text(parse, text):
    return getattr(parse, "from_text", parse)(text)


class Table:
    """The fields of one section; `where` prefixes their names in sentences."""

    def __init__(self, where, *fields):
        self.where = where
        self.fields = {field.name: field for field in fields}

    def parse(self, mapping, text=False):
        """The checked values of the keys that are there. Raises InvalidValue."""
        if not isinstance(mapping, dict):
            raise InvalidValue(self.where, "%s is not an object" % shown(mapping))
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
            raise InvalidValue(self._name(key), "there is no such key%s" % self._hint(key))
        if field.mask and value == MASK:
            raise InvalidValue(self._name(key), "%s only stands for what is not shown" % MASK)
        try:
            return _from_text(field.parse, value) if text else field.parse(value)
        except ValueError as error:
            reason = str(error) if isinstance(error, Refusal) or not field.mask \
                else "this cannot be used as %s" % field.doc
            raise InvalidValue(self._name(key), reason) from None

    def _hint(self, key):
        import difflib
        near = difflib.get_close_matches(key, self.fields, 1)
        return "; is %s meant?" % near[0] if near else ""

    def _name(self, key):
        return "%s.%s" % (self.where, shown(key, 40).strip('"'))

    def json_schema(self):
        """What `parse` takes, as JSON Schema."""
        return {"type": "object", "additionalProperties": False, "properties": {
            name: dict(json_schema(field.parse), description=field.doc)
            for name, field in self.fields.items()}}

    def defaults(self):
        """Every key's default."""
        return {name: field.default for name, field in self.fields.items()}

    def masked(self, values):
        """The values as they may be shown to anyone who asks."""
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
        """What is taken, as JSON Schema."""
        each = Table(self.where, *self.fields.values()).json_schema()
        return {"type": "array", "maxItems": self._most, "items": dict(each, required=list(self._needed))}
