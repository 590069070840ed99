"""Shared by the tests of the commands: a daemon they find, commands in this process and in their own."""

import io
import os
import signal
import subprocess
import sys

import pytest

import forks
from listings import HTML
from startup import HARD, PLAIN, Box

from dlserv import Server, cli

NOWHERE = "http://127.0.0.1:1/"


@pytest.fixture(autouse=True)
def alone(monkeypatch, tmp_path):
    """No daemon, setting or signal handler of this machine's user."""
    for name in list(os.environ):
        if name.startswith(("DLSERV_", "XDG_", "STATE_DIRECTORY")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def run(capsysbinary, monkeypatch):
    """Run a command in this process; return (exit code, standard output, standard error)."""
    def run(*arguments, stdin=b"", binary=False):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        try:
            code = cli.main(arguments)
        except SystemExit as end:       # as argparse ends
            code = end.code
        out, err = capsysbinary.readouterr()
        return code, out if binary else out.decode(), err.decode()
    return run


@pytest.fixture
def here(daemon, monkeypatch):
    """The daemon that $DLSERV_URL names."""
    with Server(daemon, "127.0.0.1", 0) as server:
        monkeypatch.setenv("DLSERV_URL", server.url)
        yield daemon


@pytest.fixture
def three(here):
    """The tids of three paused tasks."""
    return [here.add(NOWHERE + name, {"paused": True}) for name in ("a.iso", "b.iso", "c.iso")]


@pytest.fixture
def start():
    """Start a command in a process of its own; it is ended afterwards."""
    started = []

    def start(*arguments, **options):
        files = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        started.append(forks.start(arguments, **files, **options))
        return started[-1]
    yield start
    for each in started:
        if each.poll() is None:
            each.kill()
        for file in (each.stdout, each.stderr):
            file.close()
        each.wait()


@pytest.fixture
def away(tmp_path, monkeypatch):
    """The folder that the command is run in."""
    path = tmp_path / "away"
    path.mkdir()
    monkeypatch.chdir(path)
    return path


@pytest.fixture
def shelf(origin):
    """A function that serves a page at a path, with a link to each of the references."""
    def shelf(path, *hrefs, before="", **options):
        page = before + "".join('<a href="%s">x</a>\n' % href.replace('"', "&quot;") for href in hrefs)
        return origin.put(path, page.encode(), headers=HTML, etag=None, modified=None, **options)
    return shelf


# -- for start-up files ---------------------------------------------------------------------

@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    """A function that returns the machine in the folder of this name, which is made once."""
    made = {}

    def machine(name, pyz, environ):
        if name not in made:
            made[name] = Box(tmp_path_factory.mktemp("box") / name, pyz, environ)
        made[name].clear()
        return made[name]
    return machine


@pytest.fixture(params=[HARD, PLAIN], ids=["hard", "plain"])
def box(request, machine, pyz, environ):
    """A machine whose paths are hard to quote, and one whose paths are not."""
    return machine(request.param, pyz, environ)


@pytest.fixture
def plain(machine, pyz, environ):
    return machine(PLAIN, pyz, environ)


@pytest.fixture
def put(tmp_path):
    """Put the text into a file of that name; return its path."""
    def put(name, text):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return str(path)
    return put
