"""The lock on a database: one daemon at a time."""

import errno
import os

from ..errors import StoreBroken

try:
    import fcntl
except ImportError:     # Windows
    fcntl = None


class FileLock:
    """A lock on a database, whose folder it makes; it ends with the process however that ends.

    Raises StoreBroken if it is held.
    """

    def __init__(self, path):
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            self._fd = os.open(path + ".lock", os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
        except OSError as error:
            raise StoreBroken("the database %s cannot be made: %s" % (path, error.strerror)) from error
        try:
            self._take()
        except OSError as error:
            if error.errno in (errno.ENOLCK, getattr(errno, "EOPNOTSUPP", 0), errno.ENOSYS):
                return      # a file system without locks; the log says so elsewhere
            os.close(self._fd)
            raise StoreBroken("the database %s is in use by another dlserv" % path) from error

    def _take(self):
        if fcntl is not None:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            import msvcrt
            msvcrt.locking(self._fd, msvcrt.LK_NBLCK, 1)

    def release(self):
        os.close(self._fd)
