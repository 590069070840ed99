"""The fields of a task: its record, its log."""

import pytest

from dlserv.contract import tid_of
from dlserv.errors import InvalidValue
from dlserv.settings import config
from dlserv.tasks.task import Task

SETTINGS = config.Config.parse({}).download


def make(url="http://host/a.tar.gz", **posted):
    return Task(url, posted, SETTINGS)


def test_lives_are_stored_and_older_records_have_none():
    stored = dict(make().to_record(), life=3, end_time=5.0)
    task = Task.from_record(stored, SETTINGS)
    assert (task.life, task.end_time) == (3, 5.0)
    del stored["life"], stored["end_time"]
    assert Task.from_record(stored, SETTINGS).life == 0


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
