"""Opening a database, and repairing a damaged one with the help of its snapshot."""

import json
import logging
import os
import random
import re

import pytest

from clock import START, Clock
from dlserv import Daemon, Server
from dlserv.errors import MissingModule, StoreBroken
from dlserv.state import sqlite
from dlserv.state.store import Store
from harness import Api, load, refill


def record(number):
    return {"n": number, "text": "x" * random.Random(number).randint(50, 900)}


OLD = {"%040x" % number: record(number) for number in range(100)}
NEW = {"%040x" % number: record(number) for number in range(100, 120)}
DELETED = ["%040x" % number for number in range(0, 100, 9)]


@pytest.fixture(scope="module", params=["sqlite", "file"])
def sample(request, tmp_path_factory):
    """(kind, database, snapshot) as bytes: the snapshot has OLD, the database misses DELETED and has NEW."""
    if request.param == "sqlite":
        pytest.importorskip("sqlite3")
    path = str(tmp_path_factory.mktemp("sample") / "dlserv.db")
    clock = Clock(START)
    store = Store(path, request.param, clock)
    store.write(OLD).wait()
    store.close()
    for number in range(0, 20, 5):
        store = Store(path, request.param, clock)
        names = sorted(NEW)[number:number + 5]
        store.write(dict({name: NEW[name] for name in names})).wait()
        store.write(dict.fromkeys(DELETED)).wait()
        store.close()
    return [request.param] + [open_and_read(path + suffix) for suffix in ("", ".snapshot")]


def open_and_read(path):
    with open(path, "rb") as file:
        return file.read()


def cut(data, dice):
    return data[:dice.randrange(len(data))]


def flip(data, dice):
    place = dice.randrange(len(data))
    return data[:place] + bytes([data[place] ^ (1 << dice.randrange(8))]) + data[place + 1:]


def zero(data, dice):
    start = dice.randrange(len(data))
    size = min(dice.choice((16, 512, 4096, 16384)), len(data) - start)
    return data[:start] + bytes(size) + data[start + size:]


@pytest.mark.parametrize("harm", [cut, flip, zero])
def test_no_damage_loses_what_is_readable_or_in_the_snapshot(tmp_path, sample, harm):
    kind, database, snapshot = sample
    for seed in range(34):
        folder = tmp_path / str(seed)
        folder.mkdir()
        path = str(folder / "dlserv.db")
        damaged = harm(database, random.Random(seed))
        for name, data in ((path, damaged), (path + ".snapshot", snapshot)):
            with open(name, "wb") as file:
                file.write(data)
        store = Store(path, kind)
        found = load(store)
        where = "%s %s %d: %s" % (kind, harm.__name__, seed, store.repaired)
        assert not set(OLD) - set(DELETED) - set(found), where
        assert all(found[name] == dict(OLD, **NEW)[name] for name in found), where
        assert store.repaired or kind == "file" or not set(NEW) - set(found), where
        store.close()
        again = Store(path, kind)
        assert load(again) == found and again.repaired is None, where
        again.close()
        if store.repaired and "carried over" in store.repaired:
            aside = [name for name in os.listdir(str(folder)) if re.fullmatch(r"dlserv\.db\.damaged-\d{8}-\d{6}", name)]
            assert len(aside) == 1, where


def test_a_journal_whose_end_a_crash_tore_brings_back_nothing(path):
    def make():
        return Store(path, "file")

    for records in (OLD, dict.fromkeys(DELETED), {"last": {}}):
        refill(make, records)
    with open(path, "r+b") as file:
        file.truncate(os.path.getsize(path) - 3)
    store = Store(path, "file")
    assert set(load(store)) == set(OLD) - set(DELETED) and store.repaired is None
    store.close()


@pytest.mark.parametrize("old, new", [(b"(key BLOB", b"(kex BLOB"), (b"TABLE Dict", b"TABLE Dicu"),
                                       (b"tableDict", b"tablfDict")])
def test_a_flip_in_sqlite_s_schema_is_damage(path, old, new):
    pytest.importorskip("sqlite3")
    store = Store(path, "sqlite")
    store.write(OLD).wait()
    store.close()
    data = open_and_read(path)
    with open(path, "wb") as file:
        file.write(data.replace(old, new))
    store = Store(path, "sqlite")
    assert load(store) == OLD
    store.close()


@pytest.mark.parametrize("head", [b"", bytes(4096)])
def test_a_snapshot_shows_that_an_empty_database_is_damaged(make, path, head):
    refill(make, OLD)
    with open(path, "r+b") as file:
        file.write(head)
        file.truncate(max(len(head), 20000 if head else 0))
    store = make()
    assert load(store) == OLD and "from the snapshot of 2023-11-1" in store.repaired


@pytest.mark.parametrize("harm", [lambda data: bytes(16) + data[16:], lambda data: data.replace(b"E Dict", b"E Dicu"),
                                  lambda data: bytes(4096) + data[4096:] if b"Dict" in data else b"\0" + data[1:]])
def test_a_damaged_head_without_a_snapshot_is_known_by_tasks(path, backend, harm):
    records = {"%040x" % number: {"create_time": 1.0, "n": number} for number in range(50)}
    refill(lambda: Store(path, backend), records)
    os.remove(path + ".snapshot")
    data = open_and_read(path)
    with open(path, "wb") as file:
        file.write(harm(data))
    store = Store(path, "auto")
    assert load(store) == records and bool(store.repaired) == (harm(data) != data)
    store.close()


def test_a_database_that_was_deleted_stays_so(make, path):
    refill(make, OLD)
    os.remove(path)
    assert load(make()) == {}


def test_a_repair_that_fails_leaves_the_database_as_it_was(make, path, backend):
    refill(make, OLD)
    with open(path, "r+b") as file:
        file.write(bytes(100))
    os.mkdir(path + ".repaired")
    with pytest.raises(StoreBroken, match="cannot be opened"):
        make()
    os.rmdir(path + ".repaired")
    assert load(make()) == OLD


def test_health_tells_of_a_repair_and_no_path(settings, backend):
    settings["general"]["db_backend"] = backend
    path = settings["general"]["db_path"]
    with Daemon(settings) as daemon:
        assert daemon.report.health() == {}
        tid = daemon.add("http://localhost:1/x", {"paused": True})
    with open(path, "r+b") as file:
        file.write(bytes(100))
    with Daemon(settings) as daemon, Server(daemon, "127.0.0.1", 0) as server, Api(server.url) as api:
        assert daemon.get(tid).state == "paused"
        reply = json.loads(api.get("/health").body)
        assert reply == {"status": "success", "repaired": daemon.report.health()["repaired"]}
        assert "was damaged" in reply["repaired"] and "/" not in reply["repaired"]


def test_a_database_that_was_deleted_leaves_its_snapshot(make, path):
    refill(make, OLD)
    os.remove(path)
    refill(make, {"other": {}})
    kept = [name for name in os.listdir(os.path.dirname(path)) if ".snapshot-" in name]
    assert load(make()) == {"other": {}} and len(kept) == 1
    store = Store(os.path.join(os.path.dirname(path), kept[0]), "file")     # it can be opened as it is
    assert load(store) == OLD
    store.close()


def test_a_repair_cut_short_between_two_names_is_finished(make, path):
    refill(make, OLD)
    os.rename(path, path + ".repaired")
    with open(path + "-wal", "wb") as file:
        file.write(b"of the damaged one")
    store = make()
    assert load(store) == OLD
    store.close()
    assert not os.path.exists(path + ".repaired")
    with open(next(os.path.join(os.path.dirname(path), name) for name in os.listdir(os.path.dirname(path))
                   if ".damaged-" in name), "rb") as file:
        assert file.read() == b"of the damaged one"


def test_a_journal_cut_at_a_frame_is_not_taken_for_whole(path):
    refill(lambda: Store(path, "file"), OLD)
    os.truncate(path, 16)
    store = Store(path, "file")
    assert load(store) == OLD and "taken from the snapshot" in store.repaired
    store.close()


RECORD = {"url": "http://a/b", "list": [1, 2.5, None, True], "deep": {"x": ["y"]}}


def test_another_kind_of_database_is_never_replaced(make, path, backend):
    refill(make, {"a": RECORD})
    other = {"sqlite": "file", "file": "sqlite"}[backend]
    with pytest.raises(StoreBroken, match="is of the kind '%s'" % backend):
        Store(path, other)
    store = Store(path, "auto")
    assert store.backend == backend and load(store) == {"a": RECORD}
    store.close()


def test_a_python_without_sqlite_names_the_package(path, monkeypatch):
    pytest.importorskip("sqlite3")
    Store(path, "sqlite").close()
    monkeypatch.setattr(sqlite, "sqlite3", None)
    with pytest.raises(MissingModule, match="python3-sqlite3"):
        Store(path, "auto")
    with pytest.raises(MissingModule, match="python3-sqlite3"):
        Store(path, "sqlite")
    new = Store(path + "2", "auto")
    assert new.backend == "file"
    new.close()


@pytest.mark.parametrize("data", [b"#!/bin/sh\n", b"\0" * 4096, b"dbm"])
def test_a_file_of_someone_else_is_left_alone(path, backend, data):
    with open(path, "wb") as file:
        file.write(data)
    with pytest.raises(StoreBroken, match="is not a dlserv database"):
        Store(path, backend)
    with open(path, "rb") as file:
        assert file.read() == data


def test_a_database_damaged_in_its_middle_is_set_aside(make, path, backend, caplog):
    for number in range(60):
        refill(make, {"%d" % (number * 5 + each): {"text": "x" * 300} for each in range(5)})
    with open(path, "r+b") as file:
        file.seek(os.path.getsize(path) // 2)
        file.write(os.urandom(600))
    with caplog.at_level(logging.ERROR):
        store = make()
        rest = load(store)
    assert 200 < len(rest) <= 300 and all(record == {"text": "x" * 300} for record in rest.values())
    aside = [name for name in os.listdir(os.path.dirname(path)) if ".damaged-" in name]
    if len(rest) < 300:
        assert aside and "was set aside" in caplog.text
    store.close()
    assert load(make()) == rest


def test_an_sqlite_database_of_someone_else_is_left_alone(path):
    sqlite3 = pytest.importorskip("sqlite3")
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE notes (text)")
    db.commit()
    db.close()
    with open(path, "rb") as file:
        before = file.read()
    with pytest.raises(StoreBroken, match="is not a dlserv database"):
        Store(path, "auto")
    with open(path, "rb") as file:
        assert file.read() == before
