"""The database in one file: frames are whole or do not count, and what is refused does not happen."""

import os
import struct
import zlib

import pytest

from dlserv.state.journal import MARK, JournalMapping, encode, frames
from dlserv.state.store import Store
from harness import load, refill


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "state" / "dlserv.db")


def test_the_journal_does_not_grow_forever(path):
    store = Store(path, "file")
    for number in range(300):
        store.write({"a": {"n": number, "text": "x" * 3000}}, durable=False).wait()
    assert os.path.getsize(path) < 2 * JournalMapping.SLACK
    store.close()
    store = Store(path, "file")
    assert load(store)["a"]["n"] == 299
    store.close()


def test_a_journal_that_was_cut_short_is_whole_up_to_there(path):
    for number in range(10):
        refill(lambda: Store(path, "file"), {"%d" % number: {"n": number}})
    size = os.path.getsize(path)
    with open(path, "r+b") as file:
        file.truncate(size - 3)
    store = Store(path, "file")
    assert sorted(load(store)) == ["%d" % number for number in range(9)]
    store.write({"new": {}}).wait()
    store.close()
    store = Store(path, "file")
    assert "new" in load(store)
    store.close()


def limited(size, action):
    """Call the action while no file may grow beyond so many bytes, as on a full disk."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        return action()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_delete_refused_by_a_full_disk_has_not_happened(path):
    mapping = JournalMapping(make_folder(path))
    for key in (b"a", b"b"):
        mapping[key] = b"x" * 500
        mapping.commit(True)
    size = os.path.getsize(path)
    mapping[b"big"] = b"x" * 5000

    def fill():
        with pytest.raises(OSError):
            mapping.commit(True)
        mapping.roll_back()
        assert os.path.getsize(path) == size, "nothing torn is left"
        del mapping[b"a"]
        mapping.commit(True)        # so small that it fits

    limited(size + 100, fill)
    assert dict(mapping) == {b"b": b"x" * 500}
    mapping.close()
    again = JournalMapping(path)
    assert dict(again) == {b"b": b"x" * 500}
    again.close()


def make_folder(path):
    os.makedirs(os.path.dirname(path))
    return path


def test_a_journal_that_cannot_be_made_smaller_goes_on_as_it_is(path, monkeypatch):
    monkeypatch.setattr(JournalMapping, "SLACK", 100)
    mapping = JournalMapping(make_folder(path))
    os.mkdir(path + ".new")
    for number in range(10):
        mapping[b"a"] = b"%d" % number * 100
        mapping.commit(True)
    mapping.close()
    again = JournalMapping(path)
    assert dict(again) == {b"a": b"9" * 100}
    again.close()


def test_a_frame_that_says_nothing_is_none(path):
    payload = b"abc"
    frame = struct.pack(">4sII", MARK, 3, zlib.crc32(payload)) + payload
    good = encode({b"k": b"v"})
    assert [changes for _, _, changes in frames(frame + good)] == [{b"k": b"v"}]
