"""watch and wait: follow the events, in a table that is redrawn or a line for each change."""

import re
import select
import sys
import time
from collections import Counter

from ..contract import SETTLED
from ..errors import Refused
from ..units import format_size, safe_json
from .arguments import choose
from .follow import Follower, Tasks
from .rows import name_of, plain, state_of, watch_lines, watch_table
from .terminal import Screen

_LOST = "the connection is lost; trying again"
EVERY = 0.1         # seconds between two drawings, at least
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
    """Return when no task goes on by itself; 0 if all are finished. Show the progress on a live terminal."""
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
    """Print every task once, then a line whenever its state, name or error changes."""
    while True:
        for event in follower.take():
            out.write(*[text(row) for before, row in tasks.apply(event)
                        if before is None or _lasting(before) != _lasting(row)])


def _lasting(row):
    """Return state, name and error, without the time in it that is still to be waited."""
    return row["state"], row["filename"], re.sub(r"(in|for another) [0-9].*$", "", row["error"] or "")


# -- a table that is redrawn --------------------------------------------------------------

def _draw_until(follower, tasks, terminal, ended, lines):
    """Draw `lines(tasks, terminal)`; return True once `ended(tasks)`, False after a q."""
    with Screen(terminal, sys.stdin, follower.wake) as screen:
        while True:
            for event in follower.take(0):
                tasks.apply(event)
            if tasks.known:
                screen.draw(lines(tasks, terminal) + ([] if follower.connected else [_LOST]))
            if ended(tasks):
                return True
            time.sleep(EVERY)
            if _quits(follower, screen):
                return False


def _quits(follower, screen):
    """Wait for events or keys; return whether a key ends it."""
    ready, _, _ = select.select([follower] + ([screen] if screen.fileno() >= 0 else []), [], [])
    if screen not in ready:
        return False
    keys = screen.key()
    return not keys or "q" in keys


def _overview(tasks, terminal):
    width, height = terminal.size
    rows = sorted(tasks.rows.values(), key=_rank)
    counts = Counter(row["state"] for row in rows)
    told = [f"{counts[state]} {state_of({'state': state})}" for state in _ORDER if counts[state]]
    totals = f"{format_size(sum(row['speed'] for row in rows))}/s, {', '.join(told) or 'no tasks'}"
    return [terminal.fit(totals, width - 1).rstrip(), watch_table(terminal).heading(),
            *_lines_within(rows, terminal, height - 4)]


def _rows_only(tasks, terminal):
    """Return the rows, the unfinished first if there are too many."""
    most = max(1, terminal.size[1] - 2)
    rows = list(tasks.rows.values())
    return _lines_within(rows if len(rows) <= most else sorted(rows, key=_rank), terminal, most)


def _lines_within(rows, terminal, most):
    """Return at most so many lines; the last one counts the tasks that had no room."""
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
    return (_ORDER.index(state) if state in _ORDER else len(_ORDER),
            -row["finish_time"] if state == "finished" else row["place"])
