"""The registry: every task by its tid, the lock that guards them, and the database behind them.

Tasks enter, leave and are stored here. Methods say whether they want `lock` held; store
tickets are waited for without it, so that many share one commit.
"""

import logging
import threading
from collections import Counter

from ..contract import STATES
from ..errors import Conflict, Exists, Full, NameTaken, NotFound, RequestError, StoreBroken
from ..units import clean
from .archive import Archive
from .events import Events
from .removal import Claims
from .running import Running
from .states import DOWNLOADING, PAUSED, QUEUED
from ..state.store import FACT
from .task import Task

log = logging.getLogger(__name__)


class TaskRegistry:
    """Tasks by tid, oldest first.

    settings  the settings.current.Settings
    boot      the id of this boot of the machine, or None where nothing tells
    running   the Running, the runner's table of attempts: a task is running if it is there
    """

    def __init__(self, settings, boot):
        self._settings, self.boot = settings, boot
        self.lock = threading.Lock()
        self.events = Events()
        self.tasks, self.running = {}, Running()
        self.store, self._open = None, False
        self._changed = threading.Condition(self.lock)
        self._counts, self._order = Counter(), 0
        self._deleting = set()      # tids whose files are being deleted
        self.archive = Archive(settings, self.lock)
        self.on_end = lambda task: None     # called with each that finishes or fails, lock held
        self.on_idle = lambda: None         # called when nothing is queued or running any more, lock held

    # -- without the lock ------------------------------------------------------------

    def get(self, tid):
        """Return the Task. Raise NotFound."""
        try:
            return self.tasks[tid]
        except KeyError:
            raise NotFound(f"there is no task {clean(tid[:64])}") from None

    def list(self, state=None):
        """Return the Tasks, oldest first; those in one state if it is named."""
        with self.lock:
            tasks = list(self.tasks.values())
        return [task for task in tasks if state in (None, task.state)]

    def queue(self):
        """Return the Tasks that wait or are paused, the next one first."""
        with self.lock:
            return self.waiting()

    def counts(self):
        """Return {state: how many tasks are in it}, every state named."""
        with self.lock:
            return {state: self._counts[state] for state in STATES}

    def wait(self, tid, states, timeout):
        """Return the Task once it is in one of the states. Raise NotFound, TimeoutError or StoreBroken."""
        def there():
            return tid not in self.tasks or self.tasks[tid].state in states

        with self._changed:
            if not self._changed.wait_for(lambda: there() or not self._open, timeout):
                raise TimeoutError(f"the task is still {self.tasks[tid].state}")
            if not there():
                self.check_open()
        return self.get(tid)

    def add_all(self, tasks):
        """Take new tasks in; return (those taken, [(task, RequestError), …] of those refused).

        Return when they are on disk, in one transaction. Raise StoreBroken.
        """
        taken, failures = [], []
        with self.lock:
            self.check_open()
            for task in tasks:
                try:
                    self._admit(task)
                    taken.append(task)
                except RequestError as error:
                    failures.append((task, error.bare()))
            if not taken:
                return [], failures
            ticket = self.store.write({task.tid: task.to_record() for task in taken})
        try:
            ticket.wait()
        except StoreBroken:
            with self.lock:
                for task in taken:
                    self._remove(task)
                self.store.write({task.tid: None for task in taken}, lazy=True)
            raise
        for task in taken:
            log.info("%s: added", task.tid[:8])
            self.announce("added", task)
        return taken, failures

    def act_on_all(self, tids, act):
        """Call `act(task)` on each, lock held, and store the {tid: record} that it returns as one.

        Return when they are on disk, with [(tid, RequestError), …] of those that refused.
        Raise StoreBroken; then they are what `act` made of them all the same, and the store
        sees to it that the database follows.
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
        """Return when the task, if it is still here, is on disk, or cannot be: a crash then repeats nothing."""
        with self.lock:
            here = self._open and self.tasks.get(task.tid) is task
            ticket = self.store.write(task.changes()) if here else None
        try:
            if ticket is not None:
                ticket.wait()
        except StoreBroken as error:
            log.warning("%s: %s", task.tid[:8], error)

    def record(self, task, level=None, text="", longest=1000):
        """Put a line on top of the log of a task, if it is still here, and store and announce it."""
        with self.lock:
            if self._open and self.tasks.get(task.tid) is task:
                if level:
                    self.note(task, level, text, longest)
                self.store.write(task.changes(), lazy=True)
                self.announce("changed", task)

    def claims(self):
        """Return the Claims of all tasks."""
        with self.lock:
            return Claims(self.tasks.values())

    def deletion_done(self, tids):
        """Let the URLs of these tasks be added again: their files are dealt with."""
        with self.lock:
            # Lazy is enough: after a crash the deletion is only finished again.
            self.store.write(dict.fromkeys(tids), lazy=True)
            self._deleting.difference_update(tids)

    # -- with the lock held ----------------------------------------------------------

    def check_open(self):
        """Raise StoreBroken before the start and after the end."""
        if not self._open:
            raise StoreBroken("the daemon is shutting down")

    def moved(self, task, before):
        """Take note of the task's new state; called by the task."""
        self._counts[before] -= 1
        self._counts[task.state] += 1
        log.debug("%s: %s -> %s", task.tid[:8], before, task.state)
        self._changed.notify_all()
        self._rest(before)

    @property
    def is_idle(self):
        """Return whether nothing is queued or running."""
        return not self._counts[QUEUED] + self._counts[DOWNLOADING]

    def _rest(self, before):
        if self.is_idle and before in (QUEUED, DOWNLOADING):
            self.on_idle()

    def announce(self, kind, task):
        """Tell those who listen that the task was "added" or "changed", and its state; the lock may be held."""
        self.events.publish(kind, task.tid, task.state)

    def is_current(self, attempt):
        """Return whether the attempt's end decides: its task is still here and has no newer attempt."""
        return self.tasks.get(attempt.tid) is attempt.task and self.running.is_latest(attempt)

    def check_part(self, task, part):
        """Raise NameTaken if another task is to go on with that part file, whether it exists or not."""
        if any(each.progress is not None and each.progress.part == part and each is not task
               and each.options.dir == task.options.dir for each in self.tasks.values()):
            raise NameTaken(f"{part} is another task's")

    def check_previous(self, task, target):
        """Raise NameTaken if another task's file has taken the name of the one that this task replaces."""
        previous = task.previous
        if previous is not None and previous.name == target and any(
                each.file is not None and each.file.name == target and each.options.dir == task.options.dir
                and each.finish_time > task.finish_time and each is not task for each in self.tasks.values()):
            raise NameTaken(f"{target} is another task's")

    def note(self, task, level, text, longest=1000):
        """Put a line on top of the task's log."""
        task.note(level, text, self._settings.general.log_size, longest)

    def configure(self):
        """Let every task follow the settings."""
        for task in self.tasks.values():
            task.configure(self._settings.download)
            task.trim_log(self._settings.general.log_size)
        self.archive.configure()

    def waiting(self):
        """Return the tasks that wait or are paused, in the order of the queue."""
        waiting = [each for each in self.tasks.values() if each.state in (QUEUED, PAUSED)]
        return sorted(waiting, key=lambda each: (-each.options.priority, each.position, each.tid))

    def reorder(self, task, to):
        """Put the task at another place of the queue: top, bottom, up, down, or an index from 0 on.

        It stays among the tasks of its priority. Return the tasks whose positions changed.
        Raise Conflict if the task does not wait.
        """
        if task.state not in (QUEUED, PAUSED):
            raise Conflict(f"the task is {task.state}; only one that waits has a place in the queue")
        queue = self.waiting()
        peers = [each for each in queue if each.options.priority == task.options.priority]
        there, last = peers.index(task), len(peers) - 1
        wanted = to - queue.index(peers[0]) if isinstance(to, int) else \
            {"top": 0, "bottom": last, "up": there - 1, "down": there + 1}[to]
        return _shift(peers, there, min(max(0, wanted), last))

    def begin_delete(self, task, del_file):
        """Remove the task; return the change to store so that a pending file deletion survives a crash."""
        self._deleting.add(task.tid)
        self._remove(task)
        task.mark_deleting(del_file)
        return {task.tid: task.to_record() if del_file else None}

    def undo_delete(self, tasks):
        """Put tasks back whose deletion could not be stored."""
        for task in tasks:
            self._deleting.discard(task.tid)
            task.mark_deleting(False)
            self._put(task)
            if task.state == DOWNLOADING:       # its attempt was stopped
                task.requeue()
            self.announce("added", task)
        if tasks:
            self.tasks = dict(sorted(self.tasks.items(), key=lambda item: item[1].order))
            self.store.write({task.tid: task.to_record() for task in tasks}, lazy=True)

    # -- the whole -------------------------------------------------------------------

    def open(self, store):
        """Take in what the store holds; return the tasks whose deletion a crash interrupted."""
        settings = self._settings.download
        tasks = store.load(lambda tid, record: _checked(tid, Task.from_record(record, settings)))
        self.archive.open(store)
        self.store = store
        with self.lock:
            self._open = True
            for task in sorted(tasks, key=lambda task: task.order):
                task.trim_log(self._settings.general.log_size)
                if not task.deleting:
                    self._restore(task)
        return [task for task in tasks if task.deleting]

    def close(self):
        """Store every task where it stands and close the store."""
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

    # -- inside ----------------------------------------------------------------------

    def _admit(self, task):
        """Take a new task in. Raise Exists, Archived, Conflict or Full."""
        most = self._settings.general.max_tasks
        if task.tid in self.tasks:
            raise Exists(task.tid)
        if task.tid in self._deleting:
            raise Conflict("the task of this URL is just being deleted; try again")
        self.archive.check(task)
        if len(self.tasks) >= most:
            raise Full(f"there are {most} tasks, as many as general.max_tasks allows; delete some first")
        self._order += 1
        task.number(self._order, self._order)
        self._put(task)

    def _put(self, task):
        self.tasks[task.tid] = task
        self._counts[task.state] += 1
        task.enter(self)

    def _remove(self, task):
        if self.tasks.get(task.tid) is task:
            del self.tasks[task.tid]
            self._counts[task.state] -= 1
            self._changed.notify_all()
            self._rest(task.state)

    def _restore(self, task):
        """Put a stored task where it was; one that ran at the end is queued."""
        task.wake_up(self.boot)
        self._order = max(self._order, task.order)
        self._put(task)
        if task.state == DOWNLOADING:
            task.requeue()


def _shift(tasks, there, place):
    """Move the task from one index to another; return the tasks whose positions changed."""
    task = tasks[there]
    if place == there:
        return []
    if place in (0, len(tasks) - 1):
        task.number(task.order, tasks[place].position + (1 if place else -1))
        return [task]
    if place < there:
        before, after = tasks[place:there + 1], [task] + tasks[place:there]
    else:
        before, after = tasks[there:place + 1], tasks[there + 1:place + 1] + [task]
    for each, position in zip(after, [each.position for each in before]):
        each.number(each.order, position)
    return after


def _checked(tid, task):
    if task.tid != tid:
        raise ValueError("its URL does not belong to its tid")
    return task
