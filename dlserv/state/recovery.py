"""Opening the database, and making a whole one of a damaged one.

What is readable is carried over record by record; what is not is taken from the snapshot,
unless the readable part knows that it was deleted. The new database is complete before it
takes the name; the damaged one stays, with the date in its name.
"""

import logging
import os
import time

from ..errors import MissingModule, StoreBroken
from ..fs import sync_folder
from . import sqlite, wal
from .journal import JournalMapping
from .mapping import DamagedFile

_SQLITE_MAGIC = b"SQLite format 3\0"
_OF_A_TASK = b"\x8c\x0bcreate_time"      # as pickle writes it
_FROM_ROW = "SELECT rowid, key, value FROM Dict NOT INDEXED WHERE rowid > ? ORDER BY rowid"
_OF_KEY = "SELECT key, value FROM Dict NOT INDEXED WHERE rowid = (SELECT rowid FROM Dict WHERE key = ?)"
_INDEXED = "SELECT key FROM Dict INDEXED BY sqlite_autoindex_Dict_1 ORDER BY key"

_REPAIRED = ".repaired"      # ends the name of a database that is whole and waits for its place

log = logging.getLogger(__name__)


def open_mapping(path, backend, snapshot):
    """Return (the mapping at `path`, a sentence about its repair or None); `backend` is auto, sqlite or file.

    The database is made if there is none. Raise MissingModule or StoreBroken rather than take
    one format for another.
    """
    _finish_repair(path)
    if snapshot.made is not None and not os.path.exists(path):
        log.warning("there is no database %s; a new one is begun, and the snapshot of the old one kept as %s",
                    path, snapshot.set_aside())
    found, damage = _format_of(path, snapshot.made is not None)
    if backend == "auto":
        backend = found or ("sqlite" if sqlite.sqlite3 else "file")
    if found not in (None, backend):
        raise StoreBroken("the database %s is of the kind %r, not %r as general.db_backend says"
                          % (path, found, backend))
    if backend == "sqlite" and sqlite.sqlite3 is None:
        raise MissingModule("the database " + path, "python3-sqlite3")
    kind = {"sqlite": sqlite.SqliteMapping, "file": JournalMapping}[backend]
    try:
        return _open_or_repair(kind, path, snapshot, damage)
    except sqlite.ERRORS as error:
        raise StoreBroken("the database %s cannot be opened: %s" % (path, error)) from error


def day_of(seconds):
    """Return the date, for a sentence and for a name."""
    return time.strftime("%Y-%m-%d", time.localtime(seconds))


def _open_or_repair(kind, path, snapshot, damage):
    try:
        if damage is not None:
            raise damage
        return _open(kind, path, snapshot), None
    except sqlite.ERRORS as error:
        if not _is_damage(error):
            raise
        damage = error
    return _repair(kind, path, snapshot, damage)


def _open(kind, path, snapshot):
    if os.path.exists(path + sqlite.REPLAYED):
        raise DamagedFile("its repair was cut short")
    mapping = kind(path)
    try:
        mapping.check()
        if mapping.kind == "file" and not snapshot.is_older_than(mapping):
            raise DamagedFile("it ends before the snapshot was made")
        return mapping
    except BaseException:
        mapping.close()
        raise


def _is_damage(error):
    """Return True if the bytes in the database are wrong, not merely out of reach."""
    return isinstance(error, DamagedFile) or (
        sqlite.sqlite3 is not None and type(error) is sqlite.sqlite3.DatabaseError)


def _format_of(path, expected):
    """Return ("sqlite", "file", or None where there is nothing yet; DamagedFile or None).

    Raise StoreBroken if the file is not ours. It counts as ours if a snapshot exists
    (`expected`) or a task's record is found in it.
    """
    try:
        with open(path, "rb") as file:
            page = file.read(2 ** 16)
    except FileNotFoundError:
        return None, None
    except OSError as error:
        raise StoreBroken("the database %s cannot be read: %s" % (path, error.strerror)) from error
    head, expected = page[:len(_SQLITE_MAGIC)], expected or _OF_A_TASK in page
    if head == _SQLITE_MAGIC:
        if not expected and b"CREATE TABLE " in page and b"CREATE TABLE Dict" not in page:
            raise StoreBroken("%s is not a dlserv database" % path)
        return "sqlite", None
    if head == JournalMapping.MAGIC:
        return "file", None
    if expected:
        return None, DamagedFile("it does not begin as one")
    if not JournalMapping.MAGIC.startswith(head):
        raise StoreBroken("%s is not a dlserv database" % path)
    return ("file" if head else None), None


# -- repair ---------------------------------------------------------------------------

def _repair(kind, path, snapshot, damage):
    """Return what `open_mapping` does, for a damaged database."""
    spare = snapshot.read()
    found, gone = salvage(path, spare)
    taken = {key: value for key, value in spare.items() if key not in found and key not in gone}
    new = path + ".repairing"
    for each in _files(new):
        os.remove(each)
    mapping = kind(new)
    try:
        mapping.update(found)
        mapping.update(taken)
        mapping.commit(durable=True)
    finally:
        mapping.close()
    os.replace(new, path + _REPAIRED)
    aside = set_aside(path)
    _finish_repair(path)
    told = "%d of its records were carried over" % len(found)
    if taken:
        told += " and %d taken from the snapshot of %s" % (len(taken), day_of(snapshot.made))
    log.error("the database %s is damaged (%s); it was set aside as %s, and %s", path, damage, aside, told)
    return kind(path), "the database was damaged; %s" % told


def _finish_repair(path):
    """Rename the repaired database into its place, if the damaged one has lost that already."""
    if os.path.exists(path + _REPAIRED) and not os.path.exists(path):
        if _files(path):        # a log that would be taken for the new one's
            set_aside(path)
        os.replace(path + _REPAIRED, path)
        sync_folder(path)


def set_aside(path):
    """Rename a damaged database to include the date. Return the new path."""
    name = aside = "%s.damaged-%s" % (path, time.strftime("%Y%m%d-%H%M%S"))
    number = 1
    while os.path.exists(aside):
        number += 1
        aside = "%s-%d" % (name, number)
    for each in _files(path):
        os.replace(each, aside + each[len(path):])
    sync_folder(path)
    return aside


def _files(path):
    """Return the database's files that exist."""
    return [path + suffix for suffix in ("", "-wal", "-shm", sqlite.REPLAYED) if os.path.exists(path + suffix)]


# -- salvage --------------------------------------------------------------------------

def salvage(path, asked=()):
    """Return ({key: value} that a damaged database still has, those of `asked` that it has deleted).

    This is the one way to the readers of damaged files: a journal's frames wherever they lie,
    SQLite's rows around damaged pages, by table and by index, and what its log holds behind a
    damaged frame (wal.py). Without it there is only the daily snapshot: each task that was
    added since would be lost although its request was answered, and each one that was deleted
    would be back. tests/state/test_wal.py damages fifty logs by one flipped bit or one zeroed
    block: SQLite takes 46 of them for torn ends and drops what lies behind, 932 acknowledged
    records, without a word; with this, the one record is lost that was hit. Of the records
    that test_snapshot.py adds after the snapshot, a zeroed block in the database then costs
    78 of 640 instead of 441, a flipped bit 3 of 560 instead of 63.
    """
    with open(path, "rb") as file:
        data = file.read()
    last = {}
    for _, _, changes in JournalMapping.frames(data):
        last.update(changes)
    if not last and sqlite.sqlite3:
        return _salvage_sqlite(path, asked)
    found = {key: value for key, value in last.items() if value is not None}
    return found, set(last) - set(found)


def _salvage_sqlite(path, asked):
    """The same of an SQLite database: of the file as it is, and of a copy with all that its log holds."""
    if not os.path.exists(path + sqlite.REPLAYED):
        _renew_head(path)
    found, _ = _read_rows(path, ())
    later, gone = _read_rows(path + sqlite.REPLAYED, set(asked) | set(found))
    return {**{key: found[key] for key in set(found) - gone}, **later}, gone


def _renew_head(path):
    """Copy the database, and what its log holds, with the first page that every one of ours begins with."""
    import tempfile
    with tempfile.TemporaryDirectory(dir=os.path.dirname(path)) as folder:
        new = os.path.join(folder, "db")
        sqlite.SqliteMapping(new).close()
        with open(new, "rb") as file:
            page = file.read(4096)
    pages = {1: page[:28] + bytes(4) + page[32:]}       # no length: that of the file counts
    pages.update(wal.pages_behind(path + "-wal", 0))
    wal.replay(path, pages, path + sqlite.REPLAYED)


def _read_rows(path, asked):
    """Return ({key: value} of the rows that can be read, those of `asked` that are known to be deleted)."""
    db = sqlite.sqlite3.connect(path)
    try:
        found, whole = _scan(db)
        keys, keys_whole = _scan_index(db)
        found.update(_look_up(db, keys - set(found)))
    finally:
        db.close()
    # Table and index hold the same keys. One that is whole, and knows of all that the other
    # still has, is to be believed about what is not there.
    if keys_whole and keys >= set(found):
        return found, set(asked) - keys
    if whole and keys <= set(found):
        return found, set(asked) - set(found)
    return found, set()


def _scan(db):
    """Return ({key: value} of the rows, whether all could be read)."""
    found, position, stride, whole = {}, -1, 1, True
    while stride < 2 ** 32:
        try:
            for row, key, value in db.execute(_FROM_ROW, (position,)):
                found[bytes(key)] = bytes(value)
                if row > position:      # else the order is damaged too
                    position, stride = row, 1
            break
        except (sqlite.sqlite3.Error, TypeError):
            position += stride      # over the damaged page, in growing steps
            stride *= 2
            whole = False
    return found, whole


def _scan_index(db):
    """Return (the keys that the index has, whether all could be read)."""
    keys = set()
    try:
        for key, in db.execute(_INDEXED):
            keys.add(bytes(key))
        return keys, True
    except (sqlite.sqlite3.Error, TypeError):
        return keys, False


def _look_up(db, keys):
    """Yield (key, value) of the rows that only the index leads to."""
    for key in keys:
        try:
            for there, value in db.execute(_OF_KEY, (key,)):
                if there == key:
                    yield key, bytes(value)
        except (sqlite.sqlite3.Error, TypeError):
            pass
