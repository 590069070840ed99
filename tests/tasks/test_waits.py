"""The intervals in which tasks that wait for this machine look again."""

import pytest

from clock import Clock
from dlserv.tasks.waits import Waits


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def waits(clock):
    return Waits(clock)


def test_a_few_look_at_every_beat_and_many_less_often(waits):
    delays = [waits.add(str(number), "room") for number in range(1000)]
    assert delays[:10] == [5.0] * 10 and delays[99] == 50.0 and delays[999] == 500.0
    assert waits.add("network", "network") == 5.0, "each thing has its own beat"
    assert waits.add("7", "room") == 500.0, "who waits again is counted once"


def test_once_one_has_come_through_the_others_follow(waits, clock):
    for number in range(100):
        waits.add(str(number), "room")
    waits.add("another", "network")
    clock.now += 2
    waits.add("late", "room")
    assert waits.remove("3") == "room"
    free = waits.come_through("room")
    assert len(free) == 100 and "3" not in free and "another" not in free
    assert free["7"] == 3.0 and free["late"] == 5.0, "nobody looks twice within a beat"
    clock.now += 60
    assert waits.come_through("room") == {} and waits.come_through("network") == {"another": 0.0}


def test_who_is_taken_out_is_forgotten(waits):
    waits.add("a", "room")
    assert "a" in waits and waits.remove("a") == "room"
    assert "a" not in waits and waits.remove("a") is None and waits.come_through(None) == {}
