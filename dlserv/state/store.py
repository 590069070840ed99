"""The state on disk: a shelf of plain records that survives kill -9 and power cuts.

`Store` is what the daemon talks to. One thread owns the `shelve.Shelf` and commits in
groups: all writes that arrive while a commit is under way share the next one.

    durable   fsynced before the ticket settles
    relaxed   survives a crash of the process, and a power cut once the next durable write is done
    lazy      relaxed, and may wait LAZY seconds to share a commit

Records are dicts of plain data, read through an unpickler that knows no classes, so a
tampered database executes nothing. sqlite.py and journal.py say what the shelf is made of.
"""

import logging
import os
import threading
import time

from ..complaint import Complaint
from ..errors import MissingModule, StoreBroken
from . import recovery
from .lock import FileLock
from .shelf import Shelf, pack, unpack
from .snapshot import MARK, Snapshot
from .sqlite import ERRORS

SCHEMA = 1
LAZY = 0.1              # seconds that a lazy write may wait for company
RETRY = 5.0             # seconds after which a write that failed is tried again
_SCHEMA_KEY = "schema"
_DAMAGED = "damaged/"
FACT = "fact/"          # begins the names of records that are no task's

log = logging.getLogger(__name__)


class Ticket:
    """The promise of one write."""

    def __init__(self, changes, durable, lazy):
        self.changes, self.durable, self.lazy = changes, durable, lazy
        self._settled, self._error = threading.Lock(), None
        self._settled.acquire()

    def wait(self):
        """Return when the write is as safe as was asked for; raises StoreBroken if it failed."""
        with self._settled:
            pass
        if self._error is not None:
            raise StoreBroken("the database cannot be written: %s" % self._error)

    def _settle(self, error):
        self._error = error
        if self._settled.locked():      # else a lack of memory has let it be settled twice
            self._settled.release()


class _Inbox:
    """Tickets for one thread, which is only woken for what it waits for."""

    def __init__(self):
        self._lock, self._bell = threading.Lock(), threading.Lock()
        self._bell.acquire()
        self._tickets, self._sleeps, self._wants_urgent = [], False, False
        self.is_closed = False

    def put(self, ticket):
        with self._lock:
            self._tickets.append(ticket)
            if self._is_awaited(ticket):
                self._ring()

    def close(self):
        """Let the thread wait no more."""
        with self._lock:
            self.is_closed = True
            self._ring()

    def take_into(self, group, seconds, urgent=False):
        """Append all tickets; before, wait so many seconds for one, for ever if that is -1.

        With `urgent`, wait for one that is not lazy.
        """
        with self._lock:
            self._wants_urgent = urgent
            is_there = self.is_closed or any(map(self._is_awaited, self._tickets))
            self._sleeps = sleeps = seconds != 0 and not is_there
        if sleeps:
            self._bell.acquire(timeout=seconds)
        with self._lock:
            self._sleeps = False
            group.extend(self._tickets)
            self._tickets.clear()

    def _is_awaited(self, ticket):
        return not (self._wants_urgent and ticket.lazy)

    def _ring(self):
        if self._sleeps:
            self._sleeps = False
            if self._bell.locked():     # else it was rung when the thread had just stopped waiting
                self._bell.release()


class Store:
    """Records by name in the database at `path`. Any thread may call any method.

    Raises StoreBroken if the database cannot be opened, is in use or is from a newer
    dlserv, and MissingModule if this Python lacks what it is made of. `clock` says when a
    day is over, of which the state is copied (snapshot.py).
    """

    def __init__(self, path, backend="auto", clock=time.time):
        self.path = os.path.realpath(path)      # a link to it has the same lock
        self._lock = FileLock(self.path)
        try:
            self._snapshot, self._changed = Snapshot(self.path, clock), False
            self._mapping, self._repair = recovery.open_mapping(self.path, backend, self._snapshot)
            self.backend = self._mapping.kind
            self._shelf = Shelf(self._mapping)
            self._check_schema()
        except BaseException:
            self._lock.release()
            raise
        self._closed, self._owed = False, {}
        self._restored = self._lost = 0     # damaged records
        self._complaint = Complaint(log)
        self._inbox = _Inbox()
        self._thread = threading.Thread(target=self._run, name="dlserv-store", daemon=True)
        self._thread.start()

    @property
    def is_writable(self):
        """Whether the last write succeeded and further ones are accepted."""
        return not self._owed and not self._closed and self._thread.is_alive()

    @property
    def repaired(self):
        """What was mended since it was opened, as a sentence, or None."""
        told = [self._repair] if self._repair else []
        damaged = self._restored + self._lost
        if damaged:
            told.append("%d of its records were damaged, and %d of them taken from the snapshot"
                        % (damaged, self._restored))
        return "; ".join(told) or None

    def load(self, parse):
        """[parse(name, record), …] of all that can be read; the rest is set aside and logged.

        `parse` raises for a record that is not what it should be; the snapshot's takes its
        place. Call this before the first write.
        """
        loaded = []
        for raw in list(self._mapping):
            name = raw.decode("utf-8", "replace")
            if name == _SCHEMA_KEY or name.startswith((_DAMAGED, FACT)):
                continue
            try:
                loaded.append(parse(name, self._shelf[name]))
            except MissingModule:           # another Python knows what to make of it
                raise
            except Exception as error:      # whatever a damaged record brings about
                log.error("the record %s in %s is damaged and was set aside: %s",
                          name, self.path, error)
                self._set_aside(raw)
                loaded += self._restore(raw, name, parse)
        return loaded

    def _restore(self, raw, name, parse):
        """[what the snapshot has of a record that was set aside]"""
        value = self._snapshot.read().get(raw)
        try:
            if value is None:
                raise KeyError(name)
            parsed = parse(name, unpack(value))
        except Exception as error:          # likewise
            log.error("the snapshot has no record %s either: %s", name, error)
            self._lost += 1
            return []
        self._mapping[raw] = value
        self._mapping.commit(durable=True)
        self._restored += 1
        log.error("the record %s was taken from the snapshot of %s", name, recovery.day_of(self._snapshot.made))
        return [parsed]

    def fact(self, name):
        """The record "fact/<name>", or None. Call this before the first write."""
        try:
            return self._shelf[FACT + name]
        except KeyError:
            return None
        except Exception as error:
            log.error("the record %s in %s is damaged: %s", FACT + name, self.path, error)
            return None

    def write(self, changes, durable=True, lazy=False):
        """Take {name: record, or None to delete} as one transaction; gives its Ticket.

        A write that fails is tried again until a later one of the same record replaces it:
        whoever takes the change back must write that.
        """
        ticket = Ticket(changes, durable and not lazy, lazy)
        if self._closed:
            ticket._settle("it is closed")
        else:
            self._inbox.put(ticket)
        return ticket

    def close(self):
        """Commit what was taken, flush it, and give the database free."""
        self._closed = True
        self._inbox.close()
        self._thread.join()
        self._keep_a_copy(self._snapshot.due_at_the_end())
        try:
            self._mapping.commit(durable=True)
        except ERRORS as error:
            log.error("the database cannot be written: %s", error)
        self._shelf.close()
        self._lock.release()

    # -- inside ----------------------------------------------------------------------

    def _check_schema(self):
        try:
            found = self._shelf[_SCHEMA_KEY]["version"]
        except KeyError:
            found = None
        except Exception as error:
            log.error("the schema number of %s is damaged: %s", self.path, error)
            found = None
        if isinstance(found, int) and found > SCHEMA:
            self._shelf.close()
            raise StoreBroken("the database %s was written by a newer dlserv (schema %d, this one "
                              "knows %d)" % (self.path, found, SCHEMA))
        if found != SCHEMA:
            self._shelf[_SCHEMA_KEY] = {"version": SCHEMA}
            self._mapping.commit(durable=True)

    def _set_aside(self, raw):
        name = _DAMAGED + time.strftime("%Y%m%d-%H%M%S/") + raw.decode("utf-8", "replace")
        self._mapping[name.encode("utf-8")] = self._mapping[raw]
        del self._mapping[raw]
        self._mapping.commit(durable=True)

    def _run(self):
        group, ended = [], False        # tickets that are not settled yet
        while not ended or group:
            try:
                ended = ended or self._take_into(group)
                self._commit(group)
                group.clear()
                self._keep_a_copy(self._snapshot.due_in() == 0)
                self._complaint.over()
            except Exception as error:      # without this thread nothing would ever be stored again
                self._complaint.tell("the storage thread met a bug; it goes on", error)
                time.sleep(0.1)

    def _keep_a_copy(self, due):
        """Make the snapshot if it is due and would be another."""
        if not due or not self._changed or self._owed:
            return
        mark = pack({"time": time.time()})
        self._changed = not self._snapshot.make(self._whole_records(mark))
        if not self._changed:
            self._mapping[MARK] = mark
            try:
                self._mapping.commit(durable=True)
            except ERRORS as error:
                log.warning("the database does not know of its snapshot: %s", error)

    def _whole_records(self, mark):
        """The (key, value) of all; raises for one that is not whole."""
        for raw in list(self._mapping):
            if raw != MARK and not raw.startswith(_DAMAGED.encode()):
                value = self._mapping[raw]
                unpack(value)
                yield raw, value
        yield MARK, mark

    def _take_into(self, group):
        """Append the tickets of the next commit to the group; return whether they are the last.

        It stays empty if there are none, and something is owed that may be tried again, or a
        snapshot is due.
        """
        inbox = self._inbox
        inbox.take_into(group, 0 if group else LAZY, urgent=True)       # what is lazy has waited so long then
        if not group and not inbox.is_closed:
            inbox.take_into(group, RETRY if self._owed else self._snapshot.due_in() if self._changed else -1)
            if group and all(ticket.lazy for ticket in group):
                inbox.take_into(group, LAZY, urgent=True)
        return inbox.is_closed

    def _commit(self, group):
        """Write the group, and what earlier failures owe; those are told, but not forgotten."""
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
            elif len(group) > 1:        # a record that cannot be written takes no others along
                for ticket in group:
                    self._commit([ticket])
                return
            else:                       # it would fail for ever
                log.error("a record cannot be written: %s", problem, exc_info=problem)
        for ticket in group:
            ticket._settle(error)

    def _apply(self, changes):
        for name, record in changes.items():
            if record is None:
                self._shelf.pop(name, None)
            else:
                self._shelf[name] = record
