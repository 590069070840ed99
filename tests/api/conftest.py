"""Shared by the tests of the interface: the aria2 door, and a daemon for the tests of a module."""

import functools
import os
import shutil

import pytest

from aria2 import TOKEN, Rpc
from harness import until
from raw import Wire

from dlserv import Daemon, Server
from dlserv.tasks import dispatcher
from dlserv.tasks.workers import Workers


@pytest.fixture
def rpc(api):
    """The door of a daemon that needs no token."""
    return Rpc(api.url)


@pytest.fixture
def locked(settings):
    """The door of a daemon with a token, which the client knows."""
    settings["server"]["token"] = TOKEN
    with Daemon(settings) as daemon, Server(daemon, "127.0.0.1", 0) as server:
        yield Rpc(server.url, TOKEN)


@pytest.fixture(scope="module")
def lasting(tmp_path_factory):
    """(settings, daemon) of the module."""
    path = tmp_path_factory.mktemp("lasting")
    settings = {"general": {"download_dir": str(path / "downloads"), "db_path": str(path / "state" / "dlserv.db")},
                "download": {"retry_wait": 0.01, "timeout": 5}}
    with pytest.MonkeyPatch.context() as patch:     # or each test would wait for threads that wait for work
        patch.setattr(dispatcher, "Workers", functools.partial(Workers, linger=0.01))
        daemon = Daemon(settings)
    with daemon:
        yield settings, daemon


@pytest.fixture
def shared(lasting):
    """The module's daemon, without tasks and files, and with the settings it began with.

    A module whose tests need no daemon of their own has a fixture `daemon` that returns it.
    """
    settings, daemon = lasting
    yield daemon
    daemon.delete_all([task.tid for task in daemon.list()], del_file=True)
    until(lambda: not daemon.report.running())
    daemon.configuration.reload(settings)
    shutil.rmtree(daemon.config.general.download_dir)
    os.mkdir(daemon.config.general.download_dir)


@pytest.fixture
def serve(settings):
    """A function that starts a server with settings of its own."""
    daemons, servers = [], []

    def start(host="127.0.0.1", **server):
        settings["server"] = dict(server, port=0)
        daemons.append(Daemon(settings).start())
        servers.append(Server(daemons[-1], host).start())
        return servers[-1]

    yield start
    for each in servers + daemons:
        each.stop()


@pytest.fixture
def connect():
    """A function that opens a Wire; all are closed afterwards."""
    wires = []

    def make(url, buffer=None):
        wires.append(Wire(url, buffer))
        return wires[-1]
    yield make
    for each in wires:
        each.close()


@pytest.fixture
def wire(api, connect):
    return connect(api.url)


@pytest.fixture
def line(quiet, connect):
    return connect(quiet.url)
