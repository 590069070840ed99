"""Choose the number of connections: as many as increase the speed. Pure: the caller passes the time.

The number is doubled while each doubling brings a tenth more, and the last, useless one is
undone. Since the speed rises by itself at first, the result is then compared with fewer
connections, which are kept if they are as fast.
"""

GROWING, FULL, FEWER, RESTING = "growing", "full", "fewer", "resting"


class Growth:
    """The wanted number of connections, `target`; `known` is an earlier result of `look`, or None."""

    GROW_AFTER = 0.04       # seconds of measuring before the number may be doubled
    JUDGE_AFTER = 0.4       # seconds of measuring before a doubling counts as useless
    SETTLE, WINDOW = 0.2, 0.8   # seconds between a change and the measuring, and of measuring
    PAYS = 1.1              # the factor in speed from which on more connections are worth it
    WORTH = 2.5             # seconds; a download with less time left is not compared with fewer
    REVIEW = 30.0           # seconds until the number is reviewed

    def __init__(self, known=None):
        self.target = 1
        self._known, self._phase, self._not_before = known, GROWING, 0.0
        self._few = 1               # connections before the last doubling
        self._many = 0              # connections that fewer are compared with
        self._speed = 0.0           # bytes/s of the few, or of the many
        self._mark = self._changed = None

    @property
    def interval(self):
        """Seconds until the next `look`."""
        return {GROWING: self.GROW_AFTER / 2, RESTING: 0.5}.get(self._phase, 0.1)

    def rest(self, now, seconds):
        self._phase, self._not_before, self._mark = RESTING, now + seconds, None

    def shrink(self, now, alive, seconds):
        self.target = min(max(1, self.target - 1), alive)
        self.rest(now, seconds)

    def interrupt(self, now):
        """Forget the measuring under way, because a limit decides the speed now."""
        self._mark, self._changed = None, now

    def look(self, now, count, alive, most, left):
        """Adjust `target`: `count` bytes are here, `left` missing, `alive` of at `most` connections open.

        Return None, or the result once it is known: (connections, could more be faster).
        """
        if now < self._not_before:
            return None
        if self._phase == RESTING:
            self._phase, self._speed = GROWING, 0.0
        if self._known is not None:
            self._use_known(now, most)
        elif self._phase == GROWING and self.target < most:
            self._grow(now, count, alive, most)
        else:
            return self._compare(now, count, alive, most, left)
        return None

    def _use_known(self, now, most):
        number, more_may_pay = self._known
        self._known, self.target = None, min(most, number)
        self._few = self.target
        if self.target == most or not more_may_pay:
            self.rest(now, self.REVIEW)

    def _grow(self, now, count, alive, most):
        if self._mark is None:
            self._mark = now, count
        elapsed = now - self._mark[0]
        if elapsed < self.GROW_AFTER:
            return
        speed = (count - self._mark[1]) / elapsed
        if speed >= self._speed * self.PAYS:
            self._speed, self._mark, self._few = speed, None, max(self.target, alive)
            self.target = min(most, 2 * self._few)
        elif elapsed < self.JUDGE_AFTER:
            return
        elif speed * self.PAYS < self._speed:       # the line has become slower: measure again
            self._speed, self._mark = 0.0, (now, count)
        else:
            self._change(now, self._few, FULL)

    def _compare(self, now, count, alive, most, left):
        if self._phase == GROWING:
            self._change(now, self.target, FULL)
        if self.target == 1 and self._phase == FULL:
            return self._conclude(now, 1, most)
        speed = self._measure(now, count, alive)
        if speed is None:
            return None
        if self._phase == FEWER:
            return self._judge(now, speed, most)
        if left < self.WORTH * speed:
            self.rest(now, self.REVIEW)
        else:
            self._many, self._speed = self.target, speed
            self._change(now, self.target // 2 if self.target <= 4 else self.target - self.target // 4, FEWER)
        return None

    def _judge(self, now, speed, most):
        """Keep the fewer connections, and try even fewer, unless the many were faster."""
        if self._speed >= speed * self.PAYS:
            return self._conclude(now, self._many, most)
        if self.target == 1:
            return self._conclude(now, 1, most)
        self._many = self.target
        return self._change(now, self.target // 2, FEWER)

    def _measure(self, now, count, alive):
        if now - self._changed < self.SETTLE or (self._phase == FEWER and alive > self.target):
            return None
        if self._mark is None or self._mark[2] != alive:
            self._mark = now, count, alive
        elapsed = now - self._mark[0]
        return (count - self._mark[1]) / elapsed if elapsed >= self.WINDOW else None

    def _change(self, now, target, phase):
        self.target, self._phase, self._changed, self._mark = target, phase, now, None

    def _conclude(self, now, target, most):
        self.target = self._few = target
        self.rest(now, self.REVIEW)
        return target, target >= most
