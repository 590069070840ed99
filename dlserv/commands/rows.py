"""A task as one line: tab-separated for scripts, in columns that fit the terminal for people."""

from ..terminal import Column, choose_columns, clean
from ..units import format_seconds, format_size

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


def list_columns(width):
    """(columns of `list`, width of the name) for a terminal of this width."""
    return choose_columns((
        Column("ID", 8, lambda row: row["tid"][:8], colour=lambda row: "faint"),
        Column("STATE", 11, lambda row: row["state"], colour=state_colour),
        _DONE, _SIZE, _SPEED, _LEFT, _NAME), ("DONE", "SIZE", "SPEED", "LEFT"), width, LEAST_NAME)


def watch_columns(terminal, width):
    """(columns of `watch`, width of the name): there, a bar stands for the state of what downloads."""
    bar = Column("STATE", 11, lambda row: _bar(terminal, row, 11), colour=state_colour)
    return choose_columns((_NAME, bar, _DONE, _SPEED, _LEFT, _SIZE), ("DONE", "SPEED", "LEFT", "SIZE"),
                          width, LEAST_NAME)


def heading(terminal, columns, rest):
    return terminal.paint(_join(terminal, columns, rest, lambda column: column.heading).rstrip(), "bold")


def styled(terminal, row, columns, rest):
    """The row in these columns."""
    def cell(column):
        return column.cell(row)

    def colour(column):
        return column.colour and column.colour(row)
    return _join(terminal, columns, rest, cell, colour)


def _join(terminal, columns, rest, cell, colour=lambda column: None):
    return " ".join(terminal.paint(terminal.fit(cell(column), column.width or rest, column.right), colour(column))
                    for column in columns)


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
