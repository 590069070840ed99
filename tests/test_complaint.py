"""Complaints: told once in the log."""

import errno
import logging

import pytest

from dlserv.complaint import Complaint


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def complaint(clock):
    return Complaint(logging.getLogger("dlserv.test"), clock)


def test_a_state_is_told_once_while_it_lasts(complaint, clock, caplog):
    for _ in range(100):
        complaint.tell("there is no more of it")
        clock.now += 10
    assert caplog.text.count("there is no more of it") == 1


def test_a_state_that_comes_and_goes_is_told_once_a_minute(complaint, clock, caplog):
    for _ in range(100):
        complaint.tell("no threads")
        complaint.tell("no memory")
        complaint.over()
        clock.now += 1
    assert caplog.text.count("no threads") == caplog.text.count("no memory") == 2


def test_another_error_is_told_with_its_traceback(complaint, caplog):
    for error in (ValueError("one"), ValueError("one"), ValueError("two")):
        try:
            raise error
        except ValueError as caught:
            complaint.tell("a bug", caught)
    assert caplog.text.count("a bug") == caplog.text.count("Traceback") == 2


def test_a_limit_of_the_system_is_not_called_a_bug(complaint, caplog):
    complaint.tell("a bug", OSError(errno.EMFILE, "Too many open files"))
    assert "allows this program no more open files" in caplog.text and "a bug" not in caplog.text


def test_it_needs_no_memory():
    class Log:
        def error(self, *arguments, **options):
            raise MemoryError()

    complaint = Complaint(Log())
    complaint.tell("there is none")
    complaint.over()
