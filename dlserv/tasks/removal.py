"""Deleting the files of a task: exactly those it made, and only while they are still its own."""

import os
from collections import namedtuple

from ..engine.folder import Folder
from ..errors import LocalError


class Removal(namedtuple("Removal", "deleted missing kept")):
    """What became of a task's files: names, names, and (name, reason) pairs."""

    __slots__ = ()

    def to_detail(self):
        return {"deleted": self.deleted, "missing": self.missing,
                "kept": [list(each) for each in self.kept]}


def remove_files(task, place):
    """Delete the task's part file, and its finished file if nobody has changed it."""
    removal, names, below = Removal([], [], []), _names(task), task.options.dir
    try:
        place.check()
        folder = Folder(place.path, below, make=False)
    except LocalError as error:
        shown = [os.path.join(below, each[0]) for each in names]
        if isinstance(error.__cause__, FileNotFoundError) and os.path.isdir(place.path):
            removal.missing.extend(shown)
        else:                   # they may come back with their disk
            removal.kept.extend((name, str(error)) for name in shown)
        return removal
    with folder:
        for name, is_ours, node in names:
            _remove(folder, name, is_ours, node, removal)
    return removal


def _names(task):
    """(name, a function that tells by its os.stat_result whether it may be ours, its inode) of each file."""
    names = [(file.name, file.identity.matches, file.identity[:2])
             for file in (task.file, task.previous) if file is not None]
    progress = task.progress
    if progress is not None:
        names.append((progress.part, progress.may_be, progress.node))
        if progress.publishing is not None:     # it may have its final name already
            names.append((progress.target, progress.publishing.matches, progress.node))
    return names


def _remove(folder, name, is_ours, node, removal):
    shown = folder.relative(name)
    try:
        status = folder.stat(name)
        if status is None:
            removal.missing.append(shown)
        elif not is_ours(status) or (node and folder.is_another(status, *node)):
            removal.kept.append((shown, "it is not the file that was downloaded"))
        else:
            folder.remove(name)
            removal.deleted.append(shown)
    except LocalError as error:
        removal.kept.append((shown, str(error)))
