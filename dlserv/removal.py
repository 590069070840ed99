"""Deleting the files of a task: exactly those it made, and only while they are still its own."""

from collections import namedtuple

from .engine.folder import Folder
from .errors import LocalError


class Removal(namedtuple("Removal", "deleted missing kept")):
    """What became of a task's files: names, names, and (name, reason) pairs."""

    __slots__ = ()

    def to_detail(self):
        return {"deleted": self.deleted, "missing": self.missing,
                "kept": [list(each) for each in self.kept]}


def remove_files(task, root):
    """Delete the task's part file, and its finished file if nobody has changed it."""
    removal = Removal([], [], [])
    names = _names(task)
    try:
        with Folder(root, task.options.dir, make=False) as folder:
            for name, is_ours in names:
                _remove(folder, name, is_ours, removal)
    except LocalError:      # the folder itself is gone or out of reach
        removal.missing.extend(name for name, _ in names if name not in removal.deleted)
    return removal


def _names(task):
    """(name, a function that tells by its os.stat_result whether it is ours) of each file."""
    names = [(file.name, file.identity.matches) for file in (task.file, task.previous) if file is not None]
    progress = task.progress
    if progress is not None:
        names.append((progress.part, progress.may_be))
        if progress.publishing is not None:     # it may have its final name already
            names.append((progress.target, progress.publishing.matches))
    return names


def _remove(folder, name, is_ours, removal):
    shown = folder.relative(name)
    try:
        status = folder.stat(name)
        if status is None:
            removal.missing.append(shown)
        elif not is_ours(status):
            removal.kept.append((shown, "it is not the file that was downloaded"))
        else:
            folder.remove(name)
            removal.deleted.append(shown)
    except LocalError as error:
        removal.kept.append((shown, str(error)))
