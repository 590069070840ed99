"""The connections that are open: how many there may be, and who goes when there is no room.

Bounded in all and for each address. Where the bound is reached, whoever has been idle the
longest between two requests is sent away for the newcomer; if nobody is idle, the
newcomer is.
"""

import select
import socket
import threading
import time

MOST_OF_ONE = 64        # connections of one address


class _Guest:
    __slots__ = ("address", "thread", "idle_since")

    def __init__(self, address):
        self.address, self.thread, self.idle_since = address, None, None


class Crowd:
    """The open connections, by socket; `most` in all."""

    def __init__(self, most, most_of_one=MOST_OF_ONE):
        self._most, self._most_of_one = most, min(most, most_of_one)
        self._lock = threading.Lock()
        self._guests = {}

    def admit(self, sock, address):
        """Whether there is room for this connection; `address` is None where there is none."""
        with self._lock:
            rivals = self._rivals(address)
            if rivals:
                leaving = min(rivals, key=lambda each: self._guests[each].idle_since or float("inf"))
                if self._guests[leaving].idle_since is None:
                    return False
                del self._guests[leaving]
                shut(leaving, socket.SHUT_RDWR)
            self._guests[sock] = _Guest(address)
            return True

    def _rivals(self, address):
        """Those of whom one must go for a newcomer from the address, [] if there is room."""
        of_one = [sock for sock, guest in self._guests.items() if guest.address == address]
        if address is not None and len(of_one) >= self._most_of_one:
            return of_one
        return list(self._guests) if len(self._guests) >= self._most else []

    def serve(self, sock, thread):
        """The connection has its thread."""
        with self._lock:
            self._guests[sock].thread = thread

    def idle(self, sock):
        """Nothing is under way on the connection."""
        self._mark(sock, time.monotonic())

    def busy(self, sock):
        """A request has begun."""
        self._mark(sock, None)

    def _mark(self, sock, since):
        with self._lock:
            guest = self._guests.get(sock)
            if guest is not None:
                guest.idle_since = since

    def leave(self, sock):
        """The connection is over."""
        with self._lock:
            self._guests.pop(sock, None)

    def __len__(self):
        return len(self._guests)

    def __iter__(self):
        """(socket, thread) of each."""
        with self._lock:
            return iter([(sock, guest.thread) for sock, guest in self._guests.items()])


def has_hung_up(sock):
    """Whether the peer has gone, where the system can tell; else it shows at the next sending."""
    if not hasattr(select, "POLLRDHUP"):
        return False
    poll = select.poll()
    poll.register(sock, select.POLLRDHUP)
    return bool(poll.poll(0))


def shut(sock, how):
    """Shut a socket down, from any thread; TLS on it stays as it is for the thread that uses it."""
    try:
        socket.socket.shutdown(sock, how)
    except OSError:
        pass    # it is closed already
