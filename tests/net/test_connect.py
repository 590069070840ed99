"""From a host name to a connection, whichever of its addresses answers."""

import socket
import time

import pytest

from dlserv.errors import Permanent, Stopped, Temporary
from dlserv.net.channel import Signal
from dlserv.net.connect import connect


@pytest.fixture
def stop():
    signal = Signal()
    yield signal
    signal.close()


def address(port, host="127.0.0.1"):
    """The addresses that getaddrinfo finds for it."""
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]


def test_a_name_that_does_not_resolve_is_temporary(attempt):
    assert "cannot be resolved" in attempt("http://no-such-host.invalid/a").fails(Temporary)


@pytest.mark.parametrize("bad", ["closed", "full", "nobody's"])
def test_a_bad_address_gives_way_to_the_next(origin, stop, full_port, bad):
    first = {"closed": address(1), "full": address(full_port), "nobody's": address(80, "240.0.0.1")}[bad]
    good = address(origin.server_address[1])
    channel = connect("127.0.0.1", 80, stop, 30, lambda host, port, found: [first, good])
    assert channel.sock.getpeername() == good[4]
    channel.close()


def test_the_policy_sees_the_addresses_and_has_the_last_word(stop):
    def refuse(host, port, addresses):
        assert (host, port) == ("127.0.0.1", 80) and [each[4][0] for each in addresses] == ["127.0.0.1"]
        raise Permanent("not there")
    with pytest.raises(Permanent, match="not there"):
        connect("127.0.0.1", 80, stop, 30, refuse)


def test_a_connect_that_hangs_ends_in_time_or_with_a_stop(stop, full_port):
    def permit(host, port, addresses):
        return addresses
    with pytest.raises(Temporary, match="no connection within 0.2 s"):
        connect("127.0.0.1", full_port, stop, 0.2, permit)
    began = time.monotonic()
    stop.set()
    with pytest.raises(Stopped):
        connect("127.0.0.1", full_port, stop, 30, permit)
    assert time.monotonic() - began < 15
