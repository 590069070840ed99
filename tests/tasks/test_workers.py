"""The threads that perform attempts: used again, ended in time, and none lost."""

import threading

import pytest

from dlserv.tasks.workers import Workers
from harness import until

class Work:
    def __init__(self, tid):
        self.tid, self.thread = tid, None


class Bench:
    """Workers whose work is to note in which thread it was done; it may be held up."""

    def __init__(self, **options):
        self.done, self.open = [], threading.Event()
        self.open.set()
        self.workers = Workers(self.perform, **options)

    def perform(self, work):
        self.open.wait(10)
        assert work.thread in (None, threading.current_thread())
        self.done.append((work, threading.current_thread()))

    def give(self, *tids):
        for tid in tids:
            self.workers.give(Work(tid))

    def await_done(self, count):
        until(lambda: len(self.done) == count)
        return [thread for _, thread in self.done]

    def stop(self):
        self.workers.stop()


@pytest.fixture
def make_bench():
    """A function that makes a Bench, which is stopped afterwards."""
    made = []

    def make_bench(**options):
        made.append(Bench(**options))
        return made[-1]

    yield make_bench
    for bench in made:
        bench.open.set()
        bench.stop()


@pytest.fixture
def bench(make_bench):
    return make_bench()


def threads():
    return {thread for thread in threading.enumerate() if thread.name.startswith("dlserv-")}


def test_one_thread_does_what_comes_one_after_the_other(make_bench):
    bench = make_bench(linger=10)
    for count in range(1, 30):
        bench.give("%08d" % count)
        bench.await_done(count)
    assert len(set(bench.await_done(29))) < 15      # another where none was back yet


def test_as_many_threads_as_there_is_work_at_a_time(bench):
    bench.open.clear()
    bench.give(*["%08d" % number for number in range(20)])
    assert len(threads()) >= 20
    bench.open.set()
    assert len(set(bench.await_done(20))) == 20


def test_nothing_is_lost_when_work_comes_while_threads_end(make_bench):
    bench = make_bench(linger=0.0005)
    for number in range(400):
        bench.give("%08d" % number)
        if number % 7 == 0:
            bench.await_done(number + 1)
    bench.await_done(400)


@pytest.mark.parametrize("linger", [0.01, 60])
def test_idle_threads_end_in_time_or_when_they_are_to_stop(make_bench, linger):
    bench = make_bench(linger=linger)
    bench.give("a", "b", "c")
    bench.await_done(3)
    if linger > 1:
        bench.stop()
    until(lambda: not threads())


def test_what_was_given_before_a_stop_is_done(make_bench):
    bench = make_bench(linger=60)
    bench.give("a")
    bench.await_done(1)
    bench.open.clear()
    bench.give("b", "c", "d")
    bench.stop()
    bench.open.set()
    bench.await_done(4)
    until(lambda: not threads())
