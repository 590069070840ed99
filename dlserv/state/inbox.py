"""Requests to the storage thread: tickets, and the queue that they wait in."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from ..errors import StoreBroken


class Ticket:
    """The pending result of one write."""

    def __init__(self, changes: Mapping[str, dict | None], durable: bool, lazy: bool) -> None:
        self.changes, self.durable, self.lazy = changes, durable, lazy
        self._settled, self._error = threading.Lock(), None
        self._settled.acquire()

    def wait(self) -> None:
        """Wait until the write is as durable as requested. Raise StoreBroken if it failed."""
        with self._settled:
            pass
        if self._error is not None:
            raise StoreBroken(f"the database cannot be written: {self._error}")

    def settle(self, error: object) -> None:
        """End the wait; `error` is why the write failed, None if it did not."""
        self._error = error
        if self._settled.locked():      # may be repeated after a lack of memory
            self._settled.release()


class Inbox:
    """A queue of tickets for one thread, which is woken only for those that it waits for."""

    def __init__(self):
        self._lock, self._bell = threading.Lock(), threading.Lock()
        self._bell.acquire()
        self._tickets, self._sleeps, self._wants_urgent = [], False, False
        self.is_closed = False

    def put(self, ticket):
        """Queue the ticket. Return False if the inbox is closed, and nobody may look into it again."""
        with self._lock:
            if not self.is_closed:
                self._tickets.append(ticket)
                if self._is_awaited(ticket):
                    self._ring()
            return not self.is_closed

    def close(self):
        """End any wait, now and later."""
        with self._lock:
            self.is_closed = True
            self._ring()

    def take_into(self, group, seconds, urgent=False):
        """Wait up to `seconds` for a ticket (-1: for ever), then append all tickets to the group.

        With `urgent`, wait for one that is not lazy. Return whether these were the last.
        """
        with self._lock:
            self._wants_urgent = urgent
            is_there = self.is_closed or any(map(self._is_awaited, self._tickets))
            self._sleeps = sleeps = seconds != 0 and not is_there
        if sleeps:
            self._bell.acquire(timeout=seconds)
        with self._lock:
            self._sleeps = False
            group.extend(self._tickets)
            self._tickets.clear()
            return self.is_closed

    def _is_awaited(self, ticket):
        return not (self._wants_urgent and ticket.lazy)

    def _ring(self):
        if self._sleeps:
            self._sleeps = False
            if self._bell.locked():     # else the bell has been rung since the thread's timeout
                self._bell.release()
