"""What the disk is asked besides bytes: what lies under a path, what is free, and that names last."""

import contextlib
import errno
import os
import re
import shutil

_OCTAL = re.compile(rb"\\([0-3][0-7]{2})")       # as /proc writes blanks, tabs, line ends and backslashes


def file_system(path):
    """Return the type of the file system that holds `path` ("ext4", "tmpfs"), or None if unknown."""
    path, found, longest = os.fsencode(os.path.realpath(path)), None, -1
    try:
        with open("/proc/self/mounts", "rb") as mounts:
            for line in mounts:
                point, kind = line.split(b" ")[1:3]
                point = _OCTAL.sub(lambda match: bytes([int(match.group(1), 8)]), point)
                inside = path == point or path.startswith(point.rstrip(b"/") + b"/")
                if inside and len(point) >= longest:
                    found, longest = os.fsdecode(kind), len(point)
    except OSError:
        pass
    return found


def mounting(path, marks):
    """Return a text that changes when the disk that holds `path` is unmounted or unplugged, or None.

    Linux numbers mounts and devices with the lowest number that is free, so those come again.
    What belongs to a mount or a device in /sys is made with it and has its own inode. `marks`
    is a dict in which the places are remembered by device.
    """
    try:
        device = os.stat(path).st_dev
    except OSError:
        return None
    if device not in marks:
        marks[device] = _marks(device)
    return " ".join(["%x" % device] + [_state(mark) for mark in marks[device]])


def _marks(device):
    """Return the files and folders in /sys that belong to the device or to its mount."""
    if not hasattr(os, "major"):
        return []
    number = "%d:%d" % (os.major(device), os.minor(device))
    block = os.path.realpath("/sys/dev/block/" + number)
    places = [block, os.path.join(block, "diskseq"), os.path.join(block, "../diskseq")]
    if not os.path.exists(block):       # NFS, FUSE and others have no device but this
        places = ["/sys/class/bdi/" + number]
    places += [os.path.join("/sys/fs", kind, os.path.basename(block)) for kind in sorted(_names("/sys/fs"))]
    return [place for place in places if os.path.exists(place)]


def _state(mark):
    """Return the number in a file, or the inode of a folder."""
    try:
        if mark.endswith("diskseq"):
            with open(mark, encoding="ascii") as file:
                return file.readline().strip()
        return "%d" % os.stat(mark).st_ino
    except (OSError, UnicodeDecodeError):
        return "-"


def _names(path):
    try:
        return os.listdir(path)
    except OSError:
        return []


def mount_of(path):
    """The mount point that holds `path`, or None where that is the root or cannot be told."""
    path = os.path.realpath(path)
    while not os.path.ismount(path):
        path = os.path.dirname(path)
    return path if os.path.dirname(path) != path else None


def free_bytes(path):
    """Bytes free on the file system that holds `path`, or None where that cannot be told."""
    try:
        return shutil.disk_usage(path).free
    except OSError:
        return None


def sync_folder(path):
    """Make the name durable, where the platform can."""
    if hasattr(os, "O_DIRECTORY"):
        fd = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
        finally:
            os.close(fd)


def replace_file(path, text, like=None):
    """Put the text in the file's place: a crash leaves the old one or the new. Raises OSError.

    It is for its owner only, unless it is to have the mode of the file `like`.
    """
    new = "%s.%d" % (path, os.getpid())
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0)
    try:
        with open(os.open(new, flags, 0o600), "w", encoding="utf-8") as file:
            if like is not None:
                shutil.copymode(like, new)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.remove(new)
        raise
    sync_folder(path)
