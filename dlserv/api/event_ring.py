"""The latest events of the stream, encoded once for all readers, and the latest row of each task.

A task's first event on a stream has its whole row, each further one only the fields that
changed. The caller holds a lock.
"""

import collections
import os
import re

from ..units import safe_json

# An event, encoded with the whole row and with what changed since the task's event `previous`.
_Entry = collections.namedtuple("_Entry", "previous whole changes")


class EventRing:
    """The last `most` events. `number` is that of the last one, `rows` is {tid: row as last sent}."""

    def __init__(self, most):
        self._entries = collections.deque(maxlen=most)
        self._epoch, self.number = "", 0
        self.rows = {}
        self._last = {}             # tid: the number of its last event
        self._snapshot = 0, b""     # (number, the encoded snapshot at that number)

    def begin(self, rows):
        """Begin again with {tid: row}; earlier ids are forgotten."""
        self.clear()
        self._epoch, self.rows = os.urandom(6).hex(), rows

    def clear(self):
        """Drop everything, so that every reader has fallen behind."""
        self._entries.clear()
        self.number += 1
        self.rows, self._last = {}, {}

    def position_of(self, last_id):
        """Return the number in an event's id, None unless all events after it are here."""
        epoch, _, number = last_id.partition("-")
        if epoch != self._epoch or re.fullmatch("[0-9]{1,15}", number) is None:
            return None
        return int(number) if 0 <= self.number - int(number) <= len(self._entries) else None

    def after(self, position, start):
        """Return the encoded events after `position` for a stream that began at `start`, None if one is gone."""
        missed = self.number - position
        if missed > len(self._entries):
            return None
        entries = [self._entries[index] for index in range(-missed, 0)]
        return [each.changes if each.previous > start else each.whole for each in entries]

    def snapshot(self, make):
        """Return the encoded snapshot of `make()`, as of the last event."""
        if self._snapshot[0] != self.number:
            self._snapshot = self.number, encoded(self._id(), "snapshot", make())
        return self._snapshot[1]

    def append(self, kind, data):
        tid = data.get("tid")
        before, previous = self.take(kind, data), self._last.pop(tid, 0)
        self.number += 1
        whole = changes = encoded(self._id(), kind, data)
        if kind == "task":
            self._last[tid] = self.number
            if before is not None:
                changed = {key: value for key, value in data.items() if before[key] != value}
                changes = encoded(self._id(), kind, dict({"tid": tid}, **changed))
        self._entries.append(_Entry(previous, whole, changes))

    def take(self, kind, data):
        """Remember the row of an event as sent; return the previous row, or None."""
        tid = data.get("tid")
        before = self.rows.pop(tid, None) if kind == "removed" else self.rows.get(tid)
        if kind == "task":
            self.rows[tid] = data
        return before

    def _id(self):
        return f"{self._epoch}-{self.number}"


def encoded(number, kind, data):
    return f"id: {number}\nevent: {kind}\ndata: {safe_json(data)}\n\n".encode()
