"""The download directory, and the disk that was mounted there.

An unplugged disk leaves an empty mount point behind, which is on another disk: a router's
flash, most often. So a directory that was once on a mounted disk is unavailable until a disk
is mounted there again.
"""

import collections
import logging
import os
import time

from ..errors import Conflict, LocalError, NotFound, Unavailable, Unwritable
from ..fs import Mountings, disk_usage, mount_of

MOST_FOLDERS, MOST_ENTRIES, DEEPEST = 500, 20000, 6     # limits of what `folders` looks at

log = logging.getLogger(__name__)


class DownloadDir:
    """The download directory `path`. `mount` is where its disk was mounted, None if nowhere."""

    def __init__(self, path):
        self.path = os.path.abspath(path)
        self.mount = None
        self._mountings, self._session = Mountings(), (0.0, None, "")

    def open(self, fact):
        """Open the directory with the stored `fact` about it, a dict or None.

        Return the new fact to store, or None if it is the same. Make the directory if it is
        missing. Raise Unwritable if that is impossible at the first start; later, tasks wait
        until it can be written again.
        """
        known = bool(fact) and fact.get("path") == self.path
        self.mount = fact.get("mount") if known else None
        try:
            self.check()
            self._make()
        except Unwritable as error:
            if not known:
                raise
            log.warning("%s; downloads wait for their disk", error)
            return None
        self.mount = mount_of(self.path)
        found = {"path": self.path, "mount": self.mount}
        return found if found != fact else None

    def check(self):
        """Raise Unavailable while the disk is not there."""
        if self._is_absent():
            raise Unavailable(f"nothing is mounted at {self.mount}, where the downloads' disk was",
                              is_loss=True)

    def session(self, boot, below, age=0.0):
        """Return a text that changes with each boot, and each mounting of the disk of the folder `below`.

        It may be `age` seconds old: one that is outdated makes a later attempt believe less.
        """
        now, (since, known, text) = time.monotonic(), self._session
        if known != (boot, below) or now - since >= age:
            text = f"{boot} {self._mountings.of(os.path.join(self.path, below)) or self._mountings.of(self.path)}"
            self._session = now, (boot, below), text
        return text

    @property
    def free_bytes(self):
        """Bytes free on its disk, or None where that cannot be told."""
        return disk_usage(self.path)[0]

    def is_there(self):
        """Return whether the directory exists and its disk is mounted."""
        return not self._is_absent() and os.path.isdir(self.path)

    def folders(self, most_entries=MOST_ENTRIES):
        """Return (the folders that are there, relative and in no order, whether these are all).

        Hidden ones are left out and no symbolic link is followed. Raise Unavailable while the
        disk is not there.
        """
        self.check()
        found, waiting, whole = [], collections.deque([""]), True
        while waiting and len(found) <= MOST_FOLDERS:
            below = waiting.popleft()
            entries = self._entries(below, most_entries + 1)
            inside = [below + name for name, is_folder in entries[:most_entries]
                      if is_folder and not name.startswith(".")]
            most_entries -= len(entries)
            if most_entries < 0 or below.count("/") == DEEPEST and inside:
                whole = False
            if most_entries < 0:
                waiting.clear()
            if below.count("/") < DEEPEST:
                found += inside
                waiting.extend(each + "/" for each in inside)
        return found[:MOST_FOLDERS], whole and len(found) <= MOST_FOLDERS

    def open_file(self, task):
        """Return a binary file object of a finished task's file, if it is still that file.

        Raise NotFound, Conflict, or Unavailable while the disk is not there.
        """
        from ..engine.folder import Folder
        file = task.whole
        if file is None:
            raise Conflict(f"the task is {task.state}; it has no file yet")
        self.check()
        try:
            with Folder(self.path, task.options.dir, make=False) as folder:
                opened = os.fdopen(folder.open(file.name), "rb")
        except LocalError as error:
            raise NotFound(f"the file is not there any more: {error}") from error
        if not file.identity.matches(os.fstat(opened.fileno())):
            opened.close()
            raise Conflict(f"{task.filename} has been changed since it was downloaded")
        return opened

    def _entries(self, below, most):
        from ..engine.folder import Folder
        try:
            with Folder(self.path, below, make=False) as folder:
                return folder.entries(most)
        except LocalError as error:
            log.debug("%s", error)      # it belongs to another user, or was removed since it was listed
            return []

    def _is_absent(self):
        return self.mount is not None and not os.path.ismount(self.mount)

    def _make(self):
        try:
            os.makedirs(self.path, exist_ok=True)
        except OSError as error:
            raise Unwritable("general.download_dir: %s cannot be created: %s"
                             % (self.path, error.strerror)) from error
        if not os.access(self.path, os.W_OK | os.X_OK):
            raise Unwritable("general.download_dir: %s cannot be written" % self.path)
