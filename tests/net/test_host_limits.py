"""Manners towards a host: how many connections, who makes room, and when it is left alone."""

import threading

import pytest

from clock import Clock
from dlserv.errors import Stopped, Temporary
from dlserv.net.channel import Signal
from dlserv.net.host_limits import LINGER, HostClosed, HostFull, HostLimits, Visitor
from dlserv.settings.config import Config
from dlserv.settings.current import Settings
from harness import until
from servers.origin import drop, paced, refuse
from several import DATA, MIB, a_little, slow_until, whole


def limits_of(most, *clock):
    """HostLimits that allow so many connections to a host."""
    return HostLimits(Settings(Config.parse({"download": {"max_per_host": most}})), *clock)


class Watched(Signal):
    """A stop signal that tells whether somebody has looked at it, as those do who wait for a slot."""

    looked = False

    def check(self):
        self.looked = True
        super().check()


@pytest.fixture
def watched():
    signal = Watched()
    yield signal
    signal.close()


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


def test_a_waiting_connection_heeds_a_new_retry_after(stop, watched):
    hosts, refusals = limits_of(1), []
    slot = hosts.acquire("h", stop, extra=False)

    def wait():
        with pytest.raises(Temporary) as caught:
            hosts.acquire("h", watched, extra=False)
        refusals.append(caught.value)
    thread = threading.Thread(target=wait)
    thread.start()
    until(lambda: watched.looked)
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


# -- a server that is full ------------------------------------------------------------------------

def ended(hosts, stop, lingers, refused=False):
    """Let a connection end that the server has admitted or `refused`."""
    slot = hosts.acquire("h", stop, extra=False)
    slot.lingers = lingers
    if refused:
        slot.crowded("full")
    slot.release()


@pytest.mark.parametrize("lingers, refused, later, by_us", [
    (True, False, 0, True), (True, False, LINGER + 0.1, False), (True, True, 0, False), (False, False, 0, False)])
def test_a_connection_that_just_ended_may_fill_a_server(stop, lingers, refused, later, by_us):
    clock = Clock()
    hosts = limits_of(8, clock)
    ended(hosts, stop, lingers, refused)
    slot = hosts.acquire("h", stop, extra=False)
    clock.now += later
    assert slot.crowded("full").by_us is by_us and hosts.limit("h") == 1


def test_a_server_that_others_fill_is_not_full_of_ours(stop):
    """Our connections that it has refused excuse one another only while they are open."""
    hosts = limits_of(8, Clock())
    first, second = (hosts.acquire("h", stop, extra=False) for _ in range(2))
    first.lingers = True
    assert first.crowded("full").by_us
    first.release()
    assert not second.crowded("full").by_us


def test_ours_that_has_left_excuses_no_end_of_another(stop):
    """The server had let that one in."""
    hosts = limits_of(8, Clock())
    ended(hosts, stop, lingers=True)
    slot = hosts.acquire("h", stop, extra=False)
    slot.lingers = True
    assert not slot.crowded("421 Timeout").by_us


# -- closures ---------------------------------------------------------------------------------

@pytest.fixture
def closed(stop):
    """(limits, clock) of a server that two tasks were sent away from, for 30 and 60 s."""
    clock = Clock()
    limits = limits_of(8, clock)
    slots = [limits.acquire("h:80", stop, extra=False, tid=tid) for tid in ("one", "two")]
    for slot, seconds in zip(slots, (30, 60)):
        slot.refused(seconds)
        slot.release()
    return limits, clock


def test_a_closure_lasts_until_its_last_cause_is_over(closed):
    limits, clock = closed
    assert limits.closed_for("h:80") == 60 and limits.closed_for("h:81") == 0
    limits.forgive("two")
    assert limits.closed_for("h:80") == 30
    limits.forgive("nobody")
    limits.forgive("one")
    assert limits.closed_for("h:80") == 0


def test_it_is_over_in_time(closed, stop):
    limits, clock = closed
    clock.now += 59.9
    with pytest.raises(HostClosed, match="h:80 asked to be left alone") as caught:
        limits.acquire("h:80", stop, extra=False)
    assert caught.value.endpoint == "h:80" and 0 < caught.value.retry_after < 0.2
    clock.now += 0.2
    limits.acquire("h:80", stop, extra=False).release()


@pytest.mark.parametrize("asked, granted", [(1, 1), (3600, 3600), (10 ** 9, 3600), (0, 0), (None, 0)])
def test_what_a_server_may_ask_for_is_bounded(stop, asked, granted):
    limits = limits_of(8, Clock())
    slot = limits.acquire("h:80", stop, extra=False)
    slot.refused(asked)
    slot.release()
    assert limits.closed_for("h:80") == granted and limits.limit("h:80") == 4


def test_who_is_let_through_heeds_the_next_refusal(closed, stop):
    limits, clock = closed
    gate, shut = limits.gate("h:80", let_through=True), limits.gate("h:80")
    assert gate.closed_for == 0 and shut.closed_for == 60
    visitor = Visitor(gate, "three")
    with pytest.raises(HostFull):
        visitor.acquire("h:80", stop, extra=True)
    slot = visitor.acquire("h:80", stop, extra=False)
    clock.now += 1
    slot.refused(20)
    slot.release()
    assert gate.closed_for == 59
    with pytest.raises(HostClosed):
        visitor.acquire("h:80", stop, extra=False)


def test_a_gate_of_one_server_opens_no_other(closed, stop):
    limits, clock = closed
    visitor = Visitor(limits.gate("other:80", let_through=True), "three")
    with pytest.raises(HostClosed):
        visitor.acquire("h:80", stop, extra=False)


def test_a_connection_that_lost_its_slot_waits_for_one(origin, attempt, folder, watched):
    """Between two segments of a file another task's first connection takes the only place."""
    origin.put("/a", DATA, script=[drop(after=MIB)])
    first = attempt(origin.url("/a"))
    first.fails(Temporary)
    second = attempt(origin.url("/a"), settings={"max_per_host": 1}, connections=4, kept=first.progress)
    hosts, slots, place = second.network.hosts, [], origin.url("/")[7:-1]
    rival = threading.Thread(target=lambda: slots.append(hosts.acquire(place, watched, extra=False)))

    def with_a_rival(exchange):
        rival.start()
        until(lambda: watched.looked)
        a_little(exchange)
    origin.put("/a", DATA, script=[with_a_rival])
    thread = second.begin()
    until(lambda: slots)
    until(lambda: second.download.connections == 0 or not thread.is_alive())      # whoever was quicker
    slots[0].release()
    thread.join()
    assert whole(folder)


def test_a_host_is_never_asked_by_more_than_it_may(origin, attempt, folder):
    origin.put("/a", DATA, script=[paced(2 * MIB)] * 20)
    slow = attempt(origin.url("/a"), connections=16, settings={"max_per_host": 3})
    thread = slow.begin()
    until(lambda: slow.download.connections == 3)
    thread.join()
    assert whole(folder) and origin.most_at_once == 3


def test_too_many_connections_are_taken_as_a_hint(origin, attempt, folder):
    busy = refuse("429 Too Many Requests", Retry_After="1")
    origin.put("/a", DATA, script=[slow_until(lambda: running.notes), busy, busy, busy])
    running = attempt(origin.url("/a"), connections=4)
    running.run()
    assert whole(folder) and running.network.hosts.limit(origin.url("/")[7:-1]) < 8
