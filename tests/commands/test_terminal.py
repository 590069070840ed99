"""Widths, colours, bars and tables; on a real pseudo-terminal see test_on_terminal.py."""

import io

import pytest

from dlserv import units
from dlserv.commands import terminal
from dlserv.commands.terminal import Column, Table


@pytest.mark.parametrize("text, columns", [
    ("abc", 3), ("", 0), ("漢字", 4), ("e\u0301", 1), ("ｆｕｌｌ", 8), ("🎉", 2), ("ü", 1)])
def test_width_is_what_a_terminal_takes(text, columns):
    assert terminal.width_of(text) == columns


@pytest.mark.parametrize("text, columns, fitted", [
    ("abc", 5, "abc  "), ("abcdef", 5, "abcd…"), ("漢字漢字", 5, "漢字…"), ("漢字漢字", 6, "漢字… "),
    ("漢字", 4, "漢字"), ("abc", 1, "…"), ("abc", 0, ""), ("e\u0301abc", 3, "e\u0301a…")])
def test_text_is_fitted(text, columns, fitted):
    assert terminal.fit(text, columns) == fitted and terminal.width_of(fitted) == columns


def test_numbers_stand_on_the_right():
    assert terminal.fit("12", 5, right=True) == "   12"


@pytest.mark.parametrize("text, columns, lines", [
    ("", 5, []), ("  ", 5, []), ("ab cd ef", 5, ["ab cd", "ef"]), ("ab cd ef", 8, ["ab cd ef"]),
    ("abcdefgh", 3, ["abc", "def", "gh"]), ("a bcdefgh i", 4, ["a", "bcde", "fgh", "i"]),
    ("漢字漢字", 5, ["漢字", "漢字"]), ("漢字", 1, ["漢", "字"])])
def test_text_is_wrapped_between_words_where_that_is_possible(text, columns, lines):
    assert terminal.wrap(text, columns) == lines


@pytest.mark.parametrize("char", list(
    "\x00\x07\b\t\n\r\x1b\x7f\x85\x9b\u200b\u200f\u2028\u202e\u2066\ud800\ufeff"))
def test_characters_that_steer_are_taken_out(char):
    assert units.clean("a%sb" % char) == "a\ufffdb"
    assert units.clean("漢 é 🎉 b") == "漢 é 🎉 b"


class Stream(io.TextIOWrapper):
    def __init__(self, encoding, tty=True):
        super().__init__(io.BytesIO(), encoding=encoding)
        self.isatty = lambda: tty

    def fileno(self):
        raise OSError("none")


def test_bars_are_of_characters_that_the_encoding_has():
    assert terminal.Terminal(Stream("utf-8"), {}).bar(0.5, 4) == "██░░"
    plain = terminal.Terminal(Stream("ascii"), {})
    assert (plain.bar(0.999, 4), plain.bar(1.0, 4), plain.bar(-1, 2)) == ("###-", "####", "--")
    assert plain.fit("abcdef", 4) == "abc~" and plain.fit("–", 2) == "- "


def test_a_moving_bar_goes_to_and_fro():
    plain = terminal.Terminal(Stream("ascii"), {})
    bars = [plain.moving_bar(step / 5, 11) for step in range(36)]
    assert all(len(bar) == 11 and bar.count("#") == 2 and "##" in bar for bar in bars)
    assert {bar.index("#") for bar in bars} == set(range(10))
    assert all(abs(one.index("#") - two.index("#")) <= 1 for one, two in zip(bars, bars[1:]))


@pytest.mark.parametrize("environ, tty, live, coloured", [
    ({"TERM": "xterm"}, True, True, True), ({"TERM": "xterm", "NO_COLOR": "1"}, True, True, False),
    ({"TERM": "xterm", "NO_COLOR": ""}, True, True, True), ({"TERM": "dumb"}, True, False, False),
    ({}, True, False, False), ({"TERM": "xterm"}, False, False, False)])
def test_colours_are_for_those_who_want_them(environ, tty, live, coloured):
    found = terminal.Terminal(Stream("utf-8", tty), environ)
    assert (found.live, found.coloured) == (live, coloured)
    assert found.paint("x", "red") == ("\x1b[31mx\x1b[0m" if coloured else "x")


def test_a_table_of_known_rows_is_as_wide_as_they_need():
    columns = (Column("A", 9, lambda row: row[0]), Column("BB", 9, lambda row: row[1], right=True),
               Column("C", 9, lambda row: row[2]), Column("NAME", 0, lambda row: "x"))
    table = Table(terminal.Terminal(Stream("utf-8", False), {}), columns, ("A", "BB", "C"), 16,
                  [("1234", "", ""), ("", "1", "")])
    assert table.heading().split() == ["A", "BB", "NAME"]      # nothing is in C
    assert table.line(("", "1", "")) == "      1 x"
