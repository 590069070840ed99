"""A folder that no path escapes from: all access is relative to its descriptor, and follows no link.

Without directory descriptors (Windows), names are joined to a path that was checked once.
"""

import contextlib
import errno
import os
import stat
from itertools import islice

from ..errors import LocalError, NameTaken, NameTooLong, NoSpace, Unavailable, Unwritable
from ..fs import file_system
from .filename import LONGEST

_HAS_DIR_FD = os.open in os.supports_dir_fd and hasattr(os, "O_DIRECTORY")
# Python for Android is built without link or linkat.
HAS_LINKS = hasattr(os, "link") and (os.link in os.supports_dir_fd or not _HAS_DIR_FD)
_HAS_UNNAMED = HAS_LINKS and _HAS_DIR_FD and hasattr(os, "O_TMPFILE") and os.path.isdir("/proc/self/fd")
_FILE = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0) \
    | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOINHERIT", 0)
# File systems on which a file keeps its inode number from mount to mount.
_KEEP_INODES = frozenset("ext2 ext3 ext4 xfs btrfs f2fs tmpfs zfs ubifs jffs2 overlay ntfs3".split())

# Limits of known file systems, in bytes, to try on one that does not state its limit; 143 is eCryptfs.
_SHORTER = (191, 143, 107, 80, 60, 30)

_FULL = {errno.ENOSPC: "no space left on device",
         getattr(errno, "EDQUOT", errno.ENOSPC): "the disk quota is used up"}
_REASONS = {
    errno.EFBIG: "the file is too large for this file system (FAT32 ends at 4 GiB)",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "permission denied",
    errno.EPERM: "not permitted",
    errno.ELOOP: "there is a symbolic link where a file or folder should be",
    errno.ENOTDIR: "a part of its path is a symbolic link or no folder",
    errno.ENAMETOOLONG: "the name is too long for this file system",
    errno.ENOENT: "the folder is gone",
    errno.EIO: "the disk reports an input/output error",
}


def numbers(names):
    return frozenset(getattr(errno, name) for name in names.split() if hasattr(errno, name))


# After these errors, bytes that were written but not flushed may be lost.
LOSSES = numbers("EIO EROFS ENODEV ENXIO ESTALE ENOTCONN ESHUTDOWN EHOSTDOWN ETIMEDOUT EREMOTEIO ENOMEDIUM"
                  " ENOLINK EUCLEAN EBADMSG")

# Errors that may pass: a disk is plugged in again, a file system remounted, a permission changed.
_PASSING = LOSSES | numbers("EACCES EPERM EBUSY ENOENT")


def local_error(error, name=""):
    """Return our exception for an OSError of the file or folder `name`."""
    if error.errno in _FULL:
        return NoSpace(_FULL[error.errno])
    if error.errno == errno.EEXIST:
        return NameTaken(f"a file named {name} is there already")
    reason = _REASONS.get(error.errno) or (error.strerror or str(error)).lower()
    sentence = f"{name}: {reason}" if name else reason
    if error.errno == errno.ENAMETOOLONG:
        return NameTooLong(sentence)
    if error.errno in _PASSING:
        return Unavailable(sentence, is_loss=error.errno in LOSSES)
    return Unwritable(sentence)


class Folder:
    """The folder `below` in `root`, held open; with `make`, missing folders are created.

    Every method may raise NoSpace or Unwritable. `name` and `sync_names` return None, or a sentence
    about a failure after a file got its name.
    """

    def __init__(self, root, below="", make=True):
        self.path = os.path.join(root, *below.split("/")) if below else root
        self.below = below
        self._fd, self.longest = None, LONGEST
        try:
            self._open(root, [part for part in below.split("/") if part], make)
            status = os.stat(self.path) if self._fd is None else os.fstat(self._fd)
            self._node, self.longest = (status.st_dev, status.st_ino), self._longest()
        except OSError as error:
            self.close()
            raise local_error(error, self.path) from error

    def _open(self, root, parts, make):
        if not _HAS_DIR_FD:
            if make:
                os.makedirs(self.path, exist_ok=True)
            os.stat(self.path)
            if parts and os.path.realpath(self.path) != os.path.join(os.path.realpath(root), *parts):
                raise OSError(errno.ELOOP, "symbolic link")
            return
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
        self._fd = os.open(root, flags)
        for part in parts:
            if make:
                self._make(part)
            upper, self._fd = self._fd, os.open(part, flags | os.O_NOFOLLOW, dir_fd=self._fd)
            os.close(upper)

    def _make(self, part):
        try:
            os.mkdir(part, dir_fd=self._fd)
        except FileExistsError:
            return
        try:
            self.sync()
        except LocalError:
            with contextlib.suppress(OSError):      # else the next attempt takes it for durable
                os.rmdir(part, dir_fd=self._fd)
            raise

    def _longest(self):
        try:
            told = os.fpathconf(self._fd, "PC_NAME_MAX")
        except (AttributeError, TypeError, ValueError, OSError):
            return LONGEST
        return min(told, LONGEST) if told >= _SHORTER[-1] else LONGEST

    def shorten(self):
        """Lower `longest` after a NameTooLong. Return False if there is no lower limit."""
        shorter = next((each for each in _SHORTER if each < self.longest), None)
        self.longest = shorter or self.longest
        return shorter is not None

    def check_in_place(self):
        """Raise Unavailable if the path leads elsewhere; a lazily unmounted disk can still be written to."""
        try:
            status = os.stat(self.path)
            is_moved = status.st_dev != self._node[0] or self.is_another(status, *self._node)
        except OSError:
            is_moved = True
        if is_moved:
            raise Unavailable(f"{self.path} is not the same folder any more; its disk may have been "
                              "unmounted", is_loss=True)

    def close(self):
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.close()

    def relative(self, name):
        return f"{self.below}/{name}" if self.below else name

    def create(self, name):
        """Return a descriptor of a new file. Raise NameTaken."""
        return self._open_file(name, os.O_RDWR | os.O_CREAT | os.O_EXCL)

    def create_unnamed(self):
        """Return a descriptor of a new file without a name, which a crash removes; None if impossible.

        Saves storing a plan, and creating and removing a name: 1.5 instead of 2.0 ms for a small file.
        """
        if not _HAS_UNNAMED:
            return None
        try:
            return os.open(".", os.O_RDWR | os.O_TMPFILE | os.O_CLOEXEC, 0o666, dir_fd=self._fd)
        except OSError:
            return None

    def name(self, fd, name):
        """Name a file of `create_unnamed`. Raise NameTaken."""
        try:
            os.link(f"/proc/self/fd/{fd}", name, dst_dir_fd=self._fd, follow_symlinks=True)
        except OSError as error:
            raise local_error(error, self.relative(name)) from error
        return self.sync_names(name)

    def open(self, name, write=False):
        fd = self._open_file(name, (os.O_RDWR if write else os.O_RDONLY) | getattr(os, "O_NONBLOCK", 0))
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise Unwritable(f"{name}: is not a regular file")
        return fd

    def _open_file(self, name, flags):
        try:
            return os.open(self._at(name), flags | _FILE, 0o666, **self._dir())
        except OSError as error:
            if error.errno == errno.ENOENT and not flags & os.O_CREAT:
                raise Unavailable(f"{self.relative(name)} is gone") from error
            raise local_error(error, self.relative(name)) from error

    def entries(self, most=None):
        """Return [(name, is it a folder)] of at most `most` names."""
        try:
            with os.scandir(self._fd if _HAS_DIR_FD and os.scandir in os.supports_fd else self.path) as found:
                return [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in islice(found, most)]
        except OSError as error:
            raise local_error(error, self.path) from error

    def stat(self, name):
        """Return the name's os.stat_result, or None if it is not in use."""
        try:
            return os.stat(self._at(name), follow_symlinks=False, **self._dir())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise local_error(error, self.relative(name)) from error

    def is_another(self, status, device, inode):
        """Return whether the file with this os.stat_result certainly has another inode."""
        return (status.st_dev == device and status.st_ino != inode
                and file_system(self.path) in _KEEP_INODES)

    def remove(self, name):
        """Unlink the name; return False if it did not exist."""
        try:
            os.unlink(self._at(name), **self._dir())
        except FileNotFoundError:
            return False
        except OSError as error:
            raise local_error(error, self.relative(name)) from error
        return True

    def call(self, function, old, new, **options):
        """Call os.link, os.rename or os.replace with two names. Raise OSError."""
        if _HAS_DIR_FD:
            options.update(src_dir_fd=self._fd, dst_dir_fd=self._fd)
        function(self._at(old), self._at(new), **options)

    def sync_names(self, name):
        try:
            self.sync()
        except LocalError as error:
            return f"{error}; a power cut may remove the name {self.relative(name)}"
        return None

    def sync(self):
        if self._fd is not None:
            try:
                os.fsync(self._fd)
            except OSError as error:
                if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
                    raise local_error(error, self.path) from error

    def _at(self, name):
        if name in ("", ".", "..") or "/" in name:      # a record must not lead out of the folder
            raise OSError(errno.EINVAL, "not a plain name")
        return name if _HAS_DIR_FD else os.path.join(self.path, name)

    def _dir(self):
        return {"dir_fd": self._fd} if _HAS_DIR_FD else {}
