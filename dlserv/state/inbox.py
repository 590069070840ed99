"""Requests to the storage thread: tickets, and the queue that they wait in."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from ..errors import StoreBroken
from ..threads import Flag


class Ticket:
    """The pending result of one write."""

    def __init__(self, changes: Mapping[str, dict | None], durable: bool, lazy: bool) -> None:
        self.changes, self.durable, self.lazy = changes, durable, lazy
        self._settled, self._error = Flag(), None

    def wait(self) -> None:
        """Wait until the write is as durable as requested. Raise StoreBroken if it failed."""
        self._settled.wait()
        if self._error is not None:
            raise StoreBroken(f"the database cannot be written: {self._error}")

    def settle(self, error: object) -> None:
        """End the wait; `error` is why the write failed, None if it did not."""
        self._error = error
        self._settled.set()     # may be repeated after a lack of memory


class Inbox:
    """A queue of tickets for one thread, which is woken only for those that it waits for."""

    def __init__(self):
        self._lock = threading.RLock()
        self._bell = threading.Condition(self._lock)
        self._tickets, self._wants_urgent, self.is_closed = [], False, False

    def put(self, ticket):
        """Queue the ticket. Return False if the inbox is closed, and may not be looked into again."""
        with self._lock:
            if not self.is_closed:
                self._tickets.append(ticket)
                if self._is_awaited(ticket):
                    self._bell.notify()
            return not self.is_closed

    def close(self):
        """End any wait, now and later."""
        with self._lock:
            self.is_closed = True
            self._bell.notify()

    def take_into(self, group, seconds, urgent=False):
        """Wait up to `seconds` for a ticket (None: for ever), then append all tickets to the group.

        With `urgent`, wait for one that is not lazy. Return whether these were the last.
        """
        with self._lock:
            self._wants_urgent = urgent
            self._bell.wait_for(lambda: self.is_closed or any(map(self._is_awaited, self._tickets)), seconds)
            group.extend(self._tickets)
            self._tickets.clear()
            return self.is_closed

    def _is_awaited(self, ticket):
        return not (self._wants_urgent and ticket.lazy)
