"""Translate the operating system's errors about files into ours."""

import errno

from ..errors import NameTaken, NameTooLong, NoSpace, Unavailable, Unwritable

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


def _numbers(names):
    return frozenset(getattr(errno, name) for name in names.split() if hasattr(errno, name))


# After these errors, bytes that were written but not flushed may be lost.
LOSSES = _numbers("EIO EROFS ENODEV ENXIO ESTALE ENOTCONN ESHUTDOWN EHOSTDOWN ETIMEDOUT EREMOTEIO ENOMEDIUM"
                  " ENOLINK EUCLEAN EBADMSG")

# Errors that may pass: a disk is plugged in again, a file system remounted, a permission changed.
_PASSING = LOSSES | _numbers("EACCES EPERM EBUSY ENOENT")


def local_error(error, name=""):
    """Return our exception for an OSError of the file or folder `name`."""
    if error.errno in _FULL:
        return NoSpace(_FULL[error.errno])
    if error.errno == errno.EEXIST:
        return NameTaken(f"a file named {name} is there already")
    if error.errno == errno.ENAMETOOLONG:
        return NameTooLong(f"{name}: {_REASONS[error.errno]}")
    reason = _REASONS.get(error.errno) or (error.strerror or str(error)).lower()
    sentence = f"{name}: {reason}" if name else reason
    if error.errno in _PASSING:
        return Unavailable(sentence, is_loss=error.errno in LOSSES)
    return Unwritable(sentence)
