"""Watched folders: lists of URLs that are put there become tasks.

A file is taken once it has stayed the same for a while. It goes to `added`, or to `refused` beside
a NAME.why with a sentence a line. Its tasks have the folder below as their `dir`. A folder that is
away is looked for again.
"""

import logging
import os
import stat

from ..contract import tid_of
from ..errors import Archived, Exists, Full, InvalidValue, LocalError, MissingModule
from ..settings import inputfile, metalink
from ..threads import Flag, Thread, join, persist
from ..units import clean

ENDINGS = (".txt", ".list", ".lst", ".session", ".url", ".webloc", ".desktop", ".meta4", ".metalink")
LARGEST = 2 ** 20           # bytes of a list; of a Metalink metalink.LARGEST
ADDED, REFUSED = "added", "refused"
DEEPEST = 8                 # folders below one another
LONGEST = 120               # bytes of a name to which a number and the endings are added
JOIN_SECONDS = 1.0          # a disk may hang

log = logging.getLogger(__name__)


def check(watch, download_dir):
    """Raise InvalidValue, naming the key, for a folder of the section that cannot be watched."""
    for index, each in enumerate(watch):
        key, path = "watch[%d].dir" % index, os.path.realpath(each["dir"])
        if not os.path.isdir(path):
            raise InvalidValue(key, "there is no folder %s" % each["dir"])
        if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
            raise InvalidValue(key, "%s cannot be read and written" % each["dir"])
        for other in [download_dir, *(row["dir"] for row in watch if row is not each)]:
            if (os.path.realpath(other) + os.sep).startswith(path.rstrip(os.sep) + os.sep):
                raise InvalidValue(key, "%s is in %s; name another folder" % (other, each["dir"]))


class Watch:
    """Watches one folder, in a thread of its own. `add_all` is that of the Operations."""

    EVERY = 5.0         # seconds between looks: network file systems notify nobody

    def __init__(self, folder, add_all):
        self.folder, self._add_all = folder, add_all
        self._root = folder["dir"]
        self._seen, self._stop = {}, Flag()     # path -> its mark at the last look
        self._done, self._problem = {}, None    # path -> [that, tids, problems] of files that were not moved
        self._thread = Thread(persist, "dlserv-watch", (self._watch, lambda error: log.exception(
            "the watched folder %s met a bug", self._root)))

    def start(self):
        self._thread.start()

    def stop(self):
        self._stop.set()
        join(self._thread, JOIN_SECONDS)

    def _watch(self):
        while not self._stop.wait(self.EVERY):
            try:
                self._complain(self.look())
            except (OSError, LocalError) as error:
                reason = getattr(error, "strerror", None) or error
                self._complain("%s cannot be watched: %s" % (self._root, reason))

    def _complain(self, problem):
        """Log the problem once, and its end."""
        if problem != self._problem:
            log.warning("%s", clean(problem or "%s is watched again as before" % self._root))
        self._problem = problem

    def look(self):
        """Take in the files that have not changed since the last look.

        Return a sentence about one that has to wait, or None. Raise OSError or LocalError.
        """
        found = dict(_lists(self._root))
        settled = [path for path, mark in found.items() if self._seen.get(path) == mark]
        self._done = {path: done for path, done in self._done.items() if found.get(path) == done[0]}
        self._seen, problem, waits = found, None, None
        for path in settled:
            if not self._stop.is_set():
                try:
                    waits = self._take(path, found[path]) or waits
                except OSError as error:        # the others may fare better
                    problem = problem or error
        if problem:
            raise problem
        return waits

    def _take(self, path, mark):
        """Add the tasks of one file, once, and put it away; return a sentence if there is no room for them."""
        done = self._done.setdefault(path, [mark, set(), None])
        try:
            if done[2] is None:
                done[2] = self._add(path, done[1])
        except Full as full:
            return "%s waits: %s" % (path, full)
        _put_away(self._root, path, done[2])
        del self._done[path], self._seen[path]
        return None

    def _add(self, path, known):
        """Return sentences about the faults of the file. Raise Full; `known` are the tids added till then."""
        try:
            entries = inputfile.read(_read(os.path.join(self._root, path)), os.path.basename(path), "list")
        except (InvalidValue, MissingModule) as error:
            return [getattr(error, "reason", str(error))]
        except PermissionError as error:
            return ["it cannot be read: %s" % error.strerror]
        common, wanted, problems = self._options(os.path.dirname(path)), [], []
        for entry in entries:
            try:
                wanted.append((entry.url, dict(common, **entry.options()), ()))
            except InvalidValue as error:
                problems.append(entry.where + str(error))
        tids, failures = self._add_all([each for each in wanted if tid_of(each[0]) not in known])
        known.update(tids)
        for _, error in failures:
            if isinstance(error, Full):
                raise error
        had = sum(isinstance(error, Archived) for _, error in failures)
        log.info("%s: %d added%s", clean(path), len(tids), ", %d had already" % had if had else "")
        where = {entry.url: entry.where for entry in entries}
        problems += [where.get(url, "") + str(error) for url, error in failures
                     if not isinstance(error, Exists)]
        return problems if entries else ["there is no URL in it"]

    def _options(self, below):
        common = self.folder["options"]
        parts = [common.get("dir", ""), below.replace(os.sep, "/")]
        return dict(common, dir="/".join(filter(None, parts))) if below else common


def _lists(root, below=""):
    """Yield (path below the root, (inode, size, time)) of the files that may be lists."""
    with os.scandir(os.path.join(root, below)) as entries:
        for entry in entries:
            path = os.path.join(below, entry.name)
            if entry.name.startswith(".") or not below and entry.name in (ADDED, REFUSED):
                continue
            if entry.is_dir(follow_symlinks=False):
                if path.count(os.sep) < DEEPEST:
                    yield from _lists(root, path)
            elif entry.name.lower().endswith(ENDINGS) and entry.is_file(follow_symlinks=False):
                status = entry.stat(follow_symlinks=False)
                yield path, (status.st_ino, status.st_size, status.st_mtime_ns)


def _read(path):
    """Return the bytes of a file. Raise InvalidValue if it is too large, OSError."""
    fd = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
                 | getattr(os, "O_BINARY", 0))
    with open(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise InvalidValue("list", "it is not a file")
        largest = metalink.LARGEST if path.lower().endswith((".meta4", ".metalink")) else LARGEST
        data = file.read(largest + 1)
    if len(data) > largest:
        raise InvalidValue("list", "it has more than %d bytes" % largest)
    return data


def _put_away(root, path, problems):
    """Move the file to `added`, or to `refused` with the reasons beside it. Raise OSError."""
    folder = os.path.join(root, REFUSED if problems else ADDED)
    os.makedirs(folder, exist_ok=True)
    name, ending = os.path.splitext(os.path.basename(path))
    name = os.fsdecode(os.fsencode(name)[:LONGEST])
    target, number = name + ending, 0
    while any(os.path.lexists(os.path.join(folder, target + more)) for more in ("", ".why")):
        number += 1
        target = "%s (%d)%s" % (name, number, ending)
    made = []
    try:
        if problems:
            with open(os.path.join(folder, target + ".why"), "x", encoding="utf-8") as file:
                made.append(file.name)
                file.write("".join(clean(each) + "\n" for each in problems))
        os.rename(os.path.join(root, path), os.path.join(folder, target))
    except OSError:         # it is tried again, and the reasons are not to pile up
        for each in made:
            os.remove(each)
        raise
    if problems:
        log.warning("%s was refused: %s", clean(path), clean(problems[0]))
