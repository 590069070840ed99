"""Which bytes of a file are here, and which connection fetches which of the rest. Pure.

A range is half-open, [start, end). A segment is the range one connection is fetching;
its `position` moves from start to end as bytes are written. What no segment holds and
is not here is a hole.
"""

import threading

ENDLESS = 2 ** 62       # the end of a file whose size nobody knows
LEAST = 2 ** 20         # bytes of a segment: below that, asking costs more than it brings
SLOW = 3.0              # seconds left from which on smaller ones pay too
LEAST_OF_SLOW = 2 ** 16


class Segment:
    """A range in the hands of one connection; only that one advances it.

    `reach` is how far the connection's stream goes, of which `end` may have been cut off.
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
        """True if only the end of its stream tells where it ends."""
        return self.end == ENDLESS


class Segments:
    """The map of one file: ranges that are here, segments under way, holes."""

    def __init__(self, total=None, done=()):
        self.total = total
        self._end = ENDLESS if total is None else total
        self._lock = threading.Lock()
        self._done = merge(done)
        self._active = []
        self.count = sum(end - start for start, end in self._done)     # bytes that are here

    def claim(self, owner=None):
        """A Segment over the first hole, or None when every byte is here or in hands."""
        with self._lock:
            hole = next(holes(self._taken(), self._end), None)
            return None if hole is None else self._take(Segment(*hole, owner))

    def split(self, owner, seconds_left):
        """(a Segment taken from the one that would take longest, that one), or (None, None).

        `seconds_left(segment)` is how long it still takes, infinite for one that stands
        still: of that, everything is taken.
        """
        with self._lock:
            victim, middle = self._find_split(seconds_left)
            if victim is None:
                return None, None
            segment = Segment(middle, victim.end, owner)
            victim.end = middle
            return self._take(segment), victim

    def has_work(self, seconds_left):
        """Whether another connection would find something to fetch."""
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

    def _take(self, segment):
        self._active.append(segment)
        return segment

    def advance(self, segment, count):
        """Note `count` more bytes of the segment as written; return how many of them counted."""
        with self._lock:
            count = min(count, segment.end - segment.position)
            segment.position += count
            self.count += count
            return count

    def release(self, segment):
        """Take the segment back; what it has written stays, the rest is a hole again.

        If nothing is written, whoever it was split from goes on with it.
        """
        with self._lock:
            self._active.remove(segment)
            if segment.position > segment.start:
                self._done = merge(self._done + [(segment.start, segment.position)])
            else:
                self._give_back(segment)

    def _give_back(self, segment):
        for other in self._active:
            if other.end == segment.start and other.position < other.end and other.reach >= segment.end:
                other.end = segment.end
                return

    def finish(self, total):
        """Learn the size of a file of unknown size, now that its end was seen."""
        with self._lock:
            self.total = self._end = total

    def unbound(self, segment):
        """Forget the size that was told: the segment goes on behind it. Return False if it ends before."""
        with self._lock:
            if segment.end != self._end:
                return False
            self.total, self._end = None, ENDLESS
            segment.end = segment.reach = ENDLESS
            return True

    def done(self):
        """The ranges that are here: a sorted list of (start, end), none touching the next."""
        with self._lock:
            return merge(self._done + [(s.start, s.position) for s in self._active])

    @property
    def prefix(self):
        """How far the file is here without a gap from its start."""
        done = self.done()
        return done[0][1] if done and done[0][0] == 0 else 0

    def here(self, position):
        """Return how many bytes are here from `position` on without a gap."""
        return next((end - position for start, end in self.done() if start <= position < end), 0)

    @property
    def first_hole(self):
        """(start, end) of the first bytes that are missing; end is None if that is the file's."""
        start, end = next(holes(self.done(), self._end), (self._end, self._end))
        return start, None if end == self._end else end

    @property
    def complete(self):
        return self.total is not None and self.count == self.total

    def _taken(self):
        return merge(self._done + [(s.start, s.end) for s in self._active])


def merge(ranges):
    """Sorted, without empty ones, with those that touch or overlap made one."""
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
    """What the merged ranges leave free of [0, end), in order."""
    position = 0
    for start, stop in ranges:
        if position < start:
            yield position, min(start, end)
        position = max(position, stop)
    if position < end:
        yield position, end


def clip(ranges, end):
    """The merged ranges without what lies at or beyond `end`."""
    return merge((start, min(stop, end)) for start, stop in ranges)
