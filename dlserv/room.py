"""Room on the disk: what running tasks still need must be there, and a reserve besides."""

import os
import shutil

from .errors import NoSpace
from .units import format_size


def free_bytes(path):
    """Bytes free on the file system that holds `path`, or None where that cannot be told."""
    try:
        return shutil.disk_usage(path).free
    except OSError:
        return None


def lacking(root, runs, reserve):
    """Bytes that are missing on the disk for these runs to end well, 0 if there is enough."""
    free = free_bytes(root)
    if free is None:
        return 0
    return max(0, sum(run.download.missing for run in runs) + reserve - free)


def check(root, runs, reserve):
    """Raises NoSpace, with the figures, if there is not enough."""
    short = lacking(root, runs, reserve)
    if short:
        raise NoSpace("there is not enough room: %s more must be free in %s (the reserve is %s)"
                      % (format_size(short), os.path.abspath(root), format_size(reserve)))
