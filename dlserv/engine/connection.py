"""One connection of a download: its source, its pace, and what may end it."""

import time
from collections import namedtuple

from ..errors import Error, Temporary
from ..units import format_size
from .meter import Pace
from .transfer import move


class Limits(namedtuple("Limits", "connections bucket min_speed")):
    """What a download may take: connections at a time, a TokenBucket, and the bytes/s it must bring."""

    __slots__ = ()


class Leave(Error):
    """Another task's first connection needs the place at the host, or there are to be fewer."""


class Surplus(Leave):
    """There are more connections than wanted."""


class Connection:
    """Fetches segments from one source; also the throttle that transfer.move asks."""

    MIN_SPEED_OVER = 20.0   # seconds

    def __init__(self, source, stop, bucket, min_speed, is_surplus, answer=None):
        self.source, self.stop, self.answer = source, stop, answer
        self.error = None
        self._bucket, self._min_speed, self._is_surplus = bucket, min_speed, is_surplus
        self._slot = None
        self.pace = Pace()

    def move(self, stream, part, segments, segment):
        """Bring the stream's bytes into the segment."""
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
            raise Temporary("the connection was too slow: less than %s/s for %g s"
                            % (format_size(self._min_speed), self.MIN_SPEED_OVER), word="timeout")
