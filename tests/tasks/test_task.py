"""A task: its states, its record, its log."""

import hashlib

import pytest

from dlserv.settings import config
from dlserv.engine.progress import Finished, Identity
from dlserv.net.remote_file import Resource
from dlserv.errors import Conflict, InvalidValue
from dlserv.contract import STATES, tid_of
from dlserv.tasks.states import TRANSITIONS, next_state
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


def test_lives_are_stored_and_older_records_have_none():
    stored = dict(make().to_record(), life=3, end_time=5.0)
    task = Task.from_record(stored, SETTINGS)
    assert (task.life, task.end_time) == (3, 5.0)
    del stored["life"], stored["end_time"]
    assert Task.from_record(stored, SETTINGS).life == 0


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


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("event", EVENTS)
def test_every_event_leads_to_a_state_or_is_refused(state, event):
    if event in TRANSITIONS[state]:
        assert next_state(state, event) in STATES
    else:
        with pytest.raises(Conflict, match="the task is " + state):
            next_state(state, event)


def test_every_state_has_a_row_and_can_be_left_and_reached():
    assert set(TRANSITIONS) == set(STATES)
    reached = {state for row in TRANSITIONS.values() for state in row.values()}
    assert reached == set(STATES) and all(TRANSITIONS.values())


def test_a_record_makes_the_same_task():
    task = make(dir="x", priority=3)
    task.start()
    task.count_failure()
    task.end_attempt(1.5)
    task.requeue("why")
    task.number(3, -2)
    task.note("warning", "careful", 50)
    again = Task.from_record(task.to_record(), SETTINGS)
    assert again.to_record() == task.to_record()
    assert (again.tid, again.options, again.log) == (task.tid, task.options, task.log)


def test_the_record_has_the_names_that_older_versions_read():
    task = make()
    task.number(3, -2)
    task.mark_deleting(True)
    record = task.to_record()
    assert (record["order"], record["place"], record["leaving"], record["options"]) == (3, -2, True, {})


def test_a_fresh_url_keeps_the_tid():
    task = make()
    task.change("http://elsewhere/b", {}, SETTINGS)
    assert Task.from_record(task.to_record(), SETTINGS).tid == tid_of("http://host/a.tar.gz")


@pytest.mark.parametrize("change", [
    {"state": "lost"}, {"url": None}, {"url": "ftp//x"}, {"create_time": "now"}, {"elapsed": float("nan")},
    {"log": [{}]}, {"log": None}, {"flushed": 7}, {"progress": {"part": "x"}}, {"file": {"name": "x"}},
    {"options": {"filename": 7}}])
def test_a_record_that_makes_no_task_is_refused(change):
    record = dict(make().to_record(), **change)
    with pytest.raises((KeyError, TypeError, ValueError, InvalidValue)):
        Task.from_record(record, SETTINGS)
    missing = make().to_record()
    del missing[next(iter(change))]
    with pytest.raises(KeyError):
        Task.from_record(missing, SETTINGS)


def test_the_log_is_bounded_and_newest_first():
    task = make()
    for number in range(10):
        task.note("warning", "%d" % number * 2000, 3)
    assert [entry["msg"][0] for entry in task.log] == ["9", "8", "7"]
    assert all(len(entry["msg"]) <= 1000 and isinstance(entry["time"], int) for entry in task.log)


@pytest.mark.parametrize("url, posted, title", [
    ("http://host/a.tar.gz", {}, "a"), ("http://host/", {}, "host"), ("http://host/x%20y.iso", {}, "x y"),
    ("http://host/x", {"filename": "My File.mp4"}, "My File")])
def test_the_title_is_the_best_guess(url, posted, title):
    assert make(url, **posted).title == title
