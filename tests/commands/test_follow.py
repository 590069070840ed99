"""The daemon's tasks as its events report them, over a restart of the daemon."""

from harness import until

from dlserv import Client, Daemon, Server
from dlserv.commands.follow import Follower, Tasks

NOWHERE = "http://127.0.0.1:1/x.iso"


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
