"""Who goes first, who waits, and what waiting costs."""

import threading
import time

import pytest

from dlserv.tasks.scheduler import Scheduler, Waiting
from harness import until


def everyone(host):
    return True


def drain(waiting, now=0, is_open=everyone):
    """The tids in the order in which they would start."""
    order = []
    while True:
        tid = waiting.choose(now, is_open)
        if tid is None:
            return order
        order.append(tid)
        waiting.remove(tid)


# -- the queue ------------------------------------------------------------------------------

def test_priority_first_then_age():
    waiting = Waiting()
    for order, (tid, priority) in enumerate([("a", 0), ("b", 5), ("c", 0), ("d", -1), ("e", 5)]):
        waiting.add(tid, "host%d" % (order % 2), priority, order)
    assert drain(waiting) == ["b", "e", "a", "c", "d"]


def test_other_hosts_are_not_held_up():
    waiting = Waiting()
    for order in range(5):
        waiting.add("busy%d" % order, "busy", 10, order)
    waiting.add("free", "free", 0, 9)
    assert drain(waiting, is_open=lambda host: host == "free") == ["free"]
    assert len(waiting) == 5


def test_a_delay_is_waited_for():
    waiting = Waiting()
    waiting.add("later", "h", 0, 0, not_before=10)
    waiting.add("now", "h", 0, 1)
    assert waiting.next_time() == 10
    assert drain(waiting, now=9.9) == ["now"]
    assert drain(waiting, now=10) == ["later"] and waiting.next_time() is None


def test_what_is_taken_out_or_moved_does_not_come_back():
    waiting = Waiting()
    waiting.add("a", "h", 0, 0, not_before=5)
    waiting.add("b", "h", 0, 1)
    assert waiting.remove("a") == "h" and waiting.remove("a") is None
    waiting.add("b", "other", 3, 1)
    assert drain(waiting, now=99) == ["b"] and len(waiting) == 0 and not waiting.hosts()


def test_ten_thousand_of_a_busy_host_cost_nothing_to_pass_over():
    waiting = Waiting()
    began = time.process_time()
    for order in range(10000):
        waiting.add("busy%d" % order, "busy", 0, order)
    waiting.add("free", "free", -1, 0)
    for _ in range(1000):
        assert waiting.choose(0, lambda host: host == "free") == "free"
    assert time.process_time() - began < 2


# -- the thread -----------------------------------------------------------------------------

class Limits:
    """A scheduler, what it has started, and limits that can be turned."""

    def __init__(self):
        self.lock, self.started = threading.Lock(), []
        self.most, self.most_of, self.closed = 2, {}, {}
        self.failing = set()
        self.scheduler = Scheduler(self.lock, self._start, lambda: self.most,
                                   lambda host: self.most_of.get(host, 99),
                                   lambda host: max(0, self.closed.get(host, 0) - time.monotonic()))

    def _start(self, tid):
        self.started.append(tid)
        if tid in self.failing:
            raise ValueError("a bug")

    def add(self, tid, host="h", priority=0, order=0, delay=0):
        with self.lock:
            self.scheduler.add(tid, host, priority, order, delay)

    def end(self, tid):
        with self.lock:
            self.scheduler.ended(tid)


@pytest.fixture
def limits():
    made = Limits()
    made.scheduler.start()
    yield made
    made.scheduler.stop()


def test_as_many_as_may_run_do(limits):
    for number in range(5):
        limits.add("%d" % number, order=number)
    until(lambda: limits.started == ["0", "1"])
    limits.end("0")
    until(lambda: limits.started == ["0", "1", "2"])
    with limits.lock:
        limits.most = 4
        limits.scheduler.wake()
    until(lambda: limits.started == ["0", "1", "2", "3", "4"])


def test_a_host_has_its_own_limit(limits):
    limits.most, limits.most_of["h"] = 9, 1
    for number in range(3):
        limits.add("%d" % number, order=number)
    limits.add("other", host="o", order=9)
    until(lambda: limits.started == ["0", "other"])
    limits.end("0")
    until(lambda: limits.started == ["0", "other", "1"])


def test_a_host_that_wants_rest_gets_it(limits):
    limits.closed["h"] = time.monotonic() + 0.2
    limits.add("0")
    limits.add("1", host="o")
    until(lambda: limits.started == ["1"])
    until(lambda: limits.started == ["1", "0"])
    assert time.monotonic() >= limits.closed["h"]


def test_who_ends_may_go_on_with_the_next(limits):
    for number in range(4):
        limits.add("%d" % number, order=number)
    until(lambda: limits.started == ["0", "1"])
    with limits.lock:
        assert limits.scheduler.follow("1") == "2"
        assert limits.scheduler.follow("2") == "3"
        assert limits.scheduler.follow("3") is None
    assert limits.started == ["0", "1"], "those that follow are begun by who asked"


def test_a_bug_in_a_start_does_not_end_it(limits, caplog):
    limits.failing.add("0")
    limits.add("0")
    limits.add("1", order=1)
    until(lambda: limits.started == ["0", "1"])
    assert "0 could not be started" in caplog.text


def test_a_delay_wakes_it_in_time(limits):
    began = time.monotonic()
    limits.add("later", delay=0.15)
    until(lambda: limits.started == ["later"])
    assert time.monotonic() - began >= 0.15


def test_nothing_starts_after_the_stop():
    limits = Limits()
    limits.scheduler.start()
    limits.scheduler.stop()
    limits.add("0")
    with limits.lock:
        assert limits.scheduler.follow("none") is None
    assert limits.started == []
