"""The operations on tasks that users ask for, each for many tasks at once.

They change tasks with the registry's lock held, inform the runner, and return when the changes
are on disk, with the errors of tasks that refused.
"""

from ..contract import ACTS, STATES
from ..errors import Conflict, InvalidValue, RequestError, StoreBroken
from ..masking import shown
from ..settings import options
from . import queue
from .attempt import wait_for_all
from .states import QUEUED, RESTART, RESUME, next_state
from .task import Task, check_url


class Operations:
    """The operations of one daemon, as its methods of the same names."""

    def __init__(self, settings, registry, runner, deletions, verification):
        self._settings, self._registry, self._runner = settings, registry, runner
        self._deletions = deletions
        # After the task's method of that name.
        self._follow = {"pause": runner.take_back, "resume": runner.enqueue, "restart": runner.enqueue,
                        "refresh": runner.enqueue, "verify": verification.enqueue}

    def add_all(self, wanted):
        tasks, failures = [], []
        for url, posted, notes in wanted:
            try:
                tasks.append(Task.new(url, posted or {}, self._settings.config.download))
            except RequestError as error:
                failures.append((url, error.bare()))
                continue
            for note in notes:
                self._registry.note(tasks[-1], "warning", note)
        try:
            taken, refused = self._registry.add_all(tasks)
        finally:
            self._runner.enqueue_all(tasks)     # those that are here
        return [task.tid for task in taken], failures + [(task.added, error) for task, error in refused]

    def act_on_all(self, act, tids):
        if act not in ACTS:
            raise InvalidValue("act", f"{shown(act)} is not one of {', '.join(ACTS)}")

        def change(task):
            getattr(task, act)()
            self._follow[act](task)
            return task.changes()

        return self._registry.act_on_all(tids, change)

    def change(self, tid, url, posted, act=None, paused=False):
        if act not in (None, RESUME, RESTART):
            raise InvalidValue("act", f"{shown(act)} is neither {RESUME} nor {RESTART}")
        if url is not None:
            url = check_url(url)
        for name, instead in (("paused", "pause or resume"), ("repeat", "restart")):
            if name in posted:
                raise InvalidValue("options." + name, "only has a meaning when a task is added; "
                                   f"{instead} the task instead")
        checked = dict({key: None for key in posted if key in options.TABLE.fields}, **options.parse(posted))

        def change(task):
            if act:
                next_state(task.state, act)     # refuses before anything has changed
            differs = task.change(url, checked, self._settings.config.download)
            if act:
                getattr(task, act)(paused)
            self._runner.adjust(task, differs)
            return task.changes()

        raise_first(self._registry.act_on_all([tid], change))

    def move(self, tid, to):
        def reorder(task):
            changes = {}
            for each in queue.reorder(self._registry.tasks.values(), task, to):
                changes.update(each.changes())
                if each.state == QUEUED:
                    self._runner.enqueue(each, each.delay)
            return changes

        raise_first(self._registry.act_on_all([tid], reorder))

    def delete_all(self, tids, del_file=False, states=STATES):
        attempts = {}

        def delete(task):
            if task.state not in states:
                raise Conflict(f"the task is {task.state}")
            attempts[task] = task.attempt
            self._runner.forget(task, keep=not del_file)
            return dict(self._deletions.begin(task, del_file), **self._registry.archive.remember(task))

        try:
            failures = self._registry.act_on_all(tids, delete)
        except (StoreBroken, MemoryError):
            with self._registry.lock:
                self._deletions.undo(attempts)
                self._registry.archive.undo(attempts)
                self._runner.reconcile(attempts)
            raise
        wait_for_all(filter(None, attempts.values()))
        return self._deletions.finish(attempts, del_file), failures


def raise_first(failures):
    """Raise the first error of [(tid or URL, RequestError), …], if any."""
    for _, error in failures:
        raise error
