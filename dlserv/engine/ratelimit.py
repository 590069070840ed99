"""Rate limits as token buckets; the daemon's bucket is the parent of each task's."""

import threading
import time


class TokenBucket:
    """At most `rate` bytes/s (0 is no limit), shared fairly among the threads that take.

    A thread reserves the next free stretch of time and waits for the middle of it, or until
    AHEAD before its end, so threads are served in turn, none polls, and the total is off by
    AHEAD at most. Stretches are longer where many threads take, under all the limits that
    have the same root: each costs a thread a wake-up. Any thread may change the rate at any
    time.
    """

    QUANTUM = 0.2       # seconds' worth of bytes that one take returns at most
    AHEAD = 0.1         # seconds' worth of bytes that may be early
    CROWD = 20          # takers, from which on a take returns more, for up to
    LONGEST = 1.0       # seconds and
    LARGEST = 2 ** 17   # bytes, which the buffer of a socket holds
    BURST = 0.05        # seconds' worth of bytes that an idle bucket saves up
    SLICE = 0.5         # seconds until a waiting thread checks whether the rate has changed
    LEAST = 256         # bytes; moving fewer costs more than it brings

    def __init__(self, rate=0, parent=None, clock=time.monotonic):
        self._rate, self._parent, self._clock = rate, parent, clock
        self._lock = threading.Lock()
        self._free = clock()        # when the next reservation begins
        self._waiting = 0
        self._changes = 0
        self._root = parent._root if parent is not None else self
        self._takers = 0            # of the root: threads that take from it or a bucket below it

    @property
    def rate(self):
        return self._rate

    @rate.setter
    def rate(self, rate):
        with self._lock:
            self._rate = rate
            self._free = self._clock()
            self._changes += 1

    @property
    def limited(self):
        """Whether this bucket or an ancestor has a limit."""
        return bool(self._rate) or (self._parent is not None and self._parent.limited)

    def take(self, wanted, stop):
        """Wait, then return how many bytes may be read now, 1 to `wanted`. Raises Stopped."""
        if not self.limited:
            return wanted
        self._root._count(1)
        try:
            return self._take(wanted, stop)
        finally:
            self._root._count(-1)

    def _count(self, takers):
        with self._lock:
            self._takers += takers

    def _take(self, wanted, stop):
        while self.limited:
            count, passed = self._portion(wanted), []
            for bucket in self._chain():
                if not bucket._wait_for(count, stop):
                    break
                passed.append(bucket)
            else:
                return count
            for bucket in passed:
                bucket._return(count)
        return wanted

    def give_back(self, count):
        """Give back bytes that were taken and not used."""
        for bucket in self._chain():
            bucket._return(count)

    def _return(self, count):
        with self._lock:
            if self._rate:
                self._free -= count / self._rate

    def _chain(self):
        bucket = self
        while bucket is not None:
            yield bucket
            bucket = bucket._parent

    def _portion(self, wanted):
        for bucket in self._chain():
            if bucket._rate:
                quantum = bucket._most() / (1 + bucket._waiting)
                wanted = min(wanted, max(self.LEAST, int(quantum)))
        return wanted

    def _most(self):
        """Return how many bytes all that wait may reserve at a time."""
        seconds = self.QUANTUM * self._root._takers / self.CROWD
        crowded = min(self._rate * min(seconds, self.LONGEST), self.LARGEST)
        return max(self._rate * self.QUANTUM, crowded)

    def _wait_for(self, count, stop):
        """Wait for `count` bytes; return False if the rate changes, because then `count` is stale."""
        with self._lock:
            if not self._rate:
                return True
            if count > max(self.LEAST, self._most()):
                return False
            self._waiting += 1
            changes = self._changes
            stretch = count / self._rate
            self._free = max(self._free, self._clock() - max(self.BURST, stretch / 2)) + stretch
            when = self._free - min(stretch / 2, self.AHEAD)
        try:
            while changes == self._changes:
                left = when - self._clock()
                if left <= 0:
                    return True
                stop.sleep(min(left, self.SLICE))
            return False
        finally:
            with self._lock:
                self._waiting -= 1
