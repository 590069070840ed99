"""Rename a file within a Folder without ever replacing one that is not ours.

Done by link and unlink, which cannot overwrite; without hard links (FAT, Android), by
creating an empty file exclusively and renaming over it. Functions return None, or a
sentence about a failure after the file got its name.
"""

import contextlib
import errno
import os
import stat

from ..errors import LocalError
from .disk_errors import LOSSES, local_error
from .folder import HAS_LINKS

# Errors of link after which renaming would fail too.
_NO_WAY = LOSSES | {errno.ENOENT, errno.ENOSPC, errno.ENAMETOOLONG, getattr(errno, "EDQUOT", errno.ENOSPC)}


def rename(folder, old, new, spare_empty=False):
    """Give a file a new name. Raise NameTaken if it is in use.

    Without hard links, a crash may leave an empty file under the new name, which is ours if
    `spare_empty`.
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
