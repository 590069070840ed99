"""The events of tasks: publish and subscribe; nothing is stored, and a publisher never waits."""

from __future__ import annotations

import threading
from collections import deque, namedtuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeVar
    L = TypeVar("L", bound="_Listener")


class Event(namedtuple("Event", "number kind tid state")):
    """A task was "added", "changed" or "removed". `state` is its new one, None once it is removed."""

    __slots__ = ()

    number: int
    kind: str
    tid: str
    state: str | None


class Events:
    """The switchboard of one daemon, for listeners from now on."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: tuple[_Listener, ...] = ()
        self._number = 0

    def publish(self, kind: str, tid: str, state: str | None = None) -> None:
        with self._lock:
            self._number += 1
            if self._listeners:
                event = Event(self._number, kind, tid, state)
                for listener in self._listeners:
                    listener.offer(event)

    def subscribe(self, most: int = 1000) -> Subscription:
        return self._join(Subscription(self, most))

    def watch(self) -> Changes:
        return self._join(Changes(self))

    def _join(self, listener):
        with self._lock:
            self._listeners += (listener,)
        return listener

    def leave(self, listener: _Listener) -> None:
        with self._lock:
            self._listeners = tuple(each for each in self._listeners if each is not listener)


class _Listener:
    """The receiver of events, by `offer`; a context manager."""

    def __init__(self, events: Events) -> None:
        self._events, self._lock, self._closed = events, threading.RLock(), False
        self._news = threading.Condition(self._lock)

    def offer(self, event: Event) -> None:
        raise NotImplementedError

    def close(self) -> None:
        """Listen no more, and end a wait."""
        self._events.leave(self)
        with self._lock:
            self._closed = True
            self._news.notify_all()

    def __enter__(self: L) -> L:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


class Changes(_Listener):
    """The tasks that have changed since the last look, however often: it never falls behind."""

    def __init__(self, events: Events) -> None:
        super().__init__(events)
        self._tids: set[str] = set()

    def offer(self, event: Event) -> None:
        with self._lock:
            self._tids.add(event.tid)
            self._news.notify()

    def take(self, timeout: float | None = None) -> set[str]:
        """Return the tids that changed; wait for the first, at most `timeout` seconds."""
        with self._lock:
            self._news.wait_for(lambda: self._tids or self._closed, timeout)
            tids, self._tids = self._tids, set()
            return tids


class Subscription(_Listener):
    """Every event in order, until more than `most` wait: then the rest is lost."""

    def __init__(self, events: Events, most: int) -> None:
        super().__init__(events)
        self._most = most
        self._ahead: deque[Event] = deque()
        self.lost = False

    def offer(self, event: Event) -> None:
        with self._lock:
            self.lost = self.lost or len(self._ahead) == self._most
            if not self.lost:
                self._ahead.append(event)
            self._news.notify()

    def get(self, timeout: float | None = None) -> Event | None:
        """Return the next Event; None after `timeout` seconds or once closed. Raise EOFError after a loss."""
        with self._lock:
            self._news.wait_for(lambda: self._ahead or self.lost or self._closed, timeout)
            if self._ahead:
                return self._ahead.popleft()
            if self.lost:
                raise EOFError("this listener was too slow and has missed events")
            return None
