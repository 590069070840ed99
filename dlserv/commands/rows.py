"""A task as one line: tab-separated for scripts, in columns that fit the terminal for people."""

import time

from ..contract import SETTLED
from ..units import clean, format_progress, format_seconds, format_size
from .terminal import Column, Table

COLOURS = {"downloading": "cyan", "queued": None, "paused": "yellow", "finished": "green", "invalid": "red"}
LEAST_NAME = 16     # columns
BAR = 11            # columns
_WORDS = {"invalid": "failed"}      # a person's word for a state


def plain(row):
    """Return tid, state, percent, total bytes, bytes a second, name and error: for `cut` and `awk`."""
    return "\t".join([row["tid"], row["state"], row["percent"], str(row["total_bytes"]),
                      "%d" % row["speed"], name_of(row), clean(row["error"] or "")])


def name_of(row):
    """Return the task's name: its file's, or the best guess while that has none."""
    return clean(row.get("filename") or row.get("name") or row["title"])


def state_of(row):
    """Return the state in a person's word."""
    return _WORDS.get(row["state"], row["state"])


def size_of(row):
    """Return the bytes on disk and in all: "1.9 of 40 GiB", "19 MiB so far"."""
    done, total = row["downloaded_bytes"], row["total_bytes"]
    return format_progress(done, total) if done or total else ""


def reason_of(row):
    """Return why the task failed or waits, or ""."""
    return clean(row["error"] or "") if row["state"] in ("invalid", "queued") else ""


def list_table(terminal, rows):
    """Return the table of `list`: columns as wide as these rows need, the name last."""
    return Table(terminal, (
        Column("ID", 8, lambda row: row["tid"][:8], colour=lambda row: "faint"),
        Column("STATE", 11, state_of, colour=state_colour),
        _DONE, _SIZE, _SPEED, _LEFT, _NAME), ("STATE", "DONE", "SIZE", "SPEED", "LEFT"), LEAST_NAME, rows)


def list_lines(terminal, rows):
    """Return the heading, a line for each row, and below it why the task failed or waits."""
    table = list_table(terminal, rows)
    lines = [table.heading()]
    for row in rows:
        lines.append(table.line(row))
        lines += ["  " + terminal.paint(line, state_colour(row))
                  for line in terminal.wrap(reason_of(row), terminal.size[0] - 3)]
    return lines


def watch_table(terminal):
    """Return the table of `watch`, in which a task that downloads has a bar as its state."""
    bar = Column("STATE", BAR, lambda row: _bar(terminal, row), colour=state_colour)
    return Table(terminal, (_NAME, bar, _DONE, _SPEED, _LEFT, _SIZE), ("DONE", "SPEED", "LEFT", "SIZE"),
                 LEAST_NAME)


def watch_lines(terminal, row):
    """Return the row's line, and one more that says why it failed or waits."""
    lines, reason = [watch_table(terminal).line(row)], reason_of(row)
    if reason:
        width = terminal.size[0] - 3
        lines.append("  " + terminal.paint(terminal.fit(reason, width).rstrip(), state_colour(row)))
    return lines


def is_settled(row):
    """Return whether nothing more happens to the task by itself."""
    return row["state"] in SETTLED


def fraction(row):
    """Return the part that is done, from 0 to 1."""
    return float(row["percent"].rstrip("%")) / 100


def state_colour(row):
    return COLOURS.get(row["state"])


def _bar(terminal, row):
    if row["state"] != "downloading":
        return state_of(row)
    if not row["total_bytes"]:
        return terminal.moving_bar(time.monotonic(), BAR)
    return terminal.bar(fraction(row), BAR)


def _percent(row):
    """Return the percentage, or a dash while a file of unknown size downloads."""
    return "–" if row["state"] == "downloading" and not row["total_bytes"] else row["percent"]


def _speed(row):
    return format_size(row["speed"]) + "/s" if row["speed"] else ""


def _time_left(row):
    if row["eta"]:
        return format_seconds(row["eta"])
    return "–" if row["state"] == "downloading" and not row["total_bytes"] else ""


_NAME = Column("NAME", 0, name_of)
_DONE = Column("DONE", 6, _percent, right=True)
_SIZE = Column("SIZE", 16, size_of, right=True)
_SPEED = Column("SPEED", 10, _speed, right=True)
_LEFT = Column("LEFT", 11, _time_left, right=True)
