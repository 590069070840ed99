"""The record of a file between attempts, as plain data; loaded without the rest of the engine."""

import stat
from collections import namedtuple


class Identity(namedtuple("Identity", "device inode size mtime_ns")):
    """The attributes by which a file is recognised."""

    __slots__ = ()

    @classmethod
    def of(cls, status):
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)

    def matches(self, status):
        """Return whether the file with this os.stat_result is the same, unchanged.

        FAT invents inode numbers and stores times in steps of two seconds.
        """
        return (stat.S_ISREG(status.st_mode) and status.st_size == self.size
                and abs(status.st_mtime_ns - self.mtime_ns) <= 2 * 10 ** 9)


class Progress(namedtuple("Progress", "part target source resource done publishing checksum node restarted",
                          defaults=(None, False))):
    """The state of an unfinished file.

    part, target   str, names within the folder: now, and when complete
    source         str, the URL of the task or the mirror that described the resource
    resource       Resource that the bytes came from
    done           [(start, end), …] bytes on disk
    publishing     Identity of the part while it takes the name `target`, else None
    checksum       str, the verified checksum by then, else None
    node           (device, inode) of the part, None before it is created
    restarted      bool, it was started over once for lack of a validator
    """

    __slots__ = ()

    def may_be(self, status):
        """Return whether a file with this os.stat_result can be the part."""
        least = max((end for _, end in self.done), default=0)
        most = self.resource.total
        return stat.S_ISREG(status.st_mode) and least <= status.st_size and (
            most is None or status.st_size <= most)


class Finished(namedtuple("Finished", "name identity checksum resource known source", defaults=(None, None))):
    """A complete file under its final name; resource and source as in Progress.

    name       str, within the task's folder
    identity   Identity of the file when it took the name
    checksum   str, the last one that was computed, else None
    known      str, the right checksum if `checksum` is another, else None
    """

    __slots__ = ()

    @property
    def promised(self):
        """The checksums known to be right."""
        return [text for text in (self.known or self.checksum, self.resource.digest) if text]
