"""Sizes, times and percentages as text, and back."""

import pytest

from dlserv.units import format_seconds, format_size, parse_retry_after, parse_size, percent


def test_retry_after_comes_in_two_forms():
    assert parse_retry_after("120") == 120
    assert parse_retry_after("Mon, 01 Jan 2024 00:00:10 GMT", now=1704067200) == 10
    assert parse_retry_after("Mon, 01 Jan 2024 00:00:10 GMT", now=1804067200) == 0
    for text in (None, "", "soon", "-5", "1.5", "9" * 20):
        assert parse_retry_after(text) is None


@pytest.mark.parametrize("text, count", [
    ("0", 0), ("1000", 1000), ("512K", 2 ** 19), ("2 MiB", 2 ** 21), ("1.5GiB", 3 * 2 ** 29), ("1tb", 2 ** 40)])
def test_a_size_has_powers_of_1024(text, count):
    assert parse_size(text) == parse_size(" %s " % text) == count


@pytest.mark.parametrize("text", ["", "x", "-1", "1e3", "5 X", "\u0661x", "1" * 21])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(ValueError, match="size"):
        parse_size(text)


@pytest.mark.parametrize("count, text", [
    (0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1023 * 1024, "1.0 MiB"), (150 * 2 ** 20, "150 MiB"),
    (5000 * 2 ** 40, "5000 TiB")])
def test_a_size_is_shown_in_three_digits(count, text):
    assert format_size(count) == text


def test_nothing_unfinished_reads_as_finished():
    assert percent(10 ** 12 - 1, 10 ** 12) == "99.9%" and percent(5, 5) == "99.9%" and percent(1, 0) == "0.0%"
    assert [format_seconds(each) for each in (0.2, 59, 60, 3599.5, 7500)] \
        == ["1 s", "59 s", "1 min 0 s", "1 h 0 min", "2 h 5 min"]
