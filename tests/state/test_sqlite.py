"""SQLite on disks that are full or fail."""

import os
import shutil
import subprocess
import sys

import pytest

from dlserv.state.sqlite import SqliteMapping
from dlserv.state.store import Store
from disks import SmallDisk
from harness import ROOT, load

pytest.importorskip("sqlite3")

RECORD = {"text": "x" * 1500}

# A store whose first durable write after a relaxed one is not flushed, as a person at its keyboard.
DIALOGUE = """
import os, sys
from dlserv.state.store import Store
from dlserv.errors import StoreBroken
store = Store(sys.argv[1], "sqlite")
for line in sys.stdin:
    name, durable = line.split()
    try:
        store.write({name: {"text": name * 1500}}, durable=durable == "durable").wait()
        print("done", flush=True)
    except StoreBroken as error:
        print(error, flush=True)
os._exit(0)
"""


class Dialogue:
    def __init__(self, path, environ):
        self._process = subprocess.Popen(
            [sys.executable, "-c", DIALOGUE, path], cwd=ROOT, env=dict(os.environ, **environ),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

    def write(self, name, how="durable"):
        self._process.stdin.write(b"%s %s\n" % (name.encode(), how.encode()))
        self._process.stdin.flush()
        return self._process.stdout.readline().decode().strip()

    def kill(self):
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()


def pages(data):
    return [data[start:start + 512] for start in range(0, len(data), 512)]


def test_what_a_failed_flush_dropped_is_written_again(tmp_path, faulty_disk):
    """The kernel takes pages that it could not write for clean; a power cut shows it."""
    path, log = str(tmp_path / "db"), tmp_path / "db-wal"
    store = Dialogue(path, faulty_disk.environ)
    assert store.write("a") == store.write("b", "relaxed") == "done"
    flushed = log.read_bytes().rpartition(b"b" * 100)[0].rpartition(b"a" * 100)
    flushed = len(flushed[0] + flushed[1])
    for call in ("fsync", "fdatasync"):
        faulty_disk.fail(call, "db-wal", "EIO")
    assert "disk I/O error" in store.write("c")
    dropped = log.read_bytes()
    for call in ("fsync", "fdatasync"):
        faulty_disk.mend(call)
    assert store.write("d") == "done"
    store.kill()
    on_disk = [bytes(512) if number * 512 > flushed and page == old else page for number, (page, old) in enumerate(
        zip(pages(log.read_bytes()), pages(dropped) + [b""] * 10000))]
    log.write_bytes(b"".join(on_disk))
    again = Store(path, "sqlite")
    assert {"a", "b", "d"} <= set(load(again)) and again.repaired is None
    again.close()


@pytest.mark.parametrize("records, torn", [(1, 0), (60, 0), (60, 100), (300, 0)])
def test_a_full_disk_with_a_log_to_replay_is_no_damage(tmp_path, open_store, records, torn):
    with SmallDisk(tmp_path / "disk", "32m") as disk:
        path = os.path.join(disk.path, "db")
        store = Dialogue(path, {})
        for number in range(records):
            assert store.write("n%d" % number) == "done"
        store.kill()
        if torn:
            os.truncate(path + "-wal", os.path.getsize(path + "-wal") - torn)
        junk = disk.fill()
        store = open_store(path, "sqlite")
        assert len(load(store)) == records - bool(torn) and store.repaired is None
        with pytest.raises(Exception, match="full"):
            store.write({"x%d" % number: {"text": "x" * 9000} for number in range(1000)}).wait()
        os.remove(junk)
        store.write({"y": {}}).wait()
        store.close()
        assert {"y"} < set(load(open_store(path, "sqlite")))


def test_damage_in_the_log_is_seen_on_a_full_disk(tmp_path):
    with SmallDisk(tmp_path / "disk", "32m") as disk:
        path = os.path.join(disk.path, "db")
        store = Dialogue(path, {})
        for number in range(60):
            assert store.write("n%d" % number) == "done"
        store.kill()
        with open(path + "-wal", "r+b") as file:
            file.seek(os.path.getsize(path + "-wal") // 2)
            file.write(b"damage")
        junk = disk.fill()
        with pytest.raises(Exception, match="cannot be opened"):
            Store(path, "sqlite")
        os.remove(junk)
        store = Store(path, "sqlite")
        assert len(load(store)) >= 59 and "damaged" in store.repaired
        store.close()


def test_a_change_cut_short_by_a_lack_of_memory_is_undone(tmp_path):
    class Hungry:
        def __conform__(self, protocol):
            raise MemoryError

    mapping = SqliteMapping(str(tmp_path / "db"))
    for number in range(20):
        mapping[b"%d" % number] = Hungry() if number == 15 else b"value"
    with pytest.raises(MemoryError):
        mapping.commit(durable=True)
    mapping.roll_back()
    mapping[b"later"] = b"value"
    mapping.commit(durable=False)
    assert list(mapping) == [b"later"]
    mapping.close()


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "state" / "dlserv.db")


def test_the_shelve_of_a_newer_python_reads_it(path):
    python = shutil.which("python3.13") or sys.version_info >= (3, 13) and sys.executable
    if not python or subprocess.run([python, "-c", "import dbm.sqlite3"], stderr=subprocess.DEVNULL).returncode:
        pytest.skip("there is no Python with dbm.sqlite3 here")
    store = Store(path, "sqlite")
    store.write({"a": RECORD}).wait()
    store.close()
    code = "import shelve\nwith shelve.open(%r, 'r') as shelf: print(shelf['a'])" % path
    assert eval(subprocess.check_output([python, "-c", code])) == RECORD
