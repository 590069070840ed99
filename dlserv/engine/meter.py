"""How fast bytes come in: over the last few seconds, over the last ten minutes, and the time left."""

import threading
import time
from collections import deque


class Meter:
    """Speed over a sliding window, from a byte count that only grows.

    Any thread may call either method at any time; for a true window, one of them is called
    about once a second.
    """

    WINDOW = 5.0        # seconds: smooth enough to read, quick enough to believe
    SPACING = 0.2       # seconds between samples at the least

    def __init__(self, count=0, clock=time.monotonic):
        self._clock = clock
        self._lock = threading.Lock()
        self._samples = deque([(clock(), count)])

    def sample(self, count):
        """Note that `count` bytes have arrived by now."""
        now = self._clock()
        with self._lock:
            if now - self._samples[-1][0] < self.SPACING:
                return
            self._samples.append((now, count))
            while len(self._samples) > 2 and now - self._samples[1][0] >= self.WINDOW:
                self._samples.popleft()

    def speed(self, count):
        """Bytes a second over the window, given the count of now."""
        self.sample(count)
        then, before = self._samples[0]
        elapsed = self._clock() - then
        return max(0, count - before) / elapsed if elapsed > 0.01 else 0.0


class SpeedHistory:
    """The speed of the last ten minutes, from a byte count that only grows; one value for `EVERY` seconds.

    Call `note` when bytes begin to come, about once a second while they do, and when they end.
    The caller holds a lock.
    """

    EVERY = 2
    LENGTH = 300

    def __init__(self, clock=time.monotonic):
        self._clock = clock
        self._samples = deque([(clock(), 0)], maxlen=2 * self.LENGTH)

    def note(self, count):
        """Note that `count` bytes have come by now."""
        now, samples = self._clock(), self._samples
        if len(samples) > 1 and now - samples[-2][0] < self.EVERY:
            samples.pop()
        samples.append((now, count))

    def speeds(self):
        """Return LENGTH speeds in bytes a second, the oldest first."""
        end = self._clock() // self.EVERY * self.EVERY
        counts = self._counts_at(end - step * self.EVERY for step in range(self.LENGTH, -1, -1))
        return [round((after - before) / self.EVERY) for before, after in zip(counts, counts[1:])]

    def _counts_at(self, times):
        """Return the count at each of these rising times, interpolated between two samples."""
        counts, following = [], iter(self._samples)
        (then, before), after = next(following), next(following, None)
        for moment in times:
            while after is not None and after[0] <= moment:
                (then, before), after = after, next(following, None)
            share = (moment - then) / (after[0] - then) if after is not None and moment > then else 0
            counts.append(before + share * (after[1] - before if after is not None else 0))
        return counts


class Pace:
    """How fast one connection is."""

    STANDSTILL = 3.0    # seconds without a byte after which it counts as standing still

    def __init__(self, clock=time.monotonic):
        self._clock = clock
        self.count, self._busy = 0, 0.0
        self.held = False       # it is a limit that it waits for
        self.rest()

    def rest(self):
        """Forget the time that has passed since the last byte."""
        self._last = self._window = self._clock()
        self._window_count = 0

    def waited(self, seconds):
        """Leave out of the window what a limit made it wait."""
        self._window += seconds
        self.held = False

    def moved(self, count, over):
        """Note that `count` bytes have come; gives the speed over each window of `over` seconds.

        None while the window is still open.
        """
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
        """Bytes a second while it was moving any; None until there are some."""
        return self.count / self._busy if self.count and self._busy else None

    def seconds_for(self, count):
        """How long `count` more bytes take; infinite if it stands still."""
        if not count:
            return 0.0
        if not self.held and self._clock() - self._last > self.STANDSTILL:
            return float("inf")
        return count / self.speed if self.speed else 1.0


def seconds_left(missing, speed):
    """Seconds until `missing` bytes are here at `speed`; 0 while that cannot be told."""
    return round(missing / speed, 1) if missing and speed >= 1 else 0
