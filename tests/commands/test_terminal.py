"""What people see: widths and bars, and the commands on a real pseudo-terminal of 80 and 40 columns."""

import codecs
import io
import os
import re
import signal
import struct
import subprocess
import sys
import threading
import time

import pytest

from harness import PATIENCE, ROOT, noise, until
from servers.origin import Gate

from dlserv import Server
from dlserv.commands import terminal

fcntl = pytest.importorskip("fcntl")
pty = pytest.importorskip("pty")
termios = pytest.importorskip("termios")

NOWHERE = "http://127.0.0.1:1/"
DATA = noise(50000)


# -- widths -------------------------------------------------------------------------------

@pytest.mark.parametrize("text, columns", [
    ("abc", 3), ("", 0), ("漢字", 4), ("e\u0301", 1), ("ｆｕｌｌ", 8), ("🎉", 2), ("ü", 1)])
def test_width_is_what_a_terminal_gives(text, columns):
    assert terminal.width_of(text) == columns


@pytest.mark.parametrize("text, columns, fitted", [
    ("abc", 5, "abc  "), ("abcdef", 5, "abcd…"), ("漢字漢字", 5, "漢字…"), ("漢字漢字", 6, "漢字… "),
    ("漢字", 4, "漢字"), ("abc", 1, "…"), ("abc", 0, ""), ("e\u0301abc", 3, "e\u0301a…")])
def test_text_is_fitted(text, columns, fitted):
    assert terminal.fit(text, columns) == fitted and terminal.width_of(fitted) == columns


def test_numbers_stand_on_the_right():
    assert terminal.fit("12", 5, right=True) == "   12"


@pytest.mark.parametrize("char", list(
    "\x00\x07\b\t\n\r\x1b\x7f\x85\x9b\u200b\u200f\u2028\u202e\u2066\ud800\ufeff"))
def test_what_steers_is_taken_out(char):
    assert terminal.clean("a%sb" % char) == "a\ufffdb"
    assert terminal.clean("漢 é 🎉 b") == "漢 é 🎉 b"


class Stream(io.TextIOWrapper):
    def __init__(self, encoding, tty=True):
        super().__init__(io.BytesIO(), encoding=encoding)
        self.isatty = lambda: tty

    def fileno(self):
        raise OSError("none")


def test_bars_are_of_what_the_encoding_has():
    assert terminal.Terminal(Stream("utf-8"), {}).bar(0.5, 4) == "██░░"
    plain = terminal.Terminal(Stream("ascii"), {})
    assert (plain.bar(0.999, 4), plain.bar(1.0, 4), plain.bar(-1, 2)) == ("###-", "####", "--")
    assert plain.fit("abcdef", 4) == "abc~"


@pytest.mark.parametrize("environ, tty, live, coloured", [
    ({"TERM": "xterm"}, True, True, True), ({"TERM": "xterm", "NO_COLOR": "1"}, True, True, False),
    ({"TERM": "xterm", "NO_COLOR": ""}, True, True, True), ({"TERM": "dumb"}, True, False, False),
    ({}, True, False, False), ({"TERM": "xterm"}, False, False, False)])
def test_colours_are_for_those_who_want_them(environ, tty, live, coloured):
    found = terminal.Terminal(Stream("utf-8", tty), environ)
    assert (found.live, found.coloured) == (live, coloured)
    assert found.paint("x", "red") == ("\x1b[31mx\x1b[0m" if coloured else "x")


# -- a pseudo-terminal ----------------------------------------------------------------------

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
            written = self.lines[self.row][:self.column]
            assert terminal.width_of(written) < self.columns, "%r would wrap" % written

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


class OnTerminal:
    """`dlserv.py` with these arguments on a pseudo-terminal of its own; a context manager."""

    LAST = b"\0"        # what the test writes when the program has ended

    def __init__(self, arguments, columns, lines=24, through=(), **environ):
        self.display = Display(columns)
        self.master, self.slave = pty.openpty()
        self.resize(columns, lines)
        self.before = termios.tcgetattr(self.slave)
        kept = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR")}
        environ = dict(dict(kept, TERM="xterm", PYTHONIOENCODING="utf-8"), **environ)
        self.popen = subprocess.Popen(
            list(through) + [sys.executable, os.path.join(ROOT, "dlserv.py")] + list(arguments),
            stdin=self.slave, stdout=self.slave, stderr=self.slave, env=environ, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
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
        """Wait until all of the words are on the display; gives its text."""
        def there():
            text = self.display.text
            return all(word in text for word in words) and text
        try:
            return until(there)
        except AssertionError:
            raise AssertionError("%r is not on the display:\n%s" % (words, self.display.text)) from None

    def end(self):
        """The exit code; everything that was written is on the display then."""
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


@pytest.fixture
def here(daemon, monkeypatch):
    with Server(daemon, "127.0.0.1", 0) as server:
        monkeypatch.setenv("DLSERV_URL", server.url)
        yield daemon


@pytest.mark.parametrize("columns", [80, 40, 24])
def test_a_list_fits(here, columns):
    here.add(NOWHERE + "a-very-long-name-" * 8, {"paused": True})
    here.add(NOWHERE + "漢字" * 40, {"paused": True})
    with OnTerminal(["list"], columns) as shown:
        assert shown.end() == 0
    lines = shown.display.text.splitlines()
    assert len(lines) == 3 and lines[0].startswith("ID") and lines[0].endswith("NAME")
    assert ("SPEED" in lines[0]) == (columns == 80)
    assert all(("paused" in line) == (columns > 24) for line in lines[1:])
    assert "a-very" in lines[1] and "漢字" in lines[2]
    assert ("\x1b[33mpaused" in shown.display.raw) == (columns > 24)


def test_no_color_and_dumb_terminals_get_none(here):
    here.add(NOWHERE, {"paused": True})
    for environ in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        with OnTerminal(["list"], 80, **environ) as shown:
            assert shown.end() == 0 and "\x1b" not in shown.display.raw and "paused" in shown.display.text


def test_a_person_is_told_what_was_done(here):
    with OnTerminal(["add", "--paused", NOWHERE + "x"], 80) as shown:
        assert shown.end() == 0
    tid = here.list()[0].tid
    assert shown.display.text == "%s %sx" % (tid[:8], NOWHERE)
    for command, words in ((["rm", tid], "1 task removed"), (["list"], "there are no tasks"),
                           (["pause", "all"], "0 tasks paused")):
        with OnTerminal(command, 80) as shown:
            assert shown.end() == 0 and shown.display.text == words


# -- watch ----------------------------------------------------------------------------------

@pytest.mark.parametrize("columns", [80, 40])
def test_watch_redraws_in_place(here, origin, columns):
    gate = Gate(after=20000)
    origin.put("/x.iso", DATA, script=[gate])
    here.add(NOWHERE + "waits", {"paused": True})
    tid = here.add(origin.url("/x.iso"), {"connections": 1})
    with OnTerminal(["watch"], columns) as shown:
        text = shown.shows("x.iso", "████░░░░░░░", "40.0%", "waits", "paused")
        assert ("SPEED" in text) == (columns == 80)
        assert text.splitlines()[0].endswith("1 downloading, 1 paused")
        assert not shown.display.cursor
        gate.open()
        here.wait(tid)
        text = shown.shows("100.0%", "1 paused, 1 finished")
        assert len(text.splitlines()) == 4      # it has not been written below
        here.delete(tid)
        until(lambda: "x.iso" not in shown.display.text)
        shown.type(b"q")
        assert shown.end() == 0 and shown.is_as_it_was
        assert "waits" in shown.display.text        # and what was last seen stays


@pytest.mark.parametrize("how, code", [(b"\x03", 130), (signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_however_watch_ends_the_terminal_is_as_it_was(here, how, code):
    here.add(NOWHERE, {"paused": True})
    with OnTerminal(["watch"], 80) as shown:
        shown.shows("paused")
        shown.type(how) if isinstance(how, bytes) else shown.popen.send_signal(how)
        assert shown.end() == code and shown.is_as_it_was
        assert "Traceback" not in shown.display.raw


def test_watch_can_be_stopped_and_continued(here):
    tid = here.add(NOWHERE, {"paused": True})
    with OnTerminal(["watch"], 80) as shown:
        shown.shows("paused")
        shown.type(b"\x1a")
        until(lambda: os.waitid(os.P_PID, shown.popen.pid, os.WSTOPPED | os.WNOHANG | os.WNOWAIT))
        until(lambda: shown.is_as_it_was)
        shown.popen.send_signal(signal.SIGCONT)
        here.delete(tid)
        shown.shows("no tasks")
        assert not shown.is_as_it_was
        shown.type(b"q")
        assert shown.end() == 0 and shown.is_as_it_was


def test_watch_in_the_background_leaves_the_terminal_alone(here):
    tid = here.add(NOWHERE, {"paused": True})
    with OnTerminal(["watch"], 240, through=["sh", "-mc", '"$@" & echo $!; wait $!', "sh"]) as shown:
        shown.shows(tid + "\tpaused")
        assert "\x1b" not in shown.display.raw and shown.is_as_it_was
        os.kill(int(shown.display.lines[0]), signal.SIGTERM)
        assert shown.end() == 143


def test_watch_fits_a_low_terminal_and_a_new_size(here):
    for number in range(30):
        here.add("%s%d" % (NOWHERE, number), {"paused": True})
    with OnTerminal(["watch"], 80, 10) as shown:
        assert len(shown.shows("and 25 more").splitlines()) == 8
        shown.resize(40, 20)
        shown.shows("and 15 more")
        assert "SPEED" not in shown.display.text.splitlines()[-17]
        shown.type(b"q")
        assert shown.end() == 0


def test_watch_says_that_the_connection_is_lost_and_comes_back(here, daemon):
    here.add(NOWHERE, {"paused": True})
    with Server(daemon, "127.0.0.1", 0) as server:
        address, port = server.url, server.server_address[1]
        watching = OnTerminal(["watch", "--url", address], 80)
        watching.shows("paused")
    with watching as shown:
        shown.shows("connection is lost")
        with Server(daemon, "127.0.0.1", port):
            until(lambda: "connection is lost" not in shown.display.text)
            shown.type(b"q")
            assert shown.end() == 0


# -- bars of wait and get -------------------------------------------------------------------

@pytest.mark.parametrize("columns", [80, 40])
def test_add_and_wait_shows_bars(here, origin, columns):
    gate = Gate(after=20000)
    origin.put("/x.iso", DATA, script=[gate])
    with OnTerminal(["add", "--wait", "--connections", "1", origin.url("/x.iso")], columns * 2) as shown:
        shown.shows("████░░░░░░░")
        gate.open()
        assert shown.end() == 0 and shown.is_as_it_was
    assert re.search("x.iso +finished +100.0%", shown.display.text)


@pytest.mark.parametrize("columns", [80, 40])
def test_get_shows_a_bar(origin, tmp_path, columns):
    gate = Gate(after=20000)
    origin.put("/x.iso", DATA, script=[gate])
    arguments = ["get", "-d", str(tmp_path), "--connections", "1", origin.url("/x.iso")]
    with OnTerminal(arguments, columns) as shown:
        shown.shows("x.iso", "████░░░░░░░", "40.0%")
        gate.open()
        assert shown.end() == 0 and shown.is_as_it_was
    assert re.fullmatch(r"x\.iso +finished +100\.0%.*", shown.display.text)
    assert (tmp_path / "x.iso").read_bytes() == DATA


def test_get_is_interrupted_from_the_keyboard(origin, tmp_path):
    origin.put("/x.iso", DATA, script=[Gate(after=20000)])
    with OnTerminal(["get", "-d", str(tmp_path), origin.url("/x.iso")], 80) as shown:
        shown.shows("40.0%")
        began = time.monotonic()
        shown.type(b"\x03")
        assert shown.end() == 130 and shown.is_as_it_was and time.monotonic() - began < 3
    assert shown.display.text.splitlines()[-1].endswith("the same command goes on from where it was")
