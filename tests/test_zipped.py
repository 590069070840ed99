"""The .pyz in memory: what it finds and reads, and that it compiles nothing twice."""

import importlib.util
import os
import subprocess
import sys
import zipfile
import zipimport

import pytest

from dlserv import zipped

SOURCE = "def fail():\n    raise ValueError('it failed')\n"


@pytest.fixture(params=[zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED], ids=["stored", "deflated"])
def path(request, tmp_path):
    """A zip file behind a line for the shell, as zipapp makes them."""
    path = str(tmp_path / "small.pyz")
    with open(path, "wb") as file:
        file.write(b"#!/usr/bin/env python3\n")
    with zipfile.ZipFile(path, "a", request.param) as made:
        for name in ("dlserv/__init__.py", "dlserv/extra/__init__.py"):
            made.writestr(name, "")
        made.writestr("dlserv/extra/inner.py", SOURCE)
        made.writestr("dlserv/web/page.html", "<p>é</p>")
    return path


def load(finder, name):
    module = importlib.util.module_from_spec(finder.find_spec(name))
    module.__spec__.loader.exec_module(module)
    return module


def test_a_module_is_loaded_though_the_file_has_gone(path):
    finder = zipped.Finder(path)
    os.unlink(path)
    module = load(finder, "dlserv.extra.inner")
    assert module.__file__ == os.path.join(path, "dlserv", "extra", "inner.py")
    assert module.__loader__.get_source("dlserv.extra.inner") == SOURCE
    with pytest.raises(ValueError, match="it failed"):
        module.fail()


def test_a_package_and_its_modules_are_found(path):
    finder = zipped.Finder(path)
    package = finder.find_spec("dlserv.extra")
    assert package.submodule_search_locations == [os.path.join(path, "dlserv", "extra")]
    assert finder.find_spec("dlserv.extra.inner").submodule_search_locations is None


@pytest.mark.parametrize("name", ["os", "dlserv", "dlserv.none", "dlserv.extra.none", "dlserver.extra"])
def test_what_is_not_in_the_package_is_left_to_others(path, name):
    assert zipped.Finder(path).find_spec(name) is None


def test_data_is_read_and_a_missing_part_named(path):
    finder = zipped.Finder(path)
    assert finder.read(os.path.join(path, "dlserv", "web", "page.html")) == "<p>é</p>".encode()
    with pytest.raises(FileNotFoundError, match="web/none.html"):
        finder.read(os.path.join(path, "dlserv", "web", "none.html"))


def test_only_a_zip_file_is_adopted(path):
    before = list(sys.meta_path)
    zipped.adopt(__loader__)
    zipped.adopt(None)
    assert sys.meta_path == before
    try:
        zipped.adopt(zipimport.zipimporter(path))
        assert sys.meta_path[0].find_spec("dlserv.extra") is not None
    finally:
        sys.meta_path[:] = before


def test_the_daemon_s_modules_are_compiled_once_each(pyz):
    code = ("import collections, sys, zipimport\n"
            "sys.path.insert(0, %r)\n"
            "compiled = collections.Counter()\n"
            "def hook(event, arguments):\n"
            "    if event == 'compile' and 'dlserv.pyz' in str(arguments[1]):\n"
            "        compiled[str(arguments[1])] += 1\n"
            "from dlserv import zipped\n"
            "zipped.adopt(zipimport.zipimporter(%r))\n"
            "sys.addaudithook(hook)\n"
            "import dlserv.daemon, dlserv.api.server\n"
            "assert len(compiled) > 50, compiled\n"
            "print(max(compiled.values()))" % (pyz, pyz))
    assert subprocess.check_output([sys.executable, "-c", code]) == b"1\n"
