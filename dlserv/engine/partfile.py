"""The `.part` file, which holds the bytes until the file is complete; threads write at different offsets."""

import errno
import os
import threading

from ..errors import Unavailable
from . import rename
from .disk_errors import LOSSES, local_error
from .progress import Identity

_HAS_PWRITE = hasattr(os, "pwrite")
_fdatasync = getattr(os, "fdatasync", os.fsync)


class PartFile:
    """An open part file in a Folder. Every method may raise NoSpace or Unwritable.

    `has_failed` says that bytes written since the last successful flush may be lost: the disk
    or a flush failed, and after a failed flush the kernel marks the unwritten pages clean.
    Every later flush is refused then.
    """

    def __init__(self, folder, name, fd, named=True):
        self.folder, self.name, self._fd, self.named = folder, name, fd, named
        self.has_failed, self._flushing = False, threading.Lock()
        # Held while the descriptor is closed, duplicated, sought or written: the kernel writes to
        # a file for one thread at a time, and the others would spin meanwhile.
        self.lock = threading.Lock()
        self.node = self.identity()[:2]

    @classmethod
    def create(cls, folder, name):
        return cls(folder, name, folder.create(name))

    @classmethod
    def unnamed(cls, folder, name):
        """Return None if the system has no such files."""
        fd = folder.create_unnamed()
        return None if fd is None else cls(folder, name, fd, named=False)

    @classmethod
    def reopen(cls, folder, name):
        """Open an existing part file, or return None."""
        return cls(folder, name, folder.open(name, write=True)) if folder.stat(name) is not None else None

    def local_error(self, error):
        """Return our exception for an OSError of this file; set `has_failed` if bytes may be lost."""
        self.has_failed = self.has_failed or error.errno in LOSSES
        return local_error(error, self.folder.relative(self.name))

    def fileno(self):
        return self._fd

    @property
    def size(self):
        return os.fstat(self._fd).st_size

    def write(self, view, offset):
        view = memoryview(view)
        try:
            with self.lock:
                while view:
                    count = self._pwrite(view, offset)
                    view, offset = view[count:], offset + count
        except OSError as error:
            raise self.local_error(error) from error

    def read(self, count, offset):
        """Return up to `count` bytes from the offset."""
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
        """Cut or extend the file; an extension takes no space on disk."""
        try:
            os.ftruncate(self._fd, size)
        except OSError as error:
            raise self.local_error(error) from error

    def flush(self):
        """Make the bytes written so far survive a power cut; any thread may call it.

        Raise Unavailable if the next attempt would not find them.
        """
        with self.lock:
            if self._fd is None:
                return
            try:
                copy = os.dup(self._fd)     # the owner may close the original during the flush
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
        """Make bytes, size and times survive a power cut; only the owner may call it."""
        self._sync(os.fsync, self._fd)

    def _sync(self, call, fd):
        with self._flushing:    # the kernel reports a failure once, to the first thread that asks
            if self.has_failed:
                raise Unavailable(f"{self.folder.relative(self.name)}: the disk failed; "
                                  "bytes written to it may be lost")
            try:
                call(fd)
            except OSError as error:
                if error.errno != errno.EINVAL:
                    self.has_failed = True
                    raise self.local_error(error) from error

    def stamp(self, modified):
        """Set the modification time in epoch seconds, or leave it if None."""
        if modified is not None and 0 <= modified < 2 ** 33:
            try:
                file = self._fd if os.utime in os.supports_fd else os.path.join(self.folder.path, self.name)
                os.utime(file, (modified, modified))
            except OSError:
                pass    # the bytes are right even if the file system has no times

    def identity(self):
        return Identity.of(os.fstat(self._fd))

    def publish(self, name, spare_empty=False, replace=False):
        """Give the file its final name; return None or a sentence about a failure after that.

        Raise NameTaken, or Unavailable if the part file is gone.
        """
        if os.name == "nt":     # Windows cannot rename an open file
            self.close()
        if not self.named:
            return self.folder.name(self._fd, name)
        found = self.folder.stat(self.name)
        if found is not None and self.folder.is_another(found, *self.node):
            raise Unavailable(self.name + " was replaced by another file")
        if replace:
            return rename.replace(self.folder, self.name, name)
        return rename.rename(self.folder, self.name, name, spare_empty)

    def take_name(self, name):
        """Copy an unnamed file to a named part file, because the system cannot name it (Android)."""
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
                except OSError:     # NFS reports failed writes here
                    self.has_failed = True
