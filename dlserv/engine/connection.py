"""One connection of a download: its source, its pace, and the reasons to end it."""

import time
from collections import namedtuple

from ..errors import Error, Temporary
from ..units import format_size
from .meter import Pace
from .transfer import move


class Limits(namedtuple("Limits", "connections bucket min_speed")):
    """A download's limits: connections at a time, its TokenBucket, and the least bytes/s of a connection."""

    __slots__ = ()


class Leave(Error):
    """The connection must end: another task needs its slot, or the limit was lowered."""


class Surplus(Leave):
    """The connection must end: there are more than wanted."""


class Connection:
    """Fetches segments from one source; it is also the `throttle` of transfer.move."""

    MIN_SPEED_OVER = 20.0   # seconds
    UNKNOWN = 0.25          # seconds until a rate limit that no portion waited for counts as too high

    def __init__(self, source, stop, bucket, min_speed, is_surplus, answer=None):
        self.source, self.stop, self.answer = source, stop, answer
        self.error = None
        self._bucket, self._min_speed, self._is_surplus = bucket, min_speed, is_surplus
        self._slot = None
        self.pace = Pace()
        if bucket.limited:      # the first portion does not wait
            self.pace.expect_limit(self.UNKNOWN)

    def move(self, stream, part, segments, segment):
        """Write the stream's bytes into the segment. Raise Leave or Temporary to end early."""
        self._slot = stream.slot
        self.pace.rest()
        move(stream, part, segments, segment, self)

    def take(self, wanted):
        if self._is_surplus(self):
            raise Surplus()
        if self._slot.asked_to_leave():
            raise Leave()
        began = time.monotonic()
        count = self._bucket.take(wanted, self.stop)
        self.pace.waited(time.monotonic() - began)
        return count

    def moved(self, taken, count):
        if count < taken:
            self._bucket.give_back(taken - count)
        self.pace.held = count == taken and self._bucket.limited    # the server has more
        speed = self.pace.moved(count, self.MIN_SPEED_OVER)
        if speed is not None and speed < self._min_speed:
            raise Temporary("the connection was too slow: less than "
                            f"{format_size(self._min_speed)}/s for {self.MIN_SPEED_OVER:g} s", word="timeout")
