"""The map of a file: the bytes on disk, the segments being fetched, and the holes. Pure.

Ranges are half-open, [start, end). A hole is neither on disk nor in a segment.
"""

import threading

ENDLESS = 2 ** 62       # the end of a file of unknown size
LEAST = 2 ** 20         # bytes of a segment; a request for fewer costs more than it saves
SLOW = 3.0              # seconds left above which smaller segments are worth a request too
LEAST_OF_SLOW = 2 ** 16     # bytes of those


class Segment:
    """A range that one connection, its owner, fetches.

    `reach` is the end of its stream; `end` is lower after a split.
    """

    __slots__ = ("start", "position", "end", "reach", "owner")

    def __init__(self, start, end, owner=None):
        self.start = self.position = start
        self.end = self.reach = end
        self.owner = owner

    @property
    def left(self):
        return self.end - self.position

    @property
    def is_endless(self):
        """True if it ends where its stream does."""
        return self.end == ENDLESS


class Segments:
    """The map of one file, for any thread: `count` bytes are on disk, `brought` ones from the start."""

    def __init__(self, total=None, done=()):
        self.total = total
        self._end = ENDLESS if total is None else total
        self._lock = threading.Lock()
        self._done = merge(done)
        self._active = []
        self.count = self.brought = sum(end - start for start, end in self._done)

    def fill(self):
        with self._lock:
            self._done, self.count = merge([(0, self.total)]), self.total

    def claim(self, owner=None):
        """Return a new Segment over the first hole, or None."""
        with self._lock:
            hole = next(holes(self._taken(), self._end), None)
            return None if hole is None else self._take(*hole, owner)

    def split(self, owner, seconds_left):
        """Split the segment with the most time left; return (new, split) or (None, None).

        Half of its rest is taken, or all if `seconds_left(segment)` is infinite.
        """
        with self._lock:
            victim, middle = self._find_split(seconds_left)
            if victim is None:
                return None, None
            segment = self._take(middle, victim.end, owner)
            victim.end = middle
            return segment, victim

    def has_work(self, seconds_left):
        with self._lock:
            return (next(holes(self._taken(), self._end), None) is not None
                    or self._find_split(seconds_left)[0] is not None)

    def _find_split(self, seconds_left):
        victim = max((each for each in self._active if not each.is_endless), default=None, key=seconds_left)
        if victim is None:
            return None, None
        left, seconds = victim.left, seconds_left(victim)
        if seconds == float("inf") and left:
            return victim, victim.position
        if left >= 2 * LEAST or (seconds > SLOW and left >= 2 * LEAST_OF_SLOW):
            return victim, victim.position + left // 2
        return None, None

    def _take(self, start, end, owner):
        segment = Segment(start, end, owner)
        self._active.append(segment)
        return segment

    def advance(self, segment, count):
        with self._lock:
            count = min(count, segment.end - segment.position)
            segment.position += count
            self.count += count

    def release(self, segment):
        """End the segment; its written bytes count, the rest becomes a hole.

        If nothing was written, the segment that it was split from gets the range back.
        """
        with self._lock:
            done = merge(self._done + [(segment.start, segment.position)])      # first: it takes memory
            self._active.remove(segment)
            self._done = done
            if segment.position > segment.start:
                return
            for other in self._active:
                if other.end == segment.start and other.position < other.end and other.reach >= segment.end:
                    other.end = segment.end
                    return

    def finish(self, total):
        with self._lock:
            self.total = self._end = total

    def unbound(self, segment):
        """Forget the size, which the segment exceeds. Return False if it ends earlier."""
        with self._lock:
            if segment.end != self._end:
                return False
            self.total, self._end = None, ENDLESS
            segment.end = segment.reach = ENDLESS
            return True

    def done(self):
        """Return the merged ranges on disk, [(start, end), …]."""
        with self._lock:
            return merge(self._done + [(s.start, s.position) for s in self._active])

    def here(self, position):
        """Return the number of bytes on disk from `position` without a gap."""
        return next((end - position for start, end in self.done() if start <= position < end), 0)

    @property
    def first_hole(self):
        """(start, end) of the first missing bytes; `end` is None at the end of the file."""
        start, end = next(holes(self.done(), self._end), (self._end, self._end))
        return start, None if end == self._end else end

    @property
    def missing(self):
        """Bytes still to come, 0 if the size is unknown."""
        return max(0, (self.total or 0) - self.count)

    @property
    def complete(self):
        return self.total is not None and self.count == self.total

    def _taken(self):
        return merge(self._done + [(s.start, s.end) for s in self._active])


def merge(ranges):
    """Return the ranges sorted, without empty ones, touching or overlapping ones joined."""
    merged = []
    for start, end in sorted(ranges):
        if start >= end:
            continue
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def holes(ranges, end):
    """Yield the parts of [0, end) that the merged ranges leave free."""
    position = 0
    for start, stop in ranges:
        if position < start:
            yield position, min(start, end)
        position = max(position, stop)
    if position < end:
        yield position, end


def clip(ranges, end):
    return merge((start, min(stop, end)) for start, stop in ranges)
