"""The annotations of the public surface are complete, and mypy finds no fault in them."""

import importlib
import inspect
import shutil
import subprocess

import pytest

from harness import ROOT

# A module with a public surface, and the classes that are it.
PUBLIC = {
    "client.rest": ["Client"],
    "engine.download": ["Download"],
    "state.store": ["Store", "Ticket"],
}


def public_functions(kind):
    for name, member in vars(kind).items():
        if not name.startswith("_") or name == "__init__":
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


@pytest.mark.skipif(shutil.which("mypy") is None, reason="mypy is not installed here")
def test_mypy_agrees(tmp_path):
    files = ["dlserv/%s.py" % module.replace(".", "/") for module in sorted(PUBLIC)]
    found = subprocess.run(["mypy", "--follow-imports=silent", "--cache-dir", str(tmp_path)] + files, cwd=ROOT,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert found.returncode == 0, found.stdout.decode()
