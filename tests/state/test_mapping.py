"""Both kinds of database as mappings: changes are held back until a commit writes them all."""

import os

import pytest

from dlserv.state.journal import JournalMapping
from dlserv.state.sqlite import SqliteMapping


@pytest.fixture
def open_mapping(tmp_path, backend):
    """A function that opens the mapping at "db"; what it opened is closed in the end."""
    kind, opened = {"sqlite": SqliteMapping, "file": JournalMapping}[backend], []

    def make():
        opened.append(kind(str(tmp_path / "db")))
        return opened[-1]
    yield make
    for mapping in opened:
        mapping.close()


def test_changes_are_seen_before_they_are_committed(open_mapping):
    mapping = open_mapping()
    mapping.update({b"a": b"1", b"b": b"2"})
    mapping.commit(durable=True)
    mapping[b"b"], mapping[b"c"] = b"3", b"4"
    del mapping[b"a"]
    assert dict(mapping) == {b"b": b"3", b"c": b"4"} and len(mapping) == 2
    with pytest.raises(KeyError):
        mapping[b"a"]
    with pytest.raises(KeyError):
        del mapping[b"a"]


def test_what_is_rolled_back_was_never_there(open_mapping):
    mapping = open_mapping()
    mapping[b"a"] = b"1"
    mapping.commit(durable=False)
    mapping[b"a"], mapping[b"b"] = b"2", b"2"
    mapping.roll_back()
    mapping.commit(durable=True)
    assert dict(mapping) == {b"a": b"1"}


@pytest.mark.parametrize("durable", [True, False])
def test_only_what_was_committed_is_there_again(open_mapping, durable):
    mapping = open_mapping()
    mapping.update({b"%d" % number: b"x" * number for number in range(30)})
    mapping.commit(durable)
    del mapping[b"7"]
    mapping.commit(durable)
    mapping[b"later"] = b""
    mapping.close()
    assert dict(open_mapping()) == {b"%d" % number: b"x" * number for number in range(30) if number != 7}


def test_a_file_that_was_moved_is_no_longer_in_place(open_mapping, tmp_path):
    mapping = open_mapping()
    assert mapping.is_in_place()
    os.rename(str(tmp_path / "db"), str(tmp_path / "other"))
    assert not mapping.is_in_place()
    (tmp_path / "db").touch()
    assert not mapping.is_in_place()
