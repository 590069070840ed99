"""Read text files of the user: cookies.txt, .netrc.

Invalid lines are skipped. The log names them once, by number, because they may hold secrets.
"""

import errno
import logging
import os
import re
import stat
import threading

LONGEST = 2 ** 24       # bytes read at most
MOST_NAMED = 10         # line numbers in one log message

log = logging.getLogger(__name__)


class UserFile:
    """The parsed content of a file, read again when it has changed. Threads may share one.

    `parse(text)` returns (content, numbers of the invalid lines); `what` names the valid ones.
    """

    def __init__(self, parse, what):
        self._parse, self._what = parse, what
        self._lock = threading.Lock()
        self._version = self._content = None

    def read(self, path, status=None):
        """Return the content; `status` is the file's, if known. Raise OSError."""
        status = status or os.stat(path)
        if not stat.S_ISREG(status.st_mode):        # opening a FIFO could block for ever
            raise OSError(errno.EINVAL, "it is not a regular file", path)
        version = path, status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
        with self._lock:
            if version != self._version:
                with open(path, "rb") as file:
                    text = file.read(LONGEST).decode("utf-8-sig", "surrogateescape")
                self._content, skipped = self._parse(text)
                self._version = version
                if skipped:
                    numbers = ", ".join(map(str, skipped[:MOST_NAMED]))
                    more = f" and {len(skipped) - MOST_NAMED} more" if len(skipped) > MOST_NAMED else ""
                    log.warning("skipped lines of %s that are not %s: %s%s", path, self._what, numbers, more)
            return self._content


def lines(text):
    """Return [(number, line without its end), …]; splitlines would split at more than CR and LF."""
    return list(enumerate(re.split("\r\n?|\n", text), 1))


def is_clean(text):
    """Return whether the text has no control characters and was UTF-8 in its file."""
    return re.search("[\0-\x1f\x7f-\x9f\ud800-\udfff]", text) is None
