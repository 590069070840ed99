"""A task as one line: tab-separated for scripts, in columns that fit the terminal for people."""

from .terminal import Column, Table
from ..units import clean, format_seconds, format_size

COLOURS = {"downloading": "cyan", "queued": None, "paused": "yellow", "finished": "green", "invalid": "red"}
ENDED = ("finished", "invalid", "paused")
LEAST_NAME = 16     # columns


def plain(row):
    """tid, state, percent, total bytes, bytes a second, name: what `cut` and `awk` like."""
    return "\t".join([row["tid"], row["state"], row["percent"], str(row["total_bytes"]),
                      "%d" % row["speed"], name_of(row)])


def name_of(row):
    """What to call the task: its file, or its title as long as that has no name."""
    return clean(row.get("filename") or row["title"])


def list_table(terminal):
    """The table of `list`, fit for the terminal."""
    return Table(terminal, (
        Column("ID", 8, lambda row: row["tid"][:8], colour=lambda row: "faint"),
        Column("STATE", 11, lambda row: row["state"], colour=state_colour),
        _DONE, _SIZE, _SPEED, _LEFT, _NAME), ("STATE", "DONE", "SIZE", "SPEED", "LEFT"), LEAST_NAME)


def watch_table(terminal):
    """There, a bar stands for the state of what downloads."""
    bar = Column("STATE", 11, lambda row: _bar(terminal, row, 11), colour=state_colour)
    return Table(terminal, (_NAME, bar, _DONE, _SPEED, _LEFT, _SIZE), ("DONE", "SPEED", "LEFT", "SIZE"),
                 LEAST_NAME)


def fraction(row):
    """How much is done, from 0 to 1."""
    return float(row["percent"].rstrip("%")) / 100


def state_colour(row):
    return COLOURS.get(row["state"])


def _bar(terminal, row, columns):
    if row["state"] == "downloading":
        return terminal.bar(fraction(row), columns)
    return row["state"]


def _if_any(value, text):
    return text(value) if value else ""


_NAME = Column("NAME", 0, name_of)
_DONE = Column("DONE", 6, lambda row: row["percent"], right=True)
_SIZE = Column("SIZE", 9, lambda row: _if_any(row["total_bytes"], format_size), right=True)
_SPEED = Column("SPEED", 11, lambda row: _if_any(row["speed"], lambda speed: format_size(speed) + "/s"),
                right=True)
_LEFT = Column("LEFT", 11, lambda row: _if_any(row["eta"], format_seconds), right=True)
