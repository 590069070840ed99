"""What the bodies of requests say, checked: tasks, changes, batches.

Every wrong value is an InvalidValue that names the key.
"""

from ..settings import options
from ..errors import InvalidValue
from ..masking import shown
from ..settings.schema import Boolean, parse_boolean

MOST = 20000            # tasks, or tids, in one request


def read_task(body):
    """(url, options, notes) from {"url": …, "options": {…}}."""
    check_keys(body, ("url", "options", "ydl_opts"))
    legacy, notes = _known_options(member(body, "ydl_opts"))
    posted = options.parse(member(body, "options"))
    return body.get("url"), dict(options.parse(legacy), **posted), notes


def read_tasks(body):
    """[(url, options, notes) or (url, InvalidValue), …] from {"tasks": [{…} or "url", …]}."""
    check_keys(body, ("tasks",))
    return [_read_listed({"url": each} if isinstance(each, str) else each) for each in _listed(body, "tasks")]


def _listed(body, key):
    listed = body.get(key)
    if not isinstance(listed, list):
        raise InvalidValue(key, "%s is not a list of %s" % (shown(listed), key))
    if len(listed) > MOST:
        raise InvalidValue(key, "there are %d; send at most %d at a time" % (len(listed), MOST))
    return listed


def _read_listed(body):
    try:
        return read_task(body)
    except InvalidValue as error:
        return body.get("url") if isinstance(body, dict) else None, error


def check_keys(body, known):
    """Raises InvalidValue unless the body is an object with no keys but these."""
    if not isinstance(body, dict):
        raise InvalidValue("body", "%s is not an object with %s" % (shown(body), " or ".join(known)))
    for key in body:
        if key not in known:
            raise InvalidValue(shown(key, 40), "there is no such key; there are %s" % ", ".join(known))


def member(body, key):
    """The object under the key, {} if there is none."""
    value = body.get(key)
    if not isinstance(value, (dict, type(None))):
        raise InvalidValue(key, "%s is not an object" % shown(value))
    return value or {}


def _known_options(legacy):
    """What older clients sent as ydl_opts: (options that we have, notes on the others)."""
    known = {key: value for key, value in legacy.items() if key in options.TABLE.fields}
    return known, ["the option %s is not known here and was ignored" % shown(key, 40)
                   for key in legacy if key not in known]


def read_form(fields):
    """The same from a form, whose other fields are options."""
    fields = dict(fields)
    return fields.pop("url", None), options.parse(fields, text=True), []


def read_batch(body):
    """(tids, del_file) from {"tids": […], "del_file": …} or the bare list."""
    if isinstance(body, list):
        body = {"tids": body}
    check_keys(body, ("tids", "del_file"))
    tids = _listed(body, "tids")
    for tid in tids:
        if not isinstance(tid, str):
            raise InvalidValue("tids", "%s is not a tid" % shown(tid))
    return tids, _read_flag(body.get("del_file", False))


def _read_flag(value):
    try:
        return parse_boolean(value) if isinstance(value, str) else Boolean()(value)
    except ValueError as error:
        raise InvalidValue("del_file", str(error)) from None
