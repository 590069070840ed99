"""The download directory, the disk that was mounted there, and the room on it.

An unplugged disk leaves an empty mount point behind, often on a router's flash. So a directory that
was on a mounted disk is unavailable until a disk is mounted there again.
"""

import collections
import logging
import os
import time

from ..errors import Conflict, LocalError, NoSpace, NotFound, Unavailable, Unwritable
from ..fs import Mountings, disk_usage, mount_of
from ..units import format_size

MOST_FOLDERS, MOST_ENTRIES, DEEPEST = 500, 20000, 6     # limits of `folders`

log = logging.getLogger(__name__)


class DownloadDir:
    """The download directory `path`. `mount` is where its disk was mounted, None if nowhere."""

    def __init__(self, path):
        self.path = os.path.abspath(path)
        self.mount = None
        self._mountings, self._session = Mountings(), (0.0, None, "")

    def open(self, fact):
        """Open the directory with the stored `fact` about it, or None; return the fact to store if it is another.

        Raise Unwritable if the directory cannot be made or written at the first start; later, tasks wait.
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
        """Return a text that differs after a boot, or another mounting of the disk of the folder `below`.

        It may be `age` seconds old: an outdated one makes a later attempt believe less.
        """
        now, (since, known, text) = time.monotonic(), self._session
        if known != (boot, below) or now - since >= age:
            text = f"{boot} {self._mountings.of(os.path.join(self.path, below)) or self._mountings.of(self.path)}"
            self._session = now, (boot, below), text
        return text

    @property
    def free_bytes(self):
        """Bytes free on its disk, or None if unknown."""
        return disk_usage(self.path)[0]

    def is_there(self):
        return not self._is_absent() and os.path.isdir(self.path)

    def folders(self, most_entries=MOST_ENTRIES):
        """Return (the folders that are there, relative and in no order, whether these are all).

        Leave out hidden ones and symbolic links. Raise Unavailable while the disk is not there.
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
        """Return a binary file object of the task's finished file. Raise NotFound, Conflict or Unavailable."""
        file = task.whole
        if file is None:
            raise Conflict(f"the task is {task.state}; it has no file yet")
        self.check()
        try:
            with self.folder(task.options.dir) as folder:
                opened = os.fdopen(folder.open(file.name), "rb")
        except LocalError as error:
            raise NotFound(f"the file is not there any more: {error}") from error
        if not file.identity.matches(os.fstat(opened.fileno())):
            opened.close()
            raise Conflict(f"{task.filename} has been changed since it was downloaded")
        return opened

    def folder(self, below):
        """Return the engine's Folder `below`. Raise LocalError if it is not there."""
        from ..engine.folder import Folder
        return Folder(self.path, below, make=False)

    def _entries(self, below, most):
        try:
            with self.folder(below) as folder:
                return folder.entries(most)
        except LocalError as error:
            log.debug("%s", error)      # it is another user's, or was removed since
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


class Room:
    """The room for the registry's attempts, beside `download.reserve` bytes; the youngest end if it runs out.

    Call it without the registry's lock, so that a disk that hangs holds up nothing else.
    """

    def __init__(self, registry, download_dir, settings):
        self._registry, self._download_dir, self._settings = registry, download_dir, settings

    def check(self, attempt):
        """Raise NoSpace if there is none for the attempt beside the others."""
        attempt.room = room = self._beside_others(attempt)
        short = attempt.download.file.segments.missing - room if room is not None else 0
        if short > 0:
            raise NoSpace(f"there is not enough room: {format_size(short)} more must be free in "
                          f"{self._download_dir.path} (the reserve is "
                          f"{format_size(self._settings.download.reserve)})")

    def check_shortage(self, attempt):
        """Raise NoSpace unless more is free than was too little for the task's file of unknown size."""
        shortage = attempt.task.shortage
        room = None if shortage is None else self._beside_others(attempt)
        if room is not None and room <= shortage:
            raise NoSpace(f"the file is larger than the {format_size(shortage)} that were free in "
                          f"{self._download_dir.path}; it is fetched again when more is free")

    def note_shortage(self, attempt):
        """Take note that there was too little for the attempt's file of unknown size.

        The bytes that were free at its beginning count only if the file has taken most of them;
        otherwise something else has filled the disk.
        """
        written = attempt.download.file.discarded
        rooms = [written, self._beside_others(attempt) or 0]
        if attempt.room is not None and attempt.room - attempt.room // 8 <= written:
            rooms.append(attempt.room)
        with self._registry.lock:
            attempt.task.fall_short(max(rooms))

    def make(self, attempts):
        """Interrupt the youngest of the attempts while something else fills the disk."""
        while attempts and (self._beside(attempts) or 0) < 0:
            attempts[-1].interrupt(NoSpace("the disk has filled up"))
            attempts = attempts[:-1]

    def _beside_others(self, attempt):
        with self._registry.lock:
            others = [each for each in self._registry.running if each is not attempt]
        return self._beside(others)

    def _beside(self, attempts):
        """Return the bytes that are free for more than these attempts, or None if unknown."""
        free = self._download_dir.free_bytes
        missing = sum(attempt.download.file.segments.missing for attempt in attempts)
        return None if free is None else free - missing - self._settings.download.reserve
