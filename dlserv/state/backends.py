"""What the shelf is made of: mappings of bytes to bytes with the dbm interface.

  SqliteMapping  a table as dbm.sqlite3 lays it out, so that shelve.open of Python 3.13
                 reads it; WAL
  FileMapping    everything in memory, and one file: a journal of commits that is
                 rewritten whole, atomically, when it has grown to twice what it holds

Both give `commit(durable)` and `roll_back()` besides, and write nothing until a commit.
The journal is there because a relaxed commit, one a second while tasks download, must
neither rewrite a flash disk nor risk the file; appending a checked frame does neither.
"""

import contextlib
import errno
import os
import struct
import zlib
from collections.abc import MutableMapping

from . import wal
from ..fs import sync_folder
from ..errors import StoreBroken

try:
    import fcntl
except ImportError:     # Windows
    fcntl = None

try:
    import sqlite3
    ERRORS = (OSError, sqlite3.Error)
except ImportError:     # OpenWrt without python3-sqlite3
    sqlite3 = None
    ERRORS = (OSError,)


REPLAYED = "-replayed"      # ends the name of a copy that has what a damaged log has kept


def _create_private(path):
    """Make the file with mode 0600 if there is none."""
    if not os.path.exists(path):
        os.close(_private(path, os.O_RDWR | os.O_CREAT))
        sync_folder(path)


class FileLock:
    """A lock on a database, whose folder it makes; it ends with the process however that ends.

    Raises StoreBroken if it is held.
    """

    def __init__(self, path):
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            self._fd = os.open(path + ".lock", os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
        except OSError as error:
            raise StoreBroken("the database %s cannot be made: %s" % (path, error.strerror)) from error
        try:
            self._take()
        except OSError as error:
            if error.errno in (errno.ENOLCK, getattr(errno, "EOPNOTSUPP", 0), errno.ENOSYS):
                return      # a file system without locks; the log says so elsewhere
            os.close(self._fd)
            raise StoreBroken("the database %s is in use by another dlserv" % path) from error

    def _take(self):
        if fcntl is not None:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            import msvcrt
            msvcrt.locking(self._fd, msvcrt.LK_NBLCK, 1)

    def release(self):
        os.close(self._fd)


class _Mapping(MutableMapping):
    """Changes are held back until `commit`, which writes them as one or not at all."""

    def __init__(self):
        self._pending = {}

    def __getitem__(self, key):
        value = self._pending[key] if key in self._pending else self._stored(key)
        if value is None:
            raise KeyError(key)
        return value

    def __setitem__(self, key, value):
        self._pending[key] = value

    def __delitem__(self, key):
        self[key]
        self._pending[key] = None

    def __iter__(self):
        kept = [key for key in self._stored_keys() if key not in self._pending]
        return iter(kept + [key for key, value in self._pending.items() if value is not None])

    def __len__(self):
        return sum(1 for _ in self)

    def commit(self, durable):
        """Write what has changed. A durable commit takes the relaxed ones before it along."""
        if self._pending:
            self._save(self._pending, durable)
            self._pending = {}

    def roll_back(self):
        """Forget what was not committed."""
        self._pending = {}

    def check(self):
        """Raise if the stored bytes are damaged."""

    def is_in_place(self):
        """Whether what is written still comes under the path it was opened by."""


# -- sqlite ---------------------------------------------------------------------------

class SqliteMapping(_Mapping):
    """A table of keys and values. Raises sqlite3.Error."""

    kind = "sqlite"

    BUILD = "CREATE TABLE IF NOT EXISTS Dict (key BLOB UNIQUE NOT NULL, value BLOB NOT NULL)"
    LOOK_UP = "SELECT value FROM Dict WHERE key = ?"
    STORE = "INSERT INTO Dict (key, value) VALUES (?, ?)"
    AGAIN = " ON CONFLICT (key) DO UPDATE SET value = excluded.value"   # half the pages of REPLACE
    AT_ONCE = 8             # records that one statement stores, which then is the transaction
    DELETE = "DELETE FROM Dict WHERE key = ?"
    KEYS = "SELECT key FROM Dict"

    def __init__(self, path):
        super().__init__()
        self._path = path
        _create_private(path)
        self._status = os.stat(path)
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5)
        self._synchronous = None
        self._store, self._again = self.STORE, self.AGAIN
        if sqlite3.sqlite_version_info < (3, 24):
            self._store, self._again = self.STORE.replace("INSERT", "REPLACE"), ""
        try:
            # Exclusive: no shared memory, which network file systems do not have.
            self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._db.execute("PRAGMA journal_mode = WAL")
            self._synchronize("FULL")
            self._db.execute(self.BUILD)
        except sqlite3.Error:
            self._db.close()
            raise

    def _synchronize(self, level):
        if level != self._synchronous:
            self._db.execute("PRAGMA synchronous = " + level)
            self._synchronous = level

    def check(self):
        known = self._db.execute("PRAGMA wal_checkpoint").fetchone()[1]
        behind = wal.pages_behind(self._path + "-wal", known)
        if behind:      # SQLite will remove that file
            wal.replay(self._path, behind, self._path + REPLAYED)
            raise DamagedFile("its log is damaged behind frame %d" % known)
        verdict = self._db.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if verdict != "ok":
            raise sqlite3.DatabaseError(verdict)
        try:
            self._stored(b"")
        except sqlite3.OperationalError as error:   # "no such column"
            raise sqlite3.DatabaseError(str(error)) from error

    def _stored(self, key):
        row = self._db.execute(self.LOOK_UP, (key,)).fetchone()
        return row and row[0]

    def _stored_keys(self):
        return [row[0] for row in self._db.execute(self.KEYS)]

    def _save(self, changes, durable):
        self._synchronize("FULL" if durable else "NORMAL")
        if len(changes) <= self.AT_ONCE and None not in changes.values():
            self._db.execute(self._store + ", (?, ?)" * (len(changes) - 1) + self._again,
                             [part for change in changes.items() for part in change])
        else:
            self._save_many(changes)

    def _save_many(self, changes):
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._db.executemany(self._store + self._again,
                                 [each for each in changes.items() if each[1] is not None])
            self._db.executemany(self.DELETE, [(key,) for key in changes if changes[key] is None])
            self._db.execute("COMMIT")
        except sqlite3.Error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def is_in_place(self):
        return _is_at(self._path, self._status)

    def close(self):
        self._db.close()


# -- one file -------------------------------------------------------------------------

class FileMapping(_Mapping):
    """Everything in memory, journalled to one file. Raises OSError.

    The file is MAGIC and frames; a frame is MARK, the payload's length and CRC-32, and the
    payload: one commit's changes, each a key's and a value's length (DELETED for a key
    that is gone), the key, the value. A frame that a crash cut short does not count.
    """

    kind = "file"

    MAGIC = b"dlserv journal\n\0"
    MARK = b"\xd1FRM"
    FRAME = struct.Struct(">4sII")
    ENTRY = struct.Struct(">II")
    DELETED = 0xffffffff
    SLACK = 2 ** 18         # bytes the journal may waste before it is rewritten

    def __init__(self, path):
        super().__init__()
        self._path, self._memory, self._live = path, {}, 0
        self._must_rewrite = False
        _create_private(path)
        self._file = open(path, "r+b", buffering=0)
        try:
            self._read()
        except BaseException:
            self._file.close()
            raise

    def _read(self):
        data = self._file.read()
        self._end = len(self.MAGIC)
        if not data:
            self._file.write(self.MAGIC)
        for start, end, changes in self.frames(data):
            if start != self._end:
                raise DamagedFile("bytes %d to %d of it are damaged" % (self._end, start))
            self._remember(changes)
            self._end = end

    @classmethod
    def frames(cls, data):
        """(start, end, changes) of every frame that is whole, wherever it lies."""
        position = data.find(cls.MARK)
        while position >= 0:
            changes, end = cls._frame(data, position)
            if changes is not None:
                yield position, end, changes
            position = data.find(cls.MARK, end)

    @classmethod
    def _frame(cls, data, position):
        begin = position + cls.FRAME.size
        if begin > len(data):
            return None, position + 1
        _, length, checksum = cls.FRAME.unpack_from(data, position)
        payload = data[begin:begin + length]
        if len(payload) < length or zlib.crc32(payload) != checksum:
            return None, position + 1
        try:
            return dict(cls._entries(payload)), begin + length
        except struct.error:
            return None, position + 1

    @classmethod
    def _entries(cls, payload):
        position = 0
        while position < len(payload):
            key_size, value_size = cls.ENTRY.unpack_from(payload, position)
            position += cls.ENTRY.size
            key = payload[position:position + key_size]
            position += key_size
            if value_size == cls.DELETED:
                yield key, None
                continue
            yield key, payload[position:position + value_size]
            position += value_size

    def _stored(self, key):
        return self._memory.get(key)

    def _stored_keys(self):
        return list(self._memory)

    def _save(self, changes, durable):
        if self._must_rewrite:
            self._rewrite()
        try:
            self._append(self.encode(changes), durable)
        except OSError:
            self._cut()
            raise
        self._remember(changes)
        if self._end > 2 * self._live + self.SLACK:
            with contextlib.suppress(OSError):      # as it is, it holds all as well
                self._rewrite()

    def _cut(self):
        """Take a frame back that was not written for sure: what was refused is not to happen later."""
        try:
            os.ftruncate(self._file.fileno(), self._end)
            os.fsync(self._file.fileno())
        except OSError:
            self._must_rewrite = True

    def _append(self, frame, durable):
        if self._file.closed:       # a rewrite could not open it again
            self._file = open(self._path, "r+b", buffering=0)
        self._file.seek(self._end)
        view = memoryview(frame)
        while view:
            view = view[self._file.write(view):]
        if durable:
            try:
                os.fsync(self._file.fileno())
            except OSError:
                self._must_rewrite = True   # what it left of all on the disk is anyone's guess
                raise
        self._end += len(frame)

    def _remember(self, changes):
        for key, value in changes.items():
            self._live -= self._weight(key, self._memory.pop(key, None))
            if value is not None:
                self._memory[key] = value
                self._live += self._weight(key, value)

    def _weight(self, key, value):
        return 0 if value is None else self.ENTRY.size + len(key) + len(value)

    @classmethod
    def encode(cls, changes):
        """The frame of one commit."""
        payload = b"".join(
            cls.ENTRY.pack(len(key), cls.DELETED if value is None else len(value)) + key + (value or b"")
            for key, value in changes.items())
        return cls.FRAME.pack(cls.MARK, len(payload), zlib.crc32(payload)) + payload

    def _rewrite(self):
        """Replace the journal by one that says the same in fewer bytes."""
        end = _write_new(self._path, self._memory.items())
        self._file.close()
        try:
            os.replace(self._path + ".new", self._path)
            self._end = end
            sync_folder(self._path)
            self._must_rewrite = False
        finally:
            self._file = open(self._path, "r+b", buffering=0)

    def is_in_place(self):
        return self._file.closed or _is_at(self._path, os.fstat(self._file.fileno()))

    def close(self):
        self._file.close()


class DamagedFile(OSError):
    """A journal with whole frames behind a damaged one."""


def write_journal(path, items):
    """Replace the file by a journal of these (key, value), atomically. Raises OSError."""
    _write_new(path, items)
    os.replace(path + ".new", path)
    sync_folder(path)


def _write_new(path, items):
    """Write the journal beside the file, as path.new; gives its size."""
    with open(path + ".new", "wb", opener=_private) as file:
        file.write(FileMapping.MAGIC)
        for item in items:
            file.write(FileMapping.encode(dict([item])))
        file.flush()
        os.fsync(file.fileno())
        return file.tell()


def _is_at(path, status):
    try:
        return os.path.samestat(os.stat(path), status)
    except OSError:
        return False


def _private(path, flags):
    return os.open(path, flags | getattr(os, "O_CLOEXEC", 0), 0o600)
