"""What an attempt's end means for its task: finished, another try, a wait for this machine, or invalid."""

import errno

import pytest

from dlserv import Daemon
from dlserv.engine.download import Download
from harness import noise, until
from servers.origin import Gate, drop, refuse

DATA = noise(3000)


def failing(monkeypatch, error):
    """Let every attempt end with this exception."""
    def run(download):
        raise error
    monkeypatch.setattr(Download, "run", run)


def waiting(daemon, url, words):
    """Add the URL; return its task once its error begins with these words."""
    task = daemon.get(daemon.add(url))
    until(lambda: (task.error or "").startswith(words))
    assert task.state == "queued"
    return task


def told(task):
    return [entry["msg"] for entry in task.log]


def test_ends_are_counted_with_their_reasons(api, origin):
    origin.put("/a", DATA, script=[drop(after=1000), refuse("503 Busy")])
    assert api.reach(api.add(origin.url("/a")), "finished")["error"] is None
    assert api.reach(api.add(origin.url("/none")), "invalid")["reason"] == "not_found"
    metrics = api.get("/metrics").body.decode()
    assert "dlserv_tasks_finished_total 1\n" in metrics
    assert 'dlserv_tasks_failed_total{reason="not_found"} 1\n' in metrics


@pytest.mark.parametrize("retries, asked", [(0, 1), (2, 3)])
def test_a_failure_that_may_pass_is_tried_again(daemon, origin, retries, asked):
    origin.put("/a", DATA, script=[refuse("503 Busy")] * 9)
    task = daemon.wait(daemon.add(origin.url("/a"), {"retries": retries}), 15)
    assert task.state == "invalid" and len(origin.asked("/a")) == asked
    assert sum("the next try is in" in line for line in told(task)) == retries


def test_a_refusal_for_good_is_not_tried_again(daemon, origin):
    task = daemon.wait(daemon.add(origin.url("/none"), {"retries": 9}), 15)
    assert (task.state, task.reason) == ("invalid", "not_found") and len(origin.asked("/none")) == 1


def test_a_bug_of_ours_fails_the_task_and_is_in_the_log(daemon, origin, monkeypatch, caplog):
    failing(monkeypatch, ZeroDivisionError("0/0"))
    task = daemon.wait(daemon.add(origin.url("/a")), 15)
    assert (task.state, task.reason, task.error) == ("invalid", "bug", "internal error: ZeroDivisionError")
    assert "internal error" in caplog.text and "Traceback" in caplog.text


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("can't start new thread"),
                                   OSError(errno.EMFILE, "Too many open files")])
def test_a_limit_of_the_system_is_waited_out(daemon, origin, monkeypatch, error):
    failing(monkeypatch, error)
    task = waiting(daemon, origin.url("/a"), "waiting for other tasks: ")
    assert len(told(task)) == 1, "it is told once"


def test_a_lack_of_room_costs_no_tries(settings, origin, folder):
    settings["download"].update(reserve=2 ** 52, retries=0)
    origin.put("/a", DATA)
    with Daemon(settings) as daemon:
        task = waiting(daemon, origin.url("/a"), "waiting for room: ")
        daemon.configure({"download": {"reserve": 0}})
        daemon.resume(task.tid)
        assert daemon.wait(task.tid, 15).state == "finished" and (folder / "a").read_bytes() == DATA


def test_those_that_wait_for_a_closed_server_lose_no_try(settings, origin):
    settings["download"]["retries"] = 0
    gate = Gate(after=1000)
    origin.put("/b", DATA, script=[gate])
    origin.put("/a", DATA, script=[refuse("503 Busy", Retry_After="600")])
    with Daemon(settings) as daemon:
        assert daemon.wait(daemon.add(origin.url("/a")), 15).state == "invalid"
        task = daemon.get(daemon.add(origin.url("/b")))
        until(lambda: task.closed_for)
        assert task.state == "queued" and not origin.asked("/b") and 500 < task.closed_for <= 600
