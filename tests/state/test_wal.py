"""The commits behind the damage in a log of SQLite, where SQLite itself reads no further."""

import os
import random
import shutil

import pytest

from dlserv.state import recovery, wal
from dlserv.state.store import Store
from harness import load

pytest.importorskip("sqlite3")

OLD = {"%040x" % number: {"n": number, "text": "x" * (number * 37 % 900)} for number in range(60)}
NEW = {"%040x" % number: {"n": number} for number in range(100, 130)}
DELETED = sorted(OLD)[::7]


@pytest.fixture(scope="module")
def crashed(tmp_path_factory):
    """A folder as kill -9 leaves it: OLD in the database, NEW and the end of DELETED in the log, each by itself."""
    folder, path = tmp_path_factory.mktemp("crashed"), str(tmp_path_factory.mktemp("live") / "db")
    store = Store(path, "sqlite")
    store.write(OLD).wait()
    store.close()
    os.remove(path + ".snapshot")       # so that nothing comes from there
    store = Store(path, "sqlite")
    for name in DELETED:
        store.write({name: None}).wait()
    for name in NEW:
        store.write({name: NEW[name]}).wait()
    for suffix in ("", "-wal"):
        shutil.copy(path + suffix, str(folder / ("db" + suffix)))
    store.close()
    return folder


@pytest.fixture
def reopen(crashed, tmp_path):
    """A function that opens the crashed database with its log changed; returns (records, what was mended)."""
    made = []

    def reopen(change):
        folder = tmp_path / str(len(made))
        made.append(folder)
        shutil.copytree(str(crashed), str(folder))
        log = folder / "db-wal"
        log.write_bytes(bytes(change(bytearray(log.read_bytes()))))
        store = Store(str(folder / "db"), "sqlite")
        found = load(store)
        store.close()
        again = Store(str(folder / "db"), "sqlite")
        assert load(again) == found and again.repaired is None
        again.close()
        return found, store.repaired

    return reopen


ALL = dict({name: OLD[name] for name in OLD if name not in DELETED}, **NEW)


def test_a_log_that_is_whole_is_no_damage(reopen):
    assert reopen(lambda data: data) == (ALL, None)


def test_a_torn_end_is_no_damage_either(reopen):
    found, mended = reopen(lambda data: data[:-100])
    assert mended is None and set(found) == set(ALL) - {sorted(NEW)[-1]}


def test_remains_of_an_older_log_are_no_damage(crashed, tmp_path):
    path = str(tmp_path / "db")
    for suffix in ("", "-wal"):
        shutil.copy(str(crashed / ("db" + suffix)), path + suffix)
    import sqlite3
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA wal_checkpoint(RESTART)")
    db.execute("DELETE FROM Dict WHERE key = ?", (sorted(NEW)[0].encode(),))     # at the front of the log
    shutil.copy(path, path + "2")
    shutil.copy(path + "-wal", path + "2-wal")
    db.close()
    store = Store(path + "2", "sqlite")
    assert store.repaired is None and len(store.load(lambda name, record: name)) == len(ALL) - 1
    store.close()


def flip(data, dice):
    data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    return data


def zero(data, dice):
    start = dice.randrange(len(data))
    size = min(dice.choice((16, 512, 4096)), len(data) - start)
    data[start:start + size] = bytes(size)
    return data


@pytest.mark.parametrize("harm", [lambda data, dice: data, flip, zero, lambda data, dice: data[:dice.randrange(len(data))]])
def test_sqlite_believes_as_many_frames(crashed, tmp_path, harm):
    import sqlite3
    for seed in range(25):
        path = str(tmp_path / ("db%d" % seed))
        shutil.copy(str(crashed / "db"), path)
        with open(path + "-wal", "wb") as file:
            file.write(harm(bytearray((crashed / "db-wal").read_bytes()), random.Random(seed)))
        believed = wal.committed_frames(path + "-wal")
        db = sqlite3.connect(path)
        assert max(0, db.execute("PRAGMA wal_checkpoint").fetchone()[1]) == believed, seed
        db.close()


@pytest.mark.parametrize("harm", [flip, zero])
def test_what_lies_behind_the_damage_is_carried_over(reopen, harm):
    for seed in range(25):
        found, mended = reopen(lambda data: harm(data, random.Random(seed)))
        where = "%s %d: %s" % (harm.__name__, seed, mended)
        lost = set(ALL) - set(found)
        assert not set(OLD) - set(DELETED) - set(found), where
        assert mended or lost <= set(sorted(NEW)[-2:]), "only its very end may pass for torn: " + where
        assert len(lost) <= 3, where
        assert all(found[name] == dict(OLD, **NEW)[name] for name in found), where


def test_a_repair_that_is_cut_short_is_made_anew(reopen, monkeypatch, tmp_path):
    def fail(*arguments):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(recovery, "_repair", fail)
        with pytest.raises(Exception, match="No space left"):
            reopen(lambda data: flip(data, random.Random(3)))
    path = str(tmp_path / "0" / "db")
    assert not os.path.exists(path + "-wal"), "SQLite has removed it"
    store = Store(path, "sqlite")
    assert len(store.load(lambda name, record: name)) >= len(ALL) - 3 and "was damaged" in store.repaired
    store.close()
    assert [name for name in os.listdir(str(tmp_path / "0")) if name.endswith("-replayed")][0].startswith("db.damaged-")


def test_there_may_be_no_log_or_nonsense(tmp_path):
    path = str(tmp_path / "log")
    assert wal.pages_behind(path, 0) == {}
    for data in (b"", b"x" * 10, bytes(100000), os.urandom(100000)):
        with open(path, "wb") as file:
            file.write(data)
        assert wal.pages_behind(path, 0) == {}


def test_what_is_replayed_is_for_its_owner_alone(tmp_path):
    (tmp_path / "db").write_bytes(b"x" * 4096)
    wal.replay(str(tmp_path / "db"), {1: b"y" * 4096}, str(tmp_path / "new"))
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o600 and (tmp_path / "new").read_bytes() == b"y" * 4096


def test_a_copy_that_was_not_finished_is_none(tmp_path):
    (tmp_path / "db").write_bytes(b"x" * 4096)
    with pytest.raises(TypeError):
        wal.replay(str(tmp_path / "db"), {1: b"y" * 4096, 2: None}, str(tmp_path / "new"))
    assert not (tmp_path / "new").exists()
    wal.replay(str(tmp_path / "db"), {1: b"y" * 4096}, str(tmp_path / "new"))
    assert (tmp_path / "new").read_bytes() == b"y" * 4096
