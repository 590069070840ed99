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
        subscription = Subscription(self, most)
        with self._lock:
            self._subscriptions += (subscription,)
        return subscription

    def unsubscribe(self, subscription):
        with self._lock:
            self._subscriptions = tuple(each for each in self._subscriptions
                                        if each is not subscription)


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
