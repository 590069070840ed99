"""The archive: what was downloaded and whose task was deleted since, without its URLs.

Entries whose tids begin alike share a bucket, which is a record of the store and all that is in
memory: 100,000 take 7 MB, and a deletion writes 2 KB more in its task's transaction.
"""

import heapq
import itertools
import struct
import time
from bisect import insort
from collections import namedtuple

from ..errors import Archived, NotFound
from ..state.store import FACT
from ..units import clean

PACKED = struct.Struct(">d20sQ?32s")    # bytes sort by time, as entries do
PREFIX = "archive/"                     # of a bucket's name, behind FACT
DIGITS = 3                              # of a tid end it
TID = slice(8, 28)                      # of a packed entry
SHA_256 = "sha-256="


class Entry(namedtuple("Entry", "time tid size sha256")):
    """A download: `time` in epoch seconds, `size` in bytes, the SHA-256 in hex or None."""

    __slots__ = ()

    @classmethod
    def of(cls, task):
        file = task.whole
        sums = [text[len(SHA_256):] for text in file.promised if text.startswith(SHA_256)]
        return cls(task.finish_time, task.tid, file.identity.size, sums[0] if sums else None)

    def pack(self):
        return PACKED.pack(self.time, bytes.fromhex(self.tid), self.size, self.sha256 is not None,
                           bytes.fromhex(self.sha256 or ""))

    @classmethod
    def unpack(cls, data):
        moment, tid, size, is_hashed, sha256 = PACKED.unpack(data)
        return cls(moment, tid.hex(), size, sha256.hex() if is_hashed else None)

    def to_detail(self):
        return {"tid": self.tid, "time": self.time, "size": self.size, "sha256": self.sha256}


class Buckets:
    """{name of a record: packed entries by time}; changes are returned as {name: record or None}."""

    def __init__(self):
        self._buckets, self._count = {}, 0

    def __len__(self):
        return self._count

    def load(self, name, record):
        """Take in a record of the store. Raise KeyError, TypeError or ValueError if it is none."""
        data = bytes(record["entries"])
        if any(_name(each[TID]) != name for each in _split(data)):
            raise ValueError("an entry of the archive is in the wrong record")
        if len(data) % PACKED.size:
            raise ValueError("an entry of the archive is cut short")
        self._keep(name, data)

    def find(self, tid):
        """Return the Entry with this tid, or None."""
        raw = bytes.fromhex(tid)
        return next((Entry.unpack(each) for each in _split(self._buckets.get(_name(raw), b""))
                     if each[TID] == raw), None)

    def put(self, entry):
        return self._change(entry.tid, [entry.pack()])

    def remove(self, tid):
        return self._change(tid, [])

    def _change(self, tid, new):
        raw = bytes.fromhex(tid)
        name = _name(raw)
        entries = [each for each in _split(self._buckets.get(name, b"")) if each[TID] != raw]
        for each in new:
            insort(entries, each)
        return self._keep(name, b"".join(entries))

    def trim(self, most):
        """Forget the oldest entries beyond `most`."""
        changes = {}
        heads = [data[:TID.stop] for data in self._buckets.values()] if self._count > most else []
        heapq.heapify(heads)
        while self._count > most:
            name = _name(heapq.heappop(heads)[TID])
            changes.update(self._keep(name, self._buckets[name][PACKED.size:]))
            if name in self._buckets:
                heapq.heappush(heads, self._buckets[name][:TID.stop])
        return changes

    def clear(self):
        changes = dict.fromkeys(self._buckets)
        self._buckets, self._count = {}, 0
        return changes

    def entries(self):
        return map(Entry.unpack, heapq.merge(*map(_split, self._buckets.values())))

    def _keep(self, name, data):
        self._count += (len(data) - len(self._buckets.pop(name, b""))) // PACKED.size
        if not data:
            return {name: None}
        self._buckets[name] = data
        return {name: {"entries": data}}


class Archive:
    """The archive of one daemon, used if general.archive says so. `lock` is the registry's."""

    def __init__(self, settings, lock):
        self._settings, self._lock = settings, lock
        self._buckets, self._store = Buckets(), None

    # -- with the lock held ----------------------------------------------------------

    def check(self, task):
        """Raise Archived if a new task's URL was downloaded before, unless it has the option `repeat`."""
        if self._is_on and not task.options.repeat:
            entry = self._buckets.find(task.tid)
            if entry is not None:
                raise Archived(task.tid, time.strftime("%Y-%m-%d", time.localtime(entry.time)))

    def remember(self, task):
        """Take in a deleted task if its file is whole; return {name: record} for the same transaction."""
        if not self._is_on or task.whole is None:
            return {}
        return dict(self._buckets.put(Entry.of(task)), **self._trim())

    def undo(self, tasks):
        """Forget tasks that could not be deleted."""
        changes = {}
        for task in tasks:
            entry = self._buckets.find(task.tid) if task.whole is not None else None
            if entry is not None and entry.time == task.finish_time:
                changes.update(self._buckets.remove(task.tid))
        if changes:
            self._store.write(changes, lazy=True)

    def configure(self):
        changes = self._trim() if self._is_on and self._store is not None else None
        if changes:
            self._store.write(changes)

    @property
    def _is_on(self):
        return self._settings.general.archive

    def _trim(self):
        return self._buckets.trim(self._settings.general.archive_size)

    # -- without the lock ------------------------------------------------------------

    def open(self, store):
        store.facts(PREFIX, self._buckets.load)
        self._store = store
        self.configure()

    def count(self):
        return len(self._buckets)

    def list(self, offset=0, limit=None):
        """Return an iterator of at most `limit` Entries from `offset` on, the oldest first."""
        with self._lock:
            last, entries = len(self._buckets), self._buckets.entries()
        last = last if limit is None else min(offset + limit, last)
        return itertools.islice(entries, min(offset, last), last)

    def forget(self, tid):
        """Let the URL of this tid be downloaded again. Raise NotFound."""
        with self._lock:
            if not _is_tid(tid) or not self._buckets.find(tid):
                raise NotFound(f"the archive has no entry {clean(tid[:64])}")
            ticket = self._store.write(self._buckets.remove(tid))
        ticket.wait()

    def forget_all(self):
        with self._lock:
            count, changes = len(self._buckets), self._buckets.clear()
            ticket = self._store.write(changes)
        ticket.wait()
        return count


def read(record):
    """Return the Entry that `to_detail` has shown. Raise ValueError if it is none."""
    try:
        entry = Entry(float(record["time"]), record["tid"], record["size"], record["sha256"])
        is_whole = _is_tid(entry.tid) and 0 <= entry.time < 2 ** 40 and type(entry.size) is int
        if is_whole and Entry.unpack(entry.pack()) == entry:
            return entry
    except (KeyError, TypeError, ValueError, OverflowError, struct.error):
        pass
    raise ValueError("it is no entry of the archive")


def _split(data):
    for start in range(0, len(data), PACKED.size):
        yield data[start:start + PACKED.size]


def _name(raw):
    return FACT + PREFIX + raw.hex()[:DIGITS]


def _is_tid(text):
    return isinstance(text, str) and len(text) == 40 and not set(text) - set("0123456789abcdef")
