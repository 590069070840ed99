"""How many connections a download has: as many as pay.

A connection beside the first costs processor time on both sides, and brings nothing on a
line that one fills. So the number is doubled while each doubling brings a tenth more speed,
and goes back by one that did not. Because the speed rises by itself at first, what is left
is then compared with fewer: if those are as fast, they are enough. Pure, but for the clock.
"""

GROWING, FULL, FEWER, RESTING = "growing", "full", "fewer", "resting"


class Growth:
    """`target` connections are wanted. `look` follows the download and changes that.

    `known` is what a `look` has returned in an earlier download from the same host, or None.
    """

    GROW_AFTER = 0.04       # seconds of full speed before the number may be doubled
    JUDGE_AFTER = 0.4       # seconds until it is believed that a doubling did not pay
    SETTLE, WINDOW = 0.2, 0.8   # seconds after a change until the speed is measured, and for how long
    PAYS = 1.1              # the factor that more connections must bring to count as paying
    WORTH = 2.5             # seconds that the download must still take for a comparison to be worth it
    REVIEW = 30.0           # seconds until it is seen again whether the number is right

    def __init__(self, known=None):
        self.target = 1
        self._known, self._phase, self._not_before = known, GROWING, 0.0
        self._few = 1               # connections before the last doubling
        self._many = 0              # connections that are compared with fewer
        self._speed = 0.0           # bytes/s of the few, or of the many
        self._mark = self._changed = None

    @property
    def interval(self):
        """Seconds until the next look."""
        return {GROWING: self.GROW_AFTER / 2, RESTING: 0.5}.get(self._phase, 0.1)

    def rest(self, now, seconds):
        """Leave the number as it is for so long."""
        self._phase, self._not_before, self._mark = RESTING, now + seconds, None

    def shrink(self, now, alive, seconds):
        """Go on with those that are left, without another for so long."""
        self.target = min(max(1, self.target - 1), alive)
        self.rest(now, seconds)

    def look(self, now, count, alive, most, left):
        """Follow a download with `count` bytes here and `left` missing, over `alive` connections of at `most`.

        Return None, or what was found out: (the connections that pay, whether more may pay).
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

    # -- more --------------------------------------------------------------------------

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
        elif speed * self.PAYS < self._speed:       # the line is another one now: see what a doubling brings
            self._speed, self._mark = 0.0, (now, count)
        else:
            self._change(now, self._few, FULL)

    # -- fewer -------------------------------------------------------------------------

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
        """Go on with the fewer connections, and fewer yet, unless the many were faster."""
        if self._speed >= speed * self.PAYS:
            return self._conclude(now, self._many, most)
        if self.target == 1:
            return self._conclude(now, 1, most)
        self._many = self.target
        return self._change(now, self.target // 2, FEWER)

    def _measure(self, now, count, alive):
        """Return the speed of the present connections once it is known, else None."""
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
