"""Disks that fail: a library between a daemon and its disk, and small disks that are mounted."""

import errno
import os
import shutil
import subprocess
import sys

import pytest

from harness import SharedProcess, adjusted

# The command of a daemon that flushes often, and looks at its disk ten times a second.
HASTY = adjusted("from dlserv.tasks.checkpointer import Checkpointer\n"
                 "from dlserv.tasks.waits import Waits\n"
                 "Checkpointer.FLUSH_EVERY, Checkpointer.EVERY, Waits.BEAT = 0.3, 0.1, 0.1\n")
SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "faulty_disk.c")


class FaultyDisk:
    """Faults for the processes that are started with `environ`; see faulty_disk.c."""

    def __init__(self, library, folder):
        self._folder = folder
        self.environ = {"LD_PRELOAD": library, "FAULTY_DISK": str(folder)}

    def fail(self, call, suffix, error, *words):
        """Let the call fail with this errno, or its name, for paths with this suffix."""
        number = getattr(errno, error) if isinstance(error, str) else error
        self._write(call, "%s %d %s" % (suffix, number, " ".join(words)))

    def delay(self, call, suffix, seconds):
        """Let the call take its time."""
        self._write(call, "%s 0 %d" % (suffix, 1000 * seconds))

    def set(self, name, text):
        """Set `keep` or `name_max`."""
        self._write(name, text)

    def mend(self, call):
        """Let the call work again."""
        (self._folder / call).unlink()

    def fails(self, call):
        """True until a fault that comes once has come."""
        return (self._folder / call).exists()

    def clear(self):
        """Mend everything and forget what was kept."""
        for path in list(self._folder.iterdir()):
            path.unlink()

    @property
    def is_busy(self):
        """True while a call takes its time."""
        return (self._folder / "busy").exists()

    @property
    def flushed_bytes(self):
        """The bytes of the kept file that were good at its last flush."""
        return max([path.stat().st_size for path in self._folder.glob("good.*")], default=0)

    def _write(self, name, text):
        new = self._folder / (name + ".new")
        new.write_text(text)
        new.rename(self._folder / name)


@pytest.fixture(scope="session")
def faulty_disk_library(tmp_path_factory):
    compiler = shutil.which("cc") or shutil.which("gcc")
    if not sys.platform.startswith("linux") or compiler is None:
        pytest.skip("a failing disk is made by a C compiler on Linux")
    path = str(tmp_path_factory.mktemp("faulty") / "faulty_disk.so")
    made = subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-o", path, SOURCE, "-ldl"], stderr=subprocess.PIPE)
    if made.returncode:
        pytest.skip("the failing disk cannot be made here: %s" % made.stderr.decode().strip())
    return path


@pytest.fixture
def faulty_disk(faulty_disk_library, tmp_path):
    folder = tmp_path / "faults"
    folder.mkdir()
    return FaultyDisk(faulty_disk_library, folder)


class FaultyDaemon(SharedProcess):
    """A daemon whose downloads go to a disk that fails: `disk`."""

    def __init__(self, path, library):
        faults = path / "faults"
        faults.mkdir()
        self.disk = FaultyDisk(library, faults)
        super().__init__(path, "--log-level", "warning", command=HASTY,
                         environ=dict(os.environ, **self.disk.environ))

    def clear(self):
        self.disk.clear()
        super().clear()


@pytest.fixture
def faulty(common, faulty_disk_library):
    """The FaultyDaemon that the tests of a module share, without a fault, a task or a file."""
    return common(FaultyDaemon, faulty_disk_library)


def run(*command):
    """Run a command that must work."""
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def need_root():
    if not sys.platform.startswith("linux") or os.geteuid() or not shutil.which("mount"):
        pytest.skip("only root on Linux may mount a small disk")


class SmallDisk:
    """A file system in memory at `path`, as a context manager."""

    def __init__(self, path, size="1m"):
        self.path, self._size = str(path), size

    def __enter__(self):
        need_root()
        os.makedirs(self.path, exist_ok=True)
        try:
            run("mount", "-t", "tmpfs", "-o", "size=" + self._size, "none", self.path)
        except subprocess.CalledProcessError as error:
            pytest.skip("root may not mount a disk here: %s" % error.stderr.decode().strip())
        return self

    def __exit__(self, *exc_info):
        subprocess.run(["umount", "-l", self.path], stderr=subprocess.DEVNULL)

    def fill(self):
        """Leave no byte free. Return the path of the file that takes the room."""
        junk = os.path.join(self.path, "junk")
        with open(junk, "ab", buffering=0) as file:
            try:
                while file.write(bytes(4096)):
                    pass
            except OSError as error:
                assert error.errno == errno.ENOSPC
        return junk

    def resize(self, size):
        run("mount", "-o", "remount,size=" + size, self.path)
