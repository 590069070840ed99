"""Which waiting task starts next, and the thread that starts it.

`Waiting` is pure: tasks in order, by host, some not before a time. `Scheduler` is the
one thread that takes from it as slots come free; it sleeps while there is nothing to do.
"""

import bisect
import collections
import heapq
import logging
import threading
import time

AFTER_A_BUG = 5.0       # seconds until the thread tries again

log = logging.getLogger(__name__)


class Waiting:
    """Tasks that wait for a slot: higher priority first, then the older one.

    Kept per host, so that ten thousand tasks of a busy host cost nothing to pass over.
    """

    def __init__(self):
        self._ready = {}        # host -> sorted [(-priority, order, tid)]
        self._heads = []        # sorted [(a host's first key, host)]
        self._delayed = []      # heap of (time, tid); entries of removed tasks stay in it
        self._where = {}        # tid -> (host, key, time or None)

    def __len__(self):
        return len(self._where)

    def add(self, tid, host, priority, order, not_before=None):
        """Put a task in its place; one that is there is moved."""
        self.remove(tid)
        key = (-priority, order, tid)
        self._where[tid] = (host, key, not_before)
        if not_before is None:
            self._insert(host, key)
        else:
            heapq.heappush(self._delayed, (not_before, tid))

    def remove(self, tid):
        """Take the task out; gives its host, or None if it was not there."""
        host, key, not_before = self._where.pop(tid, (None, None, None))
        if host is not None and not_before is None:
            self._delete(host, key)
        return host

    def choose(self, now, is_open):
        """The tid that goes first among hosts of which `is_open(host)` is true, or None."""
        self._ripen(now)
        return next((key[2] for key, host in self._heads if is_open(host)), None)

    def _insert(self, host, key):
        keys = self._ready.setdefault(host, [])
        self._drop_head(keys, host)
        bisect.insort(keys, key)
        bisect.insort(self._heads, (keys[0], host))

    def _delete(self, host, key):
        keys = self._ready[host]
        self._drop_head(keys, host)
        del keys[bisect.bisect_left(keys, key)]
        if keys:
            bisect.insort(self._heads, (keys[0], host))
        else:
            del self._ready[host]

    def _drop_head(self, keys, host):
        if keys:
            del self._heads[bisect.bisect_left(self._heads, (keys[0], host))]

    def hosts(self):
        """Those that ready tasks wait for."""
        return list(self._ready)

    def next_time(self):
        """When the next delayed task becomes ready, or None."""
        self._drop_stale()
        return self._delayed[0][0] if self._delayed else None

    def _ripen(self, now):
        self._drop_stale()
        while self._delayed and self._delayed[0][0] <= now:
            _, tid = heapq.heappop(self._delayed)
            host, key, _ = self._where[tid]
            self._where[tid] = (host, key, None)
            self._insert(host, key)
            self._drop_stale()

    def _drop_stale(self):
        while self._delayed:
            when, tid = self._delayed[0]
            if self._where.get(tid, (None, None, None))[2] == when:
                return
            heapq.heappop(self._delayed)


class Scheduler:
    """Starts waiting tasks while slots are free. `lock` guards it and what `start` touches.

    start(tid)         called with the lock held; the task has a slot until `ended`
    most()             tasks at the same time
    most_of(host)      of these from one host
    closed_for(host)   seconds for which a host is to be left alone
    """

    def __init__(self, lock, start, most, most_of, closed_for, clock=time.monotonic):
        self._changed = threading.Condition(lock)
        self._start_task, self._clock = start, clock
        self._most, self._most_of, self._closed_for = most, most_of, closed_for
        self._waiting = Waiting()
        self._slots = {}            # tid -> host
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="dlserv-scheduler", daemon=True)

    # -- all with the lock held ------------------------------------------------------

    def add(self, tid, host, priority, order, delay=0):
        """Let the task wait for a slot, at least `delay` seconds."""
        not_before = self._clock() + delay if delay else None
        self._waiting.add(tid, host, priority, order, not_before)
        if delay or len(self._slots) < self._most():
            self._changed.notify_all()

    def remove(self, tid):
        """The task waits no longer."""
        self._waiting.remove(tid)

    def ended(self, tid):
        """The task's slot is free again."""
        if self._slots.pop(tid, None) is not None:
            self._changed.notify_all()

    def follow(self, tid):
        """The task's slot is free; gives the tid of the next one that has it now, or None.

        For a thread whose task has ended, which can go on with that without any other.
        """
        self._slots.pop(tid, None)
        following = self._next()
        if following is None or len(self._slots) < self._most():
            self._changed.notify_all()
        return following

    def wake(self):
        """The limits have changed."""
        self._changed.notify_all()

    # -- without it ------------------------------------------------------------------

    def start(self):
        self._thread.start()

    def is_alive(self):
        """Return whether the thread runs, without which no task would start."""
        return self._thread.is_alive()

    def stop(self):
        """Start nothing more; returns when that is certain."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._thread.join()

    def _run(self):
        with self._changed:
            while not self._stopping:
                try:
                    self._fill_slots()
                    seconds = self._seconds_to_sleep()
                except Exception:       # without this thread nothing would ever start again
                    log.exception("the scheduler met a bug; it goes on")
                    seconds = AFTER_A_BUG
                self._changed.wait(seconds)

    def _fill_slots(self):
        while True:
            tid = self._next()
            if tid is None:
                return
            try:
                self._start_task(tid)
            except Exception:
                log.exception("%s could not be started", tid[:8])
                self._slots.pop(tid, None)

    def _next(self):
        """Give a slot to the task that goes first; its tid, or None if none can start now."""
        if self._stopping or len(self._slots) >= self._most():
            return None
        hosts = collections.Counter(self._slots.values())
        tid = self._waiting.choose(
            self._clock(),
            lambda host: hosts[host] < self._most_of(host) and not self._closed_for(host))
        if tid is not None:
            self._slots[tid] = self._waiting.remove(tid)
        return tid

    def _seconds_to_sleep(self):
        """Until a delay or a host's closing time is over; None while nothing depends on time."""
        when = self._waiting.next_time()
        waits = [] if when is None else [max(0.0, when - self._clock())]
        waits += filter(None, map(self._closed_for, self._waiting.hosts()))
        return min(waits, default=None)
