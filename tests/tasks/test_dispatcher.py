"""The threads that start and perform attempts live on, whatever an attempt does."""

import threading

from dlserv.engine.download import Download
from harness import noise, until
from servers.origin import Gate

DATA = noise(300000)


def test_a_bug_before_an_attempt_ends_its_task_too(daemon, origin, monkeypatch):
    origin.put("/a.iso", DATA)
    with monkeypatch.context() as patch:
        patch.setattr(Download, "__init__", lambda self, *arguments: 1 / 0)
        tid = daemon.add(origin.url("/a.iso"))
        assert "internal error" in daemon.wait(tid, 10).error
    assert daemon.wait(daemon.add(origin.url("/a.iso") + "?2"), 10).state == "invalid"
    origin.put("/b.iso", DATA)
    assert daemon.wait(daemon.add(origin.url("/b.iso")), 10).state == "finished"


def test_no_service_thread_dies_of_a_bug(daemon, origin, monkeypatch, caplog):
    gate = Gate(after=100000)
    origin.put("/a.iso", DATA, script=[gate])
    with monkeypatch.context() as patch:
        patch.setattr(Download, "progress", lambda self: 1 / 0)
        tid = daemon.add(origin.url("/a.iso"))
        until(lambda: "a checkpoint failed" in caplog.text)
    gate.open()
    assert daemon.wait(tid, 10).state == "finished"
    names = {thread.name for thread in threading.enumerate()}
    assert {"dlserv-scheduler", "dlserv-checkpoint", "dlserv-store"} <= names
