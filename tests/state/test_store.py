"""The database, of either kind: what is written stays, what is damaged harms nothing else."""

import os
import pickle
import stat
import subprocess
import sys
import threading

import pytest

from dlserv.state import store as module
from dlserv.errors import MissingModule, StoreBroken
from dlserv.state.store import Store
from harness import ROOT, load, refill, until

RECORD = {"url": "http://a/b", "list": [1, 2.5, None, True], "deep": {"x": ["y"]}}


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "state" / "dlserv.db")


# -- what is written stays ------------------------------------------------------------------

def test_records_survive(make):
    refill(make, {"a": RECORD, "b": {}, "c": {"n": 1}})
    refill(make, {"b": None, "c": {"n": 2}, "none": None})
    assert load(make()) == {"a": RECORD, "c": {"n": 2}}


@pytest.mark.parametrize("durable, lazy", [(True, False), (False, False), (False, True)])
def test_what_was_waited_for_survives_a_kill(path, backend, durable, lazy):
    code = ("import os, sys\nfrom dlserv.state.store import Store\nstore = Store(%r, %r)\n"
            "store.write({'a': {'n': 1}}, %r, %r).wait()\nos.kill(os.getpid(), 9)" % (path, backend, durable, lazy))
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == -9
    store = Store(path, backend)
    assert load(store) == {"a": {"n": 1}}
    store.close()


def test_many_writers_share_a_commit(make, kind, monkeypatch):
    store = make()
    commits, gate, real = [], threading.Event(), kind.commit

    def commit(mapping, durable):
        gate.wait(10)
        commits.append(durable)
        real(mapping, durable)

    monkeypatch.setattr(kind, "commit", commit)
    tickets = [store.write({"%d" % number: {}}) for number in range(100)]
    gate.set()
    for ticket in tickets:
        ticket.wait()
    assert len(commits) <= 2 and len(load(store)) == 100


def test_lazy_writes_wait_for_company(make, kind, monkeypatch):
    store = make()
    commits, real = [], kind.commit
    monkeypatch.setattr(kind, "commit", lambda mapping, durable: (commits.append(durable), real(mapping, durable)))
    for number in range(50):
        store.write({"%d" % number: {}}, lazy=True)
    store.write({"last": {}}).wait()
    assert commits[0] is True and len(commits) <= 2 and len(load(store)) == 51
    before = len(commits)
    store.write({"later": {}}, lazy=True).wait()
    assert not any(commits[before:]), "nobody waits for it to be flushed"


def test_order_is_kept(make):
    store = make()
    for number in range(200):
        store.write({"a": {"n": number}}, durable=bool(number % 3), lazy=number % 3 == 1)
    store.close()
    assert load(make()) == {"a": {"n": 199}}


def test_a_closed_store_takes_nothing(make):
    store = make()
    store.close()
    with pytest.raises(StoreBroken, match="closed"):
        store.write({"a": {}}).wait()


def test_the_file_is_private(make, path):
    refill(make, {"a": RECORD})
    for name in os.listdir(os.path.dirname(path)):
        mode = os.stat(os.path.join(os.path.dirname(path), name)).st_mode
        assert stat.S_IMODE(mode) == 0o600, name


# -- foreign and future files -------------------------------------------------------------------

def test_a_newer_schema_is_refused(make, monkeypatch):
    monkeypatch.setattr(module, "SCHEMA", module.SCHEMA + 1)
    refill(make, {"a": RECORD})
    monkeypatch.undo()
    with pytest.raises(StoreBroken, match="written by a newer dlserv"):
        make()
    monkeypatch.setattr(module, "SCHEMA", module.SCHEMA + 1)
    assert load(make()) == {"a": RECORD}


@pytest.mark.parametrize("where", ["/proc/nothing/dlserv.db", "/dev/null/x/dlserv.db"])
def test_a_place_that_cannot_be_is_told(where, backend):
    with pytest.raises(StoreBroken, match=where + " cannot be created"):
        Store(where, backend)


# -- damage -----------------------------------------------------------------------------------

@pytest.mark.parametrize("value", [b"", b"\x80\x04", b"garbage", pickle.dumps([1], 4), pickle.dumps({"a": 1}, 4) + b"crc!"])
def test_a_damaged_record_is_set_aside_and_kept(make, raw, value, caplog):
    refill(make, {"a": RECORD})
    with raw() as records:
        records[b"bad"] = value
    store = make()
    assert load(store) == {"a": RECORD}
    assert "the record bad" in caplog.text
    store.close()
    store = make()
    assert load(store) == {"a": RECORD}
    assert caplog.text.count("the record bad") == 1, "it is told once"
    store.close()
    with raw() as records:
        kept = [key for key in records if key.startswith(b"damaged/")]
        assert len(kept) == 1 and records[kept[0]] == value


def test_a_record_that_is_no_task_is_set_aside_too(make, caplog):
    refill(make, {"a": RECORD, "b": {}})

    def parse(name, record):
        return record["url"]

    store = make()
    assert store.load(parse) == ["http://a/b"]
    assert "the record b" in caplog.text


def test_a_write_that_fails_is_told_and_leaves_the_rest(make, kind, monkeypatch, caplog):
    refill(make, {"a": RECORD})
    store = make()

    def fail(mapping, durable):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(kind, "commit", fail)
        with pytest.raises(StoreBroken, match="No space left"):
            store.write({"b": {}}).wait()
        with pytest.raises(StoreBroken, match="No space left"):
            store.write({"b": None, "d": {}}).wait()
    assert sorted(load(store)) == ["a"]
    store.write({"c": {}}).wait()
    assert sorted(load(store)) == ["a", "c", "d"], "what failed is made up for"
    assert caplog.text.count("it will be tried again") == 1 and "can be written again" in caplog.text


def test_a_write_that_failed_is_tried_again_by_itself(make, kind, monkeypatch):
    monkeypatch.setattr(module, "RETRY", 0.05)
    store = make()
    failures, real = [1, 2, 3], kind.commit

    def commit(mapping, durable):
        if failures:
            raise OSError(failures.pop(), "broken")
        real(mapping, durable)

    monkeypatch.setattr(kind, "commit", commit)
    with pytest.raises(StoreBroken):
        store.write({"a": RECORD}).wait()
    until(lambda: not failures and "a" in load(store))


def test_a_write_that_cannot_be_is_not_tried_for_ever(make):
    store = make()
    with pytest.raises(StoreBroken):
        store.write({"a": {"bad": threading.Lock()}}).wait()
    store.write({"b": {}}).wait()
    assert sorted(load(store)) == ["b"]


# -- what is refused does not happen -----------------------------------------------------------

def test_nothing_is_acknowledged_into_a_moved_database(make, path):
    store = make()
    store.write({"a": RECORD}).wait()
    os.rename(path, path + ".old")
    with pytest.raises(StoreBroken, match="moved or deleted"):
        store.write({"b": RECORD}).wait()
    os.rename(path + ".old", path)
    store.write({"c": RECORD}).wait()
    store.close()
    assert sorted(load(make())) == ["a", "b", "c"], "what failed is made up for"


def test_a_record_that_this_python_cannot_read_is_not_set_aside(make):
    refill(make, {"a": RECORD})
    store = make()

    def parse(name, record):
        raise MissingModule("a host name outside ASCII", "python3-codecs")

    with pytest.raises(MissingModule):
        store.load(parse)
    store.close()
    assert load(make()) == {"a": RECORD}
