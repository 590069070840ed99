"""Deleting tasks at once, and their files when no attempt makes them any more."""

import contextlib
import logging

from ..engine.progress import Finished
from . import removal
from .states import DOWNLOADING

_LATE = "its download has not ended yet; it is deleted then"

log = logging.getLogger(__name__)


class Deletions:
    """Deletes tasks of the registry, and their files below the DownloadDir.

    Until these are gone, the tid is in `registry.deleting`, and the URL cannot be added again.
    """

    def __init__(self, registry, download_dir):
        self._registry, self._download_dir = registry, download_dir

    # -- with the registry's lock held -------------------------------------------------

    def begin(self, task, del_file):
        """Remove the task; return the change to store, with which a pending deletion survives a crash."""
        self._registry.deleting.add(task.tid)
        self._registry.remove(task)
        task.mark_deleting(del_file)
        return {task.tid: task.to_record() if del_file else None}

    def undo(self, tasks):
        """Put tasks back whose deletion could not be stored."""
        registry = self._registry
        for task in tasks:
            registry.deleting.discard(task.tid)
            task.mark_deleting(False)
            if not registry.holds(task):
                registry.put(task)
            if task.state == DOWNLOADING:       # its attempt was stopped
                task.requeue()
            registry.announce("added", task)
        if tasks:
            registry.sort()
            registry.store.write({task.tid: task.to_record() for task in tasks}, lazy=True)

    # -- without the lock --------------------------------------------------------------

    def finish_interrupted(self, tasks):
        if tasks:
            claims = self._claims()
            with self._ending({task.tid for task in tasks}):
                for task in tasks:
                    removal.remove_files(task, self._download_dir, claims)

    def finish(self, attempts, del_file):
        """Finish deleting {task: its last attempt or None}; return {tid: Removal}.

        Files of an attempt that has not ended are deleted again then: it may be about to rename one.
        """
        removals = {task.tid: removal.Removal([], [], []) for task in attempts}
        due = set(removals)
        with self._ending(due):
            claims = self._claims() if del_file else None
            for task, attempt in attempts.items():
                is_late = del_file and attempt is not None and attempt.call_afterwards(
                    lambda task=task, attempt=attempt: self._finish_late(task, attempt))
                if is_late:
                    due.remove(task.tid)
                if del_file:
                    removals[task.tid] = self._remove(task, attempt, claims)
                if is_late and task.filename:
                    removals[task.tid].missing.clear()
                    removals[task.tid].kept.append((task.filename, _LATE))
        return removals

    def _finish_late(self, task, attempt):
        with self._ending({task.tid}):
            for name, reason in self._remove(task, attempt, self._claims()).kept:
                log.warning("%s: %s is not deleted: %s", task.tid[:8], name, reason)

    def _remove(self, task, attempt, claims):
        progress = attempt and attempt.download.progress()
        if progress is not None:
            task.advance(progress, attempt.session, flushed=False)
        made = attempt.outcome if attempt is not None and isinstance(attempt.outcome, Finished) else None
        return removal.remove_files(task, self._download_dir, claims, made)

    def _claims(self):
        with self._registry.lock:
            return removal.Claims(self._registry.tasks.values())

    @contextlib.contextmanager
    def _ending(self, tids):
        """End these deletions; after an error, the next start deletes the rest."""
        try:
            yield
            # Lazy: after a crash the deletion is only finished again.
            self._registry.store.write(dict.fromkeys(tids), lazy=True)
        finally:
            with self._registry.lock:
                self._registry.deleting.difference_update(tids)
