"""Open the database, and repair a damaged one.

The readable records are copied to a new database; others are taken from the snapshot, unless they
are known to be deleted. The new one is complete before it takes the name; the damaged one is kept.
"""

import logging
import os
import time

from ..errors import MissingModule, StoreBroken
from ..fs import sync_folder
from . import sqlite
from .journal import MAGIC, JournalMapping
from .mapping import DamagedFile

_SQLITE_MAGIC = b"SQLite format 3\0"
_OF_A_TASK = b"\x8c\x0bcreate_time"      # a key of every task's record, as pickle writes it
_REPAIRED = ".repaired"      # suffix of a repaired database until it is renamed

log = logging.getLogger(__name__)


def open_mapping(path, backend, snapshot):
    """Return (the Mapping at `path`, which may be new, a sentence about its repair or None).

    `backend` is auto, sqlite or file. Raise MissingModule, or StoreBroken if the database has another
    format, is not ours or cannot be opened.
    """
    _finish_repair(path)
    if snapshot.made is not None and not os.path.exists(path):
        log.warning("there is no database %s; a new one is made, and the snapshot of the old one kept as %s",
                    path, snapshot.set_aside())
    found, damage = _format_of(path, snapshot.made is not None)
    if backend == "auto":
        backend = found or ("sqlite" if sqlite.sqlite3 else "file")
    if found not in (None, backend):
        raise StoreBroken(f"the database {path} is of the kind {found!r}, not {backend!r} "
                          "as general.db_backend says")
    if backend == "sqlite" and sqlite.sqlite3 is None:
        raise MissingModule(f"the database {path}", "python3-sqlite3")
    kind = {"sqlite": sqlite.SqliteMapping, "file": JournalMapping}[backend]
    try:
        return _open_or_repair(kind, path, snapshot, damage)
    except sqlite.ERRORS as error:
        raise StoreBroken(f"the database {path} cannot be opened: {error}") from error


def day_of(seconds):
    return time.strftime("%Y-%m-%d", time.localtime(seconds))


def _open_or_repair(kind, path, snapshot, damage):
    try:
        if damage is None:
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
            raise DamagedFile("it is older than its snapshot")
        return mapping
    except BaseException:
        mapping.close()
        raise


def _is_damage(error):
    return isinstance(error, DamagedFile) or (
        sqlite.sqlite3 is not None and type(error) is sqlite.sqlite3.DatabaseError)


def _format_of(path, expected):
    """Return ("sqlite", "file", or None if there is none or its head is lost; DamagedFile or None).

    Raise StoreBroken if it is not ours, as a snapshot (`expected`) or a task's record in it would show.
    """
    try:
        with open(path, "rb") as file:
            page = file.read(2 ** 16)
    except FileNotFoundError:
        return None, None
    except OSError as error:
        raise StoreBroken(f"the database {path} cannot be read: {error.strerror}") from error
    head, expected = page[:len(_SQLITE_MAGIC)], expected or _OF_A_TASK in page
    if head == _SQLITE_MAGIC:
        if not expected and b"CREATE TABLE " in page and b"CREATE TABLE Dict" not in page:
            raise StoreBroken(f"{path} is not a dlserv database")
        return "sqlite", None
    if head == MAGIC:
        return "file", None
    if expected:
        return None, DamagedFile("it does not begin like a database")
    if not MAGIC.startswith(head):
        raise StoreBroken(f"{path} is not a dlserv database")
    return ("file" if head else None), None


# -- repair ---------------------------------------------------------------------------

def _repair(kind, path, snapshot, damage):
    """Replace a damaged database by a repaired one; return as `open_mapping`."""
    from .salvage import salvage
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
    aside = _set_aside(path)
    _finish_repair(path)
    told = f"{len(found)} of its records were carried over"
    if taken:
        told += f" and {len(taken)} taken from the snapshot of {day_of(snapshot.made)}"
    log.error("the database %s is damaged (%s); it was set aside as %s, and %s", path, damage, aside, told)
    return kind(path), f"the database was damaged; {told}"


def _finish_repair(path):
    """Rename the repaired database if the damaged one has been set aside."""
    if os.path.exists(path + _REPAIRED) and not os.path.exists(path):
        if _files(path):        # else the old log would be taken for the new database's
            _set_aside(path)
        os.replace(path + _REPAIRED, path)
        sync_folder(path)


def _set_aside(path):
    name = aside = f"{path}.damaged-{time.strftime('%Y%m%d-%H%M%S')}"
    number = 1
    while os.path.exists(aside):
        number += 1
        aside = f"{name}-{number}"
    for each in _files(path):
        os.replace(each, aside + each[len(path):])
    sync_folder(path)
    return aside


def _files(path):
    return [path + suffix for suffix in ("", "-wal", "-shm", sqlite.REPLAYED) if os.path.exists(path + suffix)]
