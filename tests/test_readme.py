"""README: its tour as it stands, its quick start, and the names that its prose mentions."""

import os
import re
import shutil
import subprocess

import pytest

import forks
from harness import ROOT, noise, until
from servers.origin import Gate

from dlserv import Client, Daemon, errors
from dlserv.commands.parser import find


def steps():
    """[(command, answer), …] of the tour."""
    with open(os.path.join(ROOT, "README"), encoding="utf-8") as file:
        tour = file.read().partition("A tour in five lines")[2].partition("`http://localhost:6880/`")[0]
    return re.findall(r"^    \$ (.*)\n    (.*)$", tour, re.MULTILINE)


def without_figures(answer):
    return re.sub(r"\d+(\.\d+)?", "N", re.sub("[0-9a-f]{40}", "TID", answer.strip()))


@pytest.mark.skipif(shutil.which("curl") is None or os.name == "nt", reason="the tour wants curl and a shell")
def test_the_tour_prints_what_readme_shows(process, origin):
    gate = Gate(after=60000)
    origin.put("/debian.iso", noise(300000), script=[gate])
    daemon = process()
    environ, shown, printed = dict(os.environ, no_proxy="*"), [], []
    for command, answer in steps():
        command = command.replace("http://localhost:8000", origin.url()).replace(
            "localhost:6880", daemon.url.partition("//")[2])
        done = subprocess.run(["sh", "-c", command], env=environ, stdout=subprocess.PIPE, check=True)
        shown.append(without_figures(answer))
        printed.append(without_figures(done.stdout.decode()))
        if "TID" not in environ:
            environ["TID"] = re.search("[0-9a-f]{40}", done.stdout.decode()).group()
            until(lambda: daemon.api.status(environ["TID"])["downloaded_bytes"])
    assert len(shown) == 5 and printed == shown


def readme():
    with open(os.path.join(ROOT, "README"), encoding="utf-8") as file:
        return file.read()


def test_the_flags_that_readme_names_are_those_of_get():
    table = readme().partition("| you want ")[2].partition("\n\n")[0]
    lines = [re.findall("`(.*?)`", line) for line in table.splitlines()]
    named = [words.split() for line in lines for words in line]
    flags = {word for words in named for word in words if word.startswith("-") and word != "-"}
    get = find("get")
    known = {flag for argument in get.arguments for flag in argument.flags + tuple(argument.aliases)}
    assert len(flags) > 15 and flags - known == {"-qO-"}


def test_the_methods_that_readme_names_are_those_of_the_client():
    table = readme().partition("| method                                   |")[2].partition("\n\n")[0]
    named = re.findall(r"`(\w+)[(`]", table)
    public = {name for name in dir(Client) if not name.startswith("_")} - {"close", "request", "stream"}
    assert sorted(named) == sorted(public)


def test_the_names_for_embedders_are_there(daemon):
    table, _, rest = readme().partition("| method of a Daemon ")[2].partition("\n\n")
    methods = re.findall(r"`(\w+)[(`]", "\n".join(line.rpartition("|")[0].partition(" | ")[0]
                                                 for line in table.splitlines()))
    assert len(methods) > 15 and all(callable(getattr(Daemon, name)) for name in methods)
    task = daemon.get(daemon.add("http://127.0.0.1:1/x.iso", {"paused": True}))
    attributes = re.findall("`(\\w+)`", rest.partition("It has ")[2].partition("0.0 for never")[0])
    assert len(attributes) > 15 and all(hasattr(task, name) for name in attributes)
    raised = set(re.findall(r"\b[A-Z]\w+", table.partition("|-")[2])) 
    raised -= {"Task", "Tasks", "GET", "TimeoutError", "None", "False"}
    assert raised and all(issubclass(getattr(errors, name), errors.Error) for name in raised)


def test_the_quick_start_starts_a_daemon_that_others_can_reach(process, tmp_path):
    """With a token that is printed once, and that the commands then need."""
    daemon = process("--host", "0.0.0.0", environ=dict(os.environ, XDG_RUNTIME_DIR=str(tmp_path)))
    token = re.search(r"^    (\S{20,})$", daemon.log, re.MULTILINE).group(1)
    environ = {name: value for name, value in os.environ.items() if not name.startswith("DLSERV_")}
    url = "http://127.0.0.1:" + daemon.url.rpartition(":")[2]
    for more, code in (({"XDG_RUNTIME_DIR": str(tmp_path)}, 0), ({"DLSERV_URL": url, "DLSERV_TOKEN": token}, 0),
                       ({"DLSERV_URL": url}, 4)):
        done = forks.run(["list"], env=dict(environ, **more))
        assert done.returncode == code, done.stderr
