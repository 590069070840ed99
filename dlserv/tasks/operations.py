"""The operations on tasks that users ask for, each for many tasks at once.

An operation changes tasks with the registry's lock held, informs the runner, and returns
when the changes are on disk. One that a task refuses is returned beside the task's tid;
the others are carried out all the same.
"""

from ..contract import ACTS
from ..errors import InvalidValue, RequestError, StoreBroken
from ..masking import shown
from ..settings import options
from . import queue
from .attempt import wait_for_all
from .states import QUEUED
from .task import Task, check_url


class Operations:
    """The operations on the tasks of one daemon.

    settings      the settings.current.Settings
    registry      the TaskRegistry
    runner        the Runner
    deletions     the Deletions, which delete the files of removed tasks
    verification  the Verification
    """

    def __init__(self, settings, registry, runner, deletions, verification):
        self._settings, self._registry, self._runner = settings, registry, runner
        self._deletions = deletions
        # A Task's method, and who takes up the task after it.
        self._acts = {"pause": (Task.pause, runner.take_back), "resume": (Task.resume, runner.enqueue),
                      "restart": (Task.restart, runner.enqueue), "refresh": (Task.refresh, runner.enqueue),
                      "verify": (Task.verify, verification.enqueue)}

    def add_all(self, wanted):
        """Add many (url, posted, notes); return (tids, [(url, RequestError), …] of those refused)."""
        tasks, failures = [], []
        for url, posted, notes in wanted:
            try:
                tasks.append(self._make_task(url, posted or {}, notes))
            except RequestError as error:
                failures.append((url, error.bare()))
        taken, refused = self._registry.add_all(tasks)
        self._runner.enqueue_all(taken)
        return [task.tid for task in taken], failures + [(task.added, error) for task, error in refused]

    def _make_task(self, url, posted, notes):
        task = Task.new(url, posted, self._settings.config.download)
        for note in notes:
            self._registry.note(task, "warning", note)
        return task

    def act_on_all(self, act, tids):
        """Carry out one of the ACTS on each; return [(tid, RequestError), …] of those that refused.

        Raise InvalidValue for another act.
        """
        if act not in ACTS:
            raise InvalidValue("act", f"{shown(act)} is not one of {', '.join(ACTS)}")

        def change(task):
            perform, follow = self._acts[act]
            perform(task)
            follow(task)
            return task.changes()

        return self._registry.act_on_all(tids, change)

    def change(self, tid, url, posted):
        """Change the task's URL, unless None, and options, of which a None resets one.

        Raise InvalidValue, NotFound or Conflict.
        """
        if url is not None:
            url = check_url(url)
        if "paused" in posted:
            raise InvalidValue("options.paused", "only has a meaning when a task is added; "
                               "pause or resume the task instead")
        if "repeat" in posted:
            raise InvalidValue("options.repeat", "only has a meaning when a task is added; "
                               "restart the task instead")
        checked = dict({key: None for key in posted if key in options.TABLE.fields}, **options.parse(posted))

        def change(task):
            differs = task.change(url, checked, self._settings.config.download)
            self._runner.adjust(task, differs)
            return task.changes()

        raise_first(self._registry.act_on_all([tid], change))

    def move(self, tid, to):
        """Move a waiting task within the queue. Raise NotFound or Conflict."""
        def reorder(task):
            changes = {}
            for each in queue.reorder(self._registry.tasks.values(), task, to):
                changes.update(each.changes())
                if each.state == QUEUED:
                    self._runner.enqueue(each, each.delay)
            return changes

        raise_first(self._registry.act_on_all([tid], reorder))

    def delete_all(self, tids, del_file=False):
        """Delete each; return ({tid: Removal}, [(tid, RequestError), …]).

        Raise StoreBroken; then all of them are still there.
        """
        attempts = {}       # task -> its attempt or None

        def delete(task):
            attempts[task] = task.attempt
            self._runner.forget(task, keep=not del_file)
            return dict(self._deletions.begin(task, del_file), **self._registry.archive.remember(task))

        try:
            failures = self._registry.act_on_all(tids, delete)
        except StoreBroken:
            with self._registry.lock:
                self._deletions.undo(attempts)
                self._registry.archive.undo(attempts)
                self._runner.reconcile(attempts)
            raise
        wait_for_all(filter(None, attempts.values()))
        return self._deletions.finish(attempts, del_file), failures


def raise_first(failures):
    """Raise the first error of [(tid or URL, RequestError), …], if there is one."""
    for _, error in failures:
        raise error
