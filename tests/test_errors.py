"""The exceptions: the sentence and the word of each, and what is kept of one that is collected."""

import pytest

from dlserv import errors
from dlserv.errors import Archived, Error, Exists, InvalidValue, NoSpace, Permanent, Temporary, Unwritable, reason_of


def test_what_a_server_says_is_cleaned_and_cut():
    error = Temporary("a\x1b[2Jb \r\n  c" + "x" * 500, 3.0, 503)
    assert str(error).startswith("a [2Jb cx") and len(str(error)) == 300
    assert (error.retry_after, error.status, error.word) == (3.0, 503, "http")


@pytest.mark.parametrize("error, word", [
    (Permanent("x", 404), "not_found"), (Permanent("x", 401), "auth"), (Permanent("x", 418), "http"),
    (Permanent("x", word="ftp"), "ftp"), (Permanent("x"), "http"), (NoSpace("x"), "no_space"),
    (Unwritable("x"), "disk"), (ValueError("x"), None)])
def test_a_failure_has_a_word(error, word):
    assert reason_of(error) == word and (word is None or word in errors.REASONS)


def test_a_cause_has_the_word_that_an_error_lacks():
    error = Temporary("the proxy failed")
    error.__cause__ = Permanent("x", 403)
    assert reason_of(error) == "auth"


def test_a_collected_error_keeps_no_frames():
    try:
        try:
            raise KeyError("x")
        except KeyError as cause:
            raise InvalidValue("url", "is missing") from cause
    except InvalidValue as error:
        bare = error.bare()
    assert bare.__traceback__ is bare.__cause__ is bare.__context__ is None
    assert (str(bare), bare.key, bare.reason) == ("url: is missing", "url", "is missing")


def test_who_asks_for_a_known_url_learns_its_task():
    assert isinstance(Archived("tid", "2026-01-31"), Exists) and Archived("tid", "2026-01-31").tid == "tid"
    assert "2026-01-31" in str(Archived("tid", "2026-01-31")) and Exists("t").tid == "t"


def test_every_exception_has_a_family():
    families = (errors.RequestError, errors.TransferError, errors.LocalError, errors.ClientError, errors.Stopped)
    for each in vars(errors).values():
        if isinstance(each, type) and issubclass(each, Error) and each is not Error:
            assert issubclass(each, families), each
