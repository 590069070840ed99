"""The limit of open connections, for all and for each client, and who is evicted for a newcomer.

The connection that has waited longest for its client goes: first those between two requests,
then those with an unfinished request or an unread reply. None goes whose request is worked on.
"""

import socket
import threading
import time

MOST_OF_ONE = 64        # connections of one client
STALLED = 0.25          # seconds without progress after which a reply counts as not read

# A connection waits for its next request, for the rest of one, for its client to read a reply
# (entered again on each progress), or for the daemon.
IDLE, UNFINISHED, UNREAD, BUSY = "idle", "unfinished", "unread", "busy"


def network_of(address):
    """Return what counts as one client: an IPv4 address, an IPv6 address's /64 (RFC 6177), or another text."""
    if address.startswith("::ffff:"):
        return address[len("::ffff:"):]
    try:
        packed = socket.inet_pton(socket.AF_INET6, address.partition("%")[0])
    except OSError:
        return address
    return socket.inet_ntop(socket.AF_INET6, packed[:8] + bytes(8)) + "/64"


def is_loopback(address):
    return address == "::1" or address.startswith(("127.", "::ffff:127."))


def shut_down(sock, how):
    """Shut a socket down from any thread; TLS on it is left to the thread that uses it."""
    try:
        socket.socket.shutdown(sock, how)
    except OSError:
        pass    # it is closed already


class Evicted(ConnectionAbortedError):
    """The connection was shut down to make room for another one."""


class _Connection:
    """`since` is the start of `state`; until its first request is complete, a connection is unfinished."""

    __slots__ = ("client", "thread", "state", "since", "is_new")

    def __init__(self, client, thread):
        self.client, self.thread = client, thread
        self.state, self.since, self.is_new = UNFINISHED, time.monotonic(), True

    def may_go(self, now):
        return self.state != BUSY and (self.state != UNREAD or now - self.since >= STALLED)

    def rank(self):
        return self.state != IDLE, self.since


class ConnectionLimit:
    """The open connections by socket, `most` in all and `most_of_one` for each client."""

    def __init__(self, most, most_of_one=MOST_OF_ONE):
        self._most, self._most_of_one = most, min(most, most_of_one)
        self._lock = threading.Lock()
        self._connections = {}

    def admit(self, sock, address, thread):
        """Take a connection in, evicting another if necessary; return False if there is no room.

        Without an address, on a unix socket, only the bound for all counts.
        """
        client = None if address is None else network_of(address)
        with self._lock:
            rivals = self._rivals(client)
            if rivals and not self._evict_one(rivals):
                return False
            self._connections[sock] = _Connection(client, thread)
            return True

    def _rivals(self, client):
        own = [sock for sock, each in self._connections.items() if each.client == client]
        if client is not None and len(own) >= self._most_of_one:
            return own
        return list(self._connections) if len(self._connections) >= self._most else []

    def _evict_one(self, rivals):
        now = time.monotonic()
        evictable = [sock for sock in rivals if self._connections[sock].may_go(now)]
        if not evictable:
            return False
        evicted = min(evictable, key=lambda sock: self._connections[sock].rank())
        del self._connections[evicted]
        shut_down(evicted, socket.SHUT_RDWR)
        return True

    def enter(self, sock, state):
        """Note what the connection waits for. Raise Evicted if it had to go meanwhile."""
        with self._lock:
            connection = self._connections.get(sock)
            if connection is None:
                raise Evicted("the connection made room for another one")
            connection.is_new = connection.is_new and state in (IDLE, UNFINISHED)
            if not connection.is_new:
                connection.state, connection.since = state, time.monotonic()

    def release(self, sock):
        with self._lock:
            self._connections.pop(sock, None)

    def __len__(self):
        return len(self._connections)

    def __iter__(self):
        with self._lock:
            return iter([(sock, each.thread) for sock, each in self._connections.items()])
