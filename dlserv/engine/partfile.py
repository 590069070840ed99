"""The `.part` file, which holds the bytes until the file is complete."""

import contextlib
import errno
import os
import stat
import threading

from ..errors import LocalError, Unavailable
from .folder import HAS_LINKS, LOSSES, local_error, numbers
from .progress import Identity

_HAS_PWRITE = hasattr(os, "pwrite")
_fdatasync = getattr(os, "fdatasync", os.fsync)
# Errors of link after which renaming would fail too.
_NO_WAY = LOSSES | numbers("ENOENT ENOSPC ENAMETOOLONG EDQUOT")


class PartFile:
    """An open part file in a Folder, for several threads. Every method may raise NoSpace or Unwritable.

    `has_failed` says that bytes written since the last successful flush may be lost: the disk or
    a flush failed, after which the kernel marks the unwritten pages clean. No later flush is tried.
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
        self.has_failed = self.has_failed or error.errno in LOSSES
        return local_error(error, self.folder.relative(self.name))

    def fileno(self):
        return self._fd

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
        try:
            os.ftruncate(self._fd, size)
        except OSError as error:
            raise self.local_error(error) from error

    def flush(self):
        """Make the bytes written so far survive a power cut; any thread may call it."""
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

    def publish(self, name, spare_empty=False, replaces=False):
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
        if replaces:
            return replace(self.folder, self.name, name)
        return rename(self.folder, self.name, name, spare_empty)

    def take_name(self, name):
        """Copy an unnamed file, which the system cannot name (Android), to a named one."""
        status = os.fstat(self._fd)
        data = self.read(status.st_size, 0)
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


def rename(folder, old, new, spare_empty=False):
    """Rename a file, never over one that is not ours. Return as `publish` does. Raise NameTaken.

    Done by link and unlink, which cannot overwrite; without hard links (FAT, Android), by
    creating an empty file exclusively and renaming over it. `spare_empty` says that one is
    left from a crash.
    """
    try:
        _link(folder, old, new)
    except OSError as error:
        _rename_otherwise(folder, old, new, spare_empty, error)
        return folder.sync_names(new)
    return drop(folder, old, new) or folder.sync_names(new)


def replace(folder, old, new):
    """Rename a file over another one, which must be ours."""
    _move(folder, os.replace, old, new)
    return folder.sync_names(new)


def drop(folder, old, new):
    """Remove the name `old` of a file that is also named `new`."""
    try:
        folder.remove(old)
    except LocalError as error:
        return f"{error}; it stays beside {folder.relative(new)}, and is the same file"
    return None


def _link(folder, old, new):
    if not HAS_LINKS:
        raise OSError(errno.EPERM, "not permitted")
    options = {"follow_symlinks": False} if os.link in os.supports_follow_symlinks else {}
    try:
        folder.call(os.link, old, new, **options)
    except FileExistsError:
        if not _is_same(folder, old, new):      # linked before a crash, or twice by NFS
            raise


def _is_same(folder, one, other):
    found = folder.stat(one), folder.stat(other)
    return None not in found and os.path.samestat(*found)


def _rename_otherwise(folder, old, new, spare_empty, refusal):
    if refusal.errno in _NO_WAY or refusal.errno == errno.EEXIST and (
            not spare_empty or _has_links(folder, old)):
        raise local_error(refusal, folder.relative(new)) from refusal
    if spare_empty and _is_empty(folder, new):
        _move(folder, os.replace, old, new)
    else:
        _rename_without_links(folder, old, new)


def _has_links(folder, name):
    probe = name + ".link"
    try:
        folder.call(os.link, name, probe)
    except OSError as error:
        return error.errno == errno.EEXIST
    with contextlib.suppress(LocalError):
        folder.remove(probe)
    return True


def _rename_without_links(folder, old, new):
    if os.name != "nt":     # on Windows, a rename never replaces
        os.close(folder.create(new))
    try:
        _move(folder, os.rename, old, new)
    except LocalError:
        if os.name != "nt" and _is_empty(folder, new):
            with contextlib.suppress(LocalError):
                folder.remove(new)
        raise


def _move(folder, function, old, new):
    try:
        folder.call(function, old, new)
    except OSError as error:
        raise local_error(error, folder.relative(new)) from error


def _is_empty(folder, name):
    found = folder.stat(name)
    return found is not None and stat.S_ISREG(found.st_mode) and found.st_size == 0
