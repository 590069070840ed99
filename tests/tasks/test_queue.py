"""The order of the queue, and moving a task within it."""

import pytest

from dlserv.errors import Conflict
from dlserv.settings import config
from dlserv.tasks import queue
from dlserv.tasks.task import Task

SETTINGS = config.Config.parse({}).download


def make(*priorities):
    """Tasks "a", "b", … of these priorities, in the order of age."""
    tasks = []
    for number, priority in enumerate(priorities):
        tasks.append(Task("http://host/" + "abcdefgh"[number], {"priority": priority}, SETTINGS))
        tasks[-1].number(number + 1, number + 1)
    return tasks


def names(tasks):
    return "".join(task.url[-1] for task in queue.of(tasks))


def test_priority_goes_before_age():
    assert names(make(0, 5, 0, -1, 5)) == "beacd"


def test_only_tasks_that_wait_or_are_paused_are_in_the_queue():
    tasks = make(0, 0, 0, 0)
    tasks[1].pause()
    tasks[2].start()
    tasks[3].start()
    tasks[3].fail("why", "http")
    assert names(tasks) == "ab"
    for task in tasks[2:]:
        with pytest.raises(Conflict, match=task.state):
            queue.reorder(tasks, task, "top")


@pytest.mark.parametrize("to, expected", [
    ("top", "cabde"), ("bottom", "abdec"), ("up", "acbde"), ("down", "abdce"),
    (0, "cabde"), (1, "acbde"), (2, "abcde"), (3, "abdce"), (4, "abdec"), (99, "abdec"), (-99, "cabde")])
def test_a_task_moves_to_each_place(to, expected):
    tasks = make(0, 0, 0, 0, 0)
    changed = queue.reorder(tasks, tasks[2], to)
    assert names(tasks) == expected
    assert (changed == []) == (expected == "abcde")


@pytest.mark.parametrize("to, expected", [
    ("top", "adbce"), ("bottom", "abcde"), (0, "adbce"), (1, "adbce"), (2, "abdce"), (4, "abcde")])
def test_a_task_stays_among_those_of_its_priority(to, expected):
    tasks = make(9, 0, 0, 0, -9)
    queue.reorder(tasks, tasks[3], to)
    assert names(tasks) == expected


def test_only_the_tasks_whose_positions_changed_are_returned():
    tasks = make(0, 0, 0, 0, 0)
    before = {task: task.position for task in tasks}
    for to in ("up", "down", "top", 3, "bottom", 0):
        changed = queue.reorder(tasks, tasks[2], to)
        assert {task for task in tasks if task.position != before[task]} == set(changed)
        before = {task: task.position for task in tasks}
