"""The route table, and one short function for each row.

A function takes (daemon, request, *path arguments) and gives what the reply has besides
`status`, or a Reply; it raises for everything else. Dispatch, 404, 405 with Allow and
README's table all follow from ROUTES.
"""

import re
from collections import namedtuple

from .. import options
from ..errors import InvalidValue
from ..schema import parse_boolean, shown
from ..task import STATES
from . import views

Route = namedtuple("Route", "method path function")

Reply = namedtuple("Reply", "status fields")


# -- one task ---------------------------------------------------------------------------

def add_task(daemon, request):
    """create a task"""
    if request.is_form:
        url, posted, notes = _read_form(request.form())
    else:
        url, posted, notes = _read_task(request.json())
    return {"tid": daemon.add(url, posted, notes)}


def _read_task(body):
    """(url, options, notes) from {"url": …, "options": {…}}."""
    _check_keys(body, ("url", "options", "ydl_opts"))
    legacy, notes = _known_options(_object(body, "ydl_opts"))
    posted = options.parse(_object(body, "options"))
    return body.get("url"), dict(options.parse(legacy), **posted), notes


def _check_keys(body, known):
    """Raises InvalidValue unless the body is an object with no keys but these."""
    if not isinstance(body, dict):
        raise InvalidValue("body", "%s is not an object with %s" % (shown(body), " or ".join(known)))
    for key in body:
        if key not in known:
            raise InvalidValue(shown(key, 40), "there is no such key; there are %s" % ", ".join(known))


def _object(body, key):
    value = body.get(key)
    if not isinstance(value, (dict, type(None))):
        raise InvalidValue(key, "%s is not an object" % shown(value))
    return value or {}


def _known_options(legacy):
    """What older clients sent as ydl_opts: (options that we have, notes on the others)."""
    known = {key: value for key, value in legacy.items() if key in options.TABLE.fields}
    return known, ["the option %s is not known here and was ignored" % shown(key, 40)
                   for key in legacy if key not in known]


def _read_form(fields):
    """The same from a form, whose other fields are options."""
    fields = dict(fields)
    return fields.pop("url", None), options.parse(fields, text=True), []


def act_on_task(daemon, request, tid):
    """`act=pause`, `resume`, `restart` (from nothing), or `move` with `to=top|bottom|up|down`"""
    act = request.choice("act", ("pause", "resume", "restart", "move"))
    if act == "move":
        daemon.move(tid, request.choice("to", ("top", "bottom", "up", "down")))
    else:
        {"pause": daemon.pause, "resume": daemon.resume, "restart": daemon.restart}[act](tid)
    return {}


def change_task(daemon, request, tid):
    """give a task a fresh `url` of the same file, or other `options`"""
    body = request.json()
    _check_keys(body, ("url", "options"))
    daemon.change(tid, body.get("url"), _object(body, "options"))
    return {}


def delete_task(daemon, request, tid):
    """delete a task, and its files with `del_file=true`"""
    removal = daemon.delete(tid, request.boolean("del_file", default=False))
    return {"detail": removal.to_detail()} if any(removal) else {}


def task_status(daemon, request, tid):
    """how it goes"""
    short = request.boolean("exerpt", "excerpt", default=False)
    return {"detail": (views.excerpt if short else views.status)(daemon.get(tid))}


def task_info(daemon, request, tid):
    """what it is"""
    return {"detail": views.info(daemon.get(tid))}


# -- many tasks -------------------------------------------------------------------------

def pause_batch(daemon, request):
    """pause many tasks"""
    tids, _ = _read_batch(request.json())
    return _batch_reply(tids, daemon.pause_all(tids))


def restart_batch(daemon, request):
    """fetch many finished or failed tasks again"""
    tids, _ = _read_batch(request.json())
    return _batch_reply(tids, daemon.restart_all(tids))


def resume_batch(daemon, request):
    """resume many tasks"""
    tids, _ = _read_batch(request.json())
    return _batch_reply(tids, daemon.resume_all(tids))


def delete_batch(daemon, request):
    """delete many tasks"""
    tids, del_file = _read_batch(request.json())
    _, failures = daemon.delete_all(tids, del_file)
    return _batch_reply(tids, failures)


def _read_batch(body):
    """(tids, del_file) from {"tids": […], "del_file": …} or the bare list."""
    if isinstance(body, list):
        body = {"tids": body}
    _check_keys(body, ("tids", "del_file"))
    tids = body.get("tids")
    if not isinstance(tids, list):
        raise InvalidValue("tids", "%s is not a list of tids" % shown(tids))
    for tid in tids:
        if not isinstance(tid, str):
            raise InvalidValue("tids", "%s is not a tid" % shown(tid))
    return tids, _read_flag(body.get("del_file", False))


def _read_flag(value):
    if isinstance(value, str):
        try:
            return parse_boolean(value)
        except ValueError as error:
            raise InvalidValue("del_file", str(error)) from None
    if not isinstance(value, bool):
        raise InvalidValue("del_file", "%s is neither true nor false" % shown(value))
    return value


def _batch_reply(tids, failures):
    if not failures:
        return {}
    return Reply(207, {"errmsg": "%d of %d tasks failed; the others are done"
                                 % (len(failures), len(dict.fromkeys(tids))),
                       "detail": [[tid, str(error)] for tid, error in failures]})


def list_tasks(daemon, request):
    """the tasks, oldest first"""
    short = request.boolean("exerpt", "excerpt", default=True)
    state = request.choice("state", ("all",) + STATES, "all")
    offset, limit = request.integer("offset", 0), request.integer("limit", None)
    tasks = daemon.list(None if state == "all" else state)
    tasks = tasks[offset:None if limit is None else offset + limit]
    return {"detail": [(views.excerpt if short else views.status)(task) for task in tasks],
            "state_counter": _count(daemon)}


def count_states(daemon, request):
    """how many tasks are in each state"""
    return {"detail": _count(daemon)}


def _count(daemon):
    counts = daemon.counts()
    return dict(counts, all=sum(counts.values()))


# -- the daemon -------------------------------------------------------------------------

def get_config(daemon, request):
    """the settings, secrets masked"""
    return {"config": daemon.config.masked()}


ROUTES = (
    Route("POST", "/task", add_task),
    Route("PUT", "/task/tid/<tid>", act_on_task),
    Route("PATCH", "/task/tid/<tid>", change_task),
    Route("DELETE", "/task/tid/<tid>", delete_task),
    Route("GET", "/task/tid/<tid>/status", task_status),
    Route("GET", "/task/tid/<tid>/info", task_info),
    Route("POST", "/task/batch/pause", pause_batch),
    Route("POST", "/task/batch/resume", resume_batch),
    Route("POST", "/task/batch/restart", restart_batch),
    Route("POST", "/task/batch/delete", delete_batch),
    Route("GET", "/task/list", list_tasks),
    Route("GET", "/task/state_coutner", count_states),
    Route("GET", "/task/state_counter", count_states),
    Route("GET", "/config", get_config),
)

_PATTERNS = [(re.compile(re.sub(r"<\w+>", "([^/]+)", route.path)), route) for route in ROUTES]


def find(path):
    """({method: function}, path arguments) of a path; the methods are empty where it is unknown."""
    methods, arguments = {}, ()
    for pattern, route in _PATTERNS:
        match = pattern.fullmatch(path)
        if match is not None:
            methods[route.method], arguments = route.function, match.groups()
    if "GET" in methods:
        methods["HEAD"] = methods["GET"]
    return methods, arguments
