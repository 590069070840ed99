"""A task as one line: sizes known and unknown, names with their extensions, reasons."""

import pytest

from dlserv.commands import rows
from dlserv.units import format_progress

KIB, MIB, GIB = 2 ** 10, 2 ** 20, 2 ** 30


@pytest.mark.parametrize("done, total, text", [
    (1.9 * GIB, 40 * GIB, "1.9 of 40 GiB"), (19 * MIB, 0, "19 MiB so far"), (40 * GIB, 40 * GIB, "40 GiB"),
    (0, 40 * GIB, "0 of 40 GiB"), (512, 999, "512 of 999 B"), (5, 0, "5 B so far"), (1, 1, "1 B"),
    (999.9 * KIB, 0, "1 MiB so far"), (99.9 * MIB, 99.94 * MIB, "99.9 of 99.9 MiB"),
    (150 * MIB, 900 * MIB, "150 of 900 MiB"), (5000 * GIB, 0, "4.9 TiB so far"),
    (1 * KIB, 2000 * 1024 * GIB, "0 of 2000 TiB"), (23.7 * MIB, 57.2 * MIB, "23.7 of 57.2 MiB")])
def test_progress_is_told_in_the_unit_of_the_whole(done, total, text):
    assert format_progress(int(done), int(total)) == text and len(text) <= 16


def row(**more):
    return dict({"tid": "ab" * 20, "state": "downloading", "percent": "0.0%", "total_bytes": 0, "speed": 0,
                 "eta": 0, "downloaded_bytes": 0, "filename": "", "name": "film.mkv", "title": "film",
                 "error": None}, **more)


def test_a_name_has_its_extension_and_folder():
    assert rows.name_of(row(filename="films/film.mkv")) == "films/film.mkv"
    assert rows.name_of(row()) == "film.mkv" and rows.name_of(row(name=None)) == "film"


@pytest.mark.parametrize("state, error, reason", [
    ("invalid", "it is gone", "it is gone"), ("queued", "it waits", "it waits"), ("queued", None, ""),
    ("downloading", "an old one", ""), ("finished", "odd", ""), ("invalid", "a\x1b[2Jb", "a\ufffd[2Jb")])
def test_a_reason_is_for_those_that_failed_or_wait(state, error, reason):
    assert rows.reason_of(row(state=state, error=error)) == reason


def test_a_line_for_scripts_has_seven_fields():
    line = rows.plain(row(state="invalid", error="no\tway", speed=1.7, total_bytes=5))
    assert line.split("\t") == ["ab" * 20, "invalid", "0.0%", "5", "1", "film.mkv", "no\ufffdway"]
