"""The facts about servers that all tasks share: limits of connections, Retry-After, lessons learned.

A server is identified by its endpoint, "host:port". A task's first connection waits for a
slot; if there is none, a slot of another task's extra connection is reclaimed. A server that
answers 429 or 503 gets half as many connections for a while, and is closed for as long as
its Retry-After says.

A closure is recorded under the id of the task that was refused: it ends when that task is
deleted, and a task may be let through it once.
"""

import threading
import time
from collections import namedtuple

from ..errors import Temporary

LONGEST_RETRY_AFTER = 3600.0    # seconds; a longer Retry-After is cut to this


class HostFull(Temporary):
    """The server has no slot for one more connection now; `by_us` says that we hold the others."""

    by_us, word = False, "refused"


class HostClosed(Temporary):
    """The server at `endpoint` is closed by the Retry-After of an earlier response."""

    def __init__(self, endpoint, seconds):
        super().__init__(f"{endpoint} asked to be left alone", seconds)
        self.endpoint = endpoint


class Gate(namedtuple("Gate", "limits endpoint refused_at")):
    """A server's gate for one task: shut while the server is closed.

    If the task is let through, `refused_at` is the time of the refusal to ignore, else None;
    any later refusal shuts the gate again.
    """

    __slots__ = ()

    @property
    def closed_for(self):
        """Seconds until the gate opens, 0.0 if it is open."""
        return self.limits.closed_for(self.endpoint, self.refused_at)

    @property
    def limit(self):
        """Connections to the server that are allowed now."""
        return self.limits.limit(self.endpoint)


class Visitor:
    """The HostLimits for one attempt of the task `tid`, which `gate` lets through."""

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
    """The right to one connection to a server, until `release`."""

    def __init__(self, limits, endpoint, extra, tid):
        self._limits, self.endpoint, self.extra, self.tid = limits, endpoint, extra, tid
        self.leaving = False
        self.began = limits.clock()

    def asked_to_leave(self):
        """Return whether this extra connection must make room for another task's first."""
        return self.extra and (self.leaving or self._limits.ask_to_leave(self))

    def refused(self, retry_after):
        """Record that the server has answered 429 or 503."""
        self._limits.refused(self, retry_after)

    def crowded(self, reason):
        """Record that the server admits no more connections; return the HostFull to raise."""
        full = HostFull(reason)
        full.by_us = self._limits.crowded(self)
        return full

    def release(self):
        self._limits.release(self)


class _State:
    """The state of one server. `closures` is {tid of the refused task: clock time of its end}."""

    __slots__ = ("active", "waiting", "leaving", "ceiling", "halved", "closures", "refused_at")

    def __init__(self):
        self.active = self.waiting = self.leaving = 0
        self.ceiling, self.halved = None, float("-inf")
        self.closures, self.refused_at = {}, None


class HostLimits:
    """The limits of all servers for one daemon; each has `settings.download.max_per_host` slots."""

    REMEMBER = 600.0        # seconds that a lowered ceiling and a learned number of connections last
    MOST_LEARNED = 1000     # servers for which that number is kept
    LOOK = 0.2              # seconds between checks of the stop signal while waiting

    def __init__(self, settings, clock=time.monotonic):
        self._settings, self.clock = settings, clock
        self._changed = threading.Condition()
        self._states = {}
        self._learned = {}          # endpoint: (clock time of its end, what Growth.look returned)

    def acquire(self, endpoint, stop, extra, tid=None, refused_at=None):
        """Return a Slot for a connection of the task `tid`; wait for one unless it is an `extra` one.

        Raise Stopped; HostFull if there is no slot for an extra connection; HostClosed for a
        first one if the server is closed, except by the refusal at the time `refused_at`.
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
        """Free the slot. Called by the Slot."""
        with self._changed:
            state = self._states[slot.endpoint]
            state.active -= 1
            state.leaving -= slot.leaving
            if not (state.active or state.waiting or state.ceiling or self.closed_for(slot.endpoint)):
                del self._states[slot.endpoint]
            self._changed.notify_all()

    def ask_to_leave(self, slot):
        """Return whether the slot is needed for another task's first connection. Called by the Slot."""
        state = self._states[slot.endpoint]
        if state.active + state.waiting <= self._limit(state):
            return False
        with self._changed:
            slot.leaving = state.active - state.leaving + state.waiting > self._limit(state)
            state.leaving += slot.leaving
        return slot.leaving

    def refused(self, slot, retry_after):
        """Halve the ceiling, and close the server for `retry_after` seconds. Called by the Slot.

        Refusals of connections begun before the last halving do not halve it again.
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
        """Lower the ceiling to the number of our other connections. Called by the Slot.

        Return whether there are any.
        """
        with self._changed:
            state = self._states[slot.endpoint]
            state.ceiling = max(1, min(self._limit(state), state.active - 1))
            state.halved = self.clock()
            return state.active > 1

    def learn_connections(self, endpoint, learned):
        """Store for a while how many connections a download from the server needs; see Growth.look."""
        with self._changed:
            self._learned.pop(endpoint, None)
            self._learned[endpoint] = self.clock() + self.REMEMBER, learned
            while len(self._learned) > self.MOST_LEARNED:
                del self._learned[next(iter(self._learned))]

    def known_connections(self, endpoint):
        """Return what `learn_connections` stored for the server, or None."""
        until, learned = self._learned.get(endpoint, (0.0, None))
        return learned if self.clock() < until else None

    def forgive(self, tid):
        """End the closures recorded under a task, because it was deleted."""
        with self._changed:
            for state in self._states.values():
                state.closures.pop(tid, None)
            self._changed.notify_all()

    def gate(self, endpoint, let_through=False):
        """Return the Gate of the server; with `let_through`, it is open until the next refusal."""
        state = self._states.get(endpoint)
        heeded = not let_through or state is None or not self.closed_for(endpoint)
        return Gate(self, endpoint, None if heeded else state.refused_at)

    def closed_for(self, endpoint, refused_at=None):
        """Return the seconds until the server may be asked again.

        Return 0.0 if its last refusal is the one at the time `refused_at`, which is ignored.
        """
        state = self._states.get(endpoint)
        if state is None or not state.closures or (refused_at is not None and refused_at == state.refused_at):
            return 0.0
        return max(0.0, max(list(state.closures.values()), default=0.0) - self.clock())

    def limit(self, endpoint):
        """Return how many connections to the server are allowed now."""
        state = self._states.get(endpoint)
        return self._limit(state) if state is not None else self._settings.download.max_per_host

    def _limit(self, state):
        if state.ceiling is not None and self.clock() - state.halved > self.REMEMBER:
            state.ceiling = None
        most = self._settings.download.max_per_host
        return most if state.ceiling is None else min(state.ceiling, most)
