"""Opening the database, and making a whole one of a damaged one.

What is readable is carried over record by record; what is not is taken from the snapshot,
unless the readable part knows that it was deleted. The new database is complete before it
takes the name; the damaged one stays, with the date in its name.
"""

import logging
import os
import time

from . import backends, wal
from .backends import REPLAYED, DamagedFile, FileMapping, SqliteMapping
from ..fs import sync_folder
from ..errors import MissingModule, StoreBroken

_SQLITE_MAGIC = b"SQLite format 3\0"
_OF_A_TASK = b"\x8c\x0bcreate_time"      # as pickle writes it
_FROM_ROW = "SELECT rowid, key, value FROM Dict NOT INDEXED WHERE rowid > ? ORDER BY rowid"
_OF_KEY = "SELECT key, value FROM Dict NOT INDEXED WHERE rowid = (SELECT rowid FROM Dict WHERE key = ?)"
_INDEXED = "SELECT key FROM Dict INDEXED BY sqlite_autoindex_Dict_1 ORDER BY key"

_REPAIRED = ".repaired"      # ends the name of a database that is whole and waits for its place

log = logging.getLogger(__name__)


def open_mapping(path, backend, snapshot):
    """(the mapping at `path`, a sentence about its repair or None); `backend` is auto, sqlite or file.

    Made if there is none. Raises MissingModule or StoreBroken rather than to take one
    format for another.
    """
    _finish_repair(path)
    if snapshot.made is not None and not os.path.exists(path):
        log.warning("there is no database %s; a new one is begun, and the snapshot of the old one kept as %s",
                    path, snapshot.set_aside())
    found, damage = _format_of(path, snapshot.made is not None)
    if backend == "auto":
        backend = found or ("sqlite" if backends.sqlite3 else "file")
    if found not in (None, backend):
        raise StoreBroken("the database %s is of the kind %r, not %r as general.db_backend says"
                          % (path, found, backend))
    if backend == "sqlite" and backends.sqlite3 is None:
        raise MissingModule("the database " + path, "python3-sqlite3")
    kind = {"sqlite": SqliteMapping, "file": FileMapping}[backend]
    try:
        return _open_or_repair(kind, path, snapshot, damage)
    except backends.ERRORS as error:
        raise StoreBroken("the database %s cannot be opened: %s" % (path, error)) from error


def day_of(seconds):
    """The date, for a sentence and for a name."""
    return time.strftime("%Y-%m-%d", time.localtime(seconds))


def _open_or_repair(kind, path, snapshot, damage):
    try:
        if damage is not None:
            raise damage
        return _open(kind, path, snapshot), None
    except backends.ERRORS as error:
        if not _is_damage(error):
            raise
        damage = error
    return _repair(kind, path, snapshot, damage)


def _open(kind, path, snapshot):
    if os.path.exists(path + REPLAYED):
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
    """Whether the bytes in the database are wrong, not merely out of reach."""
    return isinstance(error, DamagedFile) or (
        backends.sqlite3 is not None and type(error) is backends.sqlite3.DatabaseError)


def _format_of(path, expected):
    """("sqlite", "file", or None where there is nothing yet; DamagedFile or None).

    Raises StoreBroken for a file of someone else, which one is not if a database is
    `expected` there, or a task's record is in it.
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
    if head == FileMapping.MAGIC:
        return "file", None
    if expected:
        return None, DamagedFile("it does not begin as one")
    if not FileMapping.MAGIC.startswith(head):
        raise StoreBroken("%s is not a dlserv database" % path)
    return ("file" if head else None), None


# -- repair ---------------------------------------------------------------------------

def _repair(kind, path, snapshot, damage):
    """What `open_mapping` gives, of a damaged database."""
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
    """Give the repaired database its name, if the damaged one has lost it already."""
    if os.path.exists(path + _REPAIRED) and not os.path.exists(path):
        if _files(path):        # a log that would be taken for the new one's
            set_aside(path)
        os.replace(path + _REPAIRED, path)
        sync_folder(path)


def set_aside(path):
    """Give a damaged database a name with the date in it; gives that."""
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
    """Those of the database that are there."""
    return [path + suffix for suffix in ("", "-wal", "-shm", REPLAYED) if os.path.exists(path + suffix)]


def salvage(path, asked=()):
    """({key: value} that can be read from a damaged database, those of `asked` that it has deleted)."""
    with open(path, "rb") as file:
        data = file.read()
    last = {}
    for _, _, changes in FileMapping.frames(data):
        last.update(changes)
    if not last and backends.sqlite3:
        if not os.path.exists(path + REPLAYED):
            _renew_head(path)
        found, _ = _salvage_sqlite(path, ())
        later, gone = _salvage_sqlite(path + REPLAYED, set(asked) | set(found))
        return {**{key: found[key] for key in set(found) - gone}, **later}, gone
    found = {key: value for key, value in last.items() if value is not None}
    return found, set(last) - set(found)


def _renew_head(path):
    """Copy the database, and what its log holds, with the first page that every one of ours begins with."""
    import tempfile
    with tempfile.TemporaryDirectory(dir=os.path.dirname(path)) as folder:
        new = os.path.join(folder, "db")
        SqliteMapping(new).close()
        with open(new, "rb") as file:
            page = file.read(4096)
    pages = {1: page[:28] + bytes(4) + page[32:]}       # no length: that of the file counts
    pages.update(wal.pages_behind(path + "-wal", 0))
    wal.replay(path, pages, path + REPLAYED)


def _salvage_sqlite(path, asked):
    db = backends.sqlite3.connect(path)
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
    """({key: value} of the rows, whether all could be read)."""
    found, position, stride, whole = {}, -1, 1, True
    while stride < 2 ** 32:
        try:
            for row, key, value in db.execute(_FROM_ROW, (position,)):
                found[bytes(key)] = bytes(value)
                if row > position:      # else the order is damaged too
                    position, stride = row, 1
            break
        except (backends.sqlite3.Error, TypeError):
            position += stride      # over the damaged page, in growing steps
            stride *= 2
            whole = False
    return found, whole


def _scan_index(db):
    """(keys that the index has, whether all could be read)."""
    keys = set()
    try:
        for key, in db.execute(_INDEXED):
            keys.add(bytes(key))
        return keys, True
    except (backends.sqlite3.Error, TypeError):
        return keys, False


def _look_up(db, keys):
    """(key, value) of the rows that only the index leads to."""
    for key in keys:
        try:
            for there, value in db.execute(_OF_KEY, (key,)):
                if there == key:
                    yield key, bytes(value)
        except (backends.sqlite3.Error, TypeError):
            pass
