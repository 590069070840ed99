"""The route table, and one short function for each row.

A function takes (daemon, request, *path arguments) and returns the fields of the reply without
`status`, or a whole Reply. Dispatch, 404, 405, README's table and /openapi.json follow from ROUTES.
"""

import re
from collections import namedtuple

from ..contract import ACTS, MOVE, PLACES, STATES
from ..errors import InvalidValue
from ..masking import shown
from ..settings.config import CONFINING
from ..tasks import views
from . import requests
from .assets import MEDIA_TYPES
from .replies import JSON_HEADERS, Reply, list_reply, to_json

_COLUMNS = "method path function tag summary query body reply errors media_type public refuse name"
_DEFAULTS = (None, None, (), None, "done", (), "application/json", False, None, None)     # from `tag` on


class Route(namedtuple("Route", _COLUMNS, defaults=_DEFAULTS)):
    """A row.

    tag         groups the operations; None leaves the row out of /openapi.json
    query       names of the parameters
    body, reply names of schemas in openapi.py, or None
    errors      HTTP statuses that the rest of the row does not imply
    public      answers anybody, without a token and by any host name
    refuse      makes errors like replies.error_reply; such a route lets callers in itself
    name        of the operation, if it is not the function's
    """

    __slots__ = ()


# -- tasks ------------------------------------------------------------------------------

def add_task(daemon, request):
    task = requests.read_form(request.form()) if request.is_form else requests.read_task(request.json())
    return {"tid": daemon.add(*requests.repeated(task, request.boolean("repeat")))}


def act_on_task(daemon, request, tid):
    """Carry out the act of the query."""
    act = request.choice("act", ACTS + (MOVE,))
    if act == MOVE:
        daemon.move(tid, _place(request))
    else:
        daemon.act(act, tid)
    return {}


def _place(request):
    to = request.query.get("to", "")
    if to not in PLACES and to[:1] not in set("0123456789"):
        raise InvalidValue("to", f"{shown(to)} is not one of {', '.join(PLACES)}, or an index from 0 on")
    return to if to in PLACES else request.integer("to", 0)


def change_task(daemon, request, tid):
    daemon.change(tid, *requests.read_change(request.json()))
    return {}


def delete_task(daemon, request, tid):
    removal = daemon.delete(tid, request.boolean("del_file"))
    return {"detail": removal.to_detail()} if any(removal) else {}


def get_task_status(daemon, request, tid):
    view = views.excerpt if request.boolean(*_SHORT) else views.status
    return {"detail": view(daemon.get(tid))}


def get_task_info(daemon, request, tid):
    return {"detail": views.info(daemon.get(tid))}


def get_task_file(daemon, request, tid):
    from .files import file_reply
    return file_reply(request, *daemon.open_file(tid))


def list_tasks(daemon, request):
    """List a part of the tasks, with the counts of all."""
    short, rows = request.boolean(*_SHORT, default=True), request.boolean("rows")
    state = request.choice("state", ("all",) + STATES, "all")
    offset, limit = request.integer("offset", 0), request.integer("limit", None)
    tasks = daemon.list(None if state == "all" else state)
    tasks = tasks[offset:None if limit is None else offset + limit]
    view = views.row if rows else views.excerpt if short else views.status
    return list_reply(map(view, tasks), len(tasks), state_counter=views.state_counter(daemon))


def count_tasks(daemon, request):
    return {"detail": views.state_counter(daemon)}


def list_folders(daemon, request):
    folders, whole = daemon.report.folders()
    return {"detail": folders, "complete": whole}


# -- the archive ------------------------------------------------------------------------

def list_archive(daemon, request):
    """List a part of the archive, with the count of all."""
    offset, limit = request.integer("offset", 0), request.integer("limit", None)
    count, entries = daemon.archive.count(), daemon.archive.list(offset, limit)
    return list_reply((entry.to_detail() for entry in entries), count, count=count)


def forget_archived(daemon, request, tid):
    daemon.archive.forget(tid)
    return {}


def forget_archive(daemon, request):
    return {"count": daemon.archive.forget_all()}


# -- the daemon -------------------------------------------------------------------------

def get_config(daemon, request):
    """Show the settings; `fixed` names those that deny_private has made read-only."""
    reply = {"config": daemon.config.masked()}
    if request.boolean("origins"):
        reply["origins"] = daemon.configuration.origins()
    fixed = [name for name in daemon.configuration.fixed_names() if name in CONFINING]
    return dict(reply, fixed=fixed) if fixed else reply


def change_config(daemon, request):
    daemon.configure(request.json())
    return get_config(daemon, request)


def get_stats(daemon, request):
    history = {"history": daemon.report.speed_history()} if request.boolean("history") else {}
    return dict(daemon.stats(), **history)


def get_events(daemon, request):
    """Subscribe the caller, unless it only asks for the head."""
    events = iter(())
    if request.method != "HEAD":
        events = request.server.feed.listen(request.headers.get("last-event-id", ""))
    return Reply(200, [("Content-Type", "text/event-stream; charset=utf-8"), ("Cache-Control", "no-store"),
                       ("X-Accel-Buffering", "no")], events)


def get_health(daemon, request):
    """Tell strangers nothing but that it works."""
    request.server.check_listening()
    health = daemon.report.health()
    return health if health and request.server.access.is_trusted(request.headers, request.address) else {}


def get_metrics(daemon, request):
    from . import metrics
    return metrics.reply(daemon, request.server)


def get_openapi(daemon, request):
    from . import openapi
    document = openapi.document(ROUTES, request.server, daemon.configuration.fixed_names())
    return Reply(200, JSON_HEADERS, to_json(document) + b"\n")


def get_asset(daemon, request):
    return request.server.assets.reply(request)


def _aria2(name):
    """Return the function of this name in aria2.door, loaded with its first call."""
    def function(*arguments, **rest):
        from .aria2 import door
        return getattr(door, name)(*arguments, **rest)
    return function


def _batch(name):
    def function(daemon, request):
        from . import batches
        return getattr(batches, name)(daemon, request)
    return function


def _batch_route(act, summary, function="act_on_tasks"):
    return Route("POST", "/task/batch/" + act, _batch(function), "batch", summary, body="tids", errors=(207,),
                 name=act + "Tasks")


_SHORT = ("exerpt", "excerpt")
_COUNT = "how many tasks are in each state"

ROUTES = (
    Route("POST", "/task", add_task, "tasks", "create a task", ("repeat",), body="task",
          reply="added", errors=(409,)),
    Route("PUT", "/task/tid/<tid>", act_on_task, "tasks",
          "`act=pause`, `resume`, `restart` (from nothing), `refresh` (if it has changed), `verify` (in the "
          "background), or `move` with `to=top|bottom|up|down` or an index of the queue, from 0 on",
          ("act", "to"), errors=(409,)),
    Route("PATCH", "/task/tid/<tid>", change_task, "tasks",
          "change a task: a fresh `url` of the same file, or `options`; null resets an option",
          body="change", errors=(409,)),
    Route("DELETE", "/task/tid/<tid>", delete_task, "tasks",
          "delete a task, and its files with `del_file=true`", ("del_file",), reply="deleted"),
    Route("GET", "/task/tid/<tid>/status", get_task_status, "tasks",
          "progress, speed, error and log of a task", _SHORT, reply="status_reply"),
    Route("GET", "/task/tid/<tid>/info", get_task_info, "tasks",
          "what is known of a task's file, and its options", reply="info_reply"),
    Route("GET", "/task/tid/<tid>/file", get_task_file, "tasks",
          "the finished file, with ranges and conditions", reply=None, errors=(409, 412, 416),
          media_type="application/octet-stream"),
    Route("POST", "/task/batch/add", _batch("add_tasks"), "batch", "create many tasks",
          ("repeat",), body="tasks", reply="added_many", errors=(207,), name="addTasks"),
    _batch_route("pause", "pause many tasks"),
    _batch_route("resume", "resume many tasks"),
    _batch_route("restart", "fetch many finished or failed tasks again"),
    _batch_route("refresh", "fetch many finished files again where they have changed"),
    _batch_route("verify", "compute the SHA-256 of many finished files, in the background"),
    _batch_route("delete", "delete many tasks", "delete_tasks"),
    Route("GET", "/task/list", list_tasks, "tasks", "the tasks, oldest first",
          _SHORT + ("rows", "state", "offset", "limit"), reply="task_list"),
    Route("GET", "/task/state_coutner", count_tasks, "tasks", _COUNT, reply="counts_reply"),
    Route("GET", "/task/state_counter", count_tasks, "tasks",
          _COUNT + "; the same, spelt right", reply="counts_reply", name="countTasksToo"),
    Route("GET", "/archive", list_archive, "archive",
          "finished downloads whose tasks are deleted, oldest first, if `general.archive` is on",
          ("offset", "limit"), reply="archive"),
    Route("DELETE", "/archive/<tid>", forget_archived, "archive",
          "forget an entry, so that its URL can be downloaded again"),
    Route("DELETE", "/archive/all", forget_archive, "archive", "forget the whole archive",
          reply="forgotten"),
    Route("GET", "/config", get_config, "settings",
          "the settings, secrets masked; where each was set with `origins=true`", ("origins",),
          reply="config_reply"),
    Route("POST", "/config", change_config, "settings",
          "change settings at once; `server.*` and paths are refused", body="config", reply="config_reply",
          errors=(403,)),
    Route("GET", "/stats", get_stats, "system",
          "speed, bytes since the start, connections, free space; ten minutes of it with `history=true`",
          ("history",), reply="stats"),
    Route("GET", "/folders", list_folders, "tasks",
          "the folders that a task can go to", reply="folders"),
    Route("GET", "/events", get_events, "events", "what happens, as Server-Sent Events",
          reply=None, media_type="text/event-stream"),
    Route("GET", "/health", get_health, "system",
          "200 while it works, else 503 and why; needs no token", reply="health", errors=(503,), public=True),
    Route("GET", "/metrics", get_metrics, "system", "figures for Prometheus", reply=None,
          media_type="text/plain"),
    Route("GET", "/openapi.json", get_openapi, "system",
          "this interface, described for machines", reply=None),
    Route("POST", "/jsonrpc", _aria2("post_call"), None, "aria2's JSON-RPC, for aria2's clients",
          refuse=_aria2("refuse")),
    Route("GET", "/jsonrpc", _aria2("get_call"), None, "the same over WebSocket",
          refuse=_aria2("refuse")),
    Route("GET", "/", get_asset, None, "the web page", reply=None, media_type="text/html",
          public=True),
)
ASSETS = tuple(Route("GET", "/" + name, get_asset, public=True) for name in MEDIA_TYPES if name != "index.html")
XML_RPC = tuple(Route(method, "/rpc", _aria2("refuse_xml"), public=True) for method in ("GET", "POST"))


def _by_path(routes):
    table = {}
    for route in routes:
        methods = table.setdefault(route.path, {})
        methods[route.method] = route
        if route.method == "GET":
            methods["HEAD"] = route
    return table


_TABLE = _by_path(ROUTES + ASSETS + XML_RPC)
_PATTERNS = [(re.compile(re.sub(r"<\w+>", "([^/]+)", re.escape(path))), methods)
             for path, methods in _TABLE.items() if "<" in path]


def find(path):
    """Return ({method: Route}, path arguments) of a path, ({}, ()) if there is no such path."""
    if path in _TABLE and "<" not in path:
        return _TABLE[path], ()
    for pattern, methods in _PATTERNS:
        match = pattern.fullmatch(path)
        if match is not None:
            return methods, match.groups()
    return {}, ()
