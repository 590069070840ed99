"""The event streams of several daemons as one, with the interface of transport.Stream.

A snapshot of one daemon becomes one of all; the first is yielded when all have sent theirs.
"""

import queue
import threading
import time

from ..errors import ClientError, NoDaemon
from ..threads import Thread, join
from .fanout import ask_each
from .rest import Client
from .transport import Event

PATIENCE = 30.0     # seconds without a daemon until its tasks are left out
RETRY = 0.5         # seconds between tries
JOIN_SECONDS = 1.0  # for a thread; one whose daemon hangs ends by itself


class Merged:
    """The events of all `clients`. Raise the first one's error if none is there.

    `miss(client, error)` is called for each that is not there at the beginning; those in
    {Client: error} `silent` count as such, and are asked later.
    """

    def __init__(self, clients, miss, silent=None, patience=PATIENCE):
        self._patience = patience
        self._queue, self._closed, self._lock = queue.Queue(), threading.Event(), threading.Lock()
        self._rows = {}             # Client -> {tid: row}
        self._lost = set()          # those that do not answer now
        self._streams = self._open(clients, miss, silent or {})
        self._awaited = set(self._streams)
        self._threads = [Thread(self._read, "dlserv-events-%d" % number, (client,))
                         for number, client in enumerate(clients, 1)]
        for thread in self._threads:
            thread.start()

    def _open(self, clients, miss, silent):
        asked = ask_each([client for client in clients if client not in silent], Client.events)
        outcomes = [(client, *asked.get(client, (None, silent.get(client)))) for client in clients]
        errors = {client: error for client, _, error in outcomes if error is not None}
        for client, error in errors.items():
            miss(client, error)
        self._lost.update(errors)
        if len(errors) == len(clients):
            raise errors[clients[0]]
        return {client: stream for client, stream, error in outcomes if error is None}

    @property
    def connected(self):
        """True if all daemons answer now."""
        return not self._lost

    def __iter__(self):
        """Yield Events until `close`: snapshot, task, removed, and lost if a connection has ended."""
        while True:
            item = self._queue.get()
            if item is None:
                return
            event = self._take(*item)
            if event is not None:
                yield event

    def _take(self, client, event):
        """Note the rows of the daemon; return the event for the reader, or None."""
        if event.kind == "snapshot":
            self._lost.discard(client)
            return self._snapshot(client, event.data["detail"])
        if event.kind == "lost":
            self._lost.add(client)
        elif event.kind == "gone":
            return self._snapshot(client, [])
        elif event.kind == "task":
            self._rows.setdefault(client, {})[event.data["tid"]] = event.data
        elif event.kind == "removed":
            self._rows.get(client, {}).pop(event.data["tid"], None)
        return None if event.kind == "stats" else event

    def _snapshot(self, client, rows):
        self._rows[client] = {row["tid"]: row for row in rows}
        self._awaited.discard(client)
        if self._awaited:
            return None
        together = [row for rows in self._rows.values() for row in rows.values()]
        return Event("snapshot", {"detail": sorted(together, key=lambda row: row["create_time"])})

    # -- a thread for each daemon --------------------------------------------------------

    def _read(self, client):
        lost, told = (None, False) if client in self._streams else (time.monotonic(), True)
        while not self._closed.is_set():
            stream = self._streams.get(client) or self._again(client)
            if stream is not None:
                self._pass_on(client, stream)
                lost, told = time.monotonic(), False
            elif not told and time.monotonic() > lost + self._patience:
                self._queue.put((client, Event("gone", {})))
                told = True
            self._closed.wait(RETRY)

    def _pass_on(self, client, stream):
        try:
            for event in stream:
                self._queue.put((client, event))
        except NoDaemon:
            pass        # handled like the end of the stream
        with self._lock:
            self._streams.pop(client, None)
        stream.release()
        self._queue.put((client, Event("lost", {"url": client.url})))

    def _again(self, client):
        try:
            stream = client.events()
        except ClientError:
            return None
        with self._lock:
            if not self._closed.is_set():
                self._streams[client] = stream
                return stream
        stream.release()
        return None

    def close(self):
        with self._lock:
            self._closed.set()
            for stream in self._streams.values():
                stream.close()
        self._queue.put(None)

    def release(self):
        """End the threads, in the thread that iterates."""
        self.close()
        for thread in self._threads:
            join(thread, JOIN_SECONDS)

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.release()
