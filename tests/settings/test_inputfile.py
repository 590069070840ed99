"""Lists of URLs: aria2's names and numbers, read as aria2 reads them."""

import pytest

from dlserv.errors import InvalidValue
from dlserv.settings import inputfile


def read(text):
    return [(entry.url, entry.options()) for entry in inputfile.read(text.encode(), "list", "--input")]


@pytest.mark.parametrize("tries, retries", [
    ("1", 0), ("2", 1), ("5", 4), ("0", 1000), ("1000", 999), ("1001", 1000), ("1002", 1000), ("007", 6),
    ("999999999", 1000)])
def test_max_tries_counts_tries_and_0_is_without_end(tries, retries):
    assert read("http://h/a\n max-tries=%s\n" % tries) == [("http://h/a", {"retries": retries})]
    assert read("http://h/a\n max_tries = %s \n" % tries) == [("http://h/a", {"retries": retries})]


@pytest.mark.parametrize("tries", ["-1", "", "many", "1.5", "1" * 10, "²"])
def test_max_tries_that_is_no_number_is_refused_by_its_name(tries):
    with pytest.raises(InvalidValue, match="^max-tries: "):
        read("http://h/a\n max-tries=%s\n" % tries)


def test_a_session_of_aria2_is_read_as_far_as_it_has_a_meaning_here():
    """As aria2 1.36 saves it: each entry has the gid, and all options of the command line and the file."""
    assert read("http://h/a?x=1\thttp://g/a\t\n gid=fd978ef72c5513ca\n max-tries=3\n dir=/home/me/Downloads\n"
                " dry-run=false\n max-connection-per-server=4\n force-save=true\n header=X: y\n header=Z: w\n"
                "http://h/b\t\n gid=ecf8b3ca515814b8\n split=64\n pause=true\n dir=films\n out=x2.iso\n") == [
        ("http://h/a?x=1", {"mirrors": ["http://g/a"], "retries": 2, "connections": 4,
                            "headers": {"X": "y", "Z": "w"}}),
        ("http://h/b", {"connections": 16, "paused": True, "dir": "films", "filename": "x2.iso"})]


@pytest.mark.parametrize("line", ["force-save=true", "dir=/home/me", "split=0", "split=many"])
def test_what_has_no_meaning_here_is_refused_in_a_list_of_ones_own(line):
    with pytest.raises(InvalidValue):
        read("http://h/a\n %s\n" % line)


def test_our_own_retries_are_retries():
    assert read("http://h/a\n retries=3\n") == [("http://h/a", {"retries": 3})]


@pytest.mark.parametrize("data", [
    b"[InternetShortcut]\r\nURL=http://h/%20a;b?c=1\r\n", b"\n[internetshortcut]\nurl = http://h/%20a;b?c=1",
    b"[{000214A0-0000-0000-C000-000000000046}]\r\nProp3=19,11\r\n[InternetShortcut]\r\nIDList=\r\n"
    b"URL=http://h/%20a;b?c=1\r\nIconFile=C:\\f\xfcr\\x.ico\r\n",
    b"[DEFAULT]\r\nBASEURL=http://no/\r\nURL=http://no/\r\n[InternetShortcut]\r\nURL=http://h/%20a;b?c=1\r\n"
    b"[Other]\r\nURL=http://no/",
    "\ufeff[InternetShortcut]\r\nURL=http://h/%20a;b?c=1\r\n".encode("utf-16-le"),
    b"\xef\xbb\xbf[InternetShortcut]\r\nURL=http://h/%20a;b?c=1\r\n",
    b"#!/usr/bin/env xdg-open\n\n[Desktop Entry]\nType=Link\nName[de]=\xc3\xbc\nURL[$e]=http://h/%20a;b?c=1\n",
    b"; made by hand\n  [Desktop Entry]\nURL=http://h/%20a;b?c=1\n[Desktop Action x]\nURL=http://no/"])
def test_shortcuts_are_read_as_their_desktops_write_them(data):
    assert [each.url for each in inputfile.read(data, "x", "list")] == ["http://h/%20a;b?c=1"]


@pytest.mark.parametrize("order", ["utf-16-le", "utf-16-be"])
def test_a_list_may_be_in_utf_16_as_windows_calls_text(order):
    entries = inputfile.read("\ufeffhttp://h/ä\r\n  out=ü\r\n".encode(order), "x", "list")
    assert [(each.url, each.options()) for each in entries] == [("http://h/ä", {"filename": "ü"})]


@pytest.mark.parametrize("data, words", [
    (b"http://h/\xfc", "x is not text in UTF-8"), (b"\xff\xfeh", "x is not text in UTF-8"),
    (b"[Other]\n\xfc=1", "x is not text in UTF-8"), (b"[InternetShortcut]\n[Other]\nURL=http://h/", "x has no URL"),
    (b"[Desktop Entry]\nType=Application\nExec=rm", "x has no URL"), (b"[InternetShortcut]\nURL=\n", "x has no URL")])
def test_what_is_no_list_is_refused_in_a_sentence(data, words):
    with pytest.raises(InvalidValue) as caught:
        inputfile.read(data, "x", "list")
    assert caught.value.reason.startswith(words)


def test_a_list_with_a_bracket_in_front_is_a_list():
    assert [each.url for each in inputfile.read(b"[1]\nhttp://h/a\n", "x", "list")] == ["[1]", "http://h/a"]


def test_blanks_around_urls_are_cut_and_those_inside_kept():
    assert read("http://h/a b \t http://h/a c\thttp://g/d \n") == [
        ("http://h/a b", {"mirrors": ["http://h/a%20c", "http://g/d"]})]
