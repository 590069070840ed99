"""The order of the queue: by priority, and by position among the tasks of one priority."""

from ..errors import Conflict
from .states import PAUSED, QUEUED


def of(tasks):
    """Return the tasks that wait or are paused, the next one first."""
    waiting = [each for each in tasks if each.state in (QUEUED, PAUSED)]
    return sorted(waiting, key=lambda each: (-each.options.priority, each.position, each.tid))


def reorder(tasks, task, to):
    """Move the task among those of its priority; return the tasks whose positions changed.

    `to` is "top", "bottom", "up", "down", or an index among all `tasks` in the queue. Raise
    Conflict if the task does not wait. The registry's lock is held.
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
    task = tasks[there]
    if place == there:
        return []
    if place in (0, len(tasks) - 1):        # no other need change
        task.number(task.order, tasks[place].position + (1 if place else -1))
        return [task]
    moved = slice(min(there, place), max(there, place) + 1)
    positions = [each.position for each in tasks[moved]]
    tasks.insert(place, tasks.pop(there))
    for each, position in zip(tasks[moved], positions):
        each.number(each.order, position)
    return tasks[moved]
