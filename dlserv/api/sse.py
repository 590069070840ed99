"""Live events as Server-Sent Events: one feed for all readers.

While there are readers, a thread looks for changes at most four times a second, encodes
each event once and appends it to a ring. A reader is a position in that ring. One that
falls behind its end is disconnected and gets a snapshot when it reconnects. Idle readers
wake only to check whether their client is still there, and for a comment that keeps
proxies from closing the connection.
"""

import collections
import logging
import os
import re
import threading
import time

from ..errors import NotFound
from ..tasks import views
from ..threads import Thread, join
from ..units import safe_json

EVERY = 0.25            # seconds between two looks
KEEP_ALIVE = 15.0       # seconds until a comment is sent
LOOK = 2.0              # seconds between two checks whether a client is still there
LINGER = 30.0           # seconds that the ring is maintained without a reader, in case one reconnects
RING = 2048             # events that a reader may be behind
RETRY = 3000            # milliseconds after which a browser reconnects
STATS_EVERY = 1.0

log = logging.getLogger(__name__)


class EventFeed:
    """The events of one daemon.

    Routes call `listen`, readers `enter`, `after` and `leave`; the rest runs in the thread.
    """

    def __init__(self, daemon):
        self._daemon = daemon
        self._news = threading.Condition()
        self._ring = collections.deque(maxlen=RING)     # (number, encoded event)
        self._epoch, self._number = "", 0
        self._sent = {}             # tid -> the row that was sent last
        self._snapshot = None       # (number, the encoded snapshot at that number)
        self._readers, self._last_left = 0, 0.0
        self._thread, self._changes = None, None
        self._closed = False

    @property
    def readers(self):
        """The number of readers."""
        return self._readers

    def listen(self, last_id=""):
        """Return an iterator of encoded events, from `last_id` on if possible, else from a snapshot on.

        It ends when the reader has fallen behind or the feed is closed.
        """
        with self._news:
            self._readers += 1
            self._begin()
        return _Reader(self, last_id)

    def close(self):
        """End all readers and the thread."""
        with self._news:
            self._closed = True
            self._news.notify_all()
            thread, changes = self._thread, self._changes
        if thread is not None:
            changes.close()
            join(thread)

    # -- readers ---------------------------------------------------------------------

    def enter(self, last_id):
        """Return (position in the ring, bytes to send first) for a reader with this Last-Event-ID."""
        with self._news:
            position = self._resume_position(last_id)
            if position is not None:
                return position, b"retry: %d\n\n" % RETRY
            if self._snapshot is None or self._snapshot[0] != self._number:
                self._snapshot = (self._number, self._encode("snapshot", self._whole()))
            return self._number, b"retry: %d\n\n" % RETRY + self._snapshot[1]

    def _resume_position(self, last_id):
        epoch, _, number = last_id.partition("-")
        if epoch != self._epoch or re.fullmatch("[0-9]{1,15}", number) is None:
            return None
        oldest = self._ring[0][0] if self._ring else self._number + 1
        return int(number) if oldest - 1 <= int(number) <= self._number else None

    def after(self, position, timeout):
        """Return (new position, encoded events after `position`), after at most `timeout` seconds.

        None if the reader has fallen behind or the feed is closed.
        """
        with self._news:
            self._news.wait_for(lambda: self._closed or self._number > position, timeout)
            missed = self._number - position
            if self._closed or missed > len(self._ring):
                return None
            return self._number, [self._ring[index][1] for index in range(-missed, 0)]

    def leave(self):
        """Remove a reader."""
        with self._news:
            self._readers -= 1
            self._last_left = time.monotonic()

    # -- the thread ------------------------------------------------------------------

    def _begin(self):
        """Start the thread unless it runs; called with the lock held."""
        if self._closed or self._thread is not None and self._thread.is_alive():
            return
        self._epoch, self._snapshot = os.urandom(6).hex(), None
        self._ring.clear()
        self._changes = self._daemon.events.watch()
        self._sent = {task.tid: views.row(task) for task in self._daemon.list()}
        try:
            thread = Thread(self._run, "dlserv-feed")
            thread.start()
        except BaseException:
            self._changes.close()
            raise
        self._thread = thread

    def _run(self):
        try:
            self._follow()
        except Exception:
            log.exception("the event stream met a bug; its readers have to reconnect")
            with self._news:
                self._thread = None
                self._ring.clear()
                self._number += 1       # so that every reader has fallen behind
                self._news.notify_all()

    def _follow(self):
        """Publish what changes, until there has been no reader for a while."""
        with self._changes:
            last_stats, stats_due = 0.0, False
            while self._wanted():
                busy = self._daemon.report.running()
                tids = self._changes.take(0 if busy else STATS_EVERY if stats_due else KEEP_ALIVE)
                stats_due = stats_due or bool(tids or busy)
                events = self._changed_rows(tids | set(busy))
                if stats_due and time.monotonic() - last_stats >= STATS_EVERY:
                    last_stats, stats_due = time.monotonic(), False
                    events.append(("stats", None, self._stats()))
                self._publish(events)
                self._pause()

    def _wanted(self):
        with self._news:
            idle = not self._readers and time.monotonic() - self._last_left > LINGER
            if self._closed or idle:
                self._thread = None
                return False
            return True

    def _pause(self):
        with self._news:
            self._news.wait_for(lambda: self._closed, EVERY)

    def _changed_rows(self, tids):
        """Return [(kind, tid, data), …] of the tasks whose rows differ from those sent last."""
        events = []
        for tid in tids:
            row = self._row(tid)
            if row is None and tid in self._sent:
                events.append(("removed", tid, {"tid": tid}))
            elif row != self._sent.get(tid):
                events.append(("task", tid, row))
        return events

    def _row(self, tid):
        try:
            return views.row(self._daemon.get(tid))
        except NotFound:
            return None

    def _publish(self, events):
        """Append the events to the ring; if it would overflow, one snapshot in their place."""
        if not events:
            return
        with self._news:
            for kind, tid, data in events:
                if kind == "removed":
                    del self._sent[tid]
                elif kind == "task":
                    self._sent[tid] = data
            if len(events) > RING // 2:
                events = [("snapshot", None, self._whole())]
            for kind, _, data in events:
                self._number += 1
                self._ring.append((self._number, self._encode(kind, data)))
            self._news.notify_all()

    def _encode(self, kind, data):
        return f"id: {self._epoch}-{self._number}\nevent: {kind}\ndata: {safe_json(data)}\n\n".encode()

    def _whole(self):
        return {"detail": list(self._sent.values()),
                "state_counter": views.state_counter(self._daemon), "stats": self._daemon.stats()}

    def _stats(self):
        return dict(self._daemon.stats(), state_counter=views.state_counter(self._daemon))


class _Reader:
    """One reader's position in the feed."""

    def __init__(self, feed, last_id):
        self._feed, self._last_id = feed, last_id
        self._position, self._open, self._last_sent = None, True, time.monotonic()

    def __iter__(self):
        return self

    def __next__(self):
        """Return the bytes to send next; b"" every LOOK seconds while there are none."""
        if self._position is None:
            self._position, first = self._feed.enter(self._last_id)
            return first
        found = self._feed.after(self._position, LOOK)
        if found is None:
            raise StopIteration
        self._position, events = found
        if not events and time.monotonic() - self._last_sent < KEEP_ALIVE:
            return b""
        self._last_sent = time.monotonic()
        return b"".join(events) or b": still here\n\n"

    def close(self):
        if self._open:
            self._open = False
            self._feed.leave()
