"""Commands that hang, fork or flood: how they end, and what is left of their output."""

import os
import sys
import threading
import time

import pytest

from dlserv.automation import process
from harness import until

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs process groups")


@pytest.fixture
def run(tmp_path):
    """A function that runs a command in tmp_path."""
    def run(*argv, given=b"", seconds=30, stop=None):
        stop = stop or threading.Event()
        return process.run(argv, given, dict(os.environ, GIVEN="given"), str(tmp_path), seconds, stop)
    return run


def is_gone(pid):
    """Return whether no process, or only a zombie, has this id."""
    try:
        with open("/proc/%s/stat" % pid) as file:
            return file.read().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def test_it_gets_its_input_and_variables_and_runs_in_the_folder(run, tmp_path):
    result = run("sh", "-c", 'cat; echo " $GIVEN $(pwd -P)"; exit 7', given=b"input")
    assert result == (7, b"input given %s\n" % os.path.realpath(str(tmp_path)).encode(), False)


def test_both_of_its_outputs_are_kept_in_order(run):
    assert run("sh", "-c", "echo one; echo two >&2; echo three").output == b"one\ntwo\nthree\n"


@pytest.mark.parametrize("count", [process.TAIL, process.TAIL + 1, process.MUCH + 5])
def test_the_end_of_much_output_is_kept(run, count):
    result = run(sys.executable, "-c", "print('x' * %d + 'the end', end='')" % count)
    assert result.code == 0 and result.output == b"x" * (process.TAIL - 7) + b"the end"


def test_a_program_that_is_not_there_is_an_error(run, tmp_path):
    with pytest.raises(OSError):
        run(str(tmp_path / "none"))


@pytest.mark.parametrize("ending", ["wait", "exit 3"])
def test_its_children_are_killed_when_its_time_is_over(run, tmp_path, ending):
    """Whether it waits for them, or has left them behind."""
    result = run("sh", "-c", "sleep 600 & echo $! >child; echo begun; " + ending, seconds=0.5)
    assert result == (-9 if ending == "wait" else 3, b"begun\n", True)
    until(lambda: is_gone((tmp_path / "child").read_text().strip()))


def test_it_ends_with_its_first_process_and_its_children(run):
    result = run("sh", "-c", "{ sleep 0.3; echo late; } & echo early")
    assert result == (0, b"early\nlate\n", False)


def test_a_stop_kills_it_at_once(run, tmp_path):
    stop, results, began = threading.Event(), [], time.monotonic()
    command = ("sh", "-c", "echo x >begun; sleep 600")
    thread = threading.Thread(target=lambda: results.append(run(*command, stop=stop)))
    thread.start()
    until((tmp_path / "begun").exists)
    stop.set()
    thread.join()
    assert results == [(-9, b"", True)] and time.monotonic() - began < 30
