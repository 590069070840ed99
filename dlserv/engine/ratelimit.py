"""Rate limits as token buckets."""

import threading
import time


class TokenBucket:
    """A limiter of `rate` bytes/s (0: unlimited), shared fairly among the threads that call `take`.

    A thread reserves the next free interval of time and waits until its middle, or until AHEAD
    before its end, so threads are served in turn and the total is off by at most AHEAD. Each
    interval costs a thread a wake-up, so intervals are longer if many threads take from buckets
    with the same root. The rate may change at any time.
    """

    QUANTUM = 0.2       # seconds' worth of bytes that one `take` returns at most
    AHEAD = 0.1         # seconds' worth of bytes that may be early
    CROWD = 20          # threads; if more take, one `take` returns more, at most
    LONGEST = 1.0       # these seconds' worth of bytes and
    LARGEST = 2 ** 17   # these bytes, which a socket's buffer holds
    BURST = 0.05        # seconds' worth of bytes that an idle bucket saves up
    SLICE = 1.5         # seconds until a waiting thread looks at the rate again if nothing stirs its signal
    LEAST = 256         # bytes that `take` returns if requested; fewer cost more than they move

    def __init__(self, rate=0, parent=None, clock=time.monotonic):
        self._rate, self._clock = rate, clock
        self._lock = threading.Lock()
        self._free = clock()        # the start of the next interval
        self._waiting = self._changes = 0
        self._chain = (self,) + (parent._chain if parent is not None else ())
        self._root = self._chain[-1]
        self._takers = 0            # threads that take from this bucket or one below it; the root's counts

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
        for bucket in self._chain:
            if bucket._rate:
                return True
        return False

    def take(self, wanted, stop):
        """Wait; return how many bytes may be read now, 1 to `wanted`. Raise Stopped."""
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
            for bucket in self._chain:
                if bucket._rate and not bucket._wait_for(count, stop):
                    break
                passed.append(bucket)
            else:
                return count
            for bucket in passed:
                bucket._return(count)
        return wanted

    def give_back(self, count):
        for bucket in self._chain:
            bucket._return(count)

    def _return(self, count):
        with self._lock:
            if self._rate:
                self._free -= count / self._rate

    def _portion(self, wanted):
        for bucket in self._chain:
            if bucket._rate:
                quantum = bucket._most() / (1 + bucket._waiting)
                wanted = min(wanted, max(self.LEAST, int(quantum)))
        return wanted

    def _most(self):
        seconds = self.QUANTUM * self._root._takers / self.CROWD
        crowded = min(self._rate * min(seconds, self.LONGEST), self.LARGEST)
        return max(self._rate * self.QUANTUM, crowded)

    def _wait_for(self, count, stop):
        """Wait for `count` bytes; return False if the rate changes, which makes `count` stale."""
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
