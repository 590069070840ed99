"""Deleting the files of a task: those it made, and only while they are still its own."""

from __future__ import annotations

import math
import os
from collections import namedtuple

from ..errors import LocalError


class Removal(namedtuple("Removal", "deleted missing kept")):
    """The fate of a task's files: names, names, and (name, reason) pairs."""

    __slots__ = ()

    deleted: list[str]
    missing: list[str]
    kept: list[tuple[str, str]]

    def to_detail(self) -> dict[str, list]:
        return dict(self._asdict(), kept=[list(each) for each in self.kept])


# tests: {name that the file may have: function that tells by an os.stat_result whether it may be the file};
# node: (device, inode) or None; since: when it took its name, infinite while it is being made.
_File = namedtuple("_File", "tests node since")


class Claims:
    """The names of the files of many tasks; a name may pass from one task to another."""

    def __init__(self, tasks):
        self._by_name = {}      # _key -> [(task, name, _File)]
        for task in tasks:
            for file in _files(task):
                for name in file.tests:
                    self._by_name.setdefault(_key(task, name), []).append((task, name, file))

    def later(self, task, name, since):
        """Return (name, _File) of other tasks' files since, which may be this one."""
        return [(its_name, file) for other, its_name, file in self._by_name.get(_key(task, name), ())
                if other is not task and file.since >= since]


def _key(task, name):
    """Return the path as a file system without cases knows it."""
    return task.options.dir.casefold(), name.casefold()


def remove_files(task, download_dir, claims, finished=None):
    """Delete the task's part file, and its finished file if nobody has changed it; return the Removal.

    `claims` are those of all tasks. `finished` is the file of an attempt that ended after its task was gone.
    """
    removal, files, below = Removal([], [], []), _files(task, finished), task.options.dir
    if not files:               # one that was never started has none
        return removal
    try:
        download_dir.check()
        folder = download_dir.folder(below)
    except LocalError as error:
        shown = [os.path.join(below, name) for file in files for name in file.tests]
        if isinstance(error.__cause__, FileNotFoundError) and os.path.isdir(download_dir.path):
            removal.missing.extend(shown)
        else:                   # they may come back with their disk
            removal.kept.extend((name, str(error)) for name in shown)
        return removal
    with folder:
        for file in files:
            found = [_remove(folder, name, file, claims.later(task, name, file.since), removal)
                     for name in file.tests]
            if not any(found):
                removal.missing.extend(map(folder.relative, file.tests))
    return removal


def _files(task, finished=None):
    files = [_File({file.name: file.identity.matches}, file.identity[:2], task.finish_time)
             for file in (task.file, task.previous) if file is not None]
    progress, tests, node = task.progress, {}, None
    if progress is not None:
        tests, node = {progress.part: progress.may_be}, progress.node
        if progress.publishing is not None:     # it may have its final name already
            tests[progress.target] = progress.publishing.matches
    if finished is not None:
        tests[finished.name], node = finished.identity.matches, finished.identity[:2]
    return files + ([_File(tests, node, math.inf)] if tests else [])


def _remove(folder, name, file, claimed, removal):
    """Remove one name of the file if it is still its own. Return False if there is no such name."""
    shown = folder.relative(name)
    try:
        status = folder.stat(name)
        if status is None:
            return False
        if not _may_be(folder, name, file, status):
            removal.kept.append((shown, "it is not the file that was downloaded"))
        elif any(_is_at(folder, *each, status) for each in claimed):
            removal.kept.append((shown, "it is the file of another task"))
        else:
            folder.remove(name)
            removal.deleted.append(shown)
    except LocalError as error:
        removal.kept.append((shown, str(error)))
    return True


def _may_be(folder, name, file, status):
    return file.tests[name](status) and not (file.node and folder.is_another(status, *file.node))


def _is_at(folder, name, file, status):
    found = folder.stat(name)
    return found is not None and os.path.samestat(found, status) and _may_be(folder, name, file, status)
