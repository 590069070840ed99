"""The end of deleted tasks: their files go, with those that a late attempt still makes."""

import logging

from ..engine.progress import Finished

_LATE = "its download has not ended yet; it is deleted then"

log = logging.getLogger(__name__)


class Deletions:
    """Finishes the deletions of the registry's tasks, whose files are below the DownloadDir."""

    def __init__(self, registry, download_dir):
        self._registry, self._download_dir = registry, download_dir

    def finish_interrupted(self, tasks):
        """Finish what a crash interrupted."""
        from .removal import remove_files
        for task in tasks:
            remove_files(task, self._download_dir, self._registry.claims())
        self._registry.deletion_done([task.tid for task in tasks])

    def finish(self, attempts, del_file):
        """Finish deleting the tasks, given as {task: its last attempt or None}. Return {tid: Removal}.

        A task whose attempt has not ended is dealt with again when it does: the disk may be
        about to give the file its name.
        """
        from .removal import Removal
        removals, done = {task.tid: Removal([], [], []) for task in attempts}, []
        claims = self._registry.claims() if del_file else None
        for task, attempt in attempts.items():
            is_late = del_file and attempt is not None and attempt.call_afterwards(
                lambda task=task, attempt=attempt: self._finish_late(task, attempt))
            if del_file:
                removals[task.tid] = self._remove(task, attempt, claims)
            if not is_late:
                done.append(task.tid)
            elif task.filename:
                removals[task.tid].missing.clear()
                removals[task.tid].kept.append((task.filename, _LATE))
        self._registry.deletion_done(done)
        return removals

    def _finish_late(self, task, attempt):
        removal = self._remove(task, attempt, self._registry.claims())
        for name, reason in removal.kept:
            log.warning("%s: %s is not deleted: %s", task.tid[:8], name, reason)
        self._registry.deletion_done([task.tid])

    def _remove(self, task, attempt, claims):
        """Delete the files of the task as its last attempt has left them. Return the Removal."""
        from .removal import remove_files
        progress = attempt and attempt.download.progress()
        if progress is not None:
            task.advance(progress, attempt.session, flushed=False)
        made = attempt.outcome if attempt is not None and isinstance(attempt.outcome, Finished) else None
        return remove_files(task, self._download_dir, claims, made)
