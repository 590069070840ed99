"""A machine for the tests of start-up files: the program and its folders in one place, and what it starts."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from dlserv.commands.catalogue import UNITS
from dlserv.commands.unit import FOR_USERS

HARD = "a b%c$d'e\"f\\g;#h&i<j>k`l{m}n:o,p \u00fc%%$$HOME"
PLAIN = "plain"


def need(*tools):
    """Skip aloud where a tool is missing."""
    for tool in tools:
        if shutil.which(tool) is None:
            pytest.skip("there is no %s here: the file was NOT read by it" % tool)


# Runs each of the lists of words in the JSON, and puts a NUL behind what it prints.
PRINTER = """import json, sys
program, words = sys.argv[1:]
sys.path.insert(0, program)
from dlserv import cli
for each in json.loads(words):
    assert cli.main(each) == 0
    print(end="\\0")
"""


class Box:
    """A machine with the program, its Python, its configuration and its folders in one place."""

    def __init__(self, folder, pyz, environ):
        self.folder, self._printed = folder, {}
        self.environ = dict(environ, HOME=str(folder / "home"), XDG_RUNTIME_DIR=str(folder.parent))
        for name in ("bin", "downloads", "state"):
            (folder / name).mkdir(parents=True)
        self.python, self.program = str(folder / "bin" / "python3"), str(folder / "bin" / "dlserv.pyz")
        os.symlink(os.path.realpath(sys.executable), self.python)
        shutil.copy(pyz, self.program)
        self.downloads, self.db = str(folder / "downloads"), str(folder / "state" / "dlserv.db")
        self.config = str(folder / "config.json")
        with open(self.config, "w", encoding="utf-8") as file:
            json.dump({"general": {"download_dir": self.downloads, "db_path": self.db}}, file)

    def clear(self):
        """Remove what a daemon has left."""
        for path in (self.downloads, os.path.dirname(self.db)):
            shutil.rmtree(path)
            os.mkdir(path)

    def unit(self, *arguments):
        """Return what `dlserv --port 0 unit` prints; one process prints the files of all kinds."""
        if not self._printed:
            kinds = [(kind,) for kind in UNITS] + [(kind, "--user") for kind in FOR_USERS]
            texts = self.units_now(*[("--port", "0", "unit", *each) for each in kinds])
            self._printed = dict(zip(kinds, texts))
        return self._printed[arguments]

    def units_now(self, *lists):
        """Return what `dlserv` prints with each of these lists of words, from one process, for all folders as now."""
        words = json.dumps([["-c", self.config, *each] for each in lists])
        return self._run("-c", PRINTER, self.program, words).split("\0")[:-1]

    def unit_now(self, *words):
        """Return what `dlserv` prints with these words while the folders are as they are now."""
        return self._run(self.program, "-c", self.config, *words)

    def _run(self, *arguments):
        done = subprocess.run([self.python, *arguments], env=self.environ, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=60)
        assert (done.returncode, done.stderr) == (0, b""), done
        return done.stdout.decode()

    @property
    def command(self):
        """The words that start the daemon."""
        return [self.python, self.program, "-c", self.config, "--port", "0", "--db", self.db,
                "--download-dir", self.downloads]


def run(arguments, **options):
    return subprocess.run(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60,
                          universal_newlines=True, encoding="utf-8", **options)


class Started:
    """A daemon that a start-up file has started: its API, once it listens."""

    def __init__(self, arguments, **options):
        self.popen = subprocess.Popen(arguments, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL,
                                      universal_newlines=True, encoding="utf-8", **options)
        line = next((each for each in self.popen.stdout if "listening on" in each), "")
        self.url = line.rpartition(" ")[2].strip()

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.popen.terminate()
        try:
            assert self.popen.wait(15) == 0
        finally:
            self.popen.kill()
            self.popen.wait()
            self.popen.stdout.close()
