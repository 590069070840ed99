"""The facts about servers, "host:port", that all tasks share.

A task's first connection waits for a slot; if there is none, that of another task's extra
connection is reclaimed. A server that answers 429 or 503 gets half as many connections for a
while, and is closed for its Retry-After, or until the task that was refused is deleted.
"""

import threading
import time
from collections import namedtuple

from ..errors import Temporary

LONGEST_RETRY_AFTER = 3600.0    # seconds
LINGER = 5.0                    # seconds; see Slot


class HostFull(Temporary):
    """The server has no slot for a connection; `by_us` says that we hold the others."""

    by_us, word = False, "refused"


class HostClosed(Temporary):
    """The server is closed by an earlier Retry-After."""

    def __init__(self, endpoint, seconds):
        super().__init__(f"{endpoint} asked to be left alone", seconds)
        self.endpoint = endpoint


class Gate(namedtuple("Gate", "limits endpoint refused_at")):
    """A server's gate for one task, shut while the server is closed.

    `refused_at` is None, or the time of a refusal to ignore; any later one shuts the gate.
    """

    __slots__ = ()

    @property
    def closed_for(self):
        return self.limits.closed_for(self.endpoint, self.refused_at)

    @property
    def limit(self):
        return self.limits.limit(self.endpoint)


class Visitor:
    """The HostLimits for a task that `gate` lets through."""

    def __init__(self, gate, tid):
        self._gate, self._tid = gate, tid
        self.known_connections = gate.limits.known_connections
        self.learn_connections = gate.limits.learn_connections

    def acquire(self, endpoint, stop, extra):
        refused_at = self._gate.refused_at if endpoint == self._gate.endpoint else None
        return self._gate.limits.acquire(endpoint, stop, extra, self._tid, refused_at)


class _State:
    """The state of one server. `closures` is {tid of a refused task: clock time of its end}."""

    __slots__ = ("active", "waiting", "leaving", "ceiling", "halved", "closures", "refused_at")

    def __init__(self):
        self.active = self.waiting = self.leaving = 0
        self.ceiling, self.halved = None, float("-inf")
        self.closures, self.refused_at = {}, None


class Slot:
    """The right to one connection to a server.

    It `lingers` once it is logged in: servers count logins, and may notice up to LINGER seconds
    later that a client has gone.
    """

    lingers = False

    def __init__(self, limits, state, endpoint, extra, tid):
        self._limits, self._state, self._endpoint, self._tid = limits, state, endpoint, tid
        self._extra, self._leaving, self._began = extra, False, limits.clock()

    def asked_to_leave(self):
        """Return whether this extra connection must make room for another task's first."""
        state = self._state
        if self._extra and not self._leaving and state.active + state.waiting > self._limits.limit_of(state):
            with self._limits.lock:
                self._leaving = state.active - state.leaving + state.waiting > self._limits.limit_of(state)
                state.leaving += self._leaving
        return self._leaving

    def refused(self, retry_after):
        """Halve the ceiling after a 429 or 503, and close the server for `retry_after` seconds."""
        with self._limits.lock:
            state, now = self._state, self._limits.clock()
            if self._began > state.halved:      # else it is one of several at the same time
                state.ceiling = max(1, self._limits.limit_of(state) // 2)
                state.halved = now
            if retry_after:
                until = now + min(retry_after, LONGEST_RETRY_AFTER)
                until = max(until, state.closures.get(self._tid, until))
                state.closures = {tid: each for tid, each in state.closures.items() if each > now}
                state.closures[self._tid], state.refused_at = until, now
            self._limits.changed.notify_all()

    def crowded(self, reason):
        """Lower the ceiling to the number of our other connections; return the HostFull to raise.

        One of ours that has ended may linger, which is no reason to close one that was let in. One
        that was refused does not, or two tasks would excuse each other for ever.
        """
        full = HostFull(reason)
        with self._limits.lock:
            state, now = self._state, self._limits.clock()
            state.ceiling = max(1, min(self._limits.limit_of(state), state.active - 1))
            state.halved = now
            lingering = not self.lingers and now < self._limits.lingering.get(self._endpoint, now)
            full.by_us = state.active > 1 or lingering
            self.lingers = False
        return full

    def release(self):
        self._limits.lock.acquire()     # `with` takes memory
        try:
            state = self._state
            state.active -= 1
            state.leaving -= self._leaving
            if self.lingers:
                _remember(self._limits.lingering, self._endpoint, self._limits.clock() + LINGER)
            self._limits.tidy(self._endpoint, state)
            self._limits.changed.notify_all()
        finally:
            self._limits.lock.release()


class HostLimits:
    """The limits of all servers for one daemon: each has `settings.download.max_per_host` slots.

    For the Slots: `lock` guards all states, `changed` is its Condition, `lingering` is {endpoint: clock time
    until which it may count a connection that has ended}.
    """

    REMEMBER = 600.0        # seconds that a lowered ceiling and what was learned last
    LOOK = 0.2              # seconds between looks at the stop signal

    def __init__(self, settings, clock=time.monotonic):
        self._settings, self.clock = settings, clock
        self.lock, self.lingering = threading.RLock(), {}
        self.changed = threading.Condition(self.lock)
        self._states = {}
        self._learned = {}          # endpoint: (clock time of its end, what was learned)

    def acquire(self, endpoint, stop, extra, tid=None, refused_at=None):
        """Return a Slot for a connection of the task `tid`; wait for one unless it is an `extra` one.

        Raise Stopped; HostFull for an extra connection; HostClosed for another, except after the
        refusal at the time `refused_at`.
        """
        with self.lock:
            state = self._states.setdefault(endpoint, _State())
            if extra:
                if self.closed_for(endpoint) or state.active + state.waiting >= self.limit_of(state):
                    raise HostFull(f"{endpoint} is full")
            else:
                self._wait_for_slot(endpoint, state, stop, refused_at)
            slot = Slot(self, state, endpoint, extra, tid)      # first: it takes memory
            state.active += 1
            return slot

    def _wait_for_slot(self, endpoint, state, stop, refused_at):
        state.waiting += 1
        try:
            while True:
                closed = self.closed_for(endpoint, refused_at)
                if closed:
                    raise HostClosed(endpoint, closed)
                if state.active < self.limit_of(state):
                    break
                stop.check()
                self.changed.wait(self.LOOK)
        finally:
            state.waiting -= 1

    def tidy(self, endpoint, state):
        if not (state.active or state.waiting or state.ceiling or self.closed_for(endpoint)):
            del self._states[endpoint]

    def learn_connections(self, endpoint, learned):
        """Store for a while what Growth.look found."""
        with self.lock:
            _remember(self._learned, endpoint, (self.clock() + self.REMEMBER, learned))

    def known_connections(self, endpoint):
        until, learned = self._learned.get(endpoint, (0.0, None))
        return learned if self.clock() < until else None

    def forgive(self, tid):
        """End the closures of a deleted task."""
        with self.lock:
            for state in self._states.values():
                state.closures.pop(tid, None)
            self.changed.notify_all()

    def gate(self, endpoint, let_through=False):
        """Return the Gate of a server; with `let_through`, it is open until the next refusal."""
        state = self._states.get(endpoint)
        heeded = not let_through or state is None or not self.closed_for(endpoint)
        return Gate(self, endpoint, None if heeded else state.refused_at)

    def closed_for(self, endpoint, refused_at=None):
        """Return the seconds until the server may be asked again, ignoring the refusal at `refused_at`."""
        state = self._states.get(endpoint)
        if state is None or not state.closures or (refused_at is not None and refused_at == state.refused_at):
            return 0.0
        return max(0.0, max(list(state.closures.values()), default=0.0) - self.clock())

    def limit(self, endpoint):
        state = self._states.get(endpoint)
        return self.limit_of(state) if state is not None else self._settings.download.max_per_host

    def limit_of(self, state):
        if state.ceiling is not None and self.clock() - state.halved > self.REMEMBER:
            state.ceiling = None
        most = self._settings.download.max_per_host
        return most if state.ceiling is None else min(state.ceiling, most)


def _remember(facts, endpoint, fact, most=1000):
    facts.pop(endpoint, None)
    facts[endpoint] = fact
    if len(facts) > most:
        del facts[next(iter(facts))]
