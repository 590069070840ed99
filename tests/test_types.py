"""The annotations of the public surface are complete, and mypy finds no fault in them."""

import functools
import importlib
import inspect
import os
import shutil
import subprocess

import pytest

from harness import ROOT

# A module with a public surface, and the classes that are it: what dlserv names, and the classes of
# the objects that these hand out.
PUBLIC = {
    "api.server": ["Server"],
    "client.rest": ["Client"],
    "client.transport": ["Transport", "Stream", "Event"],
    "configuration": ["Configuration"],
    "daemon": ["Daemon"],
    "engine.download": ["Download"],
    "state.store": ["Store", "Ticket"],
    "tasks.events": ["Events", "Changes", "Subscription", "Event"],
    "tasks.fields": ["Fields"],
    "tasks.figures": ["Figures"],
    "tasks.removal": ["Removal"],
    "tasks.report": ["Report"],
    "tasks.task": ["Task"],
}
needs_mypy = pytest.mark.skipif(shutil.which("mypy") is None, reason="mypy is not installed here")

EMBEDDING = """
from typing import BinaryIO
from dlserv import Client, Daemon, Server, __version__

with Daemon({"general": {"download_dir": "/srv", "db_path": "/srv/.dlserv.db"}}) as daemon:
    tid: str = daemon.add("https://example.org/file.iso", {"priority": 1})
    task = daemon.wait(tid, timeout=5)
    names: str = task.filename + task.tmpfilename + task.name + task.title + task.tid + task.url + task.state
    times: float = task.create_time + task.start_time + task.pause_time + task.finish_time + task.eta
    counts: int = task.downloaded + task.total + task.connections + task.retries
    words: "list[str | None]" = [task.error, task.reason, task.resource.url if task.resource else None,
                                 task.file.checksum if task.file else None]
    states: "dict[str, int]" = daemon.counts()
    for each in daemon.list("finished"):
        deleted: "list[str]" = daemon.delete(each.tid, del_file=True).deleted
    tids, refused = daemon.add_all([("https://example.org/2", None, ())])
    for other, error in refused + daemon.pause_all(tids) + daemon.delete_all(tids)[1]:
        print(other + str(error))
    daemon.pause(tid)
    daemon.change(tid, posted={"priority": None})
    daemon.move(tid, "top")
    opened: BinaryIO = daemon.open_file(tid)[1]
    daemon.configure({"download": {"ratelimit": "1M"}})
    with daemon.subscribe() as events:
        event = events.get(timeout=1)
        print(event.kind + event.tid if event is not None else daemon.stats()["speed"])
    with Server(daemon, "127.0.0.1", 6880) as server:
        print(server.url + __version__)
with Client("http://localhost:6880", token=None) as client:
    print(client.wait(client.add("https://example.org/file.iso", priority=1))["state"])
    with client.events() as stream:
        for change in stream:
            print(change.kind, change.data["tid"])
"""

WRONG = ["daemon.get(5)", "daemon.add(None)", "daemon.lsit()", "Server('a daemon')", "Daemon('/srv')",
         "daemon.wait(tid).state + 1", "daemon.act('pause')", "client.add(b'http://h/')"]


def public_functions(kind):
    for name, member in vars(kind).items():
        if not name.startswith("_") or name == "__init__":
            member = member.func if isinstance(member, functools.partialmethod) else member
            function = member.fget if isinstance(member, property) else getattr(member, "__func__", member)
            if inspect.isfunction(function):
                yield function


@pytest.mark.parametrize("module", sorted(PUBLIC))
def test_the_public_surface_is_annotated(module):
    for name in PUBLIC[module]:
        for function in public_functions(getattr(importlib.import_module("dlserv." + module), name)):
            missing = set(inspect.signature(function).parameters) - {"self", "cls"} - set(function.__annotations__)
            assert not missing, function.__qualname__
            assert "return" in function.__annotations__ or function.__name__ == "__init__", function.__qualname__


def mypy(*arguments):
    return subprocess.run(("mypy", "--follow-imports=silent") + arguments, cwd=ROOT, env=dict(os.environ, MYPYPATH=ROOT),
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


@needs_mypy
def test_mypy_agrees(tmp_path):
    files = ["dlserv/%s.py" % module.replace(".", "/") for module in sorted(PUBLIC)]
    found = mypy("--disallow-incomplete-defs", "--cache-dir", str(tmp_path), *files)
    assert found.returncode == 0, found.stdout.decode()


@needs_mypy
def test_a_program_that_embeds_it_passes_the_strict_check(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(EMBEDDING)
    found = mypy("--strict", "--cache-dir", str(tmp_path / "cache"), str(program))
    assert found.returncode == 0, found.stdout.decode()
    program.write_text(EMBEDDING + "\n".join(WRONG) + "\n")
    found = mypy("--strict", "--cache-dir", str(tmp_path / "cache"), str(program))
    first = EMBEDDING.count("\n") + 1
    for number, line in enumerate(WRONG, first):
        assert "program.py:%d: error:" % number in found.stdout.decode(), line


def test_the_package_says_that_it_is_typed():
    assert os.path.getsize(os.path.join(ROOT, "dlserv", "py.typed")) == 0
