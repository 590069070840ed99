"""The daemon's tasks as its events report them, kept up to date."""

import select
import threading
import time
from collections import deque

from ..errors import ClientError, NoDaemon
from ..sockets import Waker

PATIENCE = 30.0     # seconds without a daemon, which may be restarting, until that is an error
RETRY = 0.5         # seconds between tries


class Follower:
    """Reads the events in a thread; a context manager, readable for `select` when some have arrived.

    Whenever the connection ends, it is opened again, which brings a new snapshot, until that
    has failed for PATIENCE seconds. Raise what Client.events raises.
    """

    def __init__(self, client):
        self._client = client
        self._events, self._error = deque(), None
        self._closed = threading.Event()
        self._stream = client.events()
        self._is_lost = False
        self._waker = Waker()
        self.fileno, self.wake = self._waker.fileno, self._waker.wake       # `wake` makes `take` return
        self._thread = threading.Thread(target=self._read, name="dlserv-events", daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exc_info):
        self._closed.set()
        self._stream.close()
        self._thread.join()
        self._waker.close()

    @property
    def connected(self):
        return self._stream.connected and not self._is_lost

    def take(self, timeout=None):
        """Wait for Events, or for `wake`, and return them. Raise NoDaemon or NotAllowed after the last."""
        select.select([self._waker], [], [], timeout)
        self._waker.clear()
        events = [self._events.popleft() for _ in range(len(self._events))]
        if not events and self._error is not None:
            raise self._error
        return events

    def _read(self):
        lost = None
        while not self._closed.is_set():
            try:
                for event in self._stream:
                    self._events.append(event)
                    self.wake()
                    lost = None
            except NoDaemon:
                pass        # handled like the end of the stream
            self._stream.release()
            self._tell_lost(True)
            lost = lost or time.monotonic()
            self._reconnect(lost + PATIENCE)
        self._stream.release()      # it may just have been opened again

    def _reconnect(self, deadline):
        while not self._closed.wait(RETRY):
            try:
                self._stream = self._client.events()
                return self._tell_lost(False)
            except ClientError as error:
                if time.monotonic() > deadline or not isinstance(error, NoDaemon):
                    self._error = error
                    self._closed.set()
                    self.wake()

    def _tell_lost(self, lost):
        self._is_lost = lost
        self.wake()


class Tasks:
    """The sum of the events: `rows` by tid; with `tids`, of these alone."""

    def __init__(self, tids=None):
        self._tids, self.rows = tids, {}
        self.known = False      # whether a snapshot has arrived

    def apply(self, event):
        """Apply the event; return [(previous row or None, row), …] of the tasks it changed."""
        before, rows = self.rows, []
        if event.kind == "snapshot":
            self.rows, self.known, rows = {}, True, event.data["detail"]
        elif event.kind == "task":
            rows = [event.data]
        elif event.kind == "removed":
            self.rows.pop(event.data["tid"], None)
        changed = [(before.get(row["tid"]), row) for row in rows if self._tids is None or row["tid"] in self._tids]
        self.rows.update((row["tid"], row) for _, row in changed)
        return changed
