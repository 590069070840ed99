"""The events of tasks: publish and subscribe, nothing is stored.

A publisher never waits. A subscriber that does not keep up is cut off, and its `get`
says so once it has caught up with what came before.
"""

import threading
from collections import deque, namedtuple

# `state` is the task's new one, None once it is removed.
Event = namedtuple("Event", "number kind tid state")


class Events:
    """The switchboard of one daemon. Kinds: "added", "changed", "removed"."""

    def __init__(self):
        self._lock = threading.Lock()
        self._subscriptions = ()
        self._number = 0

    def publish(self, kind, tid, state=None):
        """Tell every subscriber."""
        with self._lock:
            self._number += 1
            event = Event(self._number, kind, tid, state)
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


class _Listener:
    """What the switchboard tells; a context manager."""

    def __init__(self, events):
        self._events, self._news, self._closed = events, threading.Condition(), False

    def close(self):
        """Listen no more, and end a wait."""
        self._events.unsubscribe(self)
        with self._news:
            self._closed = True
            self._news.notify_all()

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.close()


class Changes(_Listener):
    """Which tasks have changed since the last look, however often.

    For a listener that wants the state of things and not their history: it never falls
    behind, and costs no more than the tasks there are.
    """

    def __init__(self, events):
        super().__init__(events)
        self._tids = set()

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


class Subscription(_Listener):
    """Every event, in order, `most` behind at the most."""

    def __init__(self, events, most):
        super().__init__(events)
        self._most, self._ahead = most, deque()
        self.lost = False

    def offer(self, event):
        """Called by the switchboard."""
        with self._news:
            self.lost = self.lost or len(self._ahead) == self._most
            if not self.lost:
                self._ahead.append(event)
            self._news.notify()

    def get(self, timeout=None):
        """The next Event; None after `timeout` seconds, or once closed; EOFError if some were lost."""
        with self._news:
            self._news.wait_for(lambda: self._ahead or self.lost or self._closed, timeout)
            if self._ahead:
                return self._ahead.popleft()
            if self.lost:
                raise EOFError("this listener was too slow and has missed events")
            return None
