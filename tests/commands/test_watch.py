"""watch and wait, where their output is piped; on a terminal see test_terminal.py."""

import json
import os
import re
import signal
import threading

from harness import Api, noise, until
from servers.origin import Gate, refuse

from dlserv import Client, Daemon, Server
from dlserv.api import sse
from dlserv.commands.watch import Follower, Tasks

NOWHERE = "http://127.0.0.1:1/"
DATA = noise(50000)


def test_wait_ends_when_tasks_do(here, run, origin):
    origin.put("/x.iso", DATA)
    origin.put("/y.iso", DATA, script=[refuse("410 Gone")])
    assert run("wait") == (0, "", "")
    here.wait(here.add(origin.url("/x.iso")))
    assert run("wait", origin.url("/x.iso")) == (0, "", "")
    code, out, err = run("add", "--wait", origin.url("/y.iso"), origin.url("/x.iso") + "?2")
    assert code == 1 and len(out.split()) == 2 and "410 Gone" in err
    assert run("wait", "0" * 40) == (1, "", "dlserv: 00000000: the task was removed\n")


def test_wait_tells_of_a_task_that_is_paused(here, run, origin):
    origin.put("/x.iso", DATA, script=[Gate(after=20000)])
    tid = here.add(origin.url("/x.iso"))
    pause = threading.Timer(0.2, here.pause, [tid])
    pause.start()
    assert run("wait", tid) == (1, "", "dlserv: x.iso: it is paused\n")
    pause.join()


def test_an_interrupted_wait_says_that_the_daemon_goes_on(here, start, origin, monkeypatch):
    monkeypatch.setattr(sse, "LOOK", 0.05)
    origin.put("/x.iso", DATA, script=[Gate(after=20000)])
    for arguments in (["add", "--wait", origin.url("/x.iso")], ["wait"]):
        waiting = start(*arguments)
        until(lambda: readers() == 1)
        waiting.send_signal(signal.SIGINT)
        assert waiting.wait(30) == 130
        assert waiting.stderr.read() == (
            b"dlserv: stopped waiting; the daemon goes on with the downloads\n")
        until(lambda: readers() == 0)
    assert [task.state for task in here.list()] == ["downloading"]


def readers():
    """The number of those who follow the daemon's events."""
    with Api(os.environ["DLSERV_URL"]) as api:
        return int(re.search(rb"^dlserv_sse_clients (\d+)", api.get("/metrics").body, re.MULTILINE).group(1))


def test_watch_prints_a_line_for_each_change_where_it_is_piped(here, start, origin):
    origin.put("/x.iso", DATA)
    here.add(NOWHERE + "a", {"paused": True})
    watching = start("watch")
    assert watching.stdout.readline().split(b"\t")[1] == b"paused"
    tid = here.add(origin.url("/x.iso"))
    lines = [watching.stdout.readline().decode().rstrip("\n").split("\t")]
    while lines[-1][1] != "finished":
        lines.append(watching.stdout.readline().decode().rstrip("\n").split("\t"))
    assert lines[-1] == [tid, "finished", "100.0%", "50000", "0", "x.iso", ""]
    watching.send_signal(signal.SIGINT)
    assert watching.wait(30) == 130 and watching.stderr.read() == b""


def test_watch_prints_one_line_for_a_wait_that_runs_down(here, start, origin):
    origin.put("/x.iso", DATA, script=[refuse("503 Busy", Retry_After="3")])
    tid = here.add(origin.url("/x.iso"))
    watching = start("watch")
    lines = []
    while not lines or lines[-1][1] != "finished":
        lines.append(watching.stdout.readline().decode().rstrip("\n").split("\t"))
    told = [line[6] for line in lines if line[0] == tid and line[1] == "queued"]
    assert told and len(told) <= 3, lines
    watching.terminate()
    assert watching.wait(30) == 143


def test_watch_prints_json_of_the_tasks_that_were_asked_for(three, here, start):
    watching = start("watch", "--json", three[1])
    assert json.loads(watching.stdout.readline())["tid"] == three[1]
    here.delete(three[0])
    here.resume(three[1])
    assert json.loads(watching.stdout.readline())["tid"] == three[1]
    watching.terminate()
    assert watching.wait(30) == 143


# -- over a restart of the daemon -------------------------------------------------------------

def test_it_comes_back_when_the_daemon_does(settings):
    with Daemon(settings) as daemon, Server(daemon, "127.0.0.1", 0) as server:
        port = server.server_address[1]
        tid = daemon.add(NOWHERE, {"paused": True})
        with Client(server.url) as client:
            follower, tasks = Follower(client).__enter__(), Tasks()

            def heard(condition):
                for event in follower.take(0.1):
                    tasks.apply(event)
                return condition()
            until(lambda: heard(lambda: tid in tasks.rows))
    until(lambda: not follower.connected)
    with Daemon(settings) as daemon, Server(daemon, "127.0.0.1", port):
        until(lambda: heard(lambda: follower.connected))
        daemon.delete(tid)
        until(lambda: heard(lambda: not tasks.rows))
        follower.__exit__()
