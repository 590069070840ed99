"""The `.part` file: where bytes live until the file is whole.

Written at offsets, by several threads if need be; synced; then published under its
final name without ever replacing anything.
"""

import errno
import os
import stat
import threading
from collections import namedtuple

from ..errors import Unavailable
from .disk_errors import LOSSES, local_error

_HAS_PWRITE = hasattr(os, "pwrite")
_fdatasync = getattr(os, "fdatasync", os.fsync)


class Identity(namedtuple("Identity", "device inode size mtime_ns")):
    """What tells whether a file is still the one that was written."""

    __slots__ = ()

    @classmethod
    def of(cls, status):
        """From an os.stat_result."""
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)

    def matches(self, status):
        """Whether the file of this os.stat_result is it, unchanged.

        FAT invents inode numbers and keeps times to two seconds, so size and time decide.
        """
        return (stat.S_ISREG(status.st_mode) and status.st_size == self.size
                and abs(status.st_mtime_ns - self.mtime_ns) <= 2 * 10 ** 9)


class PartFile:
    """An open part file in a Folder. Every method may raise NoSpace or Unwritable.

    `has_failed` says that bytes may be lost that were written since the last good flush: the
    disk failed, or a flush did, after which the kernel takes the pages that it could not
    write for clean. No later flush succeeds then; what was flushed before counts.
    """

    def __init__(self, folder, name, fd, named=True):
        self.folder, self.name, self._fd, self.named = folder, name, fd, named
        self.has_failed, self._flushing = False, threading.Lock()
        # Held while the descriptor is closed, copied, sought or written: the kernel writes to a
        # file for one thread at a time, and the others would spin meanwhile.
        self.lock = threading.Lock()
        status = os.fstat(fd)
        self.node = status.st_dev, status.st_ino

    @classmethod
    def create(cls, folder, name):
        """A new one. Raises NameTaken if a file of that name is there."""
        return cls(folder, name, folder.create(name))

    @classmethod
    def unnamed(cls, folder, name):
        """One that is nowhere to be seen until it is published, or None where that is impossible."""
        fd = folder.create_unnamed()
        return None if fd is None else cls(folder, name, fd, named=False)

    @classmethod
    def reopen(cls, folder, name):
        """The one that is there, or None."""
        status = folder.stat(name)
        if status is None:
            return None
        return cls(folder, name, folder.open(name, write=True))

    def local_error(self, error):
        """Return our exception for an OSError that hit this file."""
        self.has_failed = self.has_failed or error.errno in LOSSES
        return local_error(error, self.folder.relative(self.name))

    def fileno(self):
        return self._fd

    @property
    def size(self):
        return os.fstat(self._fd).st_size

    def write(self, view, offset):
        """All of the buffer at the offset."""
        view = memoryview(view)
        try:
            with self.lock:
                while view:
                    count = self._pwrite(view, offset)
                    view, offset = view[count:], offset + count
        except OSError as error:
            raise self.local_error(error) from error

    def read(self, count, offset):
        """Up to `count` bytes from the offset."""
        try:
            return self._pread(count, offset)
        except OSError as error:
            raise self.local_error(error) from error

    def _pwrite(self, view, offset):
        if _HAS_PWRITE:
            return os.pwrite(self._fd, view, offset)
        os.lseek(self._fd, offset, os.SEEK_SET)
        return os.write(self._fd, view)

    def _pread(self, count, offset):
        if _HAS_PWRITE:
            return os.pread(self._fd, count, offset)
        with self.lock:
            os.lseek(self._fd, offset, os.SEEK_SET)
            return os.read(self._fd, count)

    def truncate(self, size=0):
        """Cut or extend the file; an extension takes no room yet."""
        try:
            os.ftruncate(self._fd, size)
        except OSError as error:
            raise self.local_error(error) from error

    def flush(self):
        """Return when the bytes written so far survive a power cut; for any thread.

        They do not count on a disk that was unmounted lazily or a folder that was moved away,
        for the next attempt finds another one in its place.
        """
        with self.lock:
            if self._fd is None:
                return
            try:
                copy = os.dup(self._fd)     # its owner may close ours meanwhile
            except OSError as error:
                raise self.local_error(error) from error
        try:
            self._sync(_fdatasync, copy)
            self.folder.check_in_place()
        except Unavailable:
            self.has_failed = True
            raise
        finally:
            os.close(copy)

    def sync(self):
        """Return when bytes, size and times survive a power cut; for the owner alone."""
        self._sync(os.fsync, self._fd)

    def _sync(self, call, fd):
        with self._flushing:    # the kernel tells of a failure once, whichever thread asks first
            if self.has_failed:
                raise Unavailable("%s: the disk failed; bytes that it took may be lost"
                                  % self.folder.relative(self.name))
            try:
                call(fd)
            except OSError as error:
                if error.errno != errno.EINVAL:
                    self.has_failed = True
                    raise self.local_error(error) from error

    def stamp(self, modified):
        """Set the modification time, epoch seconds; None leaves it."""
        if modified is not None and 0 <= modified < 2 ** 33:
            try:
                os.utime(self._fd if os.utime in os.supports_fd else self._path(), (modified, modified))
            except OSError:
                pass    # a file system without times still holds the right bytes

    def identity(self):
        return Identity.of(os.fstat(self._fd))

    def publish(self, name, spare_empty=False, replace=False):
        """Give the file its final name, durably. Return a sentence about what failed behind that, or None.

        Raise NameTaken if the name is in use, Unavailable if the file is gone.
        """
        if os.name == "nt":     # an open file cannot be renamed there
            self.close()
        if not self.named:
            return self.folder.name(self._fd, name)
        found = self.folder.stat(self.name)
        if found is not None and self.folder.is_another(found, *self.node):
            raise Unavailable(self.name + " is another file now")
        if replace:
            return self.folder.replace(self.name, name)
        return self.folder.rename(self.name, name, spare_empty)

    def take_name(self, name):
        """Become a part file that can be seen, for where the unnamed can be given no name (Android)."""
        status, data = os.fstat(self._fd), self.read(self.size, 0)
        fd = self.folder.create(name)
        self.close()
        self.name, self._fd, self.named = name, fd, True
        self.node = self.identity()[:2]
        self.write(data, 0)
        self.stamp(status.st_mtime)

    def close(self):
        with self.lock:
            if self._fd is not None:
                fd, self._fd = self._fd, None
                try:
                    os.close(fd)
                except OSError:     # NFS, of bytes that were not flushed
                    self.has_failed = True

    def _path(self):
        return os.path.join(self.folder.path, self.name)
