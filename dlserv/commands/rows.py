"""A task as one line: tab-separated for scripts, in columns for people."""

import time

from ..units import clean, format_progress, format_seconds, format_size
from .terminal import Column, Table, wrap

COLOURS = {"downloading": "cyan", "paused": "yellow", "finished": "green", "invalid": "red"}
LEAST_NAME = 16     # columns
BAR = 11            # columns


def plain(row):
    """Return tid, state, percent, total bytes, bytes a second, name and error, for `cut` and `awk`."""
    return "\t".join([row["tid"], row["state"], row["percent"], str(row["total_bytes"]),
                      str(int(row["speed"])), name_of(row), clean(row["error"] or "")])


def name_of(row):
    """Return the name of the task's file, or the best guess while it has none."""
    return clean(row.get("filename") or row.get("name") or row["title"])


def state_of(row):
    return "failed" if row["state"] == "invalid" else row["state"]


def reason_of(row):
    """Return why the task failed or waits, or ""."""
    return clean(row["error"] or "") if row["state"] in ("invalid", "queued") else ""


def list_lines(terminal, rows):
    """Return the heading and a line for each row, with its reason below."""
    columns = (Column("ID", 8, lambda row: row["tid"][:8], colour=lambda row: "faint"),
               Column("STATE", 11, state_of, colour=_colour), _DONE, _SIZE, _SPEED, _LEFT, _NAME)
    table = Table(terminal, columns, ("STATE", "DONE", "SIZE", "SPEED", "LEFT"), LEAST_NAME, rows)
    lines = [table.heading()]
    for row in rows:
        lines.append(table.line(row))
        lines += ["  " + terminal.paint(line, _colour(row))
                  for line in wrap(reason_of(row), max(8, terminal.size[0] - 3))]
    return lines


def watch_table(terminal):
    """Return the table of `watch`, with a bar as the state of a task that downloads."""
    def bar(row):
        if row["state"] != "downloading":
            return state_of(row)
        if not row["total_bytes"]:
            return terminal.moving_bar(time.monotonic(), BAR)
        return terminal.bar(float(row["percent"].rstrip("%")) / 100, BAR)
    return Table(terminal, (_NAME, Column("STATE", BAR, bar, colour=_colour), _DONE, _SPEED, _LEFT, _SIZE),
                 ("DONE", "SPEED", "LEFT", "SIZE"), LEAST_NAME)


def watch_lines(terminal, row):
    """Return the row's line, and its reason."""
    lines, reason = [watch_table(terminal).line(row)], reason_of(row)
    if reason:
        lines.append("  " + terminal.paint(terminal.fit(reason, terminal.size[0] - 3).rstrip(), _colour(row)))
    return lines


def _colour(row):
    return COLOURS.get(row["state"])


def _unknown_end(row):
    return row["state"] == "downloading" and not row["total_bytes"]


def _percent(row):
    return "–" if _unknown_end(row) else row["percent"]


def _size(row):
    done, total = row["downloaded_bytes"], row["total_bytes"]
    return format_progress(done, total) if done or total else ""


def _speed(row):
    return format_size(row["speed"]) + "/s" if row["speed"] else ""


def _time_left(row):
    if row["eta"]:
        return format_seconds(row["eta"])
    return "–" if _unknown_end(row) else ""


_NAME = Column("NAME", 0, name_of)
_DONE = Column("DONE", 6, _percent, right=True)
_SIZE = Column("SIZE", 16, _size, right=True)
_SPEED = Column("SPEED", 10, _speed, right=True)
_LEFT = Column("LEFT", 11, _time_left, right=True)
