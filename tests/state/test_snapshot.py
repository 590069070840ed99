"""The daily copy of the database: when it is made, and how."""

import os
import pickle
import random
import stat

from clock import START
from dlserv.state.snapshot import DAY, Snapshot
from dlserv.state.store import Store
from harness import load, refill, until


def made(path):
    """When the snapshot was made, or None."""
    try:
        return os.stat(path + ".snapshot").st_mtime
    except FileNotFoundError:
        return None


# -- when -------------------------------------------------------------------------------------

def test_it_is_made_once_a_day_and_only_after_a_change(make, path, clock):
    clock.now -= 60
    store = make()
    store.write({"a": {"n": 1}}).wait()
    assert made(path) is None, "there is too little in it"
    clock.now += 60
    store.write({"a": {"n": 1}}).wait()
    until(lambda: made(path) == START)
    clock.now += DAY - 1
    store.write({"a": {"n": 2}}).wait()
    store.write({"a": {"n": 3}}).wait()
    assert made(path) == START
    clock.now += 1
    store.write({"a": {"n": 4}}).wait()
    until(lambda: made(path) == START + DAY)
    clock.now += 3 * DAY
    store.write({}).wait()
    store.close()
    assert made(path) == START + DAY, "nothing was changed since"


def test_a_change_is_copied_at_the_end_of_an_idle_day(make, path, clock):
    refill(make, {"a": {}})
    store = make()
    clock.now += DAY - 0.05
    store.write({"b": {}}).wait()
    clock.now += 0.1
    until(lambda: made(path) == clock.now)


def test_it_is_made_at_the_stop_if_it_is_old_and_not_else(make, path, clock):
    refill(make, {"a": {}})
    assert made(path) == START
    clock.now += 10
    refill(make, {"b": {}})
    assert made(path) == START
    clock.now = START + DAY - 60        # so that only the stop finds it due
    store = make()
    store.write({"c": {}}).wait()
    clock.now += 60
    store.close()
    assert made(path) == clock.now


def test_one_from_the_future_does_not_last(make, path, clock):
    clock.now += 400 * DAY
    refill(make, {"a": {}})
    clock.now = START
    refill(make, {"b": {}})
    assert made(path) == START


# -- how --------------------------------------------------------------------------------------

def test_it_is_private_and_leaves_nothing_beside(make, path):
    refill(make, {"a": {}})
    assert stat.S_IMODE(os.stat(path + ".snapshot").st_mode) == 0o600
    assert set(os.listdir(os.path.dirname(path))) == {"dlserv.db", "dlserv.db.lock", "dlserv.db.snapshot"}


def test_one_that_fails_leaves_the_last_and_is_tried_again(make, path, clock, caplog):
    refill(make, {"a": {"n": 1}})
    clock.now += DAY
    os.mkdir(path + ".snapshot.new")
    store = make()
    store.write({"a": {"n": 2}}).wait()
    until(lambda: "the snapshot of the database cannot be written" in caplog.text)
    os.rmdir(path + ".snapshot.new")
    assert made(path) == START
    clock.now += 3600
    store.write({}).wait()
    until(lambda: made(path) == clock.now)


def test_a_damaged_record_does_not_replace_an_intact_one(make, raw, path, clock, caplog):
    refill(make, {"a": {"n": 1}})
    clock.now += DAY
    with raw() as records:
        records[b"a"] = records[b"a"][:-1] + b"?"
    store = make()
    store.write({"b": {}}).wait()
    until(lambda: "its checksum does not match" in caplog.text)
    store.close()
    assert made(path) == START
    store = make()
    assert load(store) == {"a": {"n": 1}, "b": {}}
    assert store.repaired == "1 of its records were damaged, and 1 of them taken from the snapshot"


def test_a_store_of_ten_thousand_tasks_is_copied_in_a_moment(make, path):
    refill(make, {"%040x" % number: {"url": "http://a/%d" % number, "log": ["x" * 300]} for number in range(10000)})
    assert 3 * 10 ** 6 < os.path.getsize(path + ".snapshot") < 10 ** 7


# -- damage -------------------------------------------------------------------------------------

class Trap:
    def __reduce__(self):
        return os.system, ("touch trapped",)


def record(number):
    return {"n": number, "text": "x" * random.Random(number).randint(50, 900)}


OLD = {"%040x" % number: record(number) for number in range(100)}


def test_planted_records_execute_nothing(make, raw, path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refill(make, {"a": {}})
    with raw() as records:
        records[b"a"] = pickle.dumps(Trap())
    assert Snapshot(path).make([(b"a", pickle.dumps(Trap()))])
    store = make()
    assert load(store) == {} and store.repaired == "1 of its records were damaged, and 0 of them taken from the snapshot"
    assert not (tmp_path / "trapped").exists()


def test_a_damaged_snapshot_harms_no_database(path):
    refill(lambda: Store(path, "file"), OLD)
    os.truncate(path + ".snapshot", os.path.getsize(path + ".snapshot") // 2)
    store = Store(path, "file")
    assert load(store) == OLD and store.repaired is None
    store.close()
