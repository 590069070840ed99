"""Speed over a window, with a clock that the test turns."""

from dlserv.engine.meter import Meter, seconds_left


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def test_speed_is_that_of_the_last_seconds():
    clock = Clock()
    meter, count = Meter(clock=clock), 0
    for _ in range(20):
        clock.now += 1
        count += 1000
        meter.sample(count)
    assert meter.speed(count) == 1000
    for _ in range(10):     # ten times as fast from now on
        clock.now += 1
        count += 10000
        meter.sample(count)
    assert meter.speed(count) == 10000


def test_a_stalled_download_comes_to_rest():
    clock = Clock()
    meter = Meter(clock=clock)
    clock.now += 1
    assert meter.speed(5000) == 5000
    for _ in range(12):
        clock.now += 1
        meter.sample(5000)
    assert meter.speed(5000) == 0


def test_bytes_of_an_earlier_attempt_are_no_speed():
    clock = Clock()
    meter = Meter(10 ** 9, clock)
    clock.now += 1
    assert meter.speed(10 ** 9 + 100) == 100


def test_the_time_left():
    assert seconds_left(1000, 100) == 10
    assert seconds_left(1000, 0) == 0 and seconds_left(0, 100) == 0
