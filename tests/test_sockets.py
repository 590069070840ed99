"""Shared by all rooms with sockets: names to addresses, and a way to wake `select`."""

import select
import socket
import threading

import pytest

from harness import until

from dlserv.sockets import Waker, resolve


@pytest.fixture
def waker():
    waker = Waker()
    yield waker
    waker.close()


def is_readable(waker, seconds=0):
    return bool(select.select([waker], [], [], seconds)[0])


def test_it_is_readable_from_a_wake_until_it_is_cleared(waker):
    assert not is_readable(waker)
    waker.clear()
    waker.wake()
    waker.wake()
    assert is_readable(waker) and is_readable(waker)
    waker.clear()
    assert not is_readable(waker)


def test_any_number_of_wakes_never_blocks(waker):
    for _ in range(100000):
        waker.wake()
    until(lambda: (waker.clear(), not is_readable(waker))[1])


def test_another_thread_ends_the_wait(waker):
    timer = threading.Timer(0.05, waker.wake)
    timer.start()
    assert is_readable(waker, 30)
    timer.join()


def test_a_host_is_resolved_without_the_idna_codec():
    found = resolve("127.0.0.1", 80)
    assert found[0][0] == socket.AF_INET and found[0][4] == ("127.0.0.1", 80)
    assert {each[1] for each in resolve("localhost", 80)} == {socket.SOCK_STREAM}
    with pytest.raises(OSError):
        resolve("no-such-host.invalid", 80)
    with pytest.raises(OSError):
        resolve("localhost", 80, socket.AI_NUMERICHOST)
