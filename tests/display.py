"""A pseudo-terminal with a display, for the tests of what people see."""

import codecs
import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
import threading

import forks
from harness import PATIENCE, until

from dlserv.commands import terminal


class Display:
    """Shows what is written to it as a terminal would: lines, and where the cursor is."""

    CODE = re.compile(r"\x1b\[(\??)([0-9]*)([A-Za-z])")

    def __init__(self, columns):
        self.columns = columns
        self.lines, self.row, self.column = [""], 0, 0
        self.cursor = True
        self.raw = ""

    def feed(self, text):
        self.raw += text
        position = 0
        while position < len(text):
            match = self.CODE.match(text, position)
            if match:
                self._control(*match.groups())
                position = match.end()
            else:
                self._char(text[position])
                position += 1

    def _char(self, char):
        if char == "\r":
            self.column = 0
        elif char == "\n":
            self.row += 1
            self.lines += [""] * (self.row + 1 - len(self.lines))
        else:
            line = self.lines[self.row].ljust(self.column)
            self.lines[self.row] = line[:self.column] + char + line[self.column + 1:]
            self.column += 1

    def _control(self, private, number, letter):
        if letter == "A":
            self.row = max(0, self.row - int(number or 1))
        elif letter == "K":
            self.lines[self.row] = self.lines[self.row][:self.column]
        elif letter == "J":
            self.lines[self.row:] = [self.lines[self.row][:self.column]]
        elif private:
            self.cursor = letter == "h"
        else:
            assert letter == "m", letter

    @property
    def text(self):
        return "\n".join(line.rstrip() for line in self.lines).rstrip()

    @property
    def widest(self):
        """The columns of the widest line."""
        return max(terminal.width_of(line.rstrip()) for line in self.lines)


class OnTerminal:
    """`dlserv.py` with these arguments on a pseudo-terminal of its own; a context manager.

    `out` is a file that gets standard output in the place of the terminal.
    """

    LAST = b"\0"        # what the test writes when the program has ended

    def __init__(self, arguments, columns, lines=24, through=(), out=None, **environ):
        self.display = Display(columns)
        self.master, self.slave = pty.openpty()
        self.resize(columns, lines)
        self.before = termios.tcgetattr(self.slave)
        kept = {name: value for name, value in os.environ.items()
                if name not in ("COLUMNS", "NO_COLOR", "DISPLAY", "WAYLAND_DISPLAY")}
        environ = dict(dict(kept, TERM="xterm", PYTHONIOENCODING="utf-8"), **environ)
        files = {"stdin": self.slave, "stdout": out or self.slave, "stderr": self.slave}
        self.popen = subprocess.Popen(
            [*through, *forks.DLSERV, *arguments], env=environ, start_new_session=True,
            preexec_fn=forks.take_terminal, **files) if through \
            else forks.start(arguments, environ, new_session=True, **files)
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def resize(self, columns, lines):
        self.display.columns = columns
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def _read(self):
        decoder = codecs.getincrementaldecoder("utf-8")()
        data = b""
        while not data.endswith(self.LAST):
            data = os.read(self.master, 65536)
            self.display.feed(decoder.decode(data.rstrip(self.LAST)))

    def type(self, keys):
        os.write(self.master, keys)

    def shows(self, *words):
        """Wait until all of the words are on the display; return its text."""
        def there():
            text = self.display.text
            return all(word in text for word in words) and text
        try:
            return until(there)
        except AssertionError:
            raise AssertionError("%r is not on the display:\n%s" % (words, self.display.text)) from None

    def end(self):
        """Return the exit code; everything that was written is on the display then."""
        code = self.popen.wait(PATIENCE)
        if self._reader.is_alive():
            os.write(self.slave, self.LAST)
            self._reader.join()
        return code

    @property
    def is_as_it_was(self):
        return termios.tcgetattr(self.slave) == self.before and self.display.cursor

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        if self.popen.poll() is None:
            self.popen.kill()
        self.end()
        os.close(self.master)
        os.close(self.slave)
