"""Tasks that wait for a condition of this machine."""

import time
from collections import Counter


class Waits:
    """The more tasks wait for a condition, the less often each of them tries.

    Once one of them has succeeded, the others may follow.
    """

    BEAT = 5.0          # seconds until a task tries again
    AT_ONCE = 10        # tasks that try in that time

    def __init__(self, clock=time.monotonic):
        self._clock = clock
        self._waiting = {}          # tid -> (what it waits for, since when)
        self._counts = Counter()

    def __contains__(self, tid):
        return tid in self._waiting

    def add(self, tid, what):
        """Let the task wait for `what`; return the seconds until it tries."""
        self.remove(tid)
        self._waiting[tid] = what, self._clock()
        self._counts[what] += 1
        return self.BEAT * max(1.0, self._counts[what] / self.AT_ONCE)

    def remove(self, tid):
        """Return what the task waited for, or None."""
        what, _ = self._waiting.pop(tid, (None, None))
        if what is not None:
            self._counts[what] -= 1
        return what

    def come_through(self, what):
        """Release those that wait for this; return {tid: seconds until it tries}, none twice within BEAT."""
        now = self._clock()
        free = {tid: max(0.0, since + self.BEAT - now)
                for tid, (waits_for, since) in self._waiting.items() if waits_for == what}
        for tid in free:
            self.remove(tid)
        return free
