"""File-system calls that several packages share: mounts, free space, durable names, atomic files."""

import contextlib
import errno
import os
import re
import select
import shutil
import stat

LARGEST = 2 ** 24       # bytes of a file that `check_file` accepts
_OCTAL = re.compile(rb"\\([0-3][0-7]{2})")       # /proc's escape for blanks, tabs, line ends, backslashes


def file_system(path):
    """Return the type of the file system that holds `path`, such as "ext4", or None if unknown."""
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


class Mountings:
    """Tells one mounting of a disk from the next; caches its findings while the inodes stay the same.

    Linux reuses the lowest free device number. The entries of a mount or device in /sys are created
    with it, so their inode numbers are added.
    """

    def __init__(self):
        self._known = {}        # device: ([(path in /sys, its inode), …], the text)

    def of(self, path):
        """Return a text that changes when the disk that holds `path` is unmounted or unplugged, or None."""
        try:
            device = os.stat(path).st_dev
        except OSError:
            return None
        places, text = self._known.get(device, ((), ""))
        if not places or any(_inode(place) != inode for place, inode in places):
            places, text = self._known[device] = _examine(device)
        return text


def _examine(device):
    number = "%d:%d" % (os.major(device), os.minor(device)) if hasattr(os, "major") else "%d" % device
    block = os.path.realpath("/sys/dev/block/" + number)
    mounts = [os.path.join("/sys/fs", kind, os.path.basename(block)) for kind in _names("/sys/fs")]
    # A file system that has its entry there loses it when it is unmounted; others are looked for everywhere.
    mounts = list(filter(os.path.exists, mounts)) or mounts
    places = [(place, _inode(place)) for place in sorted([block, "/sys/class/bdi/" + number] + mounts)]
    marks = [_first_line(os.path.join(block, name)) for name in ("diskseq", "../diskseq")]
    return places, " ".join(filter(None, [number] + marks + [inode for _, inode in places]))


def _names(path):
    try:
        return os.listdir(path)
    except OSError:
        return []


def _inode(path):
    try:
        return "%d" % os.stat(path).st_ino
    except OSError:
        return ""


def _first_line(path):
    try:
        with open(path, encoding="ascii") as file:
            return file.readline().strip()
    except (OSError, UnicodeDecodeError):
        return ""


def mount_of(path):
    """Return the mount point that holds `path`, or None if it is the root."""
    path = os.path.realpath(path)
    while not os.path.ismount(path):
        path = os.path.dirname(path)
    return path if os.path.dirname(path) != path else None


def boot_id():
    """Return an identifier of this boot; where the system has none, one of this process."""
    return _first_line("/proc/sys/kernel/random/boot_id") or os.urandom(16).hex()


def disk_usage(path):
    """Return (free bytes, all bytes) of the file system that holds `path`, (None, None) if unknown."""
    try:
        usage = shutil.disk_usage(path)
    except OSError:
        return None, None
    return usage.free, usage.total


def check_file(path):
    """Raise OSError unless `path` is a readable, regular file of at most LARGEST bytes.

    For files that a library opens: a FIFO would block it, a device might never end.
    """
    status = os.stat(path)
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "it is not a regular file")
    if status.st_size > LARGEST:
        raise OSError(errno.EFBIG, f"it is larger than {LARGEST} bytes")
    with open(path, "rb"):
        pass


def refuse_password():
    """Raise ValueError, before OpenSSL asks for a key's passphrase on the terminal."""
    raise ValueError("the key is encrypted; store it without a passphrase")


def read_bounded(path, most):
    """Return the bytes of a file or pipe. Raise OSError if they are more than `most`.

    A pipe without a writer is empty. Raise TimeoutError if one stays silent for five seconds.
    """
    data = b""
    with open(path, "rb", buffering=0, opener=_open_nonblocking) as file:
        while len(data) <= most:
            more = file.read(most + 1 - len(data))
            if more == b"":
                return data
            data += more or b""
            if more is None and not select.select([file], [], [], 5.0)[0]:
                raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
    raise OSError(errno.EFBIG, f"it is larger than {most} bytes")


def _open_nonblocking(path, flags):
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def sync_folder(path):
    """Make the file's name durable, if the platform can."""
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
    """Replace the file's text atomically, with mode 0600 or that of the file `like`. Raise OSError."""
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
