"""Errors of the operating system about files become ours, in words a person understands."""

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


# A disk that says so may not have what it took before.
LOSSES = _numbers("EIO EROFS ENODEV ENXIO ESTALE ENOTCONN ESHUTDOWN EHOSTDOWN ETIMEDOUT EREMOTEIO ENOMEDIUM"
                  " ENOLINK EUCLEAN EBADMSG")

# What an unplugged disk, a remount or an administrator's hand brings about, and takes back.
_PASSING = LOSSES | _numbers("EACCES EPERM EBUSY ENOENT")


def local_error(error, name=""):
    """Return our exception for an OSError; `name` is what could not be made or written."""
    if error.errno in _FULL:
        return NoSpace(_FULL[error.errno])
    if error.errno == errno.EEXIST:
        return NameTaken("a file named %s is there already" % name)
    if error.errno == errno.ENAMETOOLONG:
        return NameTooLong("%s: %s" % (name, _REASONS[error.errno]))
    reason = _REASONS.get(error.errno) or (error.strerror or str(error)).lower()
    sentence = "%s: %s" % (name, reason) if name else reason
    if error.errno in _PASSING:
        return Unavailable(sentence, is_loss=error.errno in LOSSES)
    return Unwritable(sentence)
