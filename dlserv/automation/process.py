"""Run a command that may hang, fork or flood: bounded in time, with only the end of its output kept."""

import os
import selectors
import signal
import subprocess
import time
from collections import namedtuple

TAIL = 4096         # bytes of output that are kept
MUCH = 2 ** 20      # bytes of output, after which it is read slowly
LOOK = 0.1          # seconds between looks at the process
_PIECE = 2 ** 16


# code: the exit code, below 0 for a signal; output: its end; killed: it did not end by itself.
Result = namedtuple("Result", "code output killed")


def run(argv, given, environment, folder, seconds, stop):
    """Run the command in a session of its own and return its Result. Raise OSError.

    It gets the bytes `given` and ends with its first process; others of its group are killed when
    `seconds` are over, or the Flag `stop` is set.
    """
    import tempfile
    with tempfile.TemporaryFile() as file:      # no pipe, which might not be read
        file.write(given)
        file.seek(0)
        output = subprocess.PIPE if os.name == "posix" else subprocess.DEVNULL
        with subprocess.Popen(argv, stdin=file, stdout=output, stderr=subprocess.STDOUT, cwd=folder,
                              env=environment, bufsize=0, start_new_session=True) as process:
            return _Watched(process, time.monotonic() + seconds, stop).result()


class _Watched:
    """A process that runs, and the end of its output."""

    def __init__(self, process, deadline, stop):
        self._process, self._deadline, self._stop = process, deadline, stop
        self._output, self._count, self._selector = b"", 0, selectors.DefaultSelector()
        if process.stdout is not None:
            os.set_blocking(process.stdout.fileno(), False)
            self._selector.register(process.stdout, selectors.EVENT_READ)

    def result(self):
        """Return the Result once nothing of the process is left."""
        with self._selector:
            while self._is_alive() and not self._is_over():
                self._read(LOOK)
            killed = self._is_alive()
            if killed:
                self._kill()
            self._read(0)
            return Result(self._process.wait(), self._output[-TAIL:], killed)

    def _is_over(self):
        return self._stop.is_set() or time.monotonic() >= self._deadline

    def _is_alive(self):
        return self._process.poll() is None or self._has_children()

    def _read(self, seconds):
        """Read the output for so many seconds, slowly if there is a flood."""
        if not self._selector.get_map():
            time.sleep(seconds)
        elif self._selector.select(seconds):
            piece = self._process.stdout.read(_PIECE)
            if piece == b"":
                self._selector.unregister(self._process.stdout)
            self._output = (self._output + (piece or b""))[-TAIL:]
            self._count += len(piece or b"")
            if self._count > MUCH:
                time.sleep(LOOK / 4)

    def _has_children(self):
        """Return whether others are left in the group of the process, which has ended."""
        try:
            while os.waitpid(-self._process.pid, os.WNOHANG)[0]:
                pass            # process 1 inherits them, as in a container
        except (AttributeError, OSError):
            pass
        try:
            os.killpg(self._process.pid, 0)
            return True
        except (AttributeError, OSError):
            return False

    def _kill(self):
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except AttributeError:
            self._process.kill()
        except OSError:
            pass        # it has ended
