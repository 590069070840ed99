"""Output for people: widths, colours, progress bars, a region redrawn in place."""

import os
import re
import select
import signal
import sys
from collections import namedtuple

from ..units import clean

try:
    from unicodedata import category, east_asian_width
except ImportError:     # OpenWrt without python3-codecs
    category = east_asian_width = None

try:
    import termios
    import tty
except ImportError:     # Windows
    termios = tty = None

COLOURS = {"red": "31", "green": "32", "yellow": "33", "cyan": "36", "faint": "2", "bold": "1"}


def width_of(text):
    """Return the columns that the text takes."""
    if text.isascii() or east_asian_width is None:
        return len(text)
    return sum(0 if category(char) in ("Mn", "Me") else 2 if east_asian_width(char) in "WF" else 1
               for char in text)


def fit(text, columns, right=False, more="…"):
    """Return the text in exactly so many columns: cut with `more`, or filled with blanks."""
    if width_of(text) > columns:
        text = _cut(text, columns - len(more)) + more[:columns]
    blanks = " " * (columns - width_of(text))
    return blanks + text if right else text + blanks


def _cut(text, columns):
    used = 0
    for index, char in enumerate(text):
        used += width_of(char)
        if used > columns:
            return text[:index]
    return text


def wrap(text, columns):
    """Return lines of at most so many columns, broken between words if possible."""
    lines, line = [], ""
    for word in text.split():
        if line and width_of(line) + 1 + width_of(word) > columns:
            lines.append(line)
            line = ""
        line += (" " if line else "") + word
        while width_of(line) > columns:
            start = _cut(line, columns) or line[0]
            lines.append(start)
            line = line[len(start):]
    return lines + [line] * bool(line)


class Terminal:
    """A stream, and what it can do.

    coloured  whether it takes colours and $NO_COLOR does not forbid them (no-color.org)
    live      whether it can be drawn on again, and is ours to draw on now
    """

    def __init__(self, stream, environ):
        self.stream = stream
        self.is_terminal = stream.isatty()
        able = self.is_terminal and environ.get("TERM", "") not in ("", "dumb")
        self.coloured = able and not environ.get("NO_COLOR")
        self.live = able and _is_in_foreground(stream)
        marks = "█░…–"
        try:
            marks.encode(stream.encoding or "ascii")
        except (UnicodeError, LookupError):
            marks = "#-~-"
        self._full, self._empty, self._more, self._dash = marks

    @property
    def size(self):
        """(columns, lines) as they are now."""
        try:
            columns, lines = os.get_terminal_size(self.stream.fileno())
        except (OSError, ValueError):
            columns = lines = 0
        return columns or 80, lines or 24

    def paint(self, text, colour):
        if not self.coloured or not colour:
            return text
        return f"\x1b[{COLOURS[colour]}m{text}\x1b[0m"

    def bar(self, done, columns):
        """Return a progress bar; `done` is from 0 to 1."""
        full = int(columns * min(1.0, max(0.0, done)))
        return self._full * full + self._empty * (columns - full)

    def moving_bar(self, seconds, columns):
        """Return a bar without a known end: a block that goes to and fro."""
        block = max(1, columns // 4)
        steps = max(1, columns - block)
        place = abs(int(seconds * 5) % (2 * steps) - steps)
        return self._empty * place + self._full * block + self._empty * (columns - block - place)

    def fit(self, text, columns, right=False):
        return fit(text.replace("–", self._dash), columns, right, self._more)

    def write(self, *lines):
        self.stream.write("".join(line + "\n" for line in lines))
        self.stream.flush()

    def complain(self, sentence):
        self.write("dlserv: " + clean(sentence))

    def complain_of(self, failures):
        for what, reason in failures:
            self.complain(f"{what}: {reason}")


def _is_in_foreground(stream):
    """Return whether we may draw: a process in the background is stopped by keys."""
    try:
        return os.tcgetpgrp(stream.fileno()) == os.getpgrp()
    except (OSError, AttributeError):       # it is not our terminal, or this is Windows
        return True


# A column of a table: its heading, its width (0: what is left), and functions of a row that
# return the cell's text and its colour.
Column = namedtuple("Column", "heading width cell right colour", defaults=(False, lambda row: None))


class Table:
    """Rows in the columns that fit into the terminal as it is now, its last column left free.

    The headings in `optional` are dropped from the last on, until the column without a width has
    `least`. With `rows`, columns are as wide as these need; empty ones are left out.
    """

    def __init__(self, terminal, columns, optional, least, rows=None):
        self._terminal = terminal
        if rows is not None:
            columns = [each for each in (_sized(column, rows) for column in columns) if each]
        for dropped in [None, *reversed(optional)]:
            columns = [column for column in columns if column.heading != dropped]
            left = terminal.size[0] - 1 - sum(column.width + 1 for column in columns if column.width)
            if left >= least:
                break
        self._columns, self._left = columns, max(1, left)

    def heading(self):
        cells = [self._fit(column, column.heading) for column in self._columns]
        return self._terminal.paint(" ".join(cells).rstrip(), "bold")

    def line(self, row):
        return " ".join(self._terminal.paint(self._fit(column, column.cell(row)), column.colour(row))
                        for column in self._columns).rstrip()

    def _fit(self, column, text):
        return self._terminal.fit(text, column.width or self._left, column.right)


def _sized(column, rows):
    if not column.width:
        return column
    widest = max([width_of(column.cell(row)) for row in rows], default=0)
    return column._replace(width=min(column.width, max(widest, len(column.heading)))) if widest else None


_SGR = re.compile("\x1b\\[[0-9]*m")


class Screen:
    """Lines at the bottom of a live terminal that are redrawn in place; a context manager.

    Meanwhile, `keys` arrive one by one without echo, and the cursor is hidden; at the end, also by
    a signal, the terminal is as it was. `outdated()` is called when its size has changed.
    """

    def __init__(self, terminal, keys=None, outdated=lambda: None):
        self._terminal, self._outdated = terminal, outdated
        self._keys = keys if keys is not None and keys.isatty() and termios else None
        self._lines, self._saved, self._handlers = [], None, {}

    def __enter__(self):
        self._take_over()
        for name, handler in (("SIGTSTP", self._suspend), ("SIGWINCH", self._resized)):
            if hasattr(signal, name):       # not on Windows
                number = getattr(signal, name)
                self._handlers[number] = signal.signal(number, handler)
        return self

    def __exit__(self, *exc_info):
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._give_back()

    def wait(self, file):
        """Wait until the file is readable or keys are typed; return these, None without."""
        ready, _, _ = select.select([file] + ([self._keys] if self._keys else []), [], [])
        return os.read(self._keys.fileno(), 64) if self._keys in ready else None

    def draw(self, lines):
        """Put these lines, all narrower than the terminal, in the place of the last ones."""
        columns = self._terminal.size[0]        # a narrower terminal may have wrapped the lines
        up = sum(max(1, -(-width // columns)) for width in self._lines)
        self._terminal.stream.write(("\r\x1b[%dA" % up if up else "\r")
                                    + "".join(f"{line}\x1b[K\r\n" for line in lines) + "\x1b[J")
        self._terminal.stream.flush()
        self._lines = [width_of(_SGR.sub("", line)) for line in lines]

    def leave(self, lines):
        """Draw these lines, and below them from now on."""
        self.draw(lines)
        self._lines = []

    def _take_over(self):
        if self._keys is not None:
            self._saved = termios.tcgetattr(self._keys)
            tty.setcbreak(self._keys, termios.TCSANOW)
        self._show_cursor(False)

    def _give_back(self):
        self._show_cursor(True)
        if self._saved is not None:
            termios.tcsetattr(self._keys, termios.TCSANOW, self._saved)

    def _show_cursor(self, shown):
        """Write past the stream's buffer: a signal may have interrupted it."""
        os.write(self._terminal.stream.fileno(), b"\x1b[?25h" if shown else b"\x1b[?25l")

    def _suspend(self, number, frame):
        """Stop for Ctrl-Z, and go on below what was written meanwhile."""
        self._give_back()
        os.kill(os.getpid(), signal.SIGSTOP)
        self._lines = []
        self._take_over()
        self._outdated()

    def _resized(self, number, frame):
        self._outdated()


def standard_terminals():
    """Return the Terminals of standard output and standard error; replace what cannot be encoded."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):      # another program's stream may lack it
            stream.reconfigure(errors="replace")
    return Terminal(sys.stdout, os.environ), Terminal(sys.stderr, os.environ)
