"""Which bytes of a file are here, and which connection fetches which of the rest. Pure.

A range is half-open, [start, end). A segment is the range one connection is fetching;
its `position` moves from start to end as bytes are written. What no segment holds and
is not here is a hole.
"""

import threading

ENDLESS = 2 ** 62       # the end of a file whose size nobody knows


class Segment:
    """A range in the hands of one connection; only that one advances it."""

    __slots__ = ("start", "position", "end")

    def __init__(self, start, end):
        self.start = self.position = start
        self.end = end

    @property
    def left(self):
        return self.end - self.position


class Segments:
    """The map of one file: ranges that are here, segments under way, holes."""

    def __init__(self, total=None, done=()):
        self.total = total
        self._end = ENDLESS if total is None else total
        self._lock = threading.Lock()
        self._done = merge(done)
        self._active = []

    def claim(self):
        """A Segment over the first hole, or None when every byte is here or in hands."""
        with self._lock:
            hole = next(holes(self._taken(), self._end), None)
            if hole is None:
                return None
            segment = Segment(*hole)
            self._active.append(segment)
            return segment

    def advance(self, segment, count):
        """Note `count` more bytes of the segment as written; gives how many of them counted."""
        with self._lock:
            count = min(count, segment.end - segment.position)
            segment.position += count
            return count

    def release(self, segment):
        """Take the segment back; what it has written stays, the rest is a hole again."""
        with self._lock:
            self._active.remove(segment)
            if segment.position > segment.start:
                self._done = merge(self._done + [(segment.start, segment.position)])

    def finish(self, total):
        """Learn the size of a file of unknown size, now that its end was seen."""
        with self._lock:
            self.total = self._end = total

    def done(self):
        """The ranges that are here: a sorted list of (start, end), none touching the next."""
        with self._lock:
            return merge(self._done + [(s.start, s.position) for s in self._active])

    @property
    def count(self):
        """Bytes that are here."""
        with self._lock:
            return (sum(end - start for start, end in self._done)
                    + sum(s.position - s.start for s in self._active))

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
