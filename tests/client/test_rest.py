"""The client of a daemon: an operation for everything that can be done to tasks."""

import threading

import pytest

from harness import noise
from servers.canned import Canned, reply
from servers.origin import Gate, refuse

import dlserv
from dlserv import Client, Server
from dlserv.client.rest import task_path
from dlserv.contract import tid_of
from dlserv.errors import NoDaemon, Refused

NOWHERE = "http://127.0.0.1:1/"
DATA = noise(50000)


@pytest.fixture
def to(daemon):
    """A client of an in-process daemon."""
    with Server(daemon, "127.0.0.1", 0) as server, Client(server.url) as client:
        yield client


def test_it_is_one_of_the_public_names():
    assert "Client" in dlserv.__all__ and dlserv.Client is Client


def test_tasks_are_added_seen_and_removed(to):
    tid = to.add(NOWHERE + "x.iso", paused=True, ratelimit="1K")
    assert tid == tid_of(NOWHERE + "x.iso")
    assert to.task(tid)["state"] == "paused" and to.task(tid)["log"] == []
    assert to.info(tid)["options"] == {"paused": True, "ratelimit": 1024}
    assert [each["tid"] for each in to.tasks()] == [each["tid"] for each in to.tasks("paused")] == [tid]
    assert {"percent", "filename", "error", "place"} <= set(to.tasks()[0]) and "log" not in to.tasks()[0]
    assert to.tasks("finished") == []
    with pytest.raises(Refused) as caught:
        to.add(NOWHERE + "x.iso")
    assert caught.value.status == 409
    assert to.remove(tid) == {} and to.tasks() == []


def test_many_are_added_and_acted_on(to):
    urls = (NOWHERE + "a", "nonsense", NOWHERE + "b")
    tids, refused = to.add_all([(url, {"paused": True}) for url in urls])
    assert tids == [tid_of(NOWHERE + name) for name in "ab"]
    assert [url for url, _ in refused] == ["nonsense"]
    assert to.act_on_all("delete", tids + ["0" * 40]) == [("0" * 40, "there is no task " + "0" * 40)]
    assert to.add_all([]) == ([], []) and to.tasks() == []


def test_more_are_added_than_one_request_holds(to):
    wanted = [("%s%d" % (NOWHERE, number), {"paused": True, "referer": "http://h/" + "x" * 400})
              for number in range(2500)]
    assert to.add_all(wanted) == ([tid_of(url) for url, _ in wanted], [])


def test_a_task_is_paused_resumed_restarted_moved_and_changed(to, origin, daemon):
    gate = Gate(after=20000)
    origin.put("/x.iso", DATA, script=[gate])
    tid = to.add(origin.url("/x.iso"), connections=1)
    to.pause(tid)
    assert to.task(tid)["state"] == "paused"
    gate.open()
    to.resume(tid)
    assert to.wait(tid, 30)["state"] == "finished"
    to.restart(tid)
    assert to.wait(tid, 30)["state"] == "finished"
    with pytest.raises(Refused, match="cannot be paused") as caught:
        to.pause(tid)
    assert caught.value.status == 409
    one, two = to.add(NOWHERE + "1", paused=True), to.add(NOWHERE + "2", paused=True)
    to.move(two, "top")
    assert daemon.get(two).position < daemon.get(one).position
    to.change(one, ratelimit=1024, connections=2)
    assert daemon.get(one).options.ratelimit == 1024
    to.change(one, url=NOWHERE + "fresh", ratelimit=None)
    assert (daemon.get(one).url, daemon.get(one).options.ratelimit) == (NOWHERE + "fresh", 0)
    assert daemon.get(one).options.connections == 2


def test_removing_with_the_file_says_what_went(to, origin):
    origin.put("/x.iso", DATA)
    tid = to.add(origin.url("/x.iso"))
    to.wait(tid, 30)
    assert to.remove(tid, del_file=True) == {"deleted": ["x.iso"], "missing": [], "kept": []}


def test_wait_ends_when_the_task_does(to, origin):
    origin.put("/x.iso", DATA, script=[refuse("410 Gone")])
    assert "410" in to.wait(to.add(origin.url("/x.iso")), 30)["error"]
    with pytest.raises(Refused) as caught:
        to.wait("0" * 40)
    assert caught.value.status == 404


def test_wait_gives_up_when_its_time_is_over(to, origin):
    origin.put("/x.iso", DATA, script=[Gate(after=20000)])
    tid = to.add(origin.url("/x.iso"))
    with pytest.raises(TimeoutError):
        to.wait(tid, 0.2)
    assert not [each for each in threading.enumerate() if each.name == "dlserv-deadline"]


def test_settings_are_read_and_changed(to, daemon):
    assert to.config()["download"]["retries"] == daemon.config.download.retries
    assert to.config({"download": {"retries": 7}})["download"]["retries"] == 7
    assert daemon.config.download.retries == 7


@pytest.mark.parametrize("tid", ["a/b", "../config", "ä"])
def test_a_strange_tid_stays_within_its_path(to, tid):
    with pytest.raises(Refused) as caught:
        to.get(task_path(tid, "status"))
    assert caught.value.status in (400, 404)


def test_events_arrive_as_they_happen(to, origin):
    origin.put("/x.iso", noise(1000), script=[Gate(after=500)])
    with to.events() as stream:
        events = iter(stream)
        first = next(events)
        assert (first.kind, first.data["detail"]) == ("snapshot", [])
        tid = to.add(origin.url("/x.iso"))
        assert next(event.data for event in events if event.kind == "task")["tid"] == tid
        to.remove(tid)
        assert next(event.data for event in events if event.kind == "removed") == {"tid": tid}
        threading.Thread(target=stream.close).start()       # from another thread
        assert [event for event in events if event.kind == "removed"] == []


def test_a_daemon_that_is_gone_is_an_error_of_every_operation():
    with Canned(reply("200 OK", {"status": "success"})) as server:
        url = server.url
    with Client(url) as client:
        for call in (client.tasks, client.events, client.config, lambda: client.add(NOWHERE),
                     lambda: client.task("0" * 40), lambda: client.change("0" * 40, ratelimit=1),
                     lambda: client.wait("0" * 40)):
            with pytest.raises(NoDaemon):
                call()
