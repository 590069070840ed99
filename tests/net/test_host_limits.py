"""Manners towards a host: how many connections, who makes room, and when it is left alone."""

import threading

import pytest

from dlserv.errors import Stopped, Temporary
from dlserv.net.channel import Signal
from dlserv.net.host_limits import HostFull, HostLimits
from dlserv.settings.config import Config
from dlserv.settings.current import Settings
from harness import until


def limits_of(most, *clock):
    """HostLimits that allow so many connections to a host."""
    return HostLimits(Settings(Config.parse({"download": {"max_per_host": most}})), *clock)


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def stop():
    signal = Signal()
    yield signal
    signal.close()


def test_each_refusal_halves_the_connections_to_a_host(stop):
    clock = Clock()
    hosts = limits_of(8, clock)
    limits = []
    for _ in range(4):
        clock.now += 1
        slot = hosts.acquire("h", stop, extra=False)
        slot.refused(None)
        slot.release()
        limits.append(hosts.limit("h"))
    assert limits == [4, 2, 1, 1] and hosts.limit("other") == 8
    clock.now += HostLimits.REMEMBER + 1
    assert hosts.limit("h") == 8


def test_refusals_of_one_moment_count_as_one(stop):
    clock = Clock()
    hosts = limits_of(8, clock)
    slots = [hosts.acquire("h", stop, extra=False) for _ in range(8)]
    for slot in slots:
        slot.refused(None)
    assert hosts.limit("h") == 4
    for slot in slots:
        slot.release()


def test_a_host_that_asked_for_rest_gets_it(stop):
    clock = Clock()
    hosts = limits_of(8, clock)
    slot = hosts.acquire("h", stop, extra=False)
    slot.refused(30)
    slot.release()
    assert hosts.closed_for("h") == 30
    with pytest.raises(Temporary) as caught:
        hosts.acquire("h", stop, extra=False)
    assert caught.value.retry_after == 30
    clock.now += 31
    hosts.acquire("h", stop, extra=False).release()


def test_who_waits_for_a_place_heeds_what_the_host_asks_meanwhile(stop):
    hosts, refusals = limits_of(1), []
    slot = hosts.acquire("h", stop, extra=False)

    def wait():
        with pytest.raises(Temporary) as caught:
            hosts.acquire("h", stop, extra=False)
        refusals.append(caught.value)
    thread = threading.Thread(target=wait)
    thread.start()
    until(lambda: hosts._states["h"].waiting)
    slot.refused(30)
    slot.release()
    thread.join()
    assert 29 < refusals[0].retry_after <= 30


def test_extra_connections_make_room_for_first_ones(stop):
    hosts = limits_of(3)
    first = hosts.acquire("h", stop, extra=False)
    extras = [hosts.acquire("h", stop, extra=True) for _ in range(2)]
    with pytest.raises(HostFull):
        hosts.acquire("h", stop, extra=True)
    assert not any(slot.asked_to_leave() for slot in [first] + extras)
    got = []
    thread = threading.Thread(target=lambda: got.append(hosts.acquire("h", stop, extra=False)))
    thread.start()
    asked = until(lambda: [slot for slot in extras if slot.asked_to_leave()])
    assert len(asked) == 1 and not first.asked_to_leave()
    asked[0].release()
    thread.join()
    assert len(got) == 1


def test_waiting_for_a_place_can_be_stopped(stop):
    hosts = limits_of(1)
    hosts.acquire("h", stop, extra=False)
    threading.Timer(0.05, stop.set).start()
    with pytest.raises(Stopped):
        hosts.acquire("h", stop, extra=False)
