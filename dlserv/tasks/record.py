"""The parts that the shapes of stored records are made of; a task's is fields.SHAPE.

A record of our own database is unpacked as it is. One from elsewhere must pass `check` first,
which looks at what the daemon later trusts: numbers it adds up, names it opens, headers it sends.
"""

from collections import namedtuple
from operator import attrgetter

from ..contract import STATES
from ..engine.progress import Finished, Identity, Progress
from ..masking import shown
from ..net.resource import Resource
from ..settings.values import check_text


class Part(namedtuple("Part", "check unpack pack", defaults=(None, None))):
    """Functions of a value, None where it is stored as it is; a Shape has them too.

    check   raise ValueError for stored data that is not to be trusted
    unpack  return the value; raise KeyError, TypeError or ValueError for data of another shape
    pack    return plain data (dict, list, str, int, float, bool, None)
    """

    __slots__ = ()


class Shape:
    """A dict of the `parts`, {name: Part or Shape}, that `make(**values)` turns into an object.

    `attributes` maps names to the object's attributes where these differ; `since` has the values
    of parts that older records lack.
    """

    def __init__(self, make, parts, attributes=None, since=None):
        self._make, self._parts = make, parts
        self._attributes, self._since = attributes or {}, since or {}
        self._values = attrgetter(*[self._attributes.get(name, name) for name in parts])
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
        return {self._attributes.get(name, name): part.unpack(record[name]) if part.unpack else record[name]
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
    def check(value):
        if value is not None:
            part.check(value)

    def unpack(value):
        return None if value is None else part.unpack(value)

    return Part(check, part.unpack and unpack, part.pack)


def _entries(parts):
    """Return the Part for a list of such dicts, stored as they are."""
    shape = Shape(dict, parts)

    def check(value):
        for each in _items(value):
            shape.check(each)

    def unpack(value):
        return [shape.unpack(each) for each in value]

    return Part(check, unpack, list)


# -- checks; some return the value ------------------------------------------------------------

def _a(kind, otherwise):
    def check(value):
        if not isinstance(value, kind):
            raise ValueError(f"{shown(value)} is {otherwise}")
        return value
    return check


_items, _string = _a((list, tuple), "not a list"), _a(str, "not a string")


def _within(least, most):
    def check(value):
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise ValueError(f"{shown(value)} is not a whole number from {least} to {most}")
    return check


_whole, _of_a_system = _within(0, 2 ** 62), _within(-2 ** 63, 2 ** 64)


def _check_time(value):
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 2 ** 40:
        raise ValueError(f"{shown(value)} is not a time")


def _check_name(value):
    if not value or value in (".", "..") or "/" in check_text(value) or len(value) > 1024:
        raise ValueError(f"{shown(value)} is not a file's name")


def _check_prose(value):
    _string(value).encode("utf-8")


def _check_ranges(value):
    end = 0
    for each in _items(value):
        if len(_items(each)) != 2:
            raise ValueError(f"{shown(each)} is not a range")
        for number in each:
            _whole(number)
        if not end <= each[0] <= each[1]:
            raise ValueError(f"{shown(each)} is out of order")
        end = each[1]


def _pairs(value):
    return [(start, end) for start, end in value]


def _lists(value):
    return [list(each) for each in value]


def _of_system(count):
    def check(value):
        if len(_items(value)) != count:
            raise ValueError(f"{shown(value)} does not describe a file")
        for each in value:
            _of_a_system(each)
    return check


# -- for our own records too: sums, sorting and TRANSITIONS rely on it ---------------------------

def _number(value):
    if not isinstance(value, (int, float)) or value - value != 0:
        raise TypeError(f"{shown(value)} is not a number")
    return value


def _state(value):
    if value not in STATES:
        raise ValueError(f"there is no state {shown(value)}")
    return value


# -- the parts, and the records of the engine ---------------------------------------------------

STATE = Part(_state, _state)
COUNT, POSITION = Part(_whole, _number), Part(_within(-2 ** 62, 2 ** 62), _number)
TIME = Part(_check_time, _number)
TEXT, PROSE, NAME, WHOLE = Part(check_text), Part(_check_prose), Part(_check_name), Part(_whole)
FLAG, OBJECT = Part(_a(bool, "neither true nor false")), Part(_a(dict, "not an object"))
OPTIONAL_TEXT, OPTIONAL_PROSE = optional(TEXT), optional(PROSE)
RANGES = Part(_check_ranges, _pairs, _lists)
DELIVERIES = _entries({"id": TEXT, "to": TEXT, "event": TEXT, "time": TIME})
LOG = _entries({"time": WHOLE, "type": TEXT, "msg": PROSE})

_IDENTITY, _NODE = Part(_of_system(4), Identity._make, list), Part(_of_system(2), tuple, list)
_RESOURCE = Shape(Resource, {
    "url": TEXT, "total": optional(WHOLE), "etag": OPTIONAL_TEXT, "last_modified": OPTIONAL_TEXT,
    "dated": FLAG, "ranges": optional(FLAG), "media_type": TEXT, "disposition": OPTIONAL_TEXT,
    "encoding": TEXT, "digest": OPTIONAL_TEXT, "content_md5": OPTIONAL_TEXT}, since={"content_md5": None})

PROGRESS = Shape(Progress, {
    "part": NAME, "target": NAME, "source": TEXT, "resource": _RESOURCE, "done": RANGES,
    "publishing": optional(_IDENTITY), "checksum": OPTIONAL_TEXT, "node": optional(_NODE),
    "restarted": FLAG}, since={"node": None, "restarted": False})
FILE = Shape(Finished, {
    "name": NAME, "identity": _IDENTITY, "checksum": OPTIONAL_TEXT, "resource": _RESOURCE,
    "known": OPTIONAL_TEXT, "source": OPTIONAL_TEXT}, since={"known": None, "source": None})
