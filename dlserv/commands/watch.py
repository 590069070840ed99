"""watch and wait: follow the events, in a table that is redrawn or a line for each change."""

import re
import select
import sys
import threading
import time
from collections import Counter, deque

from ..contract import SETTLED
from ..errors import ClientError, NoDaemon, Refused
from ..sockets import Waker
from ..units import format_size, safe_json
from .arguments import choose
from .rows import name_of, plain, state_of, watch_lines, watch_table
from .terminal import Screen

EVERY = 0.1         # seconds between two drawings, at least
PATIENCE = 30.0     # seconds without a daemon, which may be restarting, until that is an error
RETRY = 0.5         # seconds between tries
_ORDER = ("downloading", "queued", "invalid", "paused", "finished")


def watch(client, options, terminals):
    """Follow the tasks until the user or the daemon ends it."""
    out = terminals[0]
    tids = set(choose(client, options.tasks)) if options.tasks else None
    with Follower(client) as follower:
        if out.live and not options.json:
            _draw_until(follower, Tasks(tids), out, lambda tasks: False, _overview)
        else:
            _print_changes(follower, Tasks(tids), out, safe_json if options.json else plain)
    return 0


def wait(client, options, terminals):
    tids = choose(client, options.tasks or ["all"], ("downloading", "queued"))
    return await_all(client, tids, terminals[1], options.quiet)


def await_all(client, tids, errors, quiet):
    """Return when no task goes on by itself; 0 if all are finished."""
    try:
        _await_end(client, set(tids), errors, quiet)
    except KeyboardInterrupt:
        errors.complain("stopped waiting; the daemon goes on with the downloads")
        raise
    finished = {row["tid"] for row in client.tasks("finished")}
    failures = [_why(client, tid) for tid in tids if tid not in finished]
    errors.complain_of(failures)
    return 1 if failures else 0


def _await_end(client, wanted, errors, quiet):
    tasks = Tasks(wanted)

    def ended(tasks):
        return tasks.known and _all_settled(tasks.rows.values()) and _all_settled(
            row for row in client.tasks() if row["tid"] in wanted)      # events follow a moment later
    with Follower(client) as follower:
        if errors.live and not quiet:
            if not _draw_until(follower, tasks, errors, ended, _rows_only):
                raise KeyboardInterrupt
        else:
            while not ended(tasks):
                for event in follower.take():
                    tasks.apply(event)


def _all_settled(rows):
    return all(row["state"] in SETTLED for row in rows)


def _why(client, tid):
    try:
        status = client.task(tid)
    except Refused as refusal:
        return tid[:8], "the task was removed" if refusal.status == 404 else str(refusal)
    return name_of(status), status["error"] or f"it is {status['state']}"


# -- a line for each change ---------------------------------------------------------------

def _print_changes(follower, tasks, out, text):
    while True:
        for event in follower.take():
            out.write(*[text(row) for before, row in tasks.apply(event)
                        if before is None or _lasting(before) != _lasting(row)])


def _lasting(row):
    """Return state, name and error without the seconds still to wait."""
    return row["state"], row["filename"], re.sub(r"(in|for another) [0-9].*$", "", row["error"] or "")


# -- a table that is redrawn --------------------------------------------------------------

def _draw_until(follower, tasks, terminal, ended, lines):
    """Draw `lines(tasks, terminal)`; return True once `ended(tasks)`, False after a q."""
    with Screen(terminal, sys.stdin, follower.wake) as screen:
        while True:
            for event in follower.take(0):
                tasks.apply(event)
            if tasks.known:
                lost = [] if follower.connected else ["the connection is lost; trying again"]
                screen.draw(lines(tasks, terminal) + lost)
            if ended(tasks):
                return True
            time.sleep(EVERY)
            keys = screen.wait(follower)
            if keys is not None and (not keys or b"q" in keys):
                return False


def _overview(tasks, terminal):
    width, height = terminal.size
    rows = sorted(tasks.rows.values(), key=_rank)
    counts = Counter(row["state"] for row in rows)
    told = [f"{counts[state]} {state_of({'state': state})}" for state in _ORDER if counts[state]]
    totals = f"{format_size(sum(row['speed'] for row in rows))}/s, {', '.join(told) or 'no tasks'}"
    return [terminal.fit(totals, width - 1).rstrip(), watch_table(terminal).heading(),
            *_lines_within(rows, terminal, height - 4)]


def _rows_only(tasks, terminal):
    most = max(1, terminal.size[1] - 2)
    rows = list(tasks.rows.values())
    return _lines_within(rows if len(rows) <= most else sorted(rows, key=_rank), terminal, most)


def _lines_within(rows, terminal, most):
    """Return at most so many lines; the last one counts the rest."""
    lines, shown = [], 0
    for row in rows:
        more = watch_lines(terminal, row)
        if len(lines) + len(more) > most - (shown < len(rows) - 1):
            break
        lines += more
        shown += 1
    return lines if shown == len(rows) else lines + [f"and {len(rows) - shown} more"]


def _rank(row):
    state = row["state"]
    order = _ORDER.index(state) if state in _ORDER else len(_ORDER)     # a newer daemon may have other states
    return order, -row["finish_time"] if state == "finished" else row["place"]


# -- the events -----------------------------------------------------------------------------

class Follower:
    """Reads the events in a thread; a context manager, readable for `select` when some have arrived.

    A connection that ends is opened again, which brings a snapshot, for PATIENCE seconds at most. Raise
    what Client.events raises.
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
    """The sum of the events: `rows` by tid, only of `tids` if given."""

    def __init__(self, tids=None):
        self._tids, self.rows = tids, {}
        self.known = False      # whether a snapshot has arrived

    def apply(self, event):
        """Return [(previous row or None, row), …] of the tasks that the event changed."""
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
