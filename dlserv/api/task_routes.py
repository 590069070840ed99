"""The functions of the routes that are about tasks, for the table in routes.

Each takes (daemon, request, *path arguments) and returns the fields of the reply without
`status`, or a whole Reply; it raises an errors.Error for everything else.
"""

from ..contract import ACTS, MOVE, PLACES, STATES
from ..errors import InvalidValue
from ..masking import shown
from ..tasks import views
from .replies import list_reply


def add_task(daemon, request):
    """Add a task from JSON or a form."""
    from . import bodies
    if request.is_form:
        task = bodies.read_form(request.form())
    else:
        task = bodies.read_task(request.json())
    return {"tid": daemon.add(*bodies.repeated(task, request.boolean("repeat", default=False)))}


def act_on_task(daemon, request, tid):
    """Carry out the act that the query names."""
    act = request.choice("act", ACTS + (MOVE,))
    if act == MOVE:
        daemon.move(tid, _place(request))
    else:
        daemon.act(act, tid)
    return {}


def _place(request):
    """Return where the query says to move a task: one of the PLACES, or an index."""
    to = request.query.get("to", "")
    if to not in PLACES and to[:1] not in set("0123456789"):
        raise InvalidValue("to", f"{shown(to)} is not one of {', '.join(PLACES)}, or an index from 0 on")
    return to if to in PLACES else request.integer("to", 0)


def change_task(daemon, request, tid):
    from . import bodies
    daemon.change(tid, *bodies.read_change(request.json()))
    return {}


def delete_task(daemon, request, tid):
    removal = daemon.delete(tid, request.boolean("del_file", default=False))
    return {"detail": removal.to_detail()} if any(removal) else {}


def get_task_status(daemon, request, tid):
    short = request.boolean("exerpt", "excerpt", default=False)
    return {"detail": (views.excerpt if short else views.status)(daemon.get(tid))}


def get_task_info(daemon, request, tid):
    return {"detail": views.info(daemon.get(tid))}


def get_task_file(daemon, request, tid):
    """Send the task's file, or what a Range asks for of it."""
    from .files import file_reply
    return file_reply(request, *daemon.open_file(tid))


def list_tasks(daemon, request):
    """List a part of the tasks, with the counts of all."""
    short, rows = request.boolean("exerpt", "excerpt", default=True), request.boolean("rows", default=False)
    state = request.choice("state", ("all",) + STATES, "all")
    offset, limit = request.integer("offset", 0), request.integer("limit", None)
    tasks = daemon.list(None if state == "all" else state)
    tasks = tasks[offset:None if limit is None else offset + limit]
    view = views.row if rows else views.excerpt if short else views.status
    return list_reply(map(view, tasks), len(tasks), state_counter=views.state_counter(daemon))


def count_tasks(daemon, request):
    return {"detail": views.state_counter(daemon)}
