"""Tasks as plain data: what each view of them has."""

from dlserv.settings import config
from dlserv.tasks import views
from dlserv.tasks.task import Task

SETTINGS = config.Config.parse({}).download


def make(**posted):
    return Task("http://me:secret@host/a.iso", posted, SETTINGS)


def test_a_row_and_a_status_begin_with_the_excerpt():
    task = make()
    excerpt = views.excerpt(task)
    for view in (views.row, views.status):
        assert {name: view(task)[name] for name in excerpt} == excerpt


def test_a_detail_is_info_and_status():
    task = make(priority=3)
    assert views.detail(task) == dict(views.info(task), **views.status(task))
    assert views.detail(task)["options"] == {"priority": 3}


def test_no_view_shows_a_secret():
    task = make(password="hush-hush")
    for view in (views.excerpt, views.row, views.status, views.info, views.detail):
        assert "hush-hush" not in str(view(task)) and "secret" not in str(view(task))
