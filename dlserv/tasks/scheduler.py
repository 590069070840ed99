"""The choice of the task that starts next among those that wait; the caller says which run.

`Waiting` keeps tasks in order, by host, some not before a time; `Scheduler` chooses from
it within the limits that count now. Neither has a thread or a lock.
"""

import bisect
import heapq
import time


class Waiting:
    """Tasks that wait for a slot: higher priority first, then the older one.

    Kept per host, so that ten thousand tasks of a busy host cost nothing to pass over; a
    host may be any hashable value that `is_open` accepts.
    """

    def __init__(self):
        self._ready = {}        # host -> sorted [(-priority, order, tid)]
        self._heads = []        # sorted [(a host's first key, host)]
        self._delayed = []      # heap of (time, tid); entries of removed tasks stay in it
        self._where = {}        # tid -> (host, key, time or None)

    def __len__(self):
        return len(self._where)

    def __contains__(self, tid):
        return tid in self._where

    def add(self, tid, host, priority, order, not_before=None):
        """Put a task where it belongs in the order, or move it there if it waits already."""
        self.remove(tid)
        key = (-priority, order, tid)
        self._where[tid] = (host, key, not_before)
        if not_before is None:
            self._insert(host, key)
        else:
            heapq.heappush(self._delayed, (not_before, tid))

    def remove(self, tid):
        """Take the task out, if it is there."""
        host, key, not_before = self._where.pop(tid, (None, None, None))
        if host is not None and not_before is None:
            self._delete(host, key)

    def first(self, now, is_open):
        """Return the tid that goes first among the hosts for which `is_open(host)` holds, or None."""
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
        """Return the hosts that ready tasks wait for."""
        return list(self._ready)

    def of(self, host):
        """Return the tids of the ready tasks of the host."""
        return [key[2] for key in self._ready.get(host, ())]

    def next_time(self):
        """Return when the next delayed task becomes ready, or None."""
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
    """Chooses among the tasks that wait, within the limits for all and for each host.

    Tasks wait at the Gates of their servers, those with a time of day for that first.
    `settings` is the settings.current.Settings.
    """

    LOOK = 15.0         # seconds between looks at the time of day: the clock may be set

    def __init__(self, settings, clock=time.monotonic, time_of_day=time.time):
        self._settings, self._clock, self._time_of_day = settings, clock, time_of_day
        self._waiting = Waiting()
        self._dated, self._dates = {}, []       # tid -> (when, task, gate); heap of (when, tid)

    def __contains__(self, tid):
        return tid in self._waiting or tid in self._dated

    def add(self, task, gate, delay=0):
        """Let the task wait at the gate for its turn, at least `delay` seconds."""
        self.remove(task.tid)
        when = task.options.not_before or 0
        if when > self._time_of_day():
            self._dated[task.tid] = when, task, gate
            heapq.heappush(self._dates, (when, task.tid))
            return
        not_before = self._clock() + delay if delay else None
        self._waiting.add(task.tid, gate, task.options.priority, task.position, not_before)

    def remove(self, tid):
        """Let the task wait no longer."""
        self._waiting.remove(tid)
        self._dated.pop(tid, None)

    def choose(self, running):
        """Take out the task that starts next and return its tid, or None if none may start now.

        `running` is {endpoint: how many tasks of it run}, a Counter.
        """
        self._fall_due()
        if not self.has_room(running):
            return None

        def is_open(gate):
            return running[gate.endpoint] < gate.limit and not gate.closed_for

        tid = self._waiting.first(self._clock(), is_open)
        if tid is not None:
            self._waiting.remove(tid)
        return tid

    def _fall_due(self):
        """Let tasks whose time is there wait at their gates."""
        now = self._time_of_day()
        while self._dates and self._dates[0][0] <= now:
            when, tid = heapq.heappop(self._dates)
            due, task, gate = self._dated.get(tid, (None, None, None))
            if due == when:         # else it was taken out, or has another time now
                self.add(task, gate)

    def has_room(self, running):
        """Return whether one more task may run, whichever it is."""
        return sum(running.values()) < self._settings.download.max_concurrent

    @property
    def is_waiting(self):
        """Return whether any task waits."""
        return len(self._waiting) + len(self._dated) > 0

    def shut(self):
        """Return the Gates that are shut, of those at which ready tasks wait."""
        return {gate for gate in self._waiting.hosts() if gate.closed_for}

    def waiting_at(self, gate):
        """Return the tids of the ready tasks that wait at the gate."""
        return self._waiting.of(gate)

    def seconds_to_sleep(self):
        """Return the seconds until time alone lets a task start, None while nothing depends on it."""
        when = self._waiting.next_time()
        waits = [] if when is None else [max(0.0, when - self._clock())]
        waits += [max(0.0, min(self.LOOK, each[0] - self._time_of_day())) for each in self._dates[:1]]
        waits += [seconds for seconds in (gate.closed_for for gate in self._waiting.hosts()) if seconds]
        return min(waits, default=None)
