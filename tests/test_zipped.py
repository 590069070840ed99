"""The .pyz in memory: what it finds and reads, and that each module is compiled once."""

import importlib.util
import os
import subprocess
import sys
import zipfile
import zipimport

import pytest

from dlserv import zipped

SOURCE = "def fail():\n    raise ValueError('it failed')\n"


CONTENTS = {"dlserv/extra/__init__.py": b"", "dlserv/extra/inner.py": SOURCE.encode(),
            "dlserv/extra/a name.txt": b"\n\n", "dlserv/web/page.html": "<p>é</p>".encode()}
WORDS = {b"\x80": b"fail", b"\r": b"    ", b"\0": b"raise"}


def made(path, members):
    """Make a zip file behind a line for the shell, as zipapp does; return its path."""
    with open(path, "wb") as file:
        file.write(b"#!/usr/bin/env python3\n")
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def sources(contents, words):
    packed = dict(contents)
    for code, word in words.items():
        packed = {name: data.replace(word, code) for name, data in packed.items()}
    index = b"".join(b"%d %s\n" % (len(data), name.encode()) for name, data in packed.items())
    legend = b"".join(code + word + b"\n" for code, word in words.items())
    return b"\n".join([index, legend, b"".join(packed.values())])


@pytest.fixture
def path(tmp_path):
    return made(str(tmp_path / "small.pyz"), {"dlserv/__init__.py": "", "sources": sources(CONTENTS, WORDS)})


@pytest.fixture
def finder(path):
    return zipped.Finder(path, sources(CONTENTS, WORDS))


def load(finder, name):
    module = importlib.util.module_from_spec(finder.find_spec(name))
    module.__spec__.loader.exec_module(module)
    return module


def test_a_module_is_loaded_though_the_file_has_gone(path, finder):
    os.unlink(path)
    module = load(finder, "dlserv.extra.inner")
    assert module.__file__ == os.path.join(path, "dlserv", "extra", "inner.py")
    assert module.__loader__.get_source("dlserv.extra.inner") == SOURCE
    with pytest.raises(ValueError, match="it failed"):
        module.fail()


def test_a_package_and_its_modules_are_found(path, finder):
    package = finder.find_spec("dlserv.extra")
    assert package.submodule_search_locations == [os.path.join(path, "dlserv", "extra")]
    assert finder.find_spec("dlserv.extra.inner").submodule_search_locations is None


@pytest.mark.parametrize("name", ["os", "dlserv", "dlserv.none", "dlserv.extra.none", "dlserver.extra"])
def test_what_is_not_in_the_package_is_left_to_others(finder, name):
    assert finder.find_spec(name) is None


def test_data_is_read_and_a_missing_part_named(path, finder):
    for name, data in CONTENTS.items():
        assert finder.read(os.path.join(path, *name.split("/"))) == data
    with pytest.raises(FileNotFoundError, match="web/none.html"):
        finder.read(os.path.join(path, "dlserv", "web", "none.html"))


def test_another_zip_file_of_the_package_is_left_alone(path, tmp_path):
    before = list(sys.meta_path)
    zipped.adopt(zipimport.zipimporter(made(str(tmp_path / "other.zip"), CONTENTS)))
    assert sys.meta_path == before
    try:
        zipped.adopt(zipimport.zipimporter(path))
        assert sys.meta_path[0].find_spec("dlserv.extra") is not None
    finally:
        sys.meta_path[:] = before


def test_the_daemon_s_modules_are_compiled_once_each(pyz):
    code = ("import collections, sys\n"
            "sys.path.insert(0, %r)\n"
            "compiled = collections.Counter()\n"
            "def hook(event, arguments):\n"
            "    if event == 'compile' and 'dlserv.pyz' in str(arguments[1]):\n"
            "        compiled[str(arguments[1])] += 1\n"
            "sys.addaudithook(hook)\n"
            "import dlserv.daemon, dlserv.api.server\n"
            "assert len(compiled) > 50, compiled\n"
            "print(sorted(name[-9:] for name in compiled if compiled[name] > 1))" % pyz)
    printed = subprocess.check_output([sys.executable, "-c", code]).decode()
    assert printed in ("[]\n", "['init__.py', 'zipped.py']\n")     # zipimport loads these two itself
