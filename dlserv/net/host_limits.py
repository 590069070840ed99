"""Manners towards each host, over all tasks: how many connections, and not before when.

A task's first connection has a right to a place: it waits for one, and connections that
other tasks hold besides their first are asked to make room. A host that answers 429 or
503 gets half as many, which is remembered for a while, and is left alone for as long
as it said.
"""

import threading
import time

from ..errors import Temporary

LONGEST_RETRY_AFTER = 3600.0    # seconds of what a server may ask for that are granted


class HostFull(Temporary):
    """No place for one more connection to this host now."""


class Slot:
    """A place at a host; `release` gives it back."""

    def __init__(self, hosts, host, extra):
        self._hosts, self.host, self.extra = hosts, host, extra
        self.leaving = False
        self.began = hosts.clock()

    def asked_to_leave(self):
        """Whether this one, being extra, should make room for another task's first."""
        return self.extra and (self.leaving or self._hosts.ask_to_leave(self))

    def refused(self, retry_after):
        """The host has answered 429 or 503."""
        self._hosts.refused(self, retry_after)

    def crowded(self):
        """The host admits no more clients than it has, this connection not counted."""
        self._hosts.crowded(self)

    def release(self):
        self._hosts.release(self)


class _State:
    __slots__ = ("active", "waiting", "leaving", "ceiling", "halved", "closed_until")

    def __init__(self):
        self.active = self.waiting = self.leaving = 0
        self.ceiling, self.halved, self.closed_until = None, float("-inf"), float("-inf")


class HostLimits:
    """The limits of all hosts for one daemon; `settings.download.max_per_host` is that of each host."""

    REMEMBER = 600.0        # seconds that a lowered ceiling holds
    LOOK = 0.2              # seconds between looks at the stop signal while waiting

    def __init__(self, settings, clock=time.monotonic):
        self._settings, self.clock = settings, clock
        self._changed = threading.Condition()
        self._states = {}

    def acquire(self, host, stop, extra):
        """A Slot; an extra one only if there is room, else HostFull. Raises Stopped."""
        with self._changed:
            state = self._states.setdefault(host, _State())
            if extra:
                if self.closed_for(host) or state.active + state.waiting >= self._limit(state):
                    raise HostFull("%s is full" % host)
            else:
                self._wait_for_place(host, state, stop)
            state.active += 1
            return Slot(self, host, extra)

    def _wait_for_place(self, host, state, stop):
        state.waiting += 1
        try:
            while True:
                closed = self.closed_for(host)
                if closed:
                    raise Temporary("%s asked to be left alone" % host, closed)
                if state.active < self._limit(state):
                    break
                stop.check()
                self._changed.wait(self.LOOK)
        finally:
            state.waiting -= 1

    def release(self, slot):
        """Called by the Slot."""
        with self._changed:
            state = self._states[slot.host]
            state.active -= 1
            state.leaving -= slot.leaving
            if not (state.active or state.waiting or state.ceiling or self.closed_for(slot.host)):
                del self._states[slot.host]
            self._changed.notify_all()

    def ask_to_leave(self, slot):
        """Called by the Slot."""
        state = self._states[slot.host]
        if state.active + state.waiting <= self._limit(state):
            return False
        with self._changed:
            slot.leaving = state.active - state.leaving + state.waiting > self._limit(state)
            state.leaving += slot.leaving
        return slot.leaving

    def refused(self, slot, retry_after):
        """Called by the Slot. Refusals of connections begun before the last halving say nothing new."""
        with self._changed:
            state, now = self._states[slot.host], self.clock()
            if slot.began > state.halved:
                state.ceiling = max(1, self._limit(state) // 2)
                state.halved = now
            if retry_after:
                state.closed_until = max(state.closed_until, now + min(retry_after, LONGEST_RETRY_AFTER))

    def crowded(self, slot):
        """Lower the host's ceiling to the connections that it has besides this one. Called by the Slot."""
        with self._changed:
            state = self._states[slot.host]
            state.ceiling = max(1, min(self._limit(state), state.active - 1))
            state.halved = self.clock()

    def closed_for(self, host):
        """Seconds for which the host is to be left alone."""
        state = self._states.get(host)
        return max(0.0, state.closed_until - self.clock()) if state is not None else 0.0

    def limit(self, host):
        """Connections allowed to the host now."""
        state = self._states.get(host)
        return self._limit(state) if state is not None else self._settings.download.max_per_host

    def _limit(self, state):
        if state.ceiling is not None and self.clock() - state.halved > self.REMEMBER:
            state.ceiling = None
        most = self._settings.download.max_per_host
        return most if state.ceiling is None else min(state.ceiling, most)
