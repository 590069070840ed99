"""The route table, and one short function for each row; those about tasks are in task_routes.

A function takes (daemon, request, *path arguments) and returns the fields of the reply
without `status`, or a whole Reply; it raises an errors.Error for everything else. Dispatch,
404, 405 with Allow, README's table and /openapi.json all follow from ROUTES.
"""

import json
import re
from collections import namedtuple

from ..settings.config import CONFINING
from .assets import MEDIA_TYPES
from .replies import Reply, list_reply
from .task_routes import (act_on_task, add_task, change_task, count_tasks, delete_task, get_task_file,
                          get_task_info, get_task_status, list_tasks)


class Route(namedtuple("Route", "method path function name tag summary query body reply errors media_type"
                                " public refuse")):
    """A row.

    name        of the operation, for generated clients
    tag         groups the operations; None leaves the row out of /openapi.json
    summary     one line for README and /openapi.json
    query       names of the query's parameters
    body, reply names of schemas in openapi.py, None if there is none
    errors      HTTP statuses that are not implied by the rest of the row
    public      whether it answers anybody, without a token and by any host name
    refuse      like replies.error_reply, of a route that has another envelope for errors and
                lets callers in by itself
    """

    __slots__ = ()

    def __new__(cls, method, path, function, name, tag, summary, query=(), body=None, reply="done", errors=(),
                media_type="application/json", public=False, refuse=None):
        return super().__new__(cls, method, path, function, name, tag, summary, query, body, reply, errors,
                               media_type, public, refuse)


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
    """Show the settings; `fixed` names those that deny_private has made read-only, if it has."""
    reply = {"config": daemon.config.masked()}
    if request.boolean("origins", default=False):
        reply["origins"] = daemon.configuration.origins()
    fixed = [name for name in daemon.configuration.fixed_names() if name in CONFINING]
    return dict(reply, fixed=fixed) if fixed else reply


def change_config(daemon, request):
    daemon.configure(request.json())
    return get_config(daemon, request)


def get_stats(daemon, request):
    history = {"history": daemon.report.speed_history()} if request.boolean("history", default=False) else {}
    return dict(daemon.stats(), **history)


def list_folders(daemon, request):
    folders, whole = daemon.report.folders()
    return {"detail": folders, "complete": whole}


def get_events(daemon, request):
    """Subscribe the caller, unless it only asks for the head."""
    headers = [("Content-Type", "text/event-stream; charset=utf-8"), ("Cache-Control", "no-store"),
               ("X-Accel-Buffering", "no")]
    if request.method == "HEAD":
        return Reply(200, headers, iter(()))
    return Reply(200, headers, request.server.feed.listen(request.headers.get("last-event-id", "")))


def get_health(daemon, request):
    """Tell a stranger that the daemon works, and nothing else."""
    request.server.check_listening()
    health = daemon.report.health()
    return health if health and request.server.access.is_trusted(request.headers, request.address) else {}


def get_metrics(daemon, request):
    """Show the figures for Prometheus."""
    from . import metrics
    server = request.server
    return Reply(200, [("Content-Type", metrics.MEDIA_TYPE), ("Cache-Control", "no-store")],
                 metrics.text(server.counters, daemon, server.listeners))


def get_openapi(daemon, request):
    """Describe the interface of this server with its settings."""
    from . import openapi
    server = request.server
    document = openapi.document(ROUTES, server.settings.prefix, daemon.configuration.fixed_names(),
                                needs_token=server.access.token is not None)
    return Reply(200, [("Content-Type", "application/json; charset=utf-8"), ("Cache-Control", "no-store")],
                 json.dumps(document, indent=1).encode() + b"\n")


def get_asset(daemon, request):
    return request.server.assets.reply(request)


def _aria2(name):
    """Return the function of this name in aria2.door, which is loaded with the first call of it."""
    def function(*arguments, **rest):
        from .aria2 import door
        return getattr(door, name)(*arguments, **rest)
    return function


def _batch(name):
    """Return the function of this name in batches, which is loaded likewise."""
    def function(daemon, request):
        from . import batches
        return getattr(batches, name)(daemon, request)
    return function


_SHORT = ("exerpt", "excerpt")
_COUNT = "how many tasks are in each state"

ROUTES = (
    Route("POST", "/task", add_task, "addTask", "tasks", "create a task", ("repeat",), body="task",
          reply="added", errors=(409,)),
    Route("PUT", "/task/tid/<tid>", act_on_task, "actOnTask", "tasks",
          "`act=pause`, `resume`, `restart` (from nothing), `refresh` (if it has changed), `verify` (in the "
          "background), or `move` with `to=top|bottom|up|down` or an index of the queue, from 0 on",
          ("act", "to"), errors=(409,)),
    Route("PATCH", "/task/tid/<tid>", change_task, "changeTask", "tasks",
          "change a task: a fresh `url` of the same file, or `options`; null resets an option",
          body="change", errors=(409,)),
    Route("DELETE", "/task/tid/<tid>", delete_task, "deleteTask", "tasks",
          "delete a task, and its files with `del_file=true`", ("del_file",), reply="deleted"),
    Route("GET", "/task/tid/<tid>/status", get_task_status, "getTaskStatus", "tasks",
          "progress, speed, error and log of a task", _SHORT, reply="status_reply"),
    Route("GET", "/task/tid/<tid>/info", get_task_info, "getTaskInfo", "tasks",
          "what is known of a task's file, and its options", reply="info_reply"),
    Route("GET", "/task/tid/<tid>/file", get_task_file, "getTaskFile", "tasks",
          "the finished file, with ranges and conditions", reply=None, errors=(409, 412, 416),
          media_type="application/octet-stream"),
    Route("POST", "/task/batch/add", _batch("add_tasks"), "addTasks", "batch", "create many tasks",
          ("repeat",), body="tasks", reply="added_many", errors=(207,)),
    Route("POST", "/task/batch/pause", _batch("act_on_tasks"), "pauseTasks", "batch", "pause many tasks",
          body="tids", errors=(207,)),
    Route("POST", "/task/batch/resume", _batch("act_on_tasks"), "resumeTasks", "batch", "resume many tasks",
          body="tids", errors=(207,)),
    Route("POST", "/task/batch/restart", _batch("act_on_tasks"), "restartTasks", "batch",
          "fetch many finished or failed tasks again", body="tids", errors=(207,)),
    Route("POST", "/task/batch/refresh", _batch("act_on_tasks"), "refreshTasks", "batch",
          "fetch many finished files again where they have changed", body="tids", errors=(207,)),
    Route("POST", "/task/batch/verify", _batch("act_on_tasks"), "verifyTasks", "batch",
          "compute the SHA-256 of many finished files, in the background", body="tids", errors=(207,)),
    Route("POST", "/task/batch/delete", _batch("delete_tasks"), "deleteTasks", "batch", "delete many tasks",
          body="tids", errors=(207,)),
    Route("GET", "/task/list", list_tasks, "listTasks", "tasks", "the tasks, oldest first",
          _SHORT + ("rows", "state", "offset", "limit"), reply="task_list"),
    Route("GET", "/task/state_coutner", count_tasks, "countTasks", "tasks", _COUNT, reply="counts_reply"),
    Route("GET", "/task/state_counter", count_tasks, "countTasksToo", "tasks",
          _COUNT + "; the same, spelt right", reply="counts_reply"),
    Route("GET", "/archive", list_archive, "listArchive", "archive",
          "finished downloads whose tasks are deleted, oldest first, if `general.archive` is on",
          ("offset", "limit"), reply="archive"),
    Route("DELETE", "/archive/<tid>", forget_archived, "forgetArchived", "archive",
          "forget an entry, so that its URL can be downloaded again"),
    Route("DELETE", "/archive/all", forget_archive, "forgetArchive", "archive", "forget the whole archive",
          reply="forgotten"),
    Route("GET", "/config", get_config, "getConfig", "settings",
          "the settings, secrets masked; where each was set with `origins=true`", ("origins",),
          reply="config_reply"),
    Route("POST", "/config", change_config, "changeConfig", "settings",
          "change settings at once; `server.*` and paths are refused", body="config", reply="config_reply",
          errors=(403,)),
    Route("GET", "/stats", get_stats, "getStats", "system",
          "speed, bytes since the start, connections, free space; ten minutes of it with `history=true`",
          ("history",), reply="stats"),
    Route("GET", "/folders", list_folders, "listFolders", "tasks",
          "the folders that a task can go to: those of other tasks and those that exist",
          reply="folders"),
    Route("GET", "/events", get_events, "getEvents", "events", "what happens, as Server-Sent Events",
          reply=None, media_type="text/event-stream"),
    Route("GET", "/health", get_health, "getHealth", "system",
          "200 while it works, else 503 and why; needs no token", reply="health", errors=(503,), public=True),
    Route("GET", "/metrics", get_metrics, "getMetrics", "system", "figures for Prometheus", reply=None,
          media_type="text/plain"),
    Route("GET", "/openapi.json", get_openapi, "getOpenapi", "system",
          "this interface, described for machines", reply=None),
    Route("POST", "/jsonrpc", _aria2("post_call"), "callAria2", None, "aria2's JSON-RPC, for aria2's clients",
          refuse=_aria2("refuse")),
    Route("GET", "/jsonrpc", _aria2("get_call"), "openAria2", None, "the same over WebSocket",
          refuse=_aria2("refuse")),
    Route("GET", "/", get_asset, "getPage", None, "the web page", reply=None, media_type="text/html",
          public=True),
)
ASSETS = tuple(Route("GET", "/" + name, get_asset, "getAsset", None, "a part of the page", public=True)
               for name in MEDIA_TYPES if name != "index.html")
XML_RPC = tuple(Route(method, "/rpc", _aria2("refuse_xml"), "refuseXml", None, "aria2's other interface",
                      public=True) for method in ("GET", "POST"))


def _by_path(routes):
    """Return {path: {method: Route}}, with HEAD wherever there is GET."""
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
