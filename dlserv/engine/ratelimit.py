"""Rate limits as token buckets; the daemon's bucket is the parent of each task's."""

import threading
import time


class TokenBucket:
    """A limiter of `rate` bytes/s (0: unlimited), shared fairly among the threads that call `take`.

    A thread reserves the next free interval of time and waits until its middle, so threads
    are served in turn and the total is off by at most half an interval. Any thread may
    change the rate at any time.
    """

    QUANTUM = 0.2       # seconds' worth of bytes that one `take` returns at most
    BURST = 0.05        # seconds' worth of bytes that an idle bucket saves up
    SLICE = 0.5         # seconds until a waiting thread checks whether the rate has changed
    LEAST = 256         # bytes that `take` returns if requested; fewer cost more than they move

    def __init__(self, rate=0, parent=None, clock=time.monotonic):
        self._rate, self._parent, self._clock = rate, parent, clock
        self._lock = threading.Lock()
        self._free = clock()        # the start of the next interval
        self._waiting = 0
        self._changes = 0

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
        """Wait; return how many bytes may be read now, 1 to `wanted`. Raise Stopped."""
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
        """Return bytes that were taken and not used."""
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
                quantum = bucket._rate * self.QUANTUM / (1 + bucket._waiting)
                wanted = min(wanted, max(self.LEAST, int(quantum)))
        return wanted

    def _wait_for(self, count, stop):
        """Wait for `count` bytes; return False if the rate changes, which makes `count` stale."""
        with self._lock:
            if not self._rate:
                return True
            if count > max(self.LEAST, self._rate * self.QUANTUM):
                return False
            self._waiting += 1
            changes = self._changes
            begin = max(self._free, self._clock() - self.BURST)
            self._free = begin + count / self._rate
            when = (begin + self._free) / 2
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
