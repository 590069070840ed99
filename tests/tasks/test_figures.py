"""The figures of a task: its names, its bytes, what it waits for."""

import pytest

from dlserv.engine.progress import Finished, Identity, Progress
from dlserv.net.remote_file import Resource
from dlserv.settings import config
from dlserv.tasks.task import Task

SETTINGS = config.Config.parse({}).download
RESOURCE = Resource("http://host/a.tar.gz", 9, None, None, False, None, "", None, "", None, None)


def make(url="http://host/a.tar.gz", **posted):
    return Task(url, posted, SETTINGS)


@pytest.mark.parametrize("url, posted, title", [
    ("http://host/a.tar.gz", {}, "a"), ("http://host/", {}, "host"), ("http://host/x%20y.iso", {}, "x y"),
    ("http://host/x", {"filename": "My File.mp4"}, "My File")])
def test_the_title_is_the_best_guess(url, posted, title):
    assert make(url, **posted).title == title


def test_names_are_below_the_folder_once_they_are_known():
    task = make(dir="films")
    assert (task.filename, task.tmpfilename, task.name, task.extension) == ("", "", "a.tar.gz", "")
    task.plan(Progress("b.part", "b.iso", task.url, RESOURCE, [(0, 3), (5, 9)], None, None), "session")
    assert (task.filename, task.tmpfilename, task.extension) == ("films/b.iso", "films/b.part", ".iso")


def test_bytes_come_from_the_progress_and_then_from_the_file():
    task = make()
    assert (task.downloaded, task.total, task.ranges, task.eta) == (0, 0, [], 0)
    task.plan(Progress("b.part", "b", task.url, RESOURCE, [(0, 3), (5, 9)], None, None), "session")
    assert (task.downloaded, task.total, task.ranges) == (7, 9, [(0, 3), (5, 9)])
    task.start()
    task.finish(Finished("b", Identity(1, 2, 9, 4), None, RESOURCE))
    assert (task.downloaded, task.total, task.ranges) == (9, 9, [(0, 9)]) and task.whole is task.file


def test_a_try_that_is_due_later_is_told_with_the_error():
    task = make()
    task.start()
    task.count_failure()
    task.requeue("the server is busy")
    task.wait_at(None, 60)
    assert task.is_held_back and 59 < task.delay <= 60
    assert task.error.startswith("the server is busy; the next try is in ")
