"""Progress that is kept while an attempt runs: soon as a record, and later as one that was flushed."""

from dlserv.tasks.checkpointer import Checkpointer
from dlserv.tasks.task import Task
from harness import noise, until
from servers.origin import Gate

DATA = noise(300000)
HERE = [[0, 150000]]


def half(daemon, origin):
    """Return a task that has half of its bytes and gets no more."""
    origin.put("/a.iso", DATA, script=[Gate(after=150000)])
    return daemon.get(daemon.add(origin.url("/a.iso"), {"connections": 1}))


def is_recorded(task):
    progress = task.to_record()["progress"]
    return progress is not None and progress["done"] == HERE


def test_what_is_here_is_recorded_while_it_runs(daemon, origin):
    task = half(daemon, origin)
    until(lambda: is_recorded(task))
    assert task.state == "downloading"


def test_what_is_recorded_as_flushed_comes_later(daemon, origin, monkeypatch):
    monkeypatch.setattr(Checkpointer, "FLUSH_EVERY", 1000.0)
    task = half(daemon, origin)
    until(lambda: is_recorded(task))
    assert task.to_record()["flushed"] != HERE, "a power cut may still cost these bytes"
    monkeypatch.setattr(Checkpointer, "FLUSH_EVERY", 0.0)
    until(lambda: task.to_record()["flushed"] == HERE)


def test_many_bytes_are_flushed_before_their_time(daemon, origin, monkeypatch):
    monkeypatch.setattr(Checkpointer, "FLUSH_EVERY", 1000.0)
    monkeypatch.setattr(Checkpointer, "FLUSH_BYTES", 100000)
    task = half(daemon, origin)
    until(lambda: task.to_record()["flushed"] == HERE)


def test_a_checkpoint_that_fails_is_made_up_for(daemon, origin, monkeypatch, caplog):
    real, failures = Task.advance, [ZeroDivisionError(), ZeroDivisionError()]

    def advance(*arguments):
        if failures:
            raise failures.pop()
        return real(*arguments)

    monkeypatch.setattr(Task, "advance", advance)
    monkeypatch.setattr(Checkpointer, "EVERY", 0.1)
    task = half(daemon, origin)
    until(lambda: not failures and is_recorded(task))
    assert caplog.text.count("a checkpoint failed") == 1, "it is told once"
    assert task.state == "downloading"
