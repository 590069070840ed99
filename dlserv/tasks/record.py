"""The parts that the shapes of stored records are made of; a task's is fields.SHAPE.

A record of our own database is unpacked as it is. One from elsewhere must pass `check` first,
which looks at what the daemon later trusts: numbers it adds up, names it opens, headers it sends.
"""

from collections import namedtuple
from operator import attrgetter

from ..contract import QUEUED, STATES
from ..engine.progress import Finished, Identity, Progress
from ..masking import shown
from ..net.remote_file import Resource
from ..settings import values


class Part(namedtuple("Part", "check initial unpack pack", defaults=(None, None, None))):
    """A value of a record. `unpack` and `pack` are None where it is stored as it is.

    check    raise ValueError for stored data that is not to be trusted
    initial  the value before there is any
    unpack   return the value; raise KeyError, TypeError or ValueError for data of another shape
    pack     return plain data (dict, list, str, int, float, bool, None)
    """

    __slots__ = ()


class Shape:
    """A dict of the `parts`, {name: Part or Shape}, that `make(**values)` turns into an object.

    `attributes` maps names to the object's attributes where these differ. Older records lack the
    parts named in `since`, which are initial then.
    """

    def __init__(self, make, parts, since=(), attributes=None):
        self._make, self._parts = make, parts
        self._attributes = {name: (attributes or {}).get(name, name) for name in parts}
        self.initial = {attribute: parts[name].initial for name, attribute in self._attributes.items()}
        self._since = {name: parts[name].initial for name in since}
        self._values = attrgetter(*self._attributes.values())
        self._packed = [(name, part.pack) for name, part in parts.items() if part.pack]

    def pack(self, value):
        record = dict(zip(self._parts, self._values(value)))
        for name, pack in self._packed:
            if record[name] is not None:
                record[name] = pack(record[name])
        return record

    def unpack(self, record):
        return self._make(**self.values(record))

    def values(self, record):
        """Return {attribute: unpacked value}."""
        record = dict(self._since, **record)
        return {self._attributes[name]: part.unpack(record[name]) if part.unpack else record[name]
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


def optional(part):
    """Return the Part for such a value or None."""
    def unpack(value):
        return None if value is None else part.unpack(value)

    return Part(values.Optional(part.check), None, part.unpack and unpack, part.pack)


def _entries(parts):
    """Return the Part for a list of such dicts, stored as they are."""
    shape = Shape(dict, parts)

    def check(value):
        for each in _items(value):
            shape.check(each)

    def unpack(value):
        return [shape.unpack(each) for each in value]

    return Part(check, (), unpack, list)


# -- checks beside those of settings.values -----------------------------------------------------

def _kind(kind, otherwise):
    def check(value):
        if not isinstance(value, kind):
            raise ValueError(f"{shown(value)} is {otherwise}")
        return value
    return check


_items, _string = _kind((list, tuple), "not a list"), _kind(str, "not a string")
_whole, _of_a_system = values.Integer(0, 2 ** 62), values.Integer(-2 ** 63, 2 ** 64)


def _check_prose(value):
    _string(value).encode("utf-8")


def _check_name(value):
    if not value or value in (".", "..") or "/" in values.check_text(value) or len(value) > 1024:
        raise ValueError(f"{shown(value)} is not a file's name")


def _check_ranges(value):
    end = 0
    for each in _items(value):
        if len(_items(each)) != 2:
            raise ValueError(f"{shown(each)} is not a range")
        if not end <= _whole(each[0]) <= _whole(each[1]):
            raise ValueError(f"{shown(each)} is out of order")
        end = each[1]


def _numbers(count):
    def check(value):
        if len(_items(value)) != count:
            raise ValueError(f"{shown(value)} does not describe a file")
        for each in value:
            _of_a_system(each)
    return check


# -- unpacking ---------------------------------------------------------------------------------

def _number(value):
    """Return a finite number, of our own records too: sums and sorting rely on it."""
    if not isinstance(value, (int, float)) or value - value != 0:
        raise TypeError(f"{shown(value)} is not a number")
    return value


def _pairs(value):
    return [(start, end) for start, end in value]


def _lists(value):
    return [list(each) for each in value]


# -- the parts, and the records of the engine ---------------------------------------------------

STATE = Part(values.Choice(*STATES), QUEUED, values.Choice(*STATES))
TIME, COUNT = Part(values.Number(0, 2 ** 40), 0.0, _number), Part(_whole, 0, _number)
POSITION = Part(values.Integer(-2 ** 62, 2 ** 62), 0, _number)
TEXT, PROSE, NAME, WHOLE = Part(values.check_text), Part(_check_prose), Part(_check_name), Part(_whole)
FLAG, OBJECT = Part(values.Boolean(), False), Part(_kind(dict, "not an object"))
OPTIONAL_TEXT, OPTIONAL_PROSE = optional(TEXT), optional(PROSE)
RANGES = Part(_check_ranges, (), _pairs, _lists)
DELIVERIES = _entries({"id": TEXT, "to": TEXT, "event": TEXT, "time": TIME})
LOG = _entries({"time": WHOLE, "type": TEXT, "msg": PROSE})

_IDENTITY, _NODE = Part(_numbers(4), None, Identity._make, list), Part(_numbers(2), None, tuple, list)
_RESOURCE = Shape(Resource, {
    "url": TEXT, "total": optional(WHOLE), "etag": OPTIONAL_TEXT, "last_modified": OPTIONAL_TEXT,
    "dated": FLAG, "ranges": optional(FLAG), "media_type": TEXT, "disposition": OPTIONAL_TEXT,
    "encoding": TEXT, "digest": OPTIONAL_TEXT, "content_md5": OPTIONAL_TEXT}, since=["content_md5"])

PROGRESS = Shape(Progress, {
    "part": NAME, "target": NAME, "source": TEXT, "resource": _RESOURCE, "done": RANGES,
    "publishing": optional(_IDENTITY), "checksum": OPTIONAL_TEXT, "node": optional(_NODE),
    "restarted": FLAG}, since=["node", "restarted"])
FILE = Shape(Finished, {
    "name": NAME, "identity": _IDENTITY, "checksum": OPTIONAL_TEXT, "resource": _RESOURCE,
    "known": OPTIONAL_TEXT, "source": OPTIONAL_TEXT}, since=["known", "source"])
