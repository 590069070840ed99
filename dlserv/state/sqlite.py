"""A database in SQLite, with the table of dbm.sqlite3, so that shelve.open of Python 3.13 reads it."""

from . import wal
from .mapping import DamagedFile, Mapping

try:
    import sqlite3
    ERRORS = (OSError, sqlite3.Error)
except ImportError:     # OpenWrt without python3-sqlite3
    sqlite3 = None
    ERRORS = (OSError,)

_FAILED_FLUSHES = (1034, 1290)  # SQLITE_IOERR_FSYNC, SQLITE_IOERR_DIR_FSYNC
REPLAYED = "-replayed"      # suffix of a copy with the commits of a damaged log


class SqliteMapping(Mapping):
    """A table of keys and values. Raise sqlite3.Error.

    SQLite itself merges the log at 1,000 pages and in `close`; this class does it only at the start and
    after a failed flush.
    """

    kind = "sqlite"

    BUILD = "CREATE TABLE IF NOT EXISTS Dict (key BLOB UNIQUE NOT NULL, value BLOB NOT NULL)"
    LOOK_UP = "SELECT value FROM Dict WHERE key = ?"
    STORE = "INSERT INTO Dict (key, value) VALUES (?, ?)"
    AGAIN = " ON CONFLICT (key) DO UPDATE SET value = excluded.value"   # half the pages of REPLACE
    AT_ONCE = 8             # records that one statement stores, without BEGIN and COMMIT
    DELETE = "DELETE FROM Dict WHERE key = ?"
    KEYS = "SELECT key FROM Dict"

    def __init__(self, path):
        super().__init__(path)
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5)
        self._synchronous, self._is_doubtful = None, False
        self._store, self._again = self.STORE, self.AGAIN
        if sqlite3.sqlite_version_info < (3, 24):
            self._store, self._again = self.STORE.replace("INSERT", "REPLACE"), ""
        try:
            # Exclusive: needs no shared memory, which network file systems lack.
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
        try:        # merge the log; `known` are the frames that SQLite accepts
            known = self._db.execute("PRAGMA wal_checkpoint").fetchone()[1]
        except sqlite3.OperationalError:    # the disk is full; the log can still be read
            known = wal.committed_frames(self._path + "-wal")
        behind = wal.pages_behind(self._path + "-wal", known)
        if behind:      # SQLite would remove the log
            wal.replay(self._path, behind, self._path + REPLAYED)
            raise DamagedFile(f"its log is damaged behind frame {known}")
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
        if self._db.in_transaction:     # there was no memory to end it
            self._db.execute("ROLLBACK")
        self._synchronize("FULL" if durable else "NORMAL")
        if self._is_doubtful:
            self._renew_doubtful_log()
        try:
            if len(changes) <= self.AT_ONCE and None not in changes.values():
                self._db.execute(self._store + ", (?, ?)" * (len(changes) - 1) + self._again,
                                 [part for change in changes.items() for part in change])
            else:
                self._save_many(changes)
        except sqlite3.OperationalError as error:
            self._is_doubtful = _is_failed_flush(error)
            raise

    def _renew_doubtful_log(self):
        """After a failed flush: merge the log and start a new one.

        The kernel may have dropped pages, also of relaxed commits before; no frame after a lost one counts.
        """
        if self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
            raise OSError("the log of the database is in use")
        self._is_doubtful = False

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

    def close(self):
        self._db.close()


def _is_failed_flush(error):
    """Return whether the error may be a failed flush; before Python 3.11, any disk I/O error may be."""
    code = getattr(error, "sqlite_errorcode", None)
    return str(error) == "disk I/O error" if code is None else code in _FAILED_FLUSHES
