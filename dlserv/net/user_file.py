"""Text files that users keep beside the daemon: a cookies.txt, a .netrc.

They are written by hand and by other programs, so lines that mean nothing are skipped, and named in
the log once, by their numbers only: what stands in them may be a secret.
"""

import errno
import logging
import os
import stat
import threading

LONGEST = 2 ** 24       # bytes that are read
MOST_NAMED = 10         # lines in one sentence

log = logging.getLogger(__name__)


class UserFile:
    """What is in such a file: read again when it has changed. Threads may share one.

    `parse(text)` returns (content, the numbers of the lines that mean nothing); `what` is what
    the others are: "cookies".
    """

    def __init__(self, parse, what):
        self._parse, self._what = parse, what
        self._lock = threading.Lock()
        self._version = self._content = None

    def read(self, path, status=None):
        """Return the content; `status` is the file's os.stat_result, if it is known. Raise OSError."""
        status = status or os.stat(path)
        if not stat.S_ISREG(status.st_mode):        # a FIFO would wait for ever
            raise OSError(errno.EINVAL, "it is not a regular file", path)
        version = path, status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
        with self._lock:
            if version != self._version:
                self._content, skipped = self._parse(_text(path))
                self._version = version
                if skipped:
                    log.warning(_sentence(path, skipped, self._what))
            return self._content


def lines(text):
    """Return [(number, line without its end), …]; other than splitlines, only at line ends."""
    return list(enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), 1))


def is_clean(text):
    """Return whether the text has no control character, and was UTF-8 in its file."""
    return not any(char < " " or "\x7f" <= char < "\xa0" or "\ud800" <= char < "\ue000" for char in text)


def _text(path):
    with open(path, "rb") as file:
        return file.read(LONGEST).decode("utf-8-sig", "surrogateescape")


def _sentence(path, skipped, what):
    more = len(skipped) - MOST_NAMED
    return "skipped lines of %s that are not %s: %s%s" % (
        path, what, ", ".join(map(str, skipped[:MOST_NAMED])), " and %d more" % more if more > 0 else "")
