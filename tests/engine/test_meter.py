"""Speed over a window, with a clock that the test turns."""

from clock import Clock
from dlserv.engine.meter import Meter, SpeedHistory, seconds_left
from dlserv.engine.meter import Pace


def test_speed_is_that_of_the_last_seconds():
    clock = Clock(100.0)
    meter, count = Meter(clock=clock), 0
    for _ in range(20):
        clock.now += 1
        count += 1000
        meter.speed(count)
    assert meter.speed(count) == 1000
    for _ in range(10):     # ten times as fast from now on
        clock.now += 1
        count += 10000
        meter.speed(count)
    assert meter.speed(count) == 10000


def test_a_stalled_download_comes_to_rest():
    clock = Clock(100.0)
    meter = Meter(clock=clock)
    clock.now += 1
    assert meter.speed(5000) == 5000
    for _ in range(12):
        clock.now += 1
        meter.speed(5000)
    assert meter.speed(5000) == 0


def test_bytes_of_an_earlier_attempt_are_no_speed():
    clock = Clock(100.0)
    meter = Meter(10 ** 9, clock)
    clock.now += 1
    assert meter.speed(10 ** 9 + 100) == 100


def test_the_history_has_a_speed_for_each_span():
    clock = Clock(100.0)
    history, count = SpeedHistory(clock), 0
    for speed in [1000] * 10 + [5000] * 10:
        clock.now += 1
        count += speed
        history.note(count)
    speeds = history.speeds()
    assert len(speeds) == SpeedHistory.LENGTH
    assert speeds[-10:] == [1000] * 5 + [5000] * 5 and not any(speeds[:-10])


def test_a_pause_is_no_speed_and_none_of_it_is_smeared():
    clock = Clock(100.0)
    history = SpeedHistory(clock)
    clock.now += 1
    history.note(0)
    clock.now += 1
    history.note(8000)      # and that was all for a while
    clock.now += 100
    history.note(8000)      # the next download begins
    for count in (9000, 10000):
        clock.now += 1
        history.note(count)
    speeds = history.speeds()
    assert speeds[-1] == 1000 and not any(speeds[-50:-1]) and sum(speeds) * SpeedHistory.EVERY == 10000


def test_the_history_forgets_what_is_ten_minutes_old():
    clock = Clock(100.0)
    history, count = SpeedHistory(clock), 0
    for _ in range(3000):
        clock.now += 0.4
        count += 400
        history.note(count)
    assert history.speeds() == [1000] * SpeedHistory.LENGTH
    clock.now += SpeedHistory.EVERY * SpeedHistory.LENGTH + 2
    assert history.speeds() == [0] * SpeedHistory.LENGTH


def test_the_time_left():
    assert seconds_left(1000, 100) == 10
    assert seconds_left(1000, 0) == 0 and seconds_left(0, 100) == 0


def test_a_connection_held_by_a_limit_is_not_stalled():
    clock = Clock(100.0)
    pace = Pace(clock)
    pace.moved(1000, 20)
    clock.now += Pace.STANDSTILL + 1
    assert pace.seconds_for(1000) == float("inf")
    pace.held = True
    assert pace.seconds_for(1000) < float("inf")
