"""One connection of a download."""

import time

from ..errors import Error, Longer, Temporary
from ..net.host_limits import HostFull
from ..units import format_size
from . import continuity
from .meter import Pace
from .transfer import move


class Surplus(Error):
    """The connection must end: there are more than wanted."""


class Connection:
    """Fetches segments for a Fetch from one source, those of the open `answer` first.

    It is also the `throttle` of transfer.move.
    """

    MIN_SPEED_OVER = 20.0   # seconds
    UNKNOWN = 0.25          # seconds until a rate limit that no portion waited for counts as too high

    def __init__(self, fetch, source, stop, answer=None):
        self._fetch, self._file = fetch, fetch.file
        self.source, self.stop, self._answer = source, stop, answer
        self._bucket, self._min_speed = fetch.bucket, fetch.min_speed
        self.error = self.thread = self._slot = None
        self.pace = Pace()
        if self._bucket.limited:        # the first portion does not wait
            self.pace.expect_limit(self.UNKNOWN)

    def work(self):
        sources = self._fetch.sources
        client = sources.opener(self.stop, extra=True)
        if self._answer is not None:
            self._answer.stream.adopt(self.stop)
            self.use_answer()
        while True:
            segment = self._claim()
            if segment is None:
                return
            joint = continuity.Joint(self._file, segment, min(continuity.SEAM, segment.start))
            try:
                answer = self._ask(client, joint)
            except BaseException:
                self._file.segments.release(segment)
                raise
            self._use(answer, segment, joint)
            sources.delivered(self.source)

    def use_answer(self):
        """Use the answer, unless others have fetched the missing byte at which it begins."""
        answer, self._answer = self._answer, None
        segment = self._file.segments.claim(self)
        if segment is None:
            answer.stream.close()
        else:
            self._use(answer, segment, continuity.Joint(self._file, segment))

    def _claim(self):
        segments = self._file.segments
        segment = segments.claim(self)
        if segment is not None:
            return segment
        segment, victim = segments.split(self, seconds_left)
        if victim is not None and not victim.left:
            victim.owner.stop.set()     # it is stalled, and its whole segment was taken
        return segment

    def _ask(self, client, joint):
        source = self.source
        if not source.proven:
            self._fetch.introduction.introduce(source, client)
        start, end = joint.reach
        answer = source.open(client, start=start, end=end, if_range=source.resource.validator)
        try:
            continuity.check_part(answer, source.resource)
            return answer
        except BaseException:
            answer.stream.close()
            raise

    def _use(self, answer, segment, joint):
        """Move the answer's bytes into the segment, then close both."""
        segments = self._file.segments
        try:
            try:
                joint.begin(answer.stream)
                self._move(answer.stream, segment)
            finally:
                joint.check_start()
            if segment.is_endless:
                segments.finish(segment.position)
            elif segment.position == segment.start and segment.left:
                raise Temporary("the server sent no new bytes")
            joint.check_end(answer.stream)
        finally:
            try:
                segments.release(segment)
            finally:
                answer.stream.close()

    def _move(self, stream, segment):
        part, segments = self._file.part, self._file.segments
        self._slot = stream.slot
        self.pace.rest()
        try:
            move(stream, part, segments, segment, self)
        except Longer as change:
            if not (self.source.is_main and self._file.lengthen(segment)):
                raise
            self._file.warn(f"{change}; fetching the file to its end")
            move(stream, part, segments, segment, self)

    def take(self, wanted):
        if self._fetch.is_surplus(self):
            raise Surplus()
        if self._slot.asked_to_leave():
            raise HostFull("another task needs the connection")
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


def seconds_left(segment):
    return segment.owner.pace.seconds_for(segment.left)
