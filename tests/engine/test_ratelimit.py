"""Token buckets, with a clock that only the buckets' own waiting moves."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from dlserv.engine.ratelimit import TokenBucket
from dlserv.errors import Stopped


class Time:
    """A clock and a stop signal whose sleeping is what makes time pass."""

    def __init__(self):
        self.now, self.naps = 0.0, 0

    def clock(self):
        return self.now

    def sleep(self, seconds):
        self.naps += 1
        self.now += seconds


def taken(bucket, time, seconds, wanted=2 ** 20):
    """Bytes that one taker gets in so many seconds."""
    end, total = time.now + seconds, 0
    while time.now < end:
        total += bucket.take(wanted, time)
    return total


@pytest.mark.parametrize("rate", [2000, 100000, 5000000])
def test_a_rate_is_kept_within_three_percent(rate):
    time = Time()
    assert taken(TokenBucket(rate, clock=time.clock), time, 10) == pytest.approx(10 * rate, rel=0.03)
    assert time.naps < 100      # sleeping, not polling


def test_no_limit_costs_nothing():
    time = Time()
    assert TokenBucket(clock=time.clock).take(2 ** 20, time) == 2 ** 20 and time.naps == 0


def test_the_lower_of_two_limits_counts():
    for own, common in ((1000000, 50000), (50000, 1000000)):
        time = Time()
        parent = TokenBucket(common, clock=time.clock)
        child = TokenBucket(own, parent, clock=time.clock)
        assert taken(child, time, 10) == pytest.approx(500000, rel=0.05)


def test_a_rest_saves_up_no_burst():
    time = Time()
    bucket = TokenBucket(100000, clock=time.clock)
    time.now += 3600
    assert taken(bucket, time, 1) < 150000


def test_what_was_not_used_may_be_given_back():
    time = Time()
    bucket = TokenBucket(100000, clock=time.clock)
    total = 0
    while time.now < 10:
        count = bucket.take(2 ** 20, time)
        bucket.give_back(count - count // 2)
        total += count // 2
    assert total == pytest.approx(1000000, rel=0.03)


def test_a_new_rate_is_felt_at_once():
    time = Time()
    bucket = TokenBucket(1000, clock=time.clock)
    bucket.take(2 ** 20, time)
    bucket.rate = 10 ** 6
    assert taken(bucket, time, 10) == pytest.approx(10 ** 7, rel=0.05)
    bucket.rate = 0
    assert not bucket.limited


def test_a_waiting_thread_heeds_a_lowered_rate():
    class Turn(Time):
        def sleep(self, seconds):
            super().sleep(seconds)
            if self.naps == 1:
                parent.rate = 10 ** 5

    time = Turn()
    parent = TokenBucket(10 ** 8, clock=time.clock)
    child = TokenBucket(10 ** 9, parent, clock=time.clock)
    while not time.naps:
        count = child.take(2 ** 20, time)
    assert count <= 10 ** 5 * TokenBucket.QUANTUM and time.now < 1
    assert taken(child, time, 10) == pytest.approx(10 ** 6, rel=0.03)


def seconds_of_a_lifted_limit():
    """Return the seconds for which a thread goes on waiting once its limit is lifted and its signal stirred."""
    from dlserv.net.channel import Signal
    waits = threading.Event()

    class Watched(Signal):
        def sleep(self, seconds):
            waits.set()
            super().sleep(seconds)

    bucket, stop = TokenBucket(1), Watched()
    thread = threading.Thread(target=bucket.take, args=(2 ** 20, stop))
    thread.start()
    waits.wait()
    began, bucket.rate = time.monotonic(), 0
    stop.stir()
    thread.join()
    stop.close()
    return time.monotonic() - began


def test_a_stirred_thread_heeds_a_lifted_limit_at_once():
    assert min(seconds_of_a_lifted_limit() for _ in range(5)) < TokenBucket.SLICE / 3


def test_takers_share_fairly():
    from dlserv.net.channel import Signal
    parent, stop, counts = TokenBucket(400000), Signal(), [0] * 4

    def take(index):
        bucket = TokenBucket(0, parent)
        with pytest.raises(Stopped):
            while True:
                counts[index] += bucket.take(2 ** 20, stop)

    threads = [threading.Thread(target=take, args=(index,)) for index in range(len(counts))]
    for thread in threads:
        thread.start()
    threads[0].join(0.5)        # until each has its first portion
    before = list(counts)
    threads[0].join(1.5)
    shares = [count - start for count, start in zip(counts, before)]
    stop.set()
    for thread in threads:
        thread.join()
    stop.close()
    portion = 400000 * TokenBucket.QUANTUM / len(counts)
    assert max(shares) - min(shares) < 3 * portion      # one at either end may fall in or out
    assert sum(shares) == pytest.approx(600000, rel=0.15)


# -- many at a time -------------------------------------------------------------------------

def crowd(rate, parent_rate, count, seconds):
    """(bytes, wake-ups) of so many threads, each with a limit, below one that may have another."""
    from dlserv.net.channel import Signal

    class Counted(Signal):
        naps = 0

        def sleep(self, seconds):
            type(self).naps += 1
            super().sleep(seconds)

    parent, stop, totals = TokenBucket(parent_rate), Counted(), [0] * count

    def take(index):
        bucket = TokenBucket(rate, parent)
        with pytest.raises(Stopped):
            while True:
                totals[index] += bucket.take(2 ** 20, stop)

    threads = [threading.Thread(target=take, args=(index,)) for index in range(count)]
    for thread in threads:
        thread.start()
    threads[0].join(seconds)
    stop.set()
    for thread in threads:
        thread.join()
    stop.close()
    return totals, Counted.naps


@pytest.fixture(scope="module")
def crowds():
    """The results of a crowd of 120 with a limit each, and of 100 with a common one, at the same time."""
    with ThreadPoolExecutor(2) as both:
        return list(both.map(crowd, (50000, 0), (0, 2000000), (120, 100), (2.5, 2.5)))


def test_many_limited_downloads_wake_up_seldom(crowds):
    totals, naps = crowds[0]
    assert naps < 120 * 2.5 * 3     # alone, each would wake up five times a second
    assert max(totals) <= 50000 * 3.1 and sum(totals) > 0.7 * 120 * 50000 * 2.5


def test_a_common_limit_is_kept_by_a_crowd(crowds):
    totals, _ = crowds[1]
    assert sum(totals) == pytest.approx(2000000 * 2.5, rel=0.12)    # what is reserved at the end is missing
