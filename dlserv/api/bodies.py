"""The bodies of requests, taken apart: tasks, changes, batches.

A wrong shape raises InvalidValue, which names the key. The values of options are checked
by the daemon, which would have to do it anyway.
"""

from ..errors import InvalidValue
from ..masking import shown
from ..settings import options
from ..settings.schema import key_name
from ..settings.values import Boolean

MOST = 20000            # tasks, or tids, in one request
MOST_NAMED = 5          # unknown options that a note names
_FLAGS = {"true": True, "false": False}


def read_task(body):
    """Return (url, options, notes) from {"url": …, "options": {…}}."""
    check_keys(body, ("url", "options", "ydl_opts"))
    merged, unknown = _known_options(body.get("ydl_opts", {}))
    for key, value in _options(body).items():
        if value is not None or key not in merged:      # null means not given
            merged[key] = value
    return body.get("url"), merged, [_note(unknown)] if unknown else []


def read_entry(entry):
    """Return (url, options, notes) from an entry of a batch: the body of a single task, or a URL."""
    return read_task({"url": entry} if isinstance(entry, str) else entry)


def read_list(body, key):
    """Return the list under the key, at most MOST long, from {key: […]}."""
    check_keys(body, (key,))
    return _listed(body, key)


def read_form(fields):
    """Return (url, options, notes) from a form, whose other fields are options."""
    fields = dict(fields)
    return fields.pop("url", None), options.parse(fields, text=True), []


def repeated(task, repeat):
    """Return a task's (url, options, notes) with the option `repeat`, if the query has it."""
    url, posted, notes = task
    return (url, dict(posted, repeat=True), notes) if repeat else task


def read_change(body):
    """Return (url or None, options) from {"url": …, "options": {…}}, each of which may be missing."""
    check_keys(body, ("url", "options"))
    return body.get("url"), _options(body)


def read_batch(body):
    """Return (tids, del_file) from {"tids": […], "del_file": …} or the bare list."""
    if isinstance(body, list):
        body = {"tids": body}
    check_keys(body, ("tids", "del_file"))
    tids = _listed(body, "tids")
    for tid in tids:
        if not isinstance(tid, str):
            raise InvalidValue("tids", f"{shown(tid)} is not a tid, which has 40 hexadecimal digits")
    return tids, _read_flag(body.get("del_file", False))


def check_keys(body, known):
    """Raise InvalidValue unless the body is an object with no other keys than these."""
    if not isinstance(body, dict):
        raise InvalidValue("body", f"{shown(body)} is not an object with {' or '.join(known)}")
    for key in body:
        if key not in known:
            raise InvalidValue(key_name(key), f"there is no such key; there are {', '.join(known)}")


def _options(body):
    """Return the posted options, {} if they are missing or null."""
    posted = body.get("options")
    return {} if posted is None else _object(posted, "options")


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


def _known_options(legacy):
    """Split what older clients send as ydl_opts into (our options, the names of the others)."""
    legacy = _object(legacy, "ydl_opts")
    known = {key: value for key, value in legacy.items() if key in options.TABLE.fields}
    return known, [key for key in legacy if key not in known]


def _note(unknown):
    names = [key_name(key) for key in unknown[:MOST_NAMED]]
    if len(unknown) > MOST_NAMED:
        names.append(f"{len(unknown) - MOST_NAMED} more")
    return f"ydl_opts: ignored options that dlserv does not have: {', '.join(names)}"


def _read_flag(value):
    try:
        return _FLAGS[value.lower()] if isinstance(value, str) else Boolean()(value)
    except (KeyError, ValueError):
        raise InvalidValue("del_file", f"{shown(value)} is neither true nor false") from None
