"""The registry: every task by its tid, the lock that guards them, and the database behind them.

Methods are grouped by whether `lock` must be held; store tickets are waited for without it, to share commits.
"""

import logging
import threading
from collections import Counter

from ..contract import STATES
from ..errors import Conflict, Exists, Full, NotFound, RequestError, StoreBroken
from ..fs import file_system
from ..state.store import FACT, Store
from ..units import clean
from . import queue
from .archive import Archive
from .attempt import Running
from .events import Events
from .states import DOWNLOADING, QUEUED
from .task import Task

NETWORK_FILE_SYSTEMS = ("nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "afs")

log = logging.getLogger(__name__)


class TaskRegistry:
    """Tasks by tid, oldest first; a Daemon's methods say more. `boot` is the id of this boot of the machine."""

    def __init__(self, settings, boot):
        self._settings, self.boot = settings, boot
        self.lock = threading.RLock()
        self.events = Events()
        self.tasks, self.running = {}, Running()
        self.store, self._open = None, False
        self._changed = threading.Condition(self.lock)
        self._counts, self._order = Counter(), 0
        self.begun = set()          # tasks that may have a part file
        self.deleting = set()       # tids whose files are being deleted
        self.archive = Archive(settings, self.lock)
        self.on_end = lambda task: None     # called with each that finishes or fails, lock held
        self.on_idle = lambda: None         # called when nothing is queued or running any more, lock held

    # -- without the lock ------------------------------------------------------------

    def get(self, tid):
        try:
            return self.tasks[tid]
        except KeyError:
            raise NotFound(f"there is no task {clean(tid[:64])}") from None

    def list(self, state=None):
        with self.lock:
            tasks = list(self.tasks.values())
        return [task for task in tasks if state in (None, task.state)]

    def queue(self):
        with self.lock:
            return queue.of(self.tasks.values())

    def counts(self):
        with self.lock:
            return {state: self._counts[state] for state in STATES}

    def wait(self, tid, states, timeout):
        def there():
            return tid not in self.tasks or self.tasks[tid].state in states

        with self.lock:
            if not self._changed.wait_for(lambda: there() or not self._open, timeout):
                raise TimeoutError(f"the task is still {self.tasks[tid].state}")
            if not there():
                self.check_open()
        return self.get(tid)

    def add_all(self, tasks):
        """Take new tasks in; return (those taken, [(task, RequestError), …] of those refused).

        They are on disk then, in one transaction. Raise StoreBroken.
        """
        taken, failures = [], []
        with self.lock:
            self.check_open()
            try:
                for task in tasks:
                    try:
                        self._admit(task)
                        taken.append(task)
                    except RequestError as error:
                        failures.append((task, error.bare()))
                if not taken:
                    return [], failures
                ticket = self.store.write({task.tid: task.to_record() for task in taken})
            except Exception:       # they are not on disk
                for task in tasks:
                    self.remove(task)
                raise
        try:
            ticket.wait()
        except (StoreBroken, MemoryError):
            with self.lock:
                for task in taken:
                    self.remove(task)
                self.store.write({task.tid: None for task in taken}, lazy=True)
            raise
        for task in taken:
            log.info("%s: added", task.tid[:8])
            self.announce("added", task)
        return taken, failures

    def act_on_all(self, tids, act):
        """Call `act(task)` on each, lock held, and store the {tid: record} that it returns as one.

        Return [(tid, RequestError), …] of those that refused, when the others are on disk. Raise StoreBroken;
        the tasks stay changed all the same, and are stored as soon as possible.
        """
        failures, changes = [], {}
        with self.lock:
            self.check_open()
            for tid in dict.fromkeys(tids):
                try:
                    changes.update(act(self.get(tid)))
                except RequestError as error:
                    failures.append((tid, error.bare()))
            if not changes:
                return failures
            ticket = self.store.write(changes)
        try:
            ticket.wait()
        finally:
            for tid in [name for name in changes if not name.startswith(FACT)]:
                task = self.tasks.get(tid)
                if task is None:
                    self.events.publish("removed", tid)
                else:
                    self.announce("changed", task)
        return failures

    def settle(self, task):
        """Wait until the task is on disk, if it is here, so that a crash repeats nothing."""
        with self.lock:
            ticket = self.store.write(task.changes()) if self._open and self.holds(task) else None
        try:
            if ticket is not None:
                ticket.wait()
        except StoreBroken as error:
            log.warning("%s: %s", task.tid[:8], error)

    def record(self, task, level=None, text="", longest=1000):
        """Store and announce the task, if it is here; with a `level`, put a line on top of its log."""
        with self.lock:
            if self._open and self.holds(task):
                if level:
                    self.note(task, level, text, longest)
                self.store.write(task.changes(), lazy=True)
                self.announce("changed", task)

    # -- with the lock held ----------------------------------------------------------

    def check_open(self):
        if not self._open:
            raise StoreBroken("the daemon is shutting down")

    def holds(self, task):
        return self.tasks.get(task.tid) is task

    def moved(self, task, before):
        """Take note of the task's new state; called by the task."""
        self._counts[task.state] += 1
        self._left(before)
        log.debug("%s: %s -> %s", task.tid[:8], before, task.state)
        if task.progress is None:
            self.begun.discard(task)

    @property
    def is_idle(self):
        """True if nothing is queued or running."""
        return not self._counts[QUEUED] + self._counts[DOWNLOADING]

    def _left(self, state):
        self._counts[state] -= 1
        self._changed.notify_all()
        if self.is_idle and state in (QUEUED, DOWNLOADING):
            self.on_idle()

    def announce(self, kind, task):
        """Publish that the task was "added" or "changed"; the lock may be held."""
        self.events.publish(kind, task.tid, task.state)

    def is_current(self, attempt):
        """Return whether the attempt's end counts: its task is here and has no newer one."""
        return self.holds(attempt.task) and self.running.is_latest(attempt)

    def note(self, task, level, text, longest=1000):
        task.note(level, text, self._settings.general.log_size, longest)

    def configure(self):
        for task in self.tasks.values():
            task.configure(self._settings.download)
            task.trim_log(self._settings.general.log_size)
        self.archive.configure()

    def put(self, task):
        """Take the task in as it is."""
        self.tasks[task.tid] = task
        self._counts[task.state] += 1
        if task.progress is not None:
            self.begun.add(task)
        task.enter(self)

    def remove(self, task):
        if self.holds(task):
            del self.tasks[task.tid]
            self.begun.discard(task)
            self._left(task.state)

    def sort(self):
        self.tasks = dict(sorted(self.tasks.items(), key=lambda item: item[1].order))

    # -- the whole -------------------------------------------------------------------

    def open(self, download_dir):
        """Open the database and the DownloadDir, and take in what is stored.

        Return the tasks whose deletion a crash interrupted. Raise StoreBroken, MissingModule or Unwritable.
        """
        store = open_store(self._settings.general)
        log.info("database %s (%s), downloads to %s", store.path, store.backend, download_dir.path)
        if file_system(store.path) in NETWORK_FILE_SYSTEMS:
            log.warning("the database is on a network file system, which may lose it; "
                        "name a local one with general.db_path")
        try:
            fact = download_dir.open(store.fact("place"))
            tasks = load(store, self._settings.download)
            self.archive.open(store)
            self.store = store
            with self.lock:
                self._open = True
                for task in tasks:
                    task.trim_log(self._settings.general.log_size)
                    if not task.deleting:
                        task.wake_up(self.boot)
                        self._order = max(self._order, task.order)
                        self.put(task)
                        if task.state == DOWNLOADING:
                            task.requeue()
        except BaseException:
            store.close()
            raise
        if fact is not None:
            store.write({FACT + "place": fact})
        return [task for task in tasks if task.deleting]

    def close(self):
        """Requeue and store the running tasks, and close the store."""
        with self.lock:
            changes = {}
            for task in self.tasks.values():
                if task.state == DOWNLOADING:
                    task.requeue()
                    changes.update(task.changes())
            store, self._open = self.store, False
            self._changed.notify_all()
        try:
            store.write(changes)
        finally:
            store.close()

    def _admit(self, task):
        """Take a new task in. Raise Exists, Archived, Conflict or Full."""
        most = self._settings.general.max_tasks
        if task.tid in self.tasks:
            raise Exists(task.tid)
        if task.tid in self.deleting:
            raise Conflict("the task of this URL is just being deleted; try again")
        self.archive.check(task)
        if len(self.tasks) >= most:
            raise Full(f"there are {most} tasks, as many as general.max_tasks allows; delete some first")
        self._order += 1
        task.number(self._order, self._order)
        self.put(task)


def open_store(general):
    """Return the Store that config.general names. Raise StoreBroken, which names the setting."""
    try:
        return Store(general.db_path, general.db_backend)
    except StoreBroken as error:
        raise StoreBroken(f"general.db_path: {error}") from error


def load(store, settings):
    """Return the Tasks that the store holds, oldest first."""
    def task_of(tid, record):
        task = Task.from_record(record, settings)
        if task.tid != tid:
            raise ValueError("its URL does not belong to its tid")
        return task

    return sorted(store.load(task_of), key=lambda task: task.order)
