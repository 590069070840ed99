"""Speeds, and the time left."""

import threading
import time
from collections import deque


class Meter:
    """The speed over a sliding window, from a byte count that only grows. Thread-safe.

    Call `speed` about once a second to keep it exact.
    """

    WINDOW = 5.0        # seconds
    SPACING = 0.2       # least seconds between samples

    def __init__(self, count=0, clock=time.monotonic):
        self._clock = clock
        self._lock = threading.Lock()
        self._samples = deque([(clock(), count)])

    def speed(self, count):
        """Return bytes/s over the window; `count` bytes have arrived."""
        now, samples = self._clock(), self._samples
        with self._lock:
            if now - samples[-1][0] >= self.SPACING:
                samples.append((now, count))
                while len(samples) > 2 and now - samples[1][0] >= self.WINDOW:
                    samples.popleft()
            then, before = samples[0]
        elapsed = now - then
        return max(0, count - before) / elapsed if elapsed > 0.01 else 0.0


class SpeedHistory:
    """The speeds of the last ten minutes, from a byte count that only grows; the caller holds a lock.

    Call `note` when bytes begin to arrive, about once a second while they do, and at their end.
    """

    EVERY = 2           # seconds per value
    LENGTH = 300        # values

    def __init__(self, clock=time.monotonic):
        self._clock = clock
        self._samples = deque([(clock(), 0)], maxlen=2 * self.LENGTH)

    def note(self, count):
        now, samples = self._clock(), self._samples
        if len(samples) > 1 and now - samples[-2][0] < self.EVERY:
            samples.pop()
        samples.append((now, count))

    def speeds(self):
        """Return LENGTH speeds in bytes/s, oldest first."""
        end = self._clock() // self.EVERY * self.EVERY
        counts = self._counts_at(end - step * self.EVERY for step in range(self.LENGTH, -1, -1))
        return [round((after - before) / self.EVERY) for before, after in zip(counts, counts[1:])]

    def _counts_at(self, times):
        """Return the counts at these ascending times, interpolated between samples."""
        counts, following = [], iter(self._samples)
        (then, before), after = next(following), next(following, None)
        for moment in times:
            while after is not None and after[0] <= moment:
                (then, before), after = after, next(following, None)
            share = (moment - then) / (after[0] - then) if after is not None and moment > then else 0
            counts.append(before + share * (after[1] - before if after is not None else 0))
        return counts


class Pace:
    """The speed of one connection, without its waits for a rate limit."""

    NO_WAIT = 0.02      # seconds that the rate limit takes on a busy machine though it does not apply
    LIMITED_FOR = 1.0   # seconds after a wait for the rate limit during which it counts as the cause
    STANDSTILL = 3.0    # seconds without a byte until the connection counts as stalled

    def __init__(self, clock=time.monotonic):
        self._clock = clock
        self.count, self._busy = 0, 0.0
        self.held = False       # the rate limit, not the server, determines the speed
        self._limited_until = 0.0
        self.rest()

    def rest(self):
        """Start a new window; the time since the last byte does not count."""
        self._last = self._window = self._clock()
        self._window_count = 0

    def waited(self, seconds):
        self._window += seconds
        self.held = False
        if seconds > self.NO_WAIT:
            self.expect_limit(self.LIMITED_FOR)

    def expect_limit(self, seconds):
        """Take the rate limit for the cause of the speed for so long."""
        self._limited_until = self._clock() + seconds

    @property
    def limited(self):
        return self._clock() < self._limited_until

    def moved(self, count, over):
        """Record `count` bytes; return the bytes/s of a window of `over` seconds if it is full."""
        now = self._clock()
        self._busy += now - self._last
        self._last = now
        self.count += count
        self._window_count += count
        elapsed = now - self._window
        if elapsed < over:
            return None
        speed, self._window, self._window_count = self._window_count / elapsed, now, 0
        return speed

    @property
    def speed(self):
        """Bytes/s while bytes were moving, None before the first."""
        return self.count / self._busy if self.count and self._busy else None

    def seconds_for(self, count):
        """Return the seconds that `count` more bytes take; infinite if it is stalled."""
        if not count:
            return 0.0
        if not self.held and self._clock() - self._last > self.STANDSTILL:
            return float("inf")
        return count / self.speed if self.speed else 1.0


def seconds_left(missing, speed):
    return round(missing / speed, 1) if missing and speed >= 1 else 0
