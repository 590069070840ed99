"""The report on a daemon as a whole."""

import pytest

from dlserv import Daemon
from dlserv.errors import StoreBroken
from harness import noise, until
from servers.origin import Gate

DATA = noise(300000)


def test_the_totals_are_those_of_all_attempts(daemon, origin):
    gate = Gate(after=100000)
    origin.put("/a", DATA, script=[gate])
    origin.put("/b", DATA)
    assert daemon.wait(daemon.add(origin.url("/b")), 15).state == "finished"
    tid = daemon.add(origin.url("/a"), {"connections": 1})
    until(lambda: daemon.report.totals()["downloaded_bytes"] == 400000)
    assert daemon.report.totals()["connections"] == 1 and daemon.report.running() == [tid]
    gate.open()
    daemon.wait(tid, 15)
    until(lambda: not daemon.report.running())
    totals = daemon.report.totals()
    assert (totals["downloaded_bytes"], totals["connections"], totals["speed"]) == (600000, 0, 0)
    assert totals["free_bytes"] > 0 and daemon.report.outcomes() == {"finished": 2, "failed": 0, "retried": 0}


def test_the_history_of_the_speed_is_of_ten_minutes(daemon):
    history = daemon.report.speed_history()
    assert history["every"] * len(history["speed"]) == 600 and set(history["speed"]) == {0}


def test_ends_are_counted_by_their_reasons(daemon, origin):
    daemon.wait(daemon.add(origin.url("/none")), 15)
    assert daemon.report.reasons() == ({"not_found": 1}, {}) and daemon.report.outcomes()["failed"] == 1


def test_folders_that_only_tasks_name_are_told_too(daemon, folder):
    (folder / "there").mkdir()
    daemon.add("http://127.0.0.1:1/", {"dir": "planned/below", "paused": True})
    assert daemon.report.folders() == (["planned/below", "there"], True)


def test_a_daemon_that_has_not_begun_is_not_healthy(settings):
    with pytest.raises(StoreBroken):
        Daemon(settings).report.health()
