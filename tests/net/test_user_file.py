"""Text files of the user: read again when they change, their odd lines told once."""

import logging
import os

import pytest

from dlserv.net.cookies import CookieFile
from dlserv.net.user_file import MOST_NAMED, UserFile, is_clean, lines
from harness import noise

DATA = noise(100000)


def cookie_of(request):
    return request.headers.get("cookie")


def test_what_is_skipped_is_told_once_for_all_tasks(origin, attempt, tmp_path, caplog):
    path = tmp_path / "cookies.txt"
    path.write_bytes(b"\xef\xbb\xbf127.0.0.1\tFALSE\t/\tFALSE\t0\tsid\t1\nsecret nonsense\n\xff\n")
    file = CookieFile()
    for name in ("/a", "/b"):
        origin.put(name, DATA)
        with caplog.at_level(logging.WARNING):
            attempt(origin.url(name), jar=file.read(str(path))).run()
    assert [cookie_of(request) for request in origin.requests] == ["sid=1"] * 2
    (record,) = caplog.records
    assert record.getMessage() == "skipped lines of %s that are not cookies: 2, 3" % path
    path.write_text("127.0.0.1\tFALSE\t/\tFALSE\t0\tsid\t22\n")
    assert [cookie.value for cookie in file.read(str(path))] == ["22"]


def test_an_unchanged_file_is_parsed_once(tmp_path):
    path, parsed = tmp_path / "file", []
    file = UserFile(lambda text: (parsed.append(text) or text, []), "lines")
    for text in ("one", "two", "three"):
        path.write_text(text)
        assert file.read(str(path)) == file.read(str(path)) == text
    assert parsed == ["one", "two", "three"]


def test_a_pipe_in_the_files_place_is_not_opened(tmp_path):
    os.mkfifo(str(tmp_path / "pipe"))
    with pytest.raises(OSError, match="not a regular file"):
        UserFile(lambda text: (text, []), "lines").read(str(tmp_path / "pipe"))


@pytest.mark.parametrize("count, end", [(MOST_NAMED, "9, 10"), (MOST_NAMED + 1, "9, 10 and 1 more")])
def test_the_log_names_a_few_lines_and_counts_the_rest(tmp_path, caplog, count, end):
    (tmp_path / "file").touch()
    UserFile(lambda text: (text, list(range(1, count + 1))), "lines").read(str(tmp_path / "file"))
    assert caplog.messages[0].endswith(" that are not lines: 1, 2, 3, 4, 5, 6, 7, 8, " + end)


def test_only_line_ends_end_a_line():
    assert lines("a\r\nb\rc\x0bd\u2028e\n") == [(1, "a"), (2, "b"), (3, "c\x0bd\u2028e"), (4, "")]
    assert [is_clean(text) for text in ("a\u2028", "a\0", "\x7f", "\udcff")] == [True, False, False, False]
