"""Live events as Server-Sent Events: one feed for all readers.

While there are readers, a thread looks for changes and appends each to the EventRing: a new
state at once, progress twice a second. A reader is a position in that ring. One that falls
behind its end is disconnected and gets a snapshot when it reconnects. Idle readers wake only
to check whether their client is still there, and for a comment that keeps proxies from
closing the connection.
"""

import logging
import threading
import time

from ..errors import NotFound
from ..tasks import views
from ..threads import Thread, join
from .event_ring import EventRing

EVERY = 0.05            # seconds between two looks at what has changed
PROGRESS_EVERY = 0.5    # seconds between two events of a task whose state stays
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
        self._ring = EventRing(RING)
        self._readers, self._last_left = 0, 0.0
        self._thread, self._changes = None, None
        self._window, self._closed = None, False

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
        """Return (position in the ring, bytes to send first) for a reader with this Last-Event-ID.

        The position is None if the feed is closed.
        """
        with self._news:
            if self._closed:
                return None, b""
            hello, position = b"retry: %d\n\n" % RETRY, self._ring.position_of(last_id)
            if position is not None:
                return position, hello
            return self._ring.number, hello + self._ring.snapshot(self._whole)

    def after(self, position, timeout, start):
        """Return (new position, encoded events after `position`), after at most `timeout` seconds.

        `start` is the position at which the stream began. None if the reader has fallen
        behind or the feed is closed.
        """
        with self._news:
            self._news.wait_for(lambda: self._closed or self._ring.number > position, timeout)
            events = None if self._closed else self._ring.after(position, start)
            return None if events is None else (self._ring.number, events)

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
        self._changes = self._daemon.events.watch()
        self._ring.begin({task.tid: views.row(task) for task in self._daemon.list()})
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
                self._news.notify_all()

    def _follow(self):
        """Publish what changes, until there has been no reader for a while."""
        progress, stats = _Timer(PROGRESS_EVERY), _Timer(STATS_EVERY)
        waiting, stats_wanted = set(), False        # the tids whose progress is not told yet
        with self._changes:
            while self._wanted():
                busy = self._daemon.report.running()
                due = [progress.left()] * bool(busy or waiting) + [stats.left()] * stats_wanted
                changed = self._changes.take(min(due, default=KEEP_ALIVE))
                waiting |= changed
                stats_wanted = stats_wanted or bool(changed or busy) or self._is_in_another_window()
                if progress.is_due():
                    events, waiting = self._changed_rows(waiting.union(busy)), set()
                else:
                    events = self._changed_rows(changed, only_states=True)
                if stats_wanted and stats.is_due():
                    stats_wanted = False
                    events.append(("stats", self._stats()))
                self._publish(events)
                self._pause()

    def _is_in_another_window(self):
        """Return whether the schedule's window has changed since the last stats."""
        return self._daemon.stats()["window"] != self._window

    def _wanted(self):
        with self._news:
            idle = not self._readers and time.monotonic() - self._last_left > LINGER
            if idle and not self._closed:
                self._ring.clear()
            if idle or self._closed:
                self._thread = None
            return self._thread is not None

    def _pause(self):
        with self._news:
            self._news.wait_for(lambda: self._closed, EVERY)

    def _changed_rows(self, tids, only_states=False):
        """Return [(kind, data), …] of the tasks whose rows, or states, differ from those told last."""
        events = []
        for tid in tids:
            row, told = self._row(tid), self._ring.rows.get(tid)
            if row is None and told is not None:
                events.append(("removed", {"tid": tid}))
            elif row != told and not (only_states and told and told["state"] == row["state"]):
                events.append(("task", row))
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

    def _stats(self):
        stats = self._daemon.stats()
        self._window = stats["window"]
        return dict(stats, state_counter=views.state_counter(self._daemon))


class _Timer:
    """The times of something that is done once in `every` seconds at most."""

    def __init__(self, every):
        self._every, self._next = every, 0.0

    def left(self):
        """Return the seconds until it is due."""
        return max(0.0, self._next - time.monotonic())

    def is_due(self):
        """Return whether it is due; if so, it is again after `every` seconds."""
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + self._every
        return True


class _Reader:
    """One reader's position in the feed."""

    def __init__(self, feed, last_id):
        self._feed, self._last_id = feed, last_id
        self._position = self._start = None
        self._open, self._last_sent = True, time.monotonic()

    def __iter__(self):
        return self

    def __next__(self):
        """Return the bytes to send next; b"" every LOOK seconds while there are none."""
        if self._position is None:
            self._position, first = self._feed.enter(self._last_id)
            self._start = self._position
            if first:
                return first
            raise StopIteration
        found = self._feed.after(self._position, LOOK, self._start)
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
