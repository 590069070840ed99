"""The choice of the task that starts next among those that wait; nothing here has a thread or a lock."""

import bisect
import heapq
import time


class Delayed:
    """Tids that wait for a time; `when` has the times."""

    def __init__(self):
        self.when = {}
        self._heap = []         # (time, tid); entries of removed tasks stay in it

    def add(self, tid, when):
        self.when[tid] = when
        heapq.heappush(self._heap, (when, tid))

    def remove(self, tid):
        return self.when.pop(tid, None) is not None

    def next_time(self):
        while self._heap and self.when.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def due(self, now):
        """Take out and yield those whose time has come."""
        while self.when:
            when = self.next_time()
            if when > now:
                return
            _, tid = heapq.heappop(self._heap)
            del self.when[tid]
            yield tid


class Waiting:
    """Tasks that wait for a slot: higher priority first, then the older one.

    Kept per host, any hashable value, so that ten thousand tasks of a busy host cost nothing to pass over.
    """

    def __init__(self):
        self._ready = {}        # host -> sorted [(-priority, order, tid)]
        self._heads = []        # sorted [(a host's first key, host)]
        self._delayed = Delayed()
        self._where = {}        # tid -> (host, key)
        self.next_time = self._delayed.next_time

    def __len__(self):
        return len(self._where)

    def __contains__(self, tid):
        return tid in self._where

    def add(self, tid, host, priority, order, not_before=None):
        """Put a task where it belongs in the order, also if it waits already."""
        self.remove(tid)
        self._where[tid] = host, (-priority, order, tid)
        if not_before is None:
            self._insert(*self._where[tid])
        else:
            self._delayed.add(tid, not_before)

    def remove(self, tid):
        found = self._where.pop(tid, None)
        if found is not None and not self._delayed.remove(tid):
            self._delete(*found)

    def first(self, now, is_open):
        """Return the first tid among the hosts for which `is_open(host)` holds, or None."""
        for tid in self._delayed.due(now):
            self._insert(*self._where[tid])
        return next((key[2] for key, host in self._heads if is_open(host)), None)

    def hosts(self):
        return list(self._ready)

    def of(self, host):
        return [key[2] for key in self._ready.get(host, ())]

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


class Scheduler:
    """Chooses among the tasks that wait, within the limits for all and for each host.

    Tasks wait at the Gates of their servers, those with a time of day for that first.
    """

    LOOK = 15.0         # seconds between looks at the time of day: the clock may be set

    def __init__(self, settings, clock=time.monotonic, time_of_day=time.time):
        self._settings, self._clock, self._time_of_day = settings, clock, time_of_day
        self.clear()

    def clear(self):
        self._waiting = Waiting()
        self._dated, self._later = Delayed(), {}        # by time of day; tid -> (task, gate)
        self.is_whole = True        # False after an error, as for lack of memory, amid a change

    def __contains__(self, tid):
        return tid in self._waiting or tid in self._dated.when

    def add(self, task, gate, delay=0):
        self.is_whole = False
        self._add(task, gate, delay)
        self.is_whole = True

    def _add(self, task, gate, delay=0):
        self._remove(task.tid)
        when = task.options.not_before or 0
        if when > self._time_of_day():
            self._later[task.tid] = task, gate
            self._dated.add(task.tid, when)
            return
        not_before = self._clock() + delay if delay else None
        self._waiting.add(task.tid, gate, task.options.priority, task.position, not_before)

    def remove(self, tid):
        self.is_whole = False
        self._remove(tid)
        self.is_whole = True

    def _remove(self, tid):
        self._waiting.remove(tid)
        self._dated.remove(tid)
        self._later.pop(tid, None)

    def choose(self, running):
        """Take out the task that starts next and return its tid, or None if none may start now.

        `running` is {endpoint: how many tasks of it run}, a Counter.
        """
        self.is_whole = False
        for tid in self._dated.due(self._time_of_day()):
            self._add(*self._later[tid])
        tid = self._take_first(running) if self.has_room(running) else None
        self.is_whole = True
        return tid

    def _take_first(self, running):
        def is_open(gate):
            return running[gate.endpoint] < gate.limit and not gate.closed_for

        tid = self._waiting.first(self._clock(), is_open)
        if tid is not None:
            self._waiting.remove(tid)
        return tid

    def has_room(self, running):
        return sum(running.values()) < self._settings.download.max_concurrent

    @property
    def is_waiting(self):
        return bool(self._waiting) or bool(self._dated.when)

    def shut(self):
        return {gate for gate in self._waiting.hosts() if gate.closed_for}

    def waiting_at(self, gate):
        return self._waiting.of(gate)

    def seconds_to_sleep(self):
        """Return the seconds until time alone lets a task start, or None."""
        waits = [gate.closed_for for gate in self._waiting.hosts()]
        waits = [seconds for seconds in waits if seconds]
        due, dated = self._waiting.next_time(), self._dated.next_time()
        if due is not None:
            waits.append(max(0.0, due - self._clock()))
        if dated is not None:
            waits.append(max(0.0, min(self.LOOK, dated - self._time_of_day())))
        return min(waits, default=None)
