"""A shelf of plain records on disk that survives kill -9 and power cuts.

One thread owns the Shelf and commits in groups: all writes that arrive during a commit share the next one.

    durable   fsynced before the ticket settles
    relaxed   survives a crash of the process, and a power cut once the next durable write is done
    lazy      relaxed, and may wait LAZY seconds to share a commit
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping

from ..complaint import Complaint
from ..errors import MissingModule, StoreBroken
from ..threads import Thread, persist
from . import recovery
from .inbox import Inbox, Ticket
from .lock import FileLock
from .shelf import Shelf, pack, unpack
from .snapshot import MARK, Snapshot
from .sqlite import ERRORS

SCHEMA = 1
LAZY = 0.1              # seconds that a lazy write may wait for others
RETRY = 5.0             # seconds until a failed write is tried again
_SCHEMA_KEY = "schema"
_DAMAGED = "damaged/"
FACT = "fact/"          # prefix of the names of records that are not tasks

log = logging.getLogger(__name__)


class Store:
    """Records by name in the database at `path`. Any thread may call any method.

    Raise StoreBroken if the database cannot be opened, is in use or is from a newer dlserv, and
    MissingModule if this Python lacks the module for its kind. `clock` returns epoch seconds.
    """

    def __init__(self, path: str, backend: str = "auto", clock: Callable[[], float] = time.time) -> None:
        self.path = os.path.realpath(path)      # two links to one database share its lock
        self._lock = FileLock(self.path)
        try:
            self._snapshot = Snapshot(self.path, clock)
            self._mapping, self._repair = recovery.open_mapping(self.path, backend, self._snapshot)
            self.backend, self._shelf = self._mapping.kind, Shelf(self._mapping)
            self._check_schema()
        except BaseException:
            self._lock.release()
            raise
        self._changed = self._closed = False
        self._owed: dict[str, dict | None] = {}     # the changes of failed commits
        self._restored = self._lost = 0     # damaged records
        self._complaint, self._inbox = Complaint(log), Inbox()
        self._group: list[Ticket] = []      # unsettled tickets
        self._thread = Thread(persist, "dlserv-store", (self._run, self._stumble))
        self._thread.start()

    @property
    def is_writable(self) -> bool:
        return not self._owed and not self._closed and self._thread.is_alive()

    @property
    def repaired(self) -> str | None:
        """A sentence about repairs, or None."""
        damaged = self._restored + self._lost
        told = [self._repair] if self._repair else []
        if damaged:
            told.append(f"{damaged} of its records were damaged, and {self._restored} of them "
                        "taken from the snapshot")
        return "; ".join(told) or None

    def load(self, parse: Callable[[str, dict], object]) -> list:
        """Return [parse(name, record), …] of all records. Call this before the first write.

        One for which `parse` raises is set aside, and the snapshot's is taken.
        """
        return self._load(parse, lambda name: name != _SCHEMA_KEY and not name.startswith((_DAMAGED, FACT)))

    def facts(self, prefix: str, parse: Callable[[str, dict], object]) -> list:
        """Do as `load` with the records "fact/<prefix>…"."""
        return self._load(parse, lambda name: name.startswith(FACT + prefix))

    def _load(self, parse, is_wanted):
        loaded = []
        for raw in list(self._mapping):
            name = raw.decode("utf-8", "replace")
            if not is_wanted(name):
                continue
            try:
                loaded.append(parse(name, self._shelf[name]))
            except MissingModule:           # the record is valid on another Python
                raise
            except Exception as error:      # a damaged record may raise anything
                log.error("the record %s in %s is damaged and was set aside: %s", name, self.path, error)
                self._set_aside(raw)
                loaded += self._restore(raw, name, parse)
        return loaded

    def _restore(self, raw, name, parse):
        """Put the snapshot's record in the place of the damaged one; return [it, parsed], or []."""
        spare = self._snapshot.read()
        try:
            parsed = parse(name, unpack(spare[raw]))
        except Exception as error:          # see `_load`
            log.error("the snapshot has no record %s either: %s", name, error)
            self._lost += 1
            return []
        self._mapping[raw] = spare[raw]
        self._mapping.commit(durable=True)
        self._restored += 1
        log.error("the record %s was taken from the snapshot of %s", name,
                  recovery.day_of(self._snapshot.made))
        return [parsed]

    def fact(self, name: str) -> dict | None:
        """Return the record "fact/<name>", or None. Call this before the first write."""
        return self._record(FACT + name)

    def _record(self, name):
        try:
            return self._shelf[name]
        except KeyError:
            return None
        except Exception as error:
            log.error("the record %s in %s is damaged: %s", name, self.path, error)
            return None

    def write(self, changes: Mapping[str, dict | None], durable: bool = True, lazy: bool = False) -> Ticket:
        """Queue {name: record, or None to delete} as one transaction; return its Ticket.

        A failed write is retried until a later one of the same record replaces it.
        """
        ticket = Ticket(changes, durable and not lazy, lazy)
        if not self._inbox.put(ticket):
            ticket.settle("it is closed")
        return ticket

    def close(self) -> None:
        self._closed = True
        self._inbox.close()
        self._thread.join()
        self._keep_a_copy(self._snapshot.made is None or self._snapshot.due_in() == 0)
        try:
            self._mapping.commit(durable=True)
        except ERRORS as error:
            log.error("the database cannot be written: %s", error)
        self._shelf.close()
        self._lock.release()

    # -- inside ----------------------------------------------------------------------

    def _check_schema(self):
        found = (self._record(_SCHEMA_KEY) or {}).get("version")
        if isinstance(found, int) and found > SCHEMA:
            self._shelf.close()
            raise StoreBroken(f"the database {self.path} was written by a newer dlserv "
                              f"(schema {found}, this one knows {SCHEMA})")
        if found != SCHEMA:
            self._shelf[_SCHEMA_KEY] = {"version": SCHEMA}
            self._mapping.commit(durable=True)

    def _set_aside(self, raw):
        name = _DAMAGED + time.strftime("%Y%m%d-%H%M%S/") + raw.decode("utf-8", "replace")
        self._mapping[name.encode("utf-8")] = self._mapping[raw]
        del self._mapping[raw]
        self._mapping.commit(durable=True)

    def _run(self):
        ended = False
        while not ended or self._group:
            ended = self._take_into(self._group)
            self._commit(self._group)
            self._group.clear()
            self._keep_a_copy(self._snapshot.due_in() == 0)
            self._complaint.over()

    def _stumble(self, error):
        self._complaint.tell("the storage thread met a bug; it goes on", error)

    def _keep_a_copy(self, due):
        if not due or not self._changed or self._owed:
            return
        mark = pack({"time": time.time()})
        if self._snapshot.make(self._whole_records(mark)):
            self._changed, self._mapping[MARK] = False, mark
            try:
                self._mapping.commit(durable=True)
            except ERRORS as error:
                log.warning("the mark of the snapshot cannot be written to the database: %s", error)

    def _whole_records(self, mark):
        """Yield (key, value) of all records. Raise UnpicklingError for a damaged one."""
        for raw in list(self._mapping):
            if raw != MARK and not raw.startswith(_DAMAGED.encode()):
                value = self._mapping[raw]
                unpack(value)
                yield raw, value
        yield MARK, mark

    def _take_into(self, group):
        """Append the next tickets, none if a retry or a snapshot is due; return whether the store closes."""
        take = self._inbox.take_into
        ended = take(group, 0 if group else LAZY, urgent=True)      # lazy tickets wait that long
        if not group and not ended:
            ended = take(group, RETRY if self._owed else self._snapshot.due_in() if self._changed else None)
            if group and all(ticket.lazy for ticket in group):
                ended = take(group, LAZY, urgent=True)
        return ended

    def _commit(self, group):
        """Write the group and the changes of failed commits; if this fails too, keep them all to retry."""
        error, changes = None, dict(self._owed)
        try:
            for ticket in group:
                changes.update(ticket.changes)
            self._apply(changes)
            if not self._mapping.is_in_place():
                raise OSError("it was moved or deleted")
            self._mapping.commit(bool(self._owed) or any(ticket.durable for ticket in group))
            if self._owed:
                log.warning("the database can be written again")
            self._owed = {}
            self._changed = self._changed or bool(changes)
        except Exception as problem:
            error = problem
            self._mapping.roll_back()
            if isinstance(problem, ERRORS + (MemoryError,)):
                if not self._owed:
                    log.error("the database cannot be written: %s; it will be tried again", problem)
                self._owed = changes
            elif len(group) > 1:        # one record cannot be written; write the others
                for ticket in group:
                    self._commit([ticket])
                return
            else:                       # a retry would fail too
                log.error("a record cannot be written: %s", problem, exc_info=problem)
        for ticket in group:
            ticket.settle(error)

    def _apply(self, changes):
        for name, record in changes.items():
            if record is None:
                self._shelf.pop(name, None)
            else:
                self._shelf[name] = record
