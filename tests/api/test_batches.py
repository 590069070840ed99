"""Many tasks in one request: what can be done is done, the rest is told."""

import pytest

from raw import NOWHERE

from dlserv.api import requests


def test_many_are_added_with_their_options(api):
    answer = api.post("/task/batch/add", {"tasks": [
        {"url": NOWHERE + "a", "options": {"paused": True, "priority": 3}},
        {"url": NOWHERE + "b", "ydl_opts": {"paused": True, "format": "best"}}]})
    assert answer.status == 200 and answer["status"] == "success"
    rows = api.get("/task/list?exerpt=false")["detail"]
    assert [row["tid"] for row in rows] == answer["tids"]
    assert [row["url"] for row in rows] == [NOWHERE + "a", NOWHERE + "b"]
    assert "format" in rows[1]["log"][0]["msg"]


def test_those_that_are_refused_are_named_and_the_rest_added(api):
    first = api.add(NOWHERE + "there", paused=True)
    good = {"url": NOWHERE + "good", "options": {"paused": True}}
    answer = api.post("/task/batch/add", {"tasks": [
        NOWHERE + "there", good, good, "gopher://x/", {"url": NOWHERE + "c", "options": {"connections": 99}}, 5, {}, [],
        {"url": None}, {"url": NOWHERE + "d", "extra": 1}]})
    assert answer.status == 207 and answer["status"] == "error" and "9 of 10" in answer["errmsg"]
    assert len(answer["tids"]) == 1 and len(answer["detail"]) == 9
    reasons = dict((url, reason) for url, reason in answer["detail"] if isinstance(url, str))
    assert "already" in reasons[NOWHERE + "there"] and "gopher" in reasons["gopher://x/"]
    assert "options.connections" in reasons[NOWHERE + "c"] and "extra" in reasons[NOWHERE + "d"]
    assert {row["tid"] for row in api.get("/task/list")["detail"]} == {first, answer["tids"][0]}


@pytest.mark.parametrize("body", [[], {}, {"tasks": None}, {"tasks": "x"}, {"tasks": {}}, {"tasks": [], "x": 1}, "x"])
def test_what_is_no_list_of_tasks_is_a_400(api, body):
    assert api.post("/task/batch/add", body).status == 400


def test_no_tasks_are_none(api):
    assert api.post("/task/batch/add", {"tasks": []}).json == {"status": "success", "tids": []}


def test_a_batch_is_bounded(api):
    many = ["x"] * (requests.MOST + 1)
    for path, body in [("add", {"tasks": many}), ("pause", many), ("delete", {"tids": many}), ("restart", many)]:
        answer = api.post("/task/batch/" + path, body)
        assert answer.status == 400 and str(requests.MOST) in answer["errmsg"]


def test_a_full_database_takes_no_more(api, settings):
    assert api.post("/config", {"general": {"max_tasks": 3}}).status == 200
    answer = api.post("/task/batch/add", {"tasks": [
        {"url": NOWHERE + str(number), "options": {"paused": True}} for number in range(5)]})
    assert answer.status == 207 and len(answer["tids"]) == 3 and len(answer["detail"]) == 2
    answer = api.post("/task", {"url": NOWHERE})
    assert answer.status == 503 and "max_tasks" in answer["errmsg"]
    assert api.delete("/task/tid/" + api.get("/task/list")["detail"][0]["tid"]).status == 200
    assert api.post("/task", {"url": NOWHERE, "options": {"paused": True}}).status == 200


@pytest.mark.parametrize("value, is_taken", [
    (True, True), (False, True), ("true", True), ("FALSE", True), ("yes", False), ("1", False), ("", False), (1, False),
    (0, False), (None, False), ([], False), ({}, False), ("on", False)])
def test_del_file_is_a_boolean_whatever_the_tids(api, value, is_taken):
    for tids in ([], ["0" * 40]):
        answer = api.post("/task/batch/delete", {"tids": tids, "del_file": value})
        assert answer.status == ((207 if tids else 200) if is_taken else 400), answer
        assert is_taken or answer["key"] == "del_file"
