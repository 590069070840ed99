"""watch and wait: follow the events, in a table that is redrawn or a line for each change."""

import json
import select
import sys
import time
from collections import Counter

from ..client.rest import task_path
from ..errors import Refused
from .terminal import Screen
from ..units import format_size
from .feed import Feed, Tasks
from .rows import ENDED, name_of, plain, watch_table
from .words import choose

_LOST = "the connection is lost; trying again"
EVERY = 0.1         # seconds between two drawings, at the least
_ORDER = ("downloading", "queued", "invalid", "paused", "finished")


def watch(client, options, terminals):
    """Follow the tasks until the user or the daemon ends it; gives the exit code."""
    out = terminals[0]
    tids = set(choose(client, options.tasks)) if options.tasks else None
    with Feed(client) as feed:
        if out.live and not options.json:
            _draw_until(feed, Tasks(tids), out, lambda tasks: False, _overview)
        else:
            _print_changes(feed, Tasks(tids), out, json.dumps if options.json else plain)
    return 0


def wait(client, options, terminals):
    tids = choose(client, options.tasks or ["all"], ("downloading", "queued"))
    return await_all(client, tids, terminals[1], options.quiet)


def await_all(client, tids, errors, quiet=False):
    """Return when nothing more happens to the tasks by itself; 0 if all of them are finished.

    On a live terminal, standard error shows how it goes.
    """
    wanted = set(tids)
    tasks = Tasks(wanted)

    def ended(tasks):
        return tasks.known and _all_ended(tasks.rows.values()) and _all_ended(_ask(client, wanted))
    with Feed(client) as feed:
        if errors.live and not quiet:
            if not _draw_until(feed, tasks, errors, ended, _rows_only):
                raise KeyboardInterrupt
        else:
            while not ended(tasks):
                for event in feed.take():
                    tasks.take(event)
    finished = {row["tid"] for row in _ask(client, wanted) if row["state"] == "finished"}
    failures = [_why(client, tid) for tid in tids if tid not in finished]
    errors.complain_of(failures)
    return 1 if failures else 0


def _all_ended(rows):
    return all(row["state"] in ENDED for row in rows)


def _ask(client, tids):
    """The rows of these tasks from the daemon itself, because events tell of a change a moment later."""
    return [row for row in client.get("/task/list")["detail"] if row["tid"] in tids]


def _why(client, tid):
    """(the task's name, why it is not finished)"""
    try:
        status = client.get(task_path(tid, "status"))["detail"]
    except Refused:
        return tid[:8], "the task was removed"
    return name_of(status), status["error"] or "it is %s" % status["state"]


# -- a line for each change ---------------------------------------------------------------

def _print_changes(feed, tasks, out, text):
    """Of every task at first, then of those whose state, name or error is another."""
    while True:
        for event in feed.take():
            out.write(*[text(row) for before, row in tasks.take(event) if _differs(before, row)])


def _differs(before, row):
    return before is None or any(before[key] != row[key] for key in ("state", "filename", "error"))


# -- a table that is redrawn --------------------------------------------------------------

def _draw_until(feed, tasks, terminal, ended, lines):
    """Draw `lines(tasks, terminal)` while events come; whether `ended(tasks)`, else q was typed."""
    with Screen(terminal, sys.stdin, feed.wake) as screen:
        while True:
            for event in feed.take(0):
                tasks.take(event)
            if tasks.known:
                screen.draw(lines(tasks, terminal) + ([] if feed.connected else [_LOST]))
            if ended(tasks):
                return True
            time.sleep(EVERY)
            if _quits(feed, screen):
                return False


def _quits(feed, screen):
    """Wait for events, or keys; whether one of these says that it is enough."""
    ready, _, _ = select.select([feed] + ([screen] if screen.fileno() >= 0 else []), [], [])
    if screen not in ready:
        return False
    keys = screen.key()
    return not keys or "q" in keys


def _overview(tasks, terminal):
    """The totals, and the tasks: those that move first."""
    width, height = terminal.size
    rows = sorted(tasks.rows.values(), key=_rank)
    shown = rows[:max(1, height - 5)] if len(rows) > height - 4 else rows
    table = watch_table(terminal)
    lines = [terminal.fit(_totals(rows), width - 1).rstrip(), table.heading()]
    lines += [table.line(row) for row in shown]
    if len(shown) < len(rows):
        lines.append("and %d more" % (len(rows) - len(shown)))
    return lines


def _rows_only(tasks, terminal):
    """The tasks that are waited for, without a heading; the unfinished first, if there are too many."""
    most = max(1, terminal.size[1] - 2)
    rows = list(tasks.rows.values())
    if len(rows) > most:
        rows = sorted(rows, key=_rank)[:most]
    table = watch_table(terminal)
    return [table.line(row) for row in rows]


def _rank(row):
    state = row["state"]
    return (_ORDER.index(state) if state in _ORDER else len(_ORDER),
            -row["finish_time"] if state == "finished" else row["place"])


def _totals(rows):
    counts = Counter(row["state"] for row in rows)
    told = ", ".join("%d %s" % (counts[state], state) for state in _ORDER if counts[state])
    return "%s/s, %s" % (format_size(sum(row["speed"] for row in rows)), told or "no tasks")
