"""The daemon's tasks as its events tell them, kept up to date."""

import select
import socket
import threading
import time
from collections import deque

from ..errors import ClientError, NoDaemon

PATIENCE = 30.0     # seconds without a daemon, restarts of it among them, until that is told
RETRY = 0.5         # seconds between tries


class Feed:
    """Reads the events in a thread; a context manager. `fileno` is readable when there are some.

    Raises what Client.stream raises if the first try fails. Whenever the connection ends, it
    comes back, for a new snapshot, until it has been in vain for PATIENCE seconds.
    """

    def __init__(self, client):
        self._client = client
        self._events, self._error = deque(), None
        self._closed = threading.Event()
        self._stream = client.stream()
        self.connected = True       # for now
        self._wake, self._waker = socket.socketpair()
        self._wake.setblocking(False)
        self._thread = threading.Thread(target=self._read, name="dlserv-events", daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exc_info):
        self._closed.set()
        self._stream.close()
        self._thread.join()
        self._wake.close()
        self._waker.close()

    def fileno(self):
        return self._wake.fileno()

    def wake(self):
        """Make it readable, and `take` return."""
        self._waker.send(b"!")

    def take(self, timeout=None):
        """The Events that have come; waits for one, or a `wake`.

        Raises NoDaemon or NotAllowed when no more will come.
        """
        select.select([self], [], [], timeout)
        try:
            self._wake.recv(4096)
        except BlockingIOError:
            pass
        events = [self._events.popleft() for _ in range(len(self._events))]
        if not events and self._error is not None:
            raise self._error
        return events

    def _read(self):
        lost = None
        while not self._closed.is_set():
            try:
                for event in self._stream:
                    self._tell(event)
                    lost = None
            except NoDaemon:
                pass        # it is as if it had ended
            self._stream.release()
            self._tell_connected(False)
            lost = lost or time.monotonic()
            self._come_back(lost + PATIENCE)
        self._stream.release()      # if it has just come back

    def _come_back(self, deadline):
        while not self._closed.wait(RETRY):
            try:
                self._stream = self._client.stream()
                return self._tell_connected(True)
            except ClientError as error:
                if time.monotonic() > deadline or not isinstance(error, NoDaemon):
                    self._error = error
                    self._closed.set()
                    self.wake()

    def _tell_connected(self, connected):
        self.connected = connected
        self.wake()

    def _tell(self, event):
        self._events.append(event)
        self.wake()


class Tasks:
    """What the events come to: `rows` by tid; with `tids`, of these alone."""

    def __init__(self, tids=None):
        self._tids = tids
        self.rows = {}
        self.known = False      # whether a snapshot has come

    def take(self, event):
        """Let the event count; gives [(row of before or None, row), …] of the tasks it changed."""
        if event.kind == "snapshot":
            before, self.rows = self.rows, {}
            self.known = True
            return [self._put(before.get(row["tid"]), row) for row in event.data["detail"] if self._has(row)]
        if event.kind == "task" and self._has(event.data):
            return [self._put(self.rows.get(event.data["tid"]), event.data)]
        if event.kind == "removed":
            self.rows.pop(event.data["tid"], None)
        return []

    def _has(self, row):
        return self._tids is None or row["tid"] in self._tids

    def _put(self, before, row):
        self.rows[row["tid"]] = row
        return before, row
