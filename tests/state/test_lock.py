"""One daemon at a time has a database."""

import os
import subprocess
import sys

import pytest

from dlserv.errors import StoreBroken
from dlserv.state.store import Store
from harness import ROOT


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "state" / "dlserv.db")


@pytest.fixture
def make(open_store, path, backend):
    """A function that opens the database."""
    return lambda: open_store(path, backend)


def test_a_second_one_is_refused_until_the_first_ends(make, path, backend):
    first = make()
    with pytest.raises(StoreBroken, match="in use by another dlserv"):
        Store(path, backend)
    code = "import sys; sys.path.insert(0, %r)\nfrom dlserv.state.store import Store\nStore(%r, %r)" % (ROOT, path, backend)
    refused = subprocess.run([sys.executable, "-c", code], stderr=subprocess.PIPE)
    assert b"in use by another dlserv" in refused.stderr
    first.close()
    make()


def test_a_link_to_a_database_in_use_is_that_database(make, path, backend):
    make()
    os.symlink(path, path + ".link")
    with pytest.raises(StoreBroken, match="in use by another dlserv"):
        Store(path + ".link", backend)
