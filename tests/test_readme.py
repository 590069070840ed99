"""README's tour of the interface, taken as it stands."""

import os
import re
import shutil
import subprocess

import pytest

from harness import ROOT, noise, until
from servers.origin import Gate


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
