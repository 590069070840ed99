"""The board: every task, its state, and the database behind them.

The only place that changes a task's state or stores one. Methods say whether they want
`lock` held; store tickets are waited for without it, so that many share one commit.
"""

import logging
import threading
import time
from collections import Counter

from ..errors import Conflict, Exists, Full, NotFound, RequestError, StoreBroken
from ..units import clean
from .events import Events
from .task import DOWNLOADING, FINISH, PAUSE, PAUSED, QUEUED, REQUEUE, START, STATES, Task, next_state

log = logging.getLogger(__name__)


class Board:
    """Tasks by tid, oldest first. `log_size` is how many lines each task's log keeps."""

    def __init__(self, log_size):
        self.lock = threading.Lock()
        self.events = Events()
        self.tasks = {}
        self.log_size = log_size
        self.store, self._open = None, False
        self._moved = threading.Condition(self.lock)
        self._counts, self._order = Counter(), 0
        self._leaving = set()       # tids whose files are being deleted

    # -- without the lock ------------------------------------------------------------

    def get(self, tid):
        """The Task. Raises NotFound."""
        try:
            return self.tasks[tid]
        except KeyError:
            raise NotFound(f"there is no task {clean(tid[:64])}") from None

    def list(self, state=None):
        """The Tasks, oldest first; those in one state if it is named."""
        with self.lock:
            tasks = list(self.tasks.values())
        return [task for task in tasks if state in (None, task.state)]

    def counts(self):
        """{state: how many tasks are in it}, every state named."""
        with self.lock:
            return {state: self._counts[state] for state in STATES}

    def wait(self, tid, states, timeout):
        """The Task once it is in one of the states. Raises NotFound, TimeoutError or StoreBroken."""
        def there():
            return tid not in self.tasks or self.tasks[tid].state in states

        with self._moved:
            if not self._moved.wait_for(lambda: there() or not self._open, timeout):
                raise TimeoutError("the task is still %s" % self.tasks[tid].state)
            if not there():
                self.check_open()
        return self.get(tid)

    def add_all(self, tasks, most):
        """Take new tasks in, `most` in all; gives [(task, RequestError), …] of those refused.

        Returns when the others are on disk, in one transaction. Raises StoreBroken.
        """
        taken, failures = [], []
        with self.lock:
            self.check_open()
            for task in tasks:
                try:
                    self._admit(task, most)
                    taken.append(task)
                except RequestError as error:
                    failures.append((task, error.bare()))
            if not taken:
                return failures
            ticket = self.store.write({task.tid: task.to_record() for task in taken})
        try:
            ticket.wait()
        except StoreBroken:
            with self.lock:
                for task in taken:
                    self._take_out(task)
                self.store.write({task.tid: None for task in taken}, lazy=True)
            raise
        for task in taken:
            log.info("%s: added", task.tid[:8])
            self.events.publish("added", task.tid)
        return failures

    def act_on_all(self, tids, act):
        """Call `act(task)`, lock held, on each, and store the {tid: record} it gives as one.

        Returns when they are on disk; gives [(tid, RequestError), …] of those that refused.
        Raises StoreBroken; then they are what `act` made of them all the same, and the store
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
            for tid in changes:
                self.events.publish("changed" if tid in self.tasks else "removed", tid)
        return failures

    def left(self, tids):
        """The files of these tasks are dealt with; their URLs may be added again."""
        with self.lock:
            self.store.write(dict.fromkeys(tids), lazy=True)    # they are known to be leaving
            self._leaving.difference_update(tids)

    # -- with the lock held ----------------------------------------------------------

    def check_open(self):
        """Raises StoreBroken before the start and after the end."""
        if not self._open:
            raise StoreBroken("the daemon is shutting down")

    def move(self, task, event):
        """Change the task's state. Raises Conflict where that is impossible."""
        before, task.state = task.state, next_state(task.state, event)
        self._counts[before] -= 1
        self._counts[task.state] += 1
        now = time.time()
        if event == START:
            task.start_time, task.error = task.start_time or now, None
        elif event == PAUSE:
            task.pause_time = now
        elif event == FINISH:
            task.finish_time = now
        log.debug("%s: %s -> %s", task.tid[:8], before, task.state)
        self._moved.notify_all()

    def save(self, task, durable=True, lazy=False):
        """Take the task's record to the store; gives the Ticket."""
        return self.store.write({task.tid: task.to_record()}, durable, lazy)

    def note(self, task, level, text):
        """Put a line on top of the task's log."""
        task.note(level, text, self.log_size)

    def shift(self, task, to):
        """Give the task another place in the queue: top, bottom, up or down; the tasks it changes.

        Raises Conflict for one that does not wait.
        """
        if task.state not in (QUEUED, PAUSED):
            raise Conflict("the task is %s; only one that waits has a place in the queue" % task.state)
        queue = sorted((each for each in self.tasks.values() if each.state in (QUEUED, PAUSED)
                        and each.options.priority == task.options.priority),
                       key=lambda each: each.place)
        if to in ("top", "bottom"):
            task.place = queue[0].place - 1 if to == "top" else queue[-1].place + 1
            return [task]
        index = queue.index(task) + (1 if to == "down" else -1)
        if not 0 <= index < len(queue):
            return []
        other = queue[index]
        task.place, other.place = other.place, task.place
        return [task, other]

    def leave(self, task, del_file):
        """Take the task off the board; gives {tid: record that a new start finishes the job from}."""
        self._leaving.add(task.tid)
        self._take_out(task)
        task.leaving = del_file
        return {task.tid: task.to_record() if del_file else None}

    def stay(self, tasks):
        """Put tasks that were to leave back where they were."""
        for task in tasks:
            self._leaving.discard(task.tid)
            task.leaving = False
            self._put(task)
            if task.state == DOWNLOADING:       # its attempt was stopped
                self.move(task, REQUEUE)
            self.events.publish("added", task.tid)
        if tasks:
            self.tasks = dict(sorted(self.tasks.items(), key=lambda item: item[1].order))
            self.store.write({task.tid: task.to_record() for task in tasks}, lazy=True)

    # -- the whole -------------------------------------------------------------------

    def open(self, store, settings, boot):
        """Take up what the store holds; gives the tasks whose deletion a crash interrupted.

        `settings` is config.download, `boot` the id of this boot.
        """
        tasks = store.load(lambda tid, record: _checked(tid, Task.from_record(record, settings)))
        self.store = store
        with self.lock:
            self._open = True
            for task in sorted(tasks, key=lambda task: task.order):
                task.log = task.log[:self.log_size]
                if not task.leaving:
                    self._take_up(task, boot)
        return [task for task in tasks if task.leaving]

    def close(self):
        """Store every task where it stands and close the store."""
        with self.lock:
            changes = {}
            for task in self.tasks.values():
                if task.state == DOWNLOADING:
                    self.move(task, REQUEUE)
                    changes[task.tid] = task.to_record()
            store, self._open = self.store, False
            self._moved.notify_all()
        store.write(changes)
        store.close()

    # -- inside ----------------------------------------------------------------------

    def _admit(self, task, most):
        """Put a new task on the board. Raises Exists, Conflict or Full."""
        if task.tid in self.tasks:
            raise Exists(task.tid)
        if task.tid in self._leaving:
            raise Conflict("the task of this URL is just being deleted; try again")
        if len(self.tasks) >= most:
            raise Full("there are %d tasks, as many as general.max_tasks allows; delete some first" % most)
        self._order += 1
        task.order = task.place = self._order
        self._put(task)

    def _put(self, task):
        self.tasks[task.tid] = task
        self._counts[task.state] += 1

    def _take_out(self, task):
        if self.tasks.get(task.tid) is task:
            del self.tasks[task.tid]
            self._counts[task.state] -= 1
            self._moved.notify_all()

    def _take_up(self, task, boot):
        if task.progress is not None and (task.boot is None or task.boot != boot):
            # A power cut may have taken what was not flushed.
            task.progress = task.progress._replace(done=task.flushed)
        self._order = max(self._order, task.order)
        self._put(task)
        if task.state == DOWNLOADING:
            self.move(task, REQUEUE)


def _checked(tid, task):
    if task.tid != tid:
        raise ValueError("its URL does not belong to its tid")
    return task
