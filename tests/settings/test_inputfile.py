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


def test_our_own_retries_are_retries():
    assert read("http://h/a\n retries=3\n") == [("http://h/a", {"retries": 3})]


def test_blanks_around_urls_are_cut_and_those_inside_kept():
    assert read("http://h/a b \t http://h/a c\thttp://g/d \n") == [
        ("http://h/a b", {"mirrors": ["http://h/a%20c", "http://g/d"]})]
