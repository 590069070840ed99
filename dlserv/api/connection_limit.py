"""The limit of open connections, and which of them is evicted for a newcomer.

There is one bound for all connections and one for each client (`peer.network_of`). At a
bound, the connection that has waited longest for its client is evicted: first those
between two requests, then those that have not finished a request or not read a reply.
A request that the daemon is working on is never evicted; if there are no others, the
newcomer is refused.
"""

import socket
import threading
import time

from .peer import network_of, shut_down

MOST_OF_ONE = 64        # connections of one client
STALLED = 0.25          # seconds without progress after which a reply counts as not read

IDLE, UNFINISHED, UNREAD, BUSY = "idle", "unfinished", "unread", "busy"
_ORDER = {IDLE: 0, UNFINISHED: 1, UNREAD: 1}    # of eviction


class Evicted(ConnectionAbortedError):
    """The connection was shut down to make room for another one."""


class _Connection:
    """`since` is the start of `state`; until its first request is complete, a connection is unfinished."""

    __slots__ = ("client", "thread", "state", "since", "is_new")

    def __init__(self, client):
        self.client, self.thread = client, None
        self.state, self.since, self.is_new = UNFINISHED, time.monotonic(), True

    def wait_for(self, state):
        """Enter a state; a new connection has been unfinished since it was opened."""
        self.is_new = self.is_new and state in (IDLE, UNFINISHED)
        if not self.is_new:
            self.state, self.since = state, time.monotonic()

    def may_go(self, now):
        """Return whether it may be evicted."""
        return self.state in _ORDER and (self.state != UNREAD or now - self.since >= STALLED)

    @property
    def rank(self):
        """The sort key of eviction, lowest first."""
        return _ORDER[self.state], self.since


class ConnectionLimit:
    """The open connections by socket, `most` in all and `most_of_one` for each client.

    The accept loop calls `admit` and `attach`. A connection's thread tells by `idle`,
    `unfinished`, `unread` and `busy` what it waits for; each of them raises Evicted if the
    connection had to go meanwhile. `release` ends it.
    """

    def __init__(self, most, most_of_one=MOST_OF_ONE):
        self._most, self._most_of_one = most, min(most, most_of_one)
        self._lock = threading.Lock()
        self._connections = {}

    def admit(self, sock, address):
        """Take the connection in, evicting another if necessary; return False if there is no room.

        `address` is the client's, None on a unix socket, where only the bound for all counts.
        """
        client = None if address is None else network_of(address)
        with self._lock:
            rivals = self._rivals(client)
            if rivals and not self._evict_one(rivals):
                return False
            self._connections[sock] = _Connection(client)
            return True

    def _rivals(self, client):
        """Return the sockets of which one has to go for the client, [] if there is room."""
        own = [sock for sock, each in self._connections.items() if each.client == client]
        if client is not None and len(own) >= self._most_of_one:
            return own
        return list(self._connections) if len(self._connections) >= self._most else []

    def _evict_one(self, rivals):
        """Shut down the first in the order of eviction; return False if none may go."""
        now = time.monotonic()
        evictable = [sock for sock in rivals if self._connections[sock].may_go(now)]
        if not evictable:
            return False
        evicted = min(evictable, key=lambda sock: self._connections[sock].rank)
        del self._connections[evicted]
        shut_down(evicted, socket.SHUT_RDWR)
        return True

    def attach(self, sock, thread):
        """Remember the thread that serves the connection."""
        with self._lock:
            self._connections[sock].thread = thread

    # -- what a connection waits for -------------------------------------------------

    def idle(self, sock):
        """Let the connection wait for its next request."""
        self._wait_for(sock, IDLE)

    def unfinished(self, sock):
        """Let the connection wait for the rest of a request."""
        self._wait_for(sock, UNFINISHED)

    def unread(self, sock):
        """Let the connection wait until its client reads a reply; call this again on each progress."""
        self._wait_for(sock, UNREAD)

    def busy(self, sock):
        """Protect the connection while the daemon works on its request."""
        self._wait_for(sock, BUSY)

    def _wait_for(self, sock, state):
        with self._lock:
            connection = self._connections.get(sock)
            if connection is None:
                raise Evicted("the connection made room for another one")
            connection.wait_for(state)

    def release(self, sock):
        """Forget the connection, which is closed."""
        with self._lock:
            self._connections.pop(sock, None)

    def __len__(self):
        return len(self._connections)

    def __iter__(self):
        """Iterate over (socket, thread) of each connection."""
        with self._lock:
            return iter([(sock, each.thread) for sock, each in self._connections.items()])
