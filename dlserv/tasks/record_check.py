"""What a task's record may be, where it does not come from our own database.

`check` looks at every value that the daemon later trusts: numbers it adds up, names it
opens below the download directory, headers it sends.
"""

from ..errors import MissingModule
from ..masking import shown
from ..settings.schema import check_text
from .task import STATES, Task


def check(record, settings):
    """The Task of a record from elsewhere. Raises ValueError, with the reason, for any that is none."""
    try:
        _object(record, _RECORD)
        task = Task.from_record(record, settings)
    except (KeyError, TypeError, MissingModule) as error:
        raise ValueError("it is not a task: %s" % error) from None
    if task.leaving:
        raise ValueError("it was being deleted")
    return task


def _object(value, parts):
    if not isinstance(value, dict) or set(value) != set(parts):
        names = sorted(set(parts) ^ set(value)) if isinstance(value, dict) else ["everything"]
        raise ValueError("it is not a task: %s is missing or unknown" % ", ".join(map(str, names)))
    for name, part in parts.items():
        try:
            part(value[name])
        except ValueError as error:
            raise ValueError("%s: %s" % (name, error)) from None


def _number(least, most):
    def check(value):
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise ValueError("%s is not a whole number in reach" % shown(value))
    return check


_whole, _signed, _of_a_system = _number(0, 2 ** 62), _number(-2 ** 62, 2 ** 62), _number(-2 ** 63, 2 ** 64)


def _time(value):
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 2 ** 40:
        raise ValueError("%s is not a time" % shown(value))


def _flag(value):
    if not isinstance(value, bool):
        raise ValueError("%s is neither true nor false" % shown(value))


def _state(value):
    if value not in STATES:
        raise ValueError("there is no state %s" % shown(value))


def _name(value):
    if not value or value in (".", "..") or "/" in check_text(value) or len(value) > 1024:
        raise ValueError("%s is not a file's name" % shown(value))


def _ranges(value):
    end = 0
    for each in _items(value):
        if len(_items(each)) != 2:
            raise ValueError("%s is not a range" % shown(each))
        for number in each:
            _whole(number)
        if not end <= each[0] <= each[1]:
            raise ValueError("%s is out of order" % shown(each))
        end = each[1]


def _items(value):
    if not isinstance(value, (list, tuple)):
        raise ValueError("%s is not a list" % shown(value))
    return value


def _log(value):
    for each in _items(value):
        _object(each, {"time": _whole, "type": check_text, "msg": _prose})


def _prose(value):
    if not isinstance(value, str):
        raise ValueError("%s is not a string" % shown(value))
    value.encode("utf-8")


def _numbers(count):
    def check(value):
        if len(_items(value)) != count:
            raise ValueError("%s does not tell a file" % shown(value))
        for each in value:
            _of_a_system(each)
    return check


_identity, _node = _numbers(4), _numbers(2)


def _posted(value):
    if not isinstance(value, dict):
        raise ValueError("%s is not an object" % shown(value))


def _or_none(part):
    return lambda value: None if value is None else part(value)


def _made_of(parts):
    return lambda value: _object(value, parts)


_RESOURCE = {"url": check_text, "total": _or_none(_whole), "etag": _or_none(check_text),
             "last_modified": _or_none(check_text), "dated": _flag, "ranges": _or_none(_flag),
             "media_type": check_text, "disposition": _or_none(check_text), "encoding": check_text,
             "digest": _or_none(check_text)}
_PROGRESS = {"part": _name, "target": _name, "source": check_text, "resource": _made_of(_RESOURCE),
             "done": _ranges, "publishing": _or_none(_identity), "checksum": _or_none(check_text),
             "node": _or_none(_node), "restarted": _flag}
_FILE = {"name": _name, "identity": _identity, "checksum": _or_none(check_text),
         "resource": _made_of(_RESOURCE)}


def _progress(value):
    if isinstance(value, dict):         # the first versions knew neither
        value = dict({"node": None, "restarted": False}, **value)
    _object(value, _PROGRESS)


_RECORD = {"state": _state, "order": _whole, "place": _signed, "create_time": _time, "start_time": _time,
           "pause_time": _time, "finish_time": _time, "elapsed": _time, "retries": _whole,
           "reached": _whole, "error": _or_none(_prose), "boot": _or_none(check_text), "leaving": _flag,
           "added": check_text, "url": check_text, "options": _posted, "log": _log,
           "progress": _or_none(_progress), "flushed": _ranges,
           "file": _or_none(_made_of(_FILE)), "previous": _or_none(_made_of(_FILE))}
