"""Shared by the tests of the aria2 door."""

import pytest

from aria2 import TOKEN, Rpc

from dlserv import Daemon, Server


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
