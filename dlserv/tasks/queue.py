"""The order of the queue: by priority, and by position among the tasks of one priority."""

from ..errors import Conflict
from .states import PAUSED, QUEUED


def of(tasks):
    """Return the tasks that wait or are paused, the next one first."""
    waiting = [each for each in tasks if each.state in (QUEUED, PAUSED)]
    return sorted(waiting, key=lambda each: (-each.options.priority, each.position, each.tid))


def reorder(tasks, task, to):
    """Move the task to another place of the queue: "top", "bottom", "up", "down", or an index from 0 on.

    It stays among the tasks of its priority. Return the tasks whose positions changed.
    Raise Conflict if the task does not wait. `tasks` are all that there are, and the
    registry's lock is held.
    """
    if task.state not in (QUEUED, PAUSED):
        raise Conflict(f"the task is {task.state}; only one that waits has a place in the queue")
    queue = of(tasks)
    peers = [each for each in queue if each.options.priority == task.options.priority]
    there, last = peers.index(task), len(peers) - 1
    wanted = to - queue.index(peers[0]) if isinstance(to, int) else \
        {"top": 0, "bottom": last, "up": there - 1, "down": there + 1}[to]
    return _shift(peers, there, min(max(0, wanted), last))


def _shift(tasks, there, place):
    """Move the task from one index to another; return the tasks whose positions changed."""
    task = tasks[there]
    if place == there:
        return []
    if place in (0, len(tasks) - 1):
        task.number(task.order, tasks[place].position + (1 if place else -1))
        return [task]
    if place < there:
        before, after = tasks[place:there + 1], [task] + tasks[place:there]
    else:
        before, after = tasks[there:place + 1], tasks[there + 1:place + 1] + [task]
    for each, position in zip(after, [each.position for each in before]):
        each.number(each.order, position)
    return after
