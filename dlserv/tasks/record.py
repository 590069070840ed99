"""The parts that the shapes of stored records are made of; the shape of a task is fields.SHAPE.

`pack` turns a value into plain data (dict, list, str, int, float, bool, None) and `unpack`
turns that back; it raises KeyError, TypeError or ValueError for data of another shape.
A record of our own database is unpacked as it is. One from elsewhere must pass `check`
first, which raises ValueError and looks at every value that the daemon later trusts:
numbers it adds up, names it opens below the download directory, headers it sends.
"""

from operator import attrgetter

from ..engine.progress import Finished, Identity, Progress
from ..masking import shown
from ..net.remote_file import Resource
from ..settings.values import check_text


class Part:
    """A part of a record; `is_plain` says that it is stored as it is."""

    is_plain = False

    @property
    def packer(self):
        """The function that packs a value that is not None."""
        return self.pack


class Plain(Part):
    """A value that is stored as it is."""

    is_plain = True

    def __init__(self, check):
        self.check = check

    def pack(self, value):
        return value

    def unpack(self, value):
        return value


class Number(Plain):
    """A finite number, of our own records too: sums and sorting rely on it."""

    def unpack(self, value):
        if not isinstance(value, (int, float)) or value - value != 0:
            raise TypeError(f"{shown(value)} is not a number")
        return value


class Choice(Plain):
    """One of a few words, in our own records too."""

    def __init__(self, what, words):
        super().__init__(self.unpack)
        self._what, self._words = what, words

    def unpack(self, value):
        if value not in self._words:
            raise ValueError(f"there is no {self._what} {shown(value)}")
        return value


class Numbers(Part):
    """A tuple of whole numbers, made by `make(*numbers)` and stored as a list."""

    def __init__(self, count, make):
        self._count, self._make = count, make

    def pack(self, value):
        return list(value)

    def unpack(self, value):
        return self._make(*value)

    def check(self, value):
        if len(_items(value)) != self._count:
            raise ValueError(f"{shown(value)} does not describe a file")
        for each in value:
            _of_a_system(each)


class Ranges(Part):
    """[(start, end), …], in order and apart."""

    def pack(self, value):
        return [list(each) for each in value]

    def unpack(self, value):
        return [(start, end) for start, end in value]

    def check(self, value):
        end = 0
        for each in _items(value):
            if len(_items(each)) != 2:
                raise ValueError(f"{shown(each)} is not a range")
            for number in each:
                _whole(number)
            if not end <= each[0] <= each[1]:
                raise ValueError(f"{shown(each)} is out of order")
            end = each[1]


class Several(Part):
    """A list of values of one shape."""

    def __init__(self, part):
        self._part = part

    def pack(self, value):
        return [self._part.pack(each) for each in value]

    def unpack(self, value):
        return [self._part.unpack(each) for each in value]

    def check(self, value):
        for each in _items(value):
            self._part.check(each)


class Optional(Part):
    """A part, or None."""

    def __init__(self, part):
        self._part, self.is_plain = part, part.is_plain

    @property
    def packer(self):
        return self._part.packer

    def pack(self, value):
        return None if value is None else self._part.pack(value)

    def unpack(self, value):
        return None if value is None else self._part.unpack(value)

    def check(self, value):
        if value is not None:
            self._part.check(value)


class Shape(Part):
    """A dict whose names and parts are those of the table `parts`.

    `make` is called with the unpacked values by name. `attributes` maps a part's name to the
    object's attribute if it has another name; `since` has the values of parts that older
    records lack.
    """

    def __init__(self, make, parts, attributes=None, since=None):
        self._make, self._parts = make, parts
        self._attributes, self._since = attributes or {}, since or {}
        self._values = attrgetter(*[self._attributes.get(name, name) for name in parts])
        self._packed = [(name, part.packer) for name, part in parts.items() if not part.is_plain]

    def pack(self, value):
        record = dict(zip(self._parts, self._values(value)))
        for name, pack in self._packed:
            if record[name] is not None:
                record[name] = pack(record[name])
        return record

    def unpack(self, record):
        return self._make(**self.values(record))

    def values(self, record):
        """Return {attribute: unpacked value} of a record."""
        record = dict(self._since, **record)
        return {self._attributes.get(name, name): part.unpack(record[name])
                for name, part in self._parts.items()}

    def check(self, value):
        if not isinstance(value, dict):
            raise ValueError("it is not a task: everything is missing or unknown")
        value = dict(self._since, **value)
        if set(value) != set(self._parts):
            raise ValueError("it is not a task: %s is missing or unknown"
                             % ", ".join(map(str, sorted(set(self._parts) ^ set(value)))))
        for name, part in self._parts.items():
            try:
                part.check(value[name])
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None


class Entry(Shape):
    """A dict of that shape, stored as it is."""

    def __init__(self, parts):
        super().__init__(dict, parts)

    def pack(self, value):
        return value


# -- checks ---------------------------------------------------------------------------------

def _within(least, most):
    def check(value):
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise ValueError(f"{shown(value)} is not a whole number from {least} to {most}")
    return check


_whole, _of_a_system = _within(0, 2 ** 62), _within(-2 ** 63, 2 ** 64)


def _time(value):
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 2 ** 40:
        raise ValueError(f"{shown(value)} is not a time")


def _flag(value):
    if not isinstance(value, bool):
        raise ValueError(f"{shown(value)} is neither true nor false")


def _name(value):
    if not value or value in (".", "..") or "/" in check_text(value) or len(value) > 1024:
        raise ValueError(f"{shown(value)} is not a file's name")


def _items(value):
    if not isinstance(value, (list, tuple)):
        raise ValueError(f"{shown(value)} is not a list")
    return value


def _prose(value):
    if not isinstance(value, str):
        raise ValueError(f"{shown(value)} is not a string")
    value.encode("utf-8")


def _object(value):
    if not isinstance(value, dict):
        raise ValueError(f"{shown(value)} is not an object")


# -- the parts, and the records of the engine ---------------------------------------------------

COUNT, POSITION, TIME = Number(_whole), Number(_within(-2 ** 62, 2 ** 62)), Number(_time)
TEXT, PROSE, FLAG, OBJECT = Plain(check_text), Plain(_prose), Plain(_flag), Plain(_object)
RANGES = Ranges()
DELIVERIES = Several(Entry({"id": TEXT, "to": TEXT, "event": TEXT, "time": TIME}))
LOG = Several(Entry({"time": Plain(_whole), "type": TEXT, "msg": PROSE}))

_IDENTITY, _NODE = Numbers(4, Identity), Numbers(2, lambda *numbers: numbers)
_RESOURCE = Shape(Resource, {
    "url": TEXT, "total": Optional(Plain(_whole)), "etag": Optional(TEXT), "last_modified": Optional(TEXT),
    "dated": FLAG, "ranges": Optional(FLAG), "media_type": TEXT, "disposition": Optional(TEXT),
    "encoding": TEXT, "digest": Optional(TEXT), "content_md5": Optional(TEXT)}, since={"content_md5": None})

PROGRESS = Shape(Progress, {
    "part": Plain(_name), "target": Plain(_name), "source": TEXT, "resource": _RESOURCE, "done": RANGES,
    "publishing": Optional(_IDENTITY), "checksum": Optional(TEXT), "node": Optional(_NODE),
    "restarted": FLAG}, since={"node": None, "restarted": False})
FILE = Shape(Finished, {
    "name": Plain(_name), "identity": _IDENTITY, "checksum": Optional(TEXT), "resource": _RESOURCE,
    "known": Optional(TEXT), "source": Optional(TEXT)}, since={"known": None, "source": None})
