"""The route table, and one short function for each row.

A function takes (daemon, request, *path arguments) and gives what the reply has besides
`status`, or a Reply; it raises for everything else. Dispatch, 404, 405 with Allow,
README's table and /openapi.json all follow from ROUTES.
"""

import json
import re
from collections import namedtuple

from .. import urls
from ..tasks import views
from ..tasks.states import STATES
from . import bodies, metrics, openapi
from .assets import MEDIA_TYPES
from .files import file_reply
from .replies import Reply, error_reply


class Route(namedtuple("Route", "method path function query body media_type public")):
    """A row: `query` names the parameters, `body` the schema of openapi.py, if it has one.

    `public` is what anybody may have without a token.
    """

    __slots__ = ()

    def __new__(cls, method, path, function, query=(), body=None, media_type="application/json",
                public=False):
        return super().__new__(cls, method, path, function, query, body, media_type, public)


# -- one task ---------------------------------------------------------------------------

def add_task(daemon, request):
    """create a task"""
    if request.is_form:
        url, posted, notes = bodies.read_form(request.form())
    else:
        url, posted, notes = bodies.read_task(request.json())
    return {"tid": daemon.add(url, posted, notes)}


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
    bodies.check_keys(body, ("url", "options"))
    daemon.change(tid, body.get("url"), bodies.member(body, "options"))
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


def task_file(daemon, request, tid):
    """the finished file, with ranges and conditions"""
    return file_reply(request, *daemon.open_file(tid))


# -- many tasks -------------------------------------------------------------------------

def add_batch(daemon, request):
    """create many tasks"""
    read = bodies.read_tasks(request.json())
    tids, refused = daemon.add_all([each for each in read if len(each) == 3])
    refused = [each for each in read if len(each) == 2] + refused
    if not refused:
        return {"tids": tids}
    return error_reply(207, "%d of %d tasks were refused; the others are added" % (len(refused), len(read)),
                       tids=tids, detail=[[_shown(url), str(error)] for url, error in refused])


def _shown(url):
    return urls.shown(url) if isinstance(url, str) else None


def pause_batch(daemon, request):
    """pause many tasks"""
    tids, _ = bodies.read_batch(request.json())
    return _batch_reply(tids, daemon.pause_all(tids))


def restart_batch(daemon, request):
    """fetch many finished or failed tasks again"""
    tids, _ = bodies.read_batch(request.json())
    return _batch_reply(tids, daemon.restart_all(tids))


def resume_batch(daemon, request):
    """resume many tasks"""
    tids, _ = bodies.read_batch(request.json())
    return _batch_reply(tids, daemon.resume_all(tids))


def delete_batch(daemon, request):
    """delete many tasks"""
    tids, del_file = bodies.read_batch(request.json())
    _, failures = daemon.delete_all(tids, del_file)
    return _batch_reply(tids, failures)


def _batch_reply(tids, failures):
    if not failures:
        return {}
    return error_reply(207, "%d of %d tasks failed; the others are done"
                       % (len(failures), len(dict.fromkeys(tids))),
                       detail=[[tid, str(error)] for tid, error in failures])


def list_tasks(daemon, request):
    """the tasks, oldest first"""
    short, rows = request.boolean("exerpt", "excerpt", default=True), request.boolean("rows", default=False)
    state = request.choice("state", ("all",) + STATES, "all")
    offset, limit = request.integer("offset", 0), request.integer("limit", None)
    tasks = daemon.list(None if state == "all" else state)
    tasks = tasks[offset:None if limit is None else offset + limit]
    view = views.row if rows else views.excerpt if short else views.status
    return {"detail": [view(task) for task in tasks],
            "state_counter": views.state_counter(daemon)}


def count_states(daemon, request):
    """how many tasks are in each state"""
    return {"detail": views.state_counter(daemon)}


# -- the daemon -------------------------------------------------------------------------

def get_config(daemon, request):
    """the settings, secrets masked; where each was set with `origins=true`"""
    origins = {"origins": daemon.origins()} if request.boolean("origins", default=False) else {}
    return dict(origins, config=daemon.config.masked())


def change_config(daemon, request):
    """change settings at once; `server.*` and paths are refused"""
    daemon.configure(request.json())
    return get_config(daemon, request)


def get_stats(daemon, request):
    """speed, bytes since the start, connections, free space; ten minutes of speed with `history=true`"""
    history = {"history": daemon.speed_history()} if request.boolean("history", default=False) else {}
    return dict(daemon.stats(), **history)


def list_folders(daemon, request):
    """the folders that a task can go to: those of other tasks and those that are there"""
    folders, whole = daemon.folders()
    return {"detail": folders, "complete": whole}


def get_events(daemon, request):
    """what happens, as Server-Sent Events"""
    headers = [("Content-Type", "text/event-stream; charset=utf-8"), ("Cache-Control", "no-store"),
               ("X-Accel-Buffering", "no")]
    if request.method == "HEAD":
        return Reply(200, headers, iter(()))
    return Reply(200, headers, request.server.feed.listen(request.headers.get("last-event-id", "")))


def get_health(daemon, request):
    """whether it works; needs no token"""
    return daemon.health()


def get_metrics(daemon, request):
    """figures for Prometheus"""
    server = request.server
    return Reply(200, [("Content-Type", metrics.MEDIA_TYPE), ("Cache-Control", "no-store")],
                 metrics.text(daemon, server.replies, server.feed.readers))


def get_openapi(daemon, request):
    """this interface, described for machines"""
    document = openapi.document(ROUTES, request.server.settings.prefix)
    return Reply(200, [("Content-Type", "application/json; charset=utf-8"), ("Cache-Control", "no-store")],
                 json.dumps(document, indent=1).encode() + b"\n")


def get_asset(daemon, request):
    """the web page and its parts"""
    return request.server.assets.reply(request)


_SHORT = ("exerpt", "excerpt")

ROUTES = (
    Route("POST", "/task", add_task, body="task"),
    Route("PUT", "/task/tid/<tid>", act_on_task, ("act", "to")),
    Route("PATCH", "/task/tid/<tid>", change_task, body="change"),
    Route("DELETE", "/task/tid/<tid>", delete_task, ("del_file",)),
    Route("GET", "/task/tid/<tid>/status", task_status, _SHORT),
    Route("GET", "/task/tid/<tid>/info", task_info),
    Route("GET", "/task/tid/<tid>/file", task_file, media_type="application/octet-stream"),
    Route("POST", "/task/batch/add", add_batch, body="tasks"),
    Route("POST", "/task/batch/pause", pause_batch, body="tids"),
    Route("POST", "/task/batch/resume", resume_batch, body="tids"),
    Route("POST", "/task/batch/restart", restart_batch, body="tids"),
    Route("POST", "/task/batch/delete", delete_batch, body="tids"),
    Route("GET", "/task/list", list_tasks, _SHORT + ("rows", "state", "offset", "limit")),
    Route("GET", "/task/state_coutner", count_states),
    Route("GET", "/task/state_counter", count_states),
    Route("GET", "/config", get_config, ("origins",)),
    Route("POST", "/config", change_config, body="config"),
    Route("GET", "/stats", get_stats, ("history",)),
    Route("GET", "/folders", list_folders),
    Route("GET", "/events", get_events, media_type="text/event-stream"),
    Route("GET", "/health", get_health, public=True),
    Route("GET", "/metrics", get_metrics, media_type="text/plain"),
    Route("GET", "/openapi.json", get_openapi),
    Route("GET", "/", get_asset, media_type="text/html", public=True),
)
ASSETS = tuple(Route("GET", "/" + name, get_asset, public=True) for name in MEDIA_TYPES
               if name != "index.html")

_PATTERNS = [(re.compile(re.sub(r"<\w+>", "([^/]+)", re.escape(route.path))), route) for route in ROUTES + ASSETS]


def find(path):
    """({method: Route}, path arguments) of a path; the methods are empty where it is unknown."""
    methods, arguments = {}, ()
    for pattern, route in _PATTERNS:
        match = pattern.fullmatch(path)
        if match is not None:
            methods[route.method], arguments = route, match.groups()
    if "GET" in methods:
        methods["HEAD"] = methods["GET"]
    return methods, arguments
