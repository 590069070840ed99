"""The lock on a database: one daemon at a time."""

import errno
import os

from ..errors import StoreBroken

try:
    import fcntl
except ImportError:     # Windows
    fcntl = None


class FileLock:
    """A lock, which ends with the process. Creates the folder. Raise StoreBroken if another process holds it."""

    def __init__(self, path):
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            self._fd = os.open(path + ".lock", os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
        except OSError as error:
            raise StoreBroken(f"the database {path} cannot be created: {error.strerror}") from error
        try:
            self._take()
        except OSError as error:
            if error.errno in (errno.ENOLCK, getattr(errno, "EOPNOTSUPP", 0), errno.ENOSYS):
                return      # the file system has no locks
            os.close(self._fd)
            raise StoreBroken(f"the database {path} is in use by another dlserv") from error

    def _take(self):
        if fcntl is not None:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            import msvcrt
            msvcrt.locking(self._fd, msvcrt.LK_NBLCK, 1)

    def release(self):
        os.close(self._fd)
