"""Rate limits as token buckets: the daemon's is the parent of every task's."""

import threading
import time


class TokenBucket:
    """At most `rate` bytes a second (0 is no limit), shared fairly by all who take.

    Who takes reserves the next free stretch of time and waits for the middle of it, so
    takers are served in turn, nobody polls, and the sum is never off by more than half a
    stretch. The rate may be changed by any thread at any time.
    """

    QUANTUM = 0.2       # seconds' worth that one take gets at the most
    BURST = 0.05        # seconds' worth that an idle bucket has saved
    SLICE = 0.5         # seconds after which a waiting taker looks whether the rate changed
    LEAST = 256         # bytes: below that, a take costs more than it moves

    def __init__(self, rate=0, parent=None, clock=time.monotonic):
        self._rate, self._parent, self._clock = rate, parent, clock
        self._lock = threading.Lock()
        self._free = clock()        # when the next reservation may begin
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
        """Whether this bucket or one above it has a limit."""
        return bool(self._rate) or (self._parent is not None and self._parent.limited)

    def take(self, wanted, stop):
        """How many bytes may be read now, 1 to `wanted`, after waiting; Stopped from `stop`."""
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
        """Return what was taken and not used."""
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
        """Wait for so many bytes; False if the rate was changed meanwhile, for then another count is due."""
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
