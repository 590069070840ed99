"""Read text files of the user: cookies.txt, .netrc.

They are written by hand and by other programs, so invalid lines are skipped. The log names
them once, by number only, because they may hold secrets.
"""

import errno
import logging
import os
import stat
import threading

LONGEST = 2 ** 24       # bytes read at most
MOST_NAMED = 10         # line numbers in one log message

log = logging.getLogger(__name__)


class UserFile:
    """The parsed content of a file, read again when the file has changed. Threads may share one.

    `parse(text)` returns (content, numbers of the invalid lines); `what` names the valid ones
    in the log, as in "cookies".
    """

    def __init__(self, parse, what):
        self._parse, self._what = parse, what
        self._lock = threading.Lock()
        self._version = self._content = None

    def read(self, path, status=None):
        """Return the content; `status` is the file's os.stat_result, if known. Raise OSError."""
        status = status or os.stat(path)
        if not stat.S_ISREG(status.st_mode):        # opening a FIFO could block for ever
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
    """Return [(number, line without its end), …]; unlike splitlines, split at CR and LF only."""
    return list(enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), 1))


def is_clean(text):
    """Return whether the text has no control characters and was UTF-8 in its file."""
    return not any(char < " " or "\x7f" <= char < "\xa0" or "\ud800" <= char < "\ue000" for char in text)


def _text(path):
    with open(path, "rb") as file:
        return file.read(LONGEST).decode("utf-8-sig", "surrogateescape")


def _sentence(path, skipped, what):
    more = len(skipped) - MOST_NAMED
    numbers = ", ".join(map(str, skipped[:MOST_NAMED]))
    others = f" and {more} more" if more > 0 else ""
    return f"skipped lines of {path} that are not {what}: {numbers}{others}"
