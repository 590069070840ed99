"""What the tests of the database share: where it is, its clock, and the bytes of its records."""

import contextlib

import pytest

from clock import START, Clock

from dlserv.state.journal import JournalMapping
from dlserv.state.sqlite import SqliteMapping


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "dlserv.db")


@pytest.fixture
def clock():
    return Clock(START)


@pytest.fixture
def make(open_store, path, backend, clock):
    """A function that opens the database."""
    return lambda: open_store(path, backend, clock)


@pytest.fixture
def kind(backend):
    """The class of the Mapping below the Store."""
    return {"sqlite": SqliteMapping, "file": JournalMapping}[backend]


@pytest.fixture
def raw(path, kind):
    """A function that opens the bytes of a database which no Store has open; changes are on disk afterwards."""
    @contextlib.contextmanager
    def raw():
        with contextlib.closing(kind(path)) as mapping:
            yield mapping
            mapping.commit(durable=True)
    return raw
