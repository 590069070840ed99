"""Manners towards each server, over all tasks: how many connections, and not before when.

A server is named by its endpoint, "host:port". A task's first connection has a right to a
slot: it waits for one, and connections that other tasks hold besides their first are asked
to make room. A server that answers 429 or 503 gets half as many connections, which is
remembered for a while, and is left alone for as long as it said.

Such a closure is known by the task that brought it about: it ends when that task is
deleted, and a task may be let through it once.
"""

import threading
import time
from collections import namedtuple

from ..errors import Temporary

LONGEST_RETRY_AFTER = 3600.0    # seconds of what a server may ask for that are granted


class HostFull(Temporary):
    """There is no slot for one more connection to this server now; `by_us` says that we have them all."""

    by_us, word = False, "refused"


class HostClosed(Temporary):
    """The server asked, because of another request, to be left alone; `endpoint` names it."""

    def __init__(self, endpoint, seconds):
        super().__init__(f"{endpoint} asked to be left alone", seconds)
        self.endpoint = endpoint


class Gate(namedtuple("Gate", "limits endpoint refused_at")):
    """What a task waits at before it asks a server.

    It is shut while the server is closed, unless the task is let through: then `refused_at`
    is the time of the refusal that it need not heed, and any later one shuts the gate again.
    """

    __slots__ = ()

    @property
    def closed_for(self):
        """Seconds until it opens, 0.0 if it is open."""
        return self.limits.closed_for(self.endpoint, self.refused_at)

    @property
    def limit(self):
        """Connections allowed to the server now."""
        return self.limits.limit(self.endpoint)


class Visitor:
    """The limits as one attempt meets them: on behalf of the task `tid`, let through `gate`."""

    def __init__(self, gate, tid):
        self._gate, self._tid = gate, tid

    def acquire(self, endpoint, stop, extra):
        """Return a Slot; see HostLimits.acquire."""
        refused_at = self._gate.refused_at if endpoint == self._gate.endpoint else None
        return self._gate.limits.acquire(endpoint, stop, extra, self._tid, refused_at)

    def known_connections(self, endpoint):
        return self._gate.limits.known_connections(endpoint)

    def learn_connections(self, endpoint, learned):
        self._gate.limits.learn_connections(endpoint, learned)


class Slot:
    """One connection's right to a server; `release` gives it back."""

    def __init__(self, limits, endpoint, extra, tid):
        self._limits, self.endpoint, self.extra, self.tid = limits, endpoint, extra, tid
        self.leaving = False
        self.began = limits.clock()

    def asked_to_leave(self):
        """Return whether this one, being extra, should make room for another task's first."""
        return self.extra and (self.leaving or self._limits.ask_to_leave(self))

    def refused(self, retry_after):
        """Take note that the server has answered 429 or 503."""
        self._limits.refused(self, retry_after)

    def crowded(self, reason):
        """Return the HostFull with this reason: the server admits no more clients than it has."""
        full = HostFull(reason)
        full.by_us = self._limits.crowded(self)
        return full

    def release(self):
        self._limits.release(self)


class _State:
    """What is known of one server. `closures` is {tid of the task that was refused: until when}."""

    __slots__ = ("active", "waiting", "leaving", "ceiling", "halved", "closures", "refused_at")

    def __init__(self):
        self.active = self.waiting = self.leaving = 0
        self.ceiling, self.halved = None, float("-inf")
        self.closures, self.refused_at = {}, None


class HostLimits:
    """The limits of all servers for one daemon; `settings.download.max_per_host` is that of each."""

    REMEMBER = 600.0        # seconds that a lowered ceiling holds, and the number of connections that pay
    MOST_LEARNED = 1000     # servers of which that number is kept
    LOOK = 0.2              # seconds between looks at the stop signal while waiting

    def __init__(self, settings, clock=time.monotonic):
        self._settings, self.clock = settings, clock
        self._changed = threading.Condition()
        self._states = {}
        self._learned = {}          # endpoint: (until when, what was learned about connections)

    def acquire(self, endpoint, stop, extra, tid=None, refused_at=None):
        """Return a Slot for a connection of the task `tid`; a first connection waits for one.

        Raise Stopped; HostFull if there is no room for an `extra` one; HostClosed for a first
        one, unless it need not heed the refusal of the time `refused_at`.
        """
        with self._changed:
            state = self._states.setdefault(endpoint, _State())
            if extra:
                if self.closed_for(endpoint) or state.active + state.waiting >= self._limit(state):
                    raise HostFull(f"{endpoint} is full")
            else:
                self._wait_for_slot(endpoint, state, stop, refused_at)
            state.active += 1
            return Slot(self, endpoint, extra, tid)

    def _wait_for_slot(self, endpoint, state, stop, refused_at):
        state.waiting += 1
        try:
            while True:
                closed = self.closed_for(endpoint, refused_at)
                if closed:
                    raise HostClosed(endpoint, closed)
                if state.active < self._limit(state):
                    break
                stop.check()
                self._changed.wait(self.LOOK)
        finally:
            state.waiting -= 1

    def release(self, slot):
        """Free the slot; called by it."""
        with self._changed:
            state = self._states[slot.endpoint]
            state.active -= 1
            state.leaving -= slot.leaving
            if not (state.active or state.waiting or state.ceiling or self.closed_for(slot.endpoint)):
                del self._states[slot.endpoint]
            self._changed.notify_all()

    def ask_to_leave(self, slot):
        """Return whether the slot is needed for another task's first connection; called by it."""
        state = self._states[slot.endpoint]
        if state.active + state.waiting <= self._limit(state):
            return False
        with self._changed:
            slot.leaving = state.active - state.leaving + state.waiting > self._limit(state)
            state.leaving += slot.leaving
        return slot.leaving

    def refused(self, slot, retry_after):
        """Lower the ceiling, and close the server for `retry_after` seconds; called by the slot.

        Refusals of connections begun before the last halving say nothing new about the ceiling.
        """
        with self._changed:
            state, now = self._states[slot.endpoint], self.clock()
            if slot.began > state.halved:
                state.ceiling = max(1, self._limit(state) // 2)
                state.halved = now
            if retry_after:
                until = now + min(retry_after, LONGEST_RETRY_AFTER)
                until = max(until, state.closures.get(slot.tid, until))
                state.closures = {tid: each for tid, each in state.closures.items() if each > now}
                state.closures[slot.tid], state.refused_at = until, now
            self._changed.notify_all()

    def crowded(self, slot):
        """Lower the ceiling to the connections there are besides this one; called by the slot.

        Return whether there are any.
        """
        with self._changed:
            state = self._states[slot.endpoint]
            state.ceiling = max(1, min(self._limit(state), state.active - 1))
            state.halved = self.clock()
            return state.active > 1

    def learn_connections(self, endpoint, learned):
        """Remember for a while how many connections of a download to the server have paid."""
        with self._changed:
            self._learned.pop(endpoint, None)
            self._learned[endpoint] = self.clock() + self.REMEMBER, learned
            while len(self._learned) > self.MOST_LEARNED:
                del self._learned[next(iter(self._learned))]

    def known_connections(self, endpoint):
        """Return what was learned about the server, or None."""
        until, learned = self._learned.get(endpoint, (0.0, None))
        return learned if self.clock() < until else None

    def forgive(self, tid):
        """End the closures that the task brought about: it was deleted."""
        with self._changed:
            for state in self._states.values():
                state.closures.pop(tid, None)
            self._changed.notify_all()

    def gate(self, endpoint, let_through=False):
        """Return the Gate of the server; one that is open until the next refusal with `let_through`."""
        state = self._states.get(endpoint)
        heeded = not let_through or state is None or not self.closed_for(endpoint)
        return Gate(self, endpoint, None if heeded else state.refused_at)

    def closed_for(self, endpoint, refused_at=None):
        """Return the seconds for which the server is to be left alone.

        None are left for those that need not heed the refusal of the time `refused_at`, as
        long as it is the last.
        """
        state = self._states.get(endpoint)
        if state is None or not state.closures or (refused_at is not None and refused_at == state.refused_at):
            return 0.0
        return max(0.0, max(list(state.closures.values()), default=0.0) - self.clock())

    def limit(self, endpoint):
        """Return the connections allowed to the server now."""
        state = self._states.get(endpoint)
        return self._limit(state) if state is not None else self._settings.download.max_per_host

    def _limit(self, state):
        if state.ceiling is not None and self.clock() - state.halved > self.REMEMBER:
            state.ceiling = None
        most = self._settings.download.max_per_host
        return most if state.ceiling is None else min(state.ceiling, most)
