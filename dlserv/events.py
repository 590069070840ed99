"""What happens to tasks, for whoever listens: publish and subscribe, nothing kept.

A publisher never waits. A subscriber that does not keep up is cut off, and its next
`get` says so.
"""

import queue
import threading
from collections import namedtuple

Event = namedtuple("Event", "number kind tid")


class Events:
    """The switchboard of one daemon. Kinds: "added", "changed", "removed"."""

    def __init__(self):
        self._lock = threading.Lock()
        self._subscriptions = ()
        self._number = 0

    def publish(self, kind, tid):
        """Tell every subscriber."""
        with self._lock:
            self._number += 1
            event = Event(self._number, kind, tid)
            for subscription in self._subscriptions:
                subscription.offer(event)

    def subscribe(self, most=1000):
        """A Subscription to everything from now on, `most` events behind at the most."""
        return self._join(Subscription(self, most))

    def watch(self):
        """A Changes from now on."""
        return self._join(Changes(self))

    def _join(self, subscription):
        with self._lock:
            self._subscriptions += (subscription,)
        return subscription

    def unsubscribe(self, subscription):
        with self._lock:
            self._subscriptions = tuple(each for each in self._subscriptions
                                        if each is not subscription)


class Changes:
    """Which tasks have changed since the last look, however often; a context manager.

    For a listener that wants the state of things and not their history: it never falls
    behind, and costs no more than the tasks there are.
    """

    def __init__(self, events):
        self._events = events
        self._tids, self._news = set(), threading.Condition()
        self._closed = False

    def offer(self, event):
        """Called by the switchboard."""
        with self._news:
            self._tids.add(event.tid)
            self._news.notify()

    def take(self, timeout=None):
        """The tids that changed, as a set; waits for the first, at most `timeout` seconds."""
        with self._news:
            self._news.wait_for(lambda: self._tids or self._closed, timeout)
            tids, self._tids = self._tids, set()
            return tids

    def close(self):
        """Listen no more, and end a wait."""
        self._events.unsubscribe(self)
        with self._news:
            self._closed = True
            self._news.notify()

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.close()


class Subscription:
    """One listener's queue; a context manager."""

    def __init__(self, events, most):
        self._events = events
        self._queue = queue.Queue(most)
        self.lost = False

    def offer(self, event):
        """Called by the switchboard."""
        try:
            self._queue.put_nowait(event)
        except queue.Full:
            self.lost = True

    def get(self, timeout=None):
        """The next Event, or None after `timeout` seconds; EOFError if some were lost."""
        try:
            return self._queue.get(timeout=timeout)
        except queue.Empty:
            if self.lost:
                raise EOFError("this listener was too slow and has missed events") from None
            return None

    def close(self):
        self._events.unsubscribe(self)

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.close()
