"""What is readable of a damaged database is read, and what was deleted from it is known."""

import os
import random

import pytest

from clock import START, Clock
from dlserv.state.store import Store
from harness import load, refill


def record(number):
    return {"n": number, "text": "x" * random.Random(number).randint(50, 900)}


OLD = {"%040x" % number: record(number) for number in range(100)}
NEW = {"%040x" % number: record(number) for number in range(100, 120)}
DELETED = ["%040x" % number for number in range(0, 100, 9)]


@pytest.mark.parametrize("start, size", [(0, 1), (16, 2), (21, 1), (28, 4), (31, 1), (0, 100), (0, 4096)])
def test_the_first_page_of_sqlite_is_no_loss(path, start, size):
    pytest.importorskip("sqlite3")
    clock = Clock(START)
    for records in (OLD, dict(NEW, **dict.fromkeys(DELETED))):
        refill(lambda: Store(path, "sqlite", clock), records)
    with open(path, "r+b") as file:
        file.seek(start)
        file.write(b"\2" * size)
    store = Store(path)
    assert set(load(store)) == set(OLD) - set(DELETED) | set(NEW)
    assert store.repaired == "the database was damaged; %d of its records were carried over" % (len(load(store)) + 2)
    store.close()


def test_sqlite_s_index_knows_what_was_deleted(path):
    sqlite3 = pytest.importorskip("sqlite3")
    def make():
        return Store(path, "sqlite")

    for records in (OLD, dict.fromkeys(DELETED)):
        refill(make, records)
    db = sqlite3.connect(path)
    size, root = [db.execute(each).fetchone()[0] for each in (
        "PRAGMA page_size", "SELECT rootpage FROM sqlite_master WHERE name = 'Dict'")]
    db.close()
    with open(path, "r+b") as file:
        file.seek((root - 1) * size)
        file.write(bytes(size))
    store = Store(path, "sqlite")
    assert set(load(store)) == set(OLD) - set(DELETED)
    assert "0 of its records were carried over and 90 taken from the snapshot" in store.repaired
    store.close()


@pytest.mark.parametrize("share", [0.5, 0.9])
def test_an_sqlite_database_cut_short_gives_what_it_has(path, share):
    pytest.importorskip("sqlite3")
    refill(lambda: Store(path, "sqlite"), {"%d" % number: {"text": "x" * 700} for number in range(60)})
    os.remove(path + ".snapshot")
    os.truncate(path, int(os.path.getsize(path) * share))
    store = Store(path, "sqlite")
    found = load(store)
    assert len(found) > 60 * (share - 0.3) and all(record == {"text": "x" * 700} for record in found.values())
    store.close()
