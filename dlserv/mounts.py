"""What lies under a path: its mount point and its kind of file system."""

import os


def file_system(path):
    """The type of the file system that holds `path` ("ext4", "tmpfs"), or None if unknown."""
    path, found, longest = os.path.realpath(path), None, -1
    try:
        with open("/proc/self/mounts", encoding="utf-8", errors="replace") as mounts:
            for line in mounts:
                point, kind = line.split(" ")[1:3]
                inside = path == point or path.startswith(point.rstrip("/") + "/")
                if inside and len(point) >= longest:
                    found, longest = kind, len(point)
    except OSError:
        pass
    return found


def mount_of(path):
    """The mount point that holds `path`, or None where that is the root or cannot be told."""
    path = os.path.realpath(path)
    while not os.path.ismount(path):
        path = os.path.dirname(path)
    return path if os.path.dirname(path) != path else None
