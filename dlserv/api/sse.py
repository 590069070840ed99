"""Live events as Server-Sent Events: one feed for all readers.

While there are readers, a thread appends changes to the EventRing: a new state at once, progress
twice a second. A reader is a position in that ring. One that falls behind its end is disconnected
and gets a snapshot when it reconnects.
"""

import logging
import os
import re
import threading
import time
from collections import deque, namedtuple

from ..errors import NotFound
from ..tasks import views
from ..threads import Thread, join
from ..units import safe_json

EVERY = 0.05            # seconds between two looks at what has changed
PROGRESS_EVERY = 0.5    # seconds between two events of a task whose state stays
KEEP_ALIVE = 15.0       # seconds until a comment is sent
LOOK = 2.0              # seconds between two checks whether a client is still there
LINGER = 30.0           # seconds that the ring is maintained without a reader, in case one reconnects
RING = 2048             # events that a reader may be behind
RETRY = 3000            # milliseconds after which a browser reconnects
STATS_EVERY = 1.0

log = logging.getLogger(__name__)


# An event, encoded with the whole row and with what changed since the task's event `previous`.
_Entry = namedtuple("_Entry", "previous whole changes")


class EventRing:
    """The last `most` events, encoded once for all readers; the caller holds a lock.

    `number` is that of the last event, `rows` is {tid: row as last sent}. A task's first event on a
    stream has its whole row, each further one what changed.
    """

    def __init__(self, most):
        self._entries = deque(maxlen=most)
        self._epoch, self.number = "", 0
        self.clear()

    def begin(self, rows):
        """Begin again with {tid: row}; earlier ids are forgotten."""
        self.clear()
        self._epoch, self.rows = os.urandom(6).hex(), rows

    def clear(self):
        self._entries.clear()
        self.number += 1
        self.rows = {}
        self._last = {}             # tid: the number of its last event
        self._snapshot = 0, b""     # (number, the encoded snapshot at that number)

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
        if self._snapshot[0] != self.number:
            self._snapshot = self.number, encoded(self._id(), "snapshot", make())
        return self._snapshot[1]

    def append(self, kind, data):
        tid = data.get("tid")
        before, previous = self.take(kind, data), self._last.get(tid, 0)
        self.number += 1
        whole = changes = encoded(self._id(), kind, data)
        if kind == "task":
            self._last[tid] = self.number
            if before is not None:
                changed = {key: value for key, value in data.items() if before[key] != value}
                changes = encoded(self._id(), kind, {"tid": tid, **changed})
        self._entries.append(_Entry(previous, whole, changes))

    def take(self, kind, data):
        """Change `rows` by an event without appending it; return the task's row before, or None."""
        tid = data.get("tid")
        before = self.rows.get(tid)
        if kind == "task":
            self.rows[tid] = data
        elif kind == "removed":
            self.rows.pop(tid, None)
            self._last.pop(tid, None)
        return before

    def _id(self):
        return f"{self._epoch}-{self.number}"


def encoded(number, kind, data):
    return f"id: {number}\nevent: {kind}\ndata: {safe_json(data)}\n\n".encode()


class EventFeed:
    """The events of one daemon."""

    def __init__(self, daemon):
        self._daemon = daemon
        self._lock = threading.RLock()
        self._news = threading.Condition(self._lock)
        self._ring = EventRing(RING)
        self.readers, self._idle_since = 0, 0.0
        self._thread, self._changes = None, None
        self._window, self._closed = None, False

    def close(self):
        with self._lock:
            self._closed = True
            self._news.notify_all()
            thread, changes = self._thread, self._changes
        if thread is not None:
            changes.close()
            join(thread)

    def listen(self, last_id=""):
        """Return an iterator of encoded events, from `last_id` on if possible, else from a snapshot on.

        It yields b"" every LOOK seconds of silence. It ends with the feed, or once it has fallen behind.
        """
        with self._lock:
            self._begin()
        return self._events(last_id)

    def _events(self, last_id):
        with self._lock:
            self._begin()           # again: the iterator may be read late
            if self._closed:
                return
            position, first = self._ring.position_of(last_id), b"retry: %d\n\n" % RETRY
            if position is None:
                position, first = self._ring.number, first + self._ring.snapshot(self._whole)
            self.readers += 1
        try:
            start, last_sent, events = position, time.monotonic(), [first]
            while events is not None:
                if events or time.monotonic() - last_sent >= KEEP_ALIVE:
                    last_sent = time.monotonic()
                    yield b"".join(events) or b": still here\n\n"
                else:
                    yield b""
                position, events = self._after(position, start)
        finally:
            with self._lock:
                self.readers -= 1
                self._idle_since = time.monotonic()

    def _after(self, position, start):
        """Return (new position, events or None at the end) after at most LOOK seconds; see EventRing.after."""
        with self._lock:
            self._news.wait_for(lambda: self._closed or self._ring.number > position, LOOK)
            return self._ring.number, self._ring.after(position, start) if self._is_followed() else None

    def _begin(self):
        """Start the thread unless it runs; called with the lock held."""
        if self._closed or self._is_followed():
            return
        self._changes, self._idle_since = self._daemon.events.watch(), time.monotonic()
        try:
            self._ring.begin({task.tid: views.row(task) for task in self._daemon.list()})
            thread = Thread(self._run, "dlserv-feed")
            thread.start()
        except BaseException:
            self._changes.close()
            raise
        self._thread = thread

    def _is_followed(self):
        return not self._closed and self._thread is not None and self._thread.is_alive()

    def _run(self):
        try:
            self._follow()
        except Exception:
            with self._lock:
                self._thread = None
                self._ring.clear()
                self._news.notify_all()
            log.exception("the event stream met a bug; its readers have to reconnect")

    def _follow(self):
        progress_at = stats_at = 0.0                # when they may be told again
        waiting, stats_wanted = set(), False        # the tids whose progress is not told yet
        with self._changes:
            while self._wanted():
                busy = self._daemon.report.running()
                due = [progress_at] * bool(busy or waiting) + [stats_at] * stats_wanted
                changed = self._changes.take(max(0.0, min(due) - time.monotonic()) if due else KEEP_ALIVE)
                waiting |= changed
                is_moving = changed or busy or self._daemon.stats()["window"] != self._window
                stats_wanted = stats_wanted or bool(is_moving)
                now = time.monotonic()
                if now >= progress_at:
                    progress_at = now + PROGRESS_EVERY
                    events, waiting = self._changed_rows(waiting.union(busy)), set()
                else:
                    events = self._changed_rows(changed, only_states=True)
                if stats_wanted and now >= stats_at:
                    stats_wanted, stats_at = False, now + STATS_EVERY
                    told = self._daemon.stats()
                    self._window = told["window"]
                    events.append(("stats", dict(told, state_counter=views.state_counter(self._daemon))))
                self._publish(events)
                with self._lock:
                    self._news.wait_for(lambda: self._closed, EVERY)

    def _wanted(self):
        with self._lock:
            if self._closed or not self.readers and time.monotonic() - self._idle_since > LINGER:
                self._ring.clear()
                self._thread = None
            return self._thread is not None

    def _changed_rows(self, tids, only_states=False):
        """Return [(kind, data), …] of the tasks whose rows, or states, have changed."""
        events = []
        for tid in tids:
            told = self._ring.rows.get(tid)
            try:
                row = views.row(self._daemon.get(tid))
            except NotFound:
                row = None
            if row is None and told is not None:
                events.append(("removed", {"tid": tid}))
            elif row != told and not (only_states and told and told["state"] == row["state"]):
                events.append(("task", row))
        return events

    def _publish(self, events):
        """Append the events; if they would overflow the ring, one snapshot."""
        if not events:
            return
        with self._lock:
            if len(events) > RING // 2:
                for event in events:
                    self._ring.take(*event)
                events = [("snapshot", self._whole())]
            for event in events:
                self._ring.append(*event)
            self._news.notify_all()

    def _whole(self):
        return {"detail": list(self._ring.rows.values()),
                "state_counter": views.state_counter(self._daemon), "stats": self._daemon.stats()}
