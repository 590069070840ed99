"""Settings as a table: one row says a key's name, type, default and meaning.

The command line, `GET /config`, OpenAPI and README follow from the tables in config.py and
options.py; values.py has the parsers that rows name.
"""

from collections import namedtuple

from ..errors import InvalidValue
from ..masking import MASK, shown
from .values import Refusal, from_text, json_schema

LONGEST_KEY = 40        # characters of an unknown key that a sentence repeats


class Field(namedtuple("Field", "name parse default doc mask")):
    """One key. `mask` returns the value as it may be shown; None if it is not secret."""

    __slots__ = ()

    def __new__(cls, name, parse, default, doc, mask=None):
        return super().__new__(cls, name, parse, default, doc, mask)


def key_name(key):
    """Return an unknown key as a sentence may repeat it: short, in ASCII, on one line."""
    return shown(key, LONGEST_KEY).strip('"')


class Table:
    """The fields of one section; `where` is the prefix of their names in sentences.

    Values are JSON, or plain text from a form, the environment or the command line.
    """

    def __init__(self, where, *fields):
        self.where = where
        self.fields = {field.name: field for field in fields}

    def parse(self, mapping, text=False):
        """Return the checked values of a mapping's keys. Raise InvalidValue."""
        if not isinstance(mapping, dict):
            raise InvalidValue(self.where, f"{shown(mapping)} is not an object")
        return {key: self._parse_one(key, value, text) for key, value in mapping.items()}

    def merge(self, values, given):
        """Return the values with those given, checked. Raise InvalidValue."""
        return dict(values, **self.parse(given))

    def _parse_one(self, key, value, text):
        field = self.fields.get(key)
        if field is None:
            raise InvalidValue(f"{self.where}.{key_name(key)}", f"there is no such key{self._hint(key)}")
        name = f"{self.where}.{key}"
        if field.mask and value == MASK:
            raise InvalidValue(name, f"{MASK} only stands for a secret; leave the key out")
        try:
            return from_text(field.parse, value) if text else field.parse(value)
        except ValueError as error:
            reason = str(error) if isinstance(error, Refusal) or not field.mask \
                else f"this cannot be used; expected: {field.doc}"
            raise InvalidValue(name, reason) from None

    def _hint(self, key):
        import difflib
        near = difflib.get_close_matches(key[:LONGEST_KEY], self.fields, 1)
        return f"; is {near[0]} meant?" if near else ""

    def json_schema(self):
        """Return the JSON Schema of the mappings that `parse` takes."""
        return {"type": "object", "additionalProperties": False, "properties": {
            name: dict(json_schema(field.parse), description=field.doc)
            for name, field in self.fields.items()}}

    def defaults(self):
        return {name: field.default for name, field in self.fields.items()}

    def masked(self, values):
        """Return the values with secrets masked."""
        return {key: self.fields[key].mask(value) if self.fields[key].mask else value
                for key, value in values.items()}


class Rows:
    """A section that is a list of at most `most` objects with these fields, some of them `needed`."""

    def __init__(self, where, most, needed, *fields):
        self._table, self._most, self._needed = Table(where, *fields), most, needed
        self.where, self.fields = where, self._table.fields

    def defaults(self):
        return []

    def merge(self, values, given):
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

    def masked(self, values):
        return [self._table.masked(each) for each in values]

    def json_schema(self):
        each = dict(self._table.json_schema(), required=list(self._needed))
        return {"type": "array", "maxItems": self._most, "items": each}
