"""The order of tasks, which of them wait, and the cost of waiting."""

import time
from collections import Counter

import pytest

from dlserv.net.channel import Signal
from dlserv.net.host_limits import HostLimits
from dlserv.settings.config import Config
from dlserv.settings.current import Settings
from dlserv.tasks.scheduler import Scheduler, Waiting
from dlserv.tasks.task import Task


def everyone(host):
    return True


def drain(waiting, now=0, is_open=everyone):
    """The tids in the order in which they would start."""
    order = []
    while True:
        tid = waiting.first(now, is_open)
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
    waiting.remove("a")
    waiting.remove("a")
    waiting.add("b", "other", 3, 1)
    assert drain(waiting, now=99) == ["b"] and len(waiting) == 0 and not waiting.hosts()


def test_ten_thousand_of_a_busy_host_cost_nothing_to_pass_over():
    waiting = Waiting()
    began = time.process_time()
    for order in range(10000):
        waiting.add("busy%d" % order, "busy", 0, order)
    waiting.add("free", "free", -1, 0)
    for _ in range(1000):
        assert waiting.first(0, lambda host: host == "free") == "free"
    assert time.process_time() - began < 2


# -- the limits -----------------------------------------------------------------------------

class Queue:
    """A scheduler, its clock, and what it has let run."""

    def __init__(self):
        self.now, self.running, self.refused = 100.0, Counter(), None
        self.settings = Settings(Config.parse({}))
        self.limit(max_concurrent=2)
        self.hosts = HostLimits(self.settings, lambda: self.now)
        self.scheduler = Scheduler(self.settings, lambda: self.now)

    def limit(self, **download):
        self.settings.config = Config.parse({"download": download})

    def add(self, number, host="h", delay=0, let_through=False):
        task = Task("http://%s/%d" % (host, number), {}, self.settings.download)
        task.number(number, number)
        self.scheduler.add(task, self.hosts.gate(task.endpoint, let_through), delay)
        return task.tid

    def start(self):
        """The tid that starts now, or None."""
        tid = self.scheduler.choose(self.running)
        self.running["h:80"] += tid is not None
        return tid

    def refuse(self, seconds):
        """As if the host had asked to be left alone so long."""
        stop = Signal()
        slot = self.hosts.acquire("h:80", stop, extra=False, tid="cause", refused_at=self.refused)
        slot.refused(seconds)
        self.refused = self.now
        slot.release()
        stop.close()


@pytest.fixture
def queue():
    return Queue()


def test_as_many_as_may_run_do(queue):
    tids = [queue.add(number) for number in range(5)]
    assert [queue.start() for _ in range(3)] == tids[:2] + [None]
    queue.running["h:80"] -= 1
    assert [queue.start(), queue.start()] == [tids[2], None]
    queue.limit(max_concurrent=4)
    assert [queue.start() for _ in range(3)] == tids[3:] + [None]


def test_a_host_has_its_own_limit(queue):
    queue.limit(max_concurrent=2, max_per_host=1)
    tids = [queue.add(number) for number in range(3)]
    other = queue.add(9, host="o")
    assert [queue.start(), queue.scheduler.choose(queue.running)] == [tids[0], other]
    assert queue.start() is None and queue.scheduler.has_room(queue.running)
    queue.running["h:80"] -= 1
    assert queue.start() == tids[1]


def test_a_port_of_a_host_is_another_server(queue):
    queue.refuse(20)
    tids = [queue.add(0), queue.add(1, host="h:81")]
    assert [queue.start(), queue.start()] == [tids[1], None]


@pytest.mark.parametrize("end", ["time", "deletion"])
def test_a_host_that_wants_rest_gets_it(queue, end):
    queue.refuse(20)
    tids = [queue.add(0), queue.add(1, host="o")]
    assert [queue.start(), queue.start()] == [tids[1], None]
    assert queue.scheduler.seconds_to_sleep() == 20
    assert [queue.scheduler.waiting_at(gate) for gate in queue.scheduler.shut()] == [[tids[0]]]
    if end == "time":
        queue.now += 20
    else:
        queue.hosts.forgive("cause")
    assert queue.start() == tids[0] and queue.scheduler.seconds_to_sleep() is None


def test_who_is_let_through_asks_until_it_is_refused(queue):
    queue.refuse(20)
    queue.now += 1
    tids = [queue.add(number, let_through=number != 1) for number in range(4)]
    assert queue.start() == tids[0]
    queue.now += 1
    queue.refuse(20)
    assert queue.start() is None, "the others would hear the same"
    assert queue.scheduler.seconds_to_sleep() == 20
    queue.now += 20
    assert queue.start() == tids[1]


def test_a_delay_is_slept_for_and_no_longer(queue):
    tid = queue.add(0, delay=7)
    assert queue.start() is None and queue.scheduler.seconds_to_sleep() == 7
    queue.now += 7
    assert queue.scheduler.seconds_to_sleep() == 0 and queue.start() == tid
    assert queue.scheduler.seconds_to_sleep() is None


# -- a time of day ----------------------------------------------------------------------------

class Dated(Queue):
    """The same, with tasks that are not to start before a time of day, which may be set."""

    def __init__(self):
        super().__init__()
        self.time_of_day = 1000.0
        self.scheduler = Scheduler(self.settings, lambda: self.now, lambda: self.time_of_day)

    def add_for(self, number, when):
        task = Task("http://h/%d" % number, {"not_before": when}, self.settings.download)
        task.number(number, number)
        self.scheduler.add(task, self.hosts.gate(task.endpoint), 0)
        return task.tid


def test_a_time_of_day_is_waited_for_by_the_clock():
    queue = Dated()
    later, sooner = queue.add_for(1, 1500), queue.add_for(2, 1010)
    assert queue.scheduler.choose(Counter()) is None and later in queue.scheduler
    assert queue.scheduler.seconds_to_sleep() == 10
    queue.time_of_day = 1010.0
    assert queue.scheduler.choose(Counter()) == sooner and queue.scheduler.choose(Counter()) is None
    assert queue.scheduler.seconds_to_sleep() == Scheduler.LOOK, "the clock may be set meanwhile"
    queue.time_of_day = 9e8
    assert queue.scheduler.choose(Counter()) == later and queue.scheduler.seconds_to_sleep() is None


def test_a_changed_time_of_day_and_a_deleted_task_are_heeded():
    queue = Dated()
    tid, gone = queue.add_for(1, 1500), queue.add_for(2, 1200)
    queue.scheduler.remove(gone)
    assert queue.add_for(1, 1100) == tid and gone not in queue.scheduler
    queue.time_of_day = 1099.0
    assert queue.scheduler.choose(Counter()) is None
    queue.time_of_day = 2000.0
    assert queue.scheduler.choose(Counter()) == tid and queue.scheduler.choose(Counter()) is None
