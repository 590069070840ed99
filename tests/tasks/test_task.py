"""A task: what each of its methods changes in which state."""

import hashlib

import pytest

from dlserv.settings import config
from dlserv.engine.progress import Finished, Identity
from dlserv.net.remote_file import Resource
from dlserv.errors import Conflict
from dlserv.contract import STATES, tid_of
from dlserv.tasks.states import TRANSITIONS
from dlserv.tasks.task import Task

SETTINGS = config.Config.parse({}).download
RESOURCE = Resource("http://host/a.tar.gz", 3, None, None, False, None, "", None, "", None, None)
FILE = Finished("a.tar.gz", Identity(1, 2, 3, 4), None, RESOURCE)
EVENTS = sorted({event for row in TRANSITIONS.values() for event in row})


def make(url="http://host/a.tar.gz", **posted):
    return Task(url, posted, SETTINGS)


def test_the_tid_is_the_sha_1_of_the_url_as_posted():
    url = "http://host/ü?x=1#y"
    assert tid_of(url) == hashlib.sha1(url.encode("utf-8")).hexdigest() == make(url).tid


METHODS = {"start": (), "pause": (), "resume": (), "restart": (), "requeue": (), "finish": (FILE,), "fail": ("why", "http"),
           "verify": (), "refresh": (), "keep": ()}


@pytest.mark.parametrize("events, life", [
    ([], 0), (["start", "finish"], 0), (["start", "finish", "refresh"], 1),
    (["start", "finish", "refresh", "start", "keep"], 0), (["start", "finish", "restart"], 1), (["start", "fail", "resume"], 1),
    (["start", "fail", "restart", "start", "fail", "resume"], 2),
    (["pause", "resume", "start", "requeue", "start"], 0)])
def test_each_time_it_is_fetched_again_is_another_life(events, life):
    task = make()
    for event in events:
        getattr(task, event)(*METHODS[event])
    assert task.life == life
    assert bool(task.end_time) == bool({"finish", "fail"} & set(events))


class Moves(list):
    """A registry that remembers the states before and after each move."""

    def moved(self, task, before):
        self.append((before, task.state))


@pytest.mark.parametrize("state, act", [("invalid", "resume"), ("invalid", "restart"), ("finished", "restart")])
def test_a_task_that_begins_again_paused_is_never_queued(state, act):
    task, moves = Task.from_record(dict(make().to_record(), state=state), SETTINGS), Moves()
    task.enter(moves)
    getattr(task, act)(paused=True)
    assert moves == [(state, "paused")] and task.pause_time and task.life == 1


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("event", EVENTS)
def test_a_method_that_the_state_refuses_changes_nothing(state, event):
    task = Task.from_record(dict(make().to_record(), state=state), SETTINGS)
    before = task.to_record()
    if event in TRANSITIONS[state]:
        getattr(task, event)(*METHODS[event])
        assert task.state == TRANSITIONS[state][event]
    else:
        with pytest.raises(Conflict, match="the task is " + state):
            getattr(task, event)(*METHODS[event])
        assert task.to_record() == before
