"""Names of files that another task has a claim to."""

import pytest

from dlserv.engine.progress import Finished, Identity, Progress
from dlserv.errors import NameTaken
from dlserv.net.remote_file import Resource
from dlserv.settings import config
from dlserv.tasks.claimed_names import check_part, check_previous
from dlserv.tasks.task import Task

SETTINGS = config.Config.parse({}).download
RESOURCE = Resource("http://host/a", 3, None, None, False, None, "", None, "", None, None)
FILE = Finished("a", Identity(1, 2, 3, 4), None, RESOURCE)


def make(name, below=""):
    return Task("http://host/" + name, {"dir": below}, SETTINGS)


@pytest.mark.parametrize("below, taken", [("", True), ("films", False)])
def test_a_part_file_belongs_to_one_task_of_a_folder(below, taken):
    one, other = make("1"), make("2", below)
    other.plan(Progress("a.part", "a", other.url, RESOURCE, [], None, None), "session")
    check_part([one, other], one, "b.part")
    check_part([one, other], other, "a.part")
    if taken:
        with pytest.raises(NameTaken, match="a.part"):
            check_part([one, other], one, "a.part")
    else:
        check_part([one, other], one, "a.part")


@pytest.mark.parametrize("later, below, taken", [(True, "", True), (False, "", False), (True, "films", False)])
def test_a_replaced_file_may_be_another_task_s_by_now(later, below, taken):
    one, other = make("1"), make("2", below)
    for task in (one, other) if later else (other, one):
        task.start()
        task.finish(FILE)
    one.finish_time, other.finish_time = (5.0, 6.0) if later else (6.0, 5.0)
    one.restart()
    check_previous([one, other], one, "b")
    check_previous([one], one, "a")
    if taken:
        with pytest.raises(NameTaken, match="a is another task's"):
            check_previous([one, other], one, "a")
    else:
        check_previous([one, other], one, "a")
