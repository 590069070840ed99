"""One download of `get`: a daemon that lives as long as its one task needs.

While the file is unfinished, the daemon's database lies beside the part file as `.dlserv-….db`.
"""

import contextlib
import os
import re
import time

from .. import urls
from ..contract import FINISHED, STATES, tid_of
from ..engine.checksum import algorithm_of, hash_file
from ..engine.continuity import read
from ..engine.filename import split
from ..engine.progress import Identity
from ..engine.publish import choose_name
from ..engine.sources import Opener, Source
from ..errors import Error, Exists
from ..net.channel import Signal

BEAT = 5.0      # seconds of waiting for this machine that count as a try, where tries were limited
SAMPLES, SAMPLE = 8, 2 ** 14            # of a file that is there: how many, and bytes of each


class Failed(Error):
    """The download failed; the sentence says why."""


class Job:
    """`url` into `folder`, from where an earlier run has left it.

    `make_daemon(general)` returns a Daemon for that section of the settings. A file of the
    same name is left alone if it is the whole file; else it is replaced with `replace`, or the
    new one takes another name.
    """

    def __init__(self, url, posted, folder, make_daemon, replace):
        self.url, self.folder, self._replace = url, folder, replace
        self._posted = {name: value for name, value in posted.items() if name not in ("paused", "priority")}
        self._tid = tid_of(url)
        self._database = os.path.join(folder, f".dlserv-{self._tid[:12]}.db")
        self._make_daemon, self._daemon = make_daemon, None
        self._otherwise = None          # the setting `overwrite`, in whose place there is first "never"
        self._cautious = not replace    # a taken name ends the task, so that the file there is looked at
        self._here = None               # the path of the whole file that was there already
        self._waiting_since = None      # for this machine: its network, its disk, its clock
        self._given_up = None           # what for, when that took too long
        self.is_kept = False            # after `stop`: there is a part to go on with

    def start(self):
        daemon = self._make_daemon(
            {"download_dir": self.folder, "db_path": self._database, "db_backend": "file"})
        self._otherwise = daemon.config.download.overwrite
        self._daemon = daemon.start()
        if self._cautious:
            daemon.configure({"download": {"overwrite": "never"}})
        try:
            daemon.add(self.url, self._posted)
        except Exists:
            self._go_on(self.task)

    def _go_on(self, task):
        changes = {name: self._posted.get(name) for name in set(self._posted) | set(task.posted)
                   if self._posted.get(name) != task.posted.get(name)
                   and (name in self._posted or name not in ("filename", "dir"))}
        self._daemon.change(self._tid, None, changes, "resume" if task.state in ("invalid", "paused") else None)

    @property
    def task(self):
        return self._daemon.get(self._tid)

    def poll(self, seconds):
        """Wait at most so long; return whether it has ended."""
        try:
            task = self._daemon.wait(self._tid, seconds)
        except TimeoutError:
            return self._gives_up(self.task)
        return not (self._cautious and task.state == "invalid" and self._goes_on(task))

    def _gives_up(self, task):
        """Return whether this machine was waited for as long as limited tries allow.

        A daemon waits for its network and its disk for ever, and no tries are used up.
        """
        if task.state != "queued" or not task.problem or task.failures > task.retries:
            self._waiting_since = None
        elif "retries" in self._posted:
            now = time.monotonic()
            self._waiting_since = self._waiting_since or now
            if now - self._waiting_since >= self._posted["retries"] * BEAT:
                self._given_up = task.error
        return self._given_up is not None

    def _goes_on(self, task):
        """Return whether to go on under another name, after a look at the file that is there.

        The failure of the task's own URL may hide that its mirrors met a taken name.
        """
        self._cautious = False
        if task.reason == "exists":
            self._here = _find_whole(task, self._daemon.network, self.folder)
        elif not task.options.mirrors:
            return False
        if self._here is not None or self._otherwise != "rename":
            return False
        self._daemon.configure({"download": {"overwrite": "rename"}})
        self._daemon.resume(self._tid)
        return True

    def result(self):
        """Return (the file's path, whether it was there already). Raise Failed."""
        task = self.task
        if self._here is not None:
            return os.path.normpath(self._here), True
        if task.state != "finished":
            raise Failed(self._given_up or task.error or f"it is {task.state}")
        path = os.path.normpath(os.path.join(self.folder, task.filename))
        wanted = os.path.join(os.path.dirname(path), _unnumbered(task))
        if wanted == path or not os.path.lexists(wanted):
            return path, False
        if self._replace:
            try:
                os.replace(path, wanted)
            except OSError as error:
                raise Failed(f"{wanted} cannot be replaced: {error.strerror}; the new file is {path}") from None
            return wanted, False
        if _same_bytes(path, wanted):       # the server could not tell before
            os.unlink(path)
            return wanted, True
        return path, False

    def stop(self):
        """Leave nothing but the file, or a part with the database that it needs."""
        if self._daemon is None:
            return      # the database may be in use by another process
        daemon, self._daemon = self._daemon, None
        try:
            empty = [task.tid for task in daemon.list() if not (task.downloaded and task.tmpfilename)]
            daemon.delete_all(empty, True, set(STATES) - {FINISHED})
        finally:
            daemon.stop()
        self.is_kept = any(task.state != "finished" for task in daemon.list())
        if not self.is_kept:
            for suffix in ("", ".lock", ".snapshot"):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(self._database + suffix)


def _unnumbered(task):
    """Return the name that the finished file would have if it had been free."""
    for url in (None, task.url):        # it may have come from a mirror, whose names are not the task's
        name = choose_name(task.options.filename, task.file.resource, url)
        stem, extension = split(name)
        if re.fullmatch(re.escape(stem) + r" \([0-9]+\)" + re.escape(extension), task.file.name):
            return name
    return task.file.name


# -- a file that is there ----------------------------------------------------------------------

def _same_bytes(one, other):
    import filecmp
    try:
        return os.path.isfile(other) and filecmp.cmp(one, other, shallow=False)
    except OSError:
        return False


def _find_whole(task, network, folder):
    """Return the path of the task's file if it is there and, by size and checksum or samples, the server's."""
    stop = Signal()
    try:
        return _Remote(task, network, stop).find(folder)
    except Error:
        return None
    finally:
        stop.close()


class _Remote:
    def __init__(self, task, network, stop):
        url = urls.parse(task.url)
        self._options, self._stop = task.options, stop
        self._source, self._opener = Source(url, url), Opener(task.options, network, stop)

    def find(self, folder):
        answer = self._source.open(self._opener)
        with contextlib.closing(answer.stream):
            path = os.path.join(folder, self._options.dir, choose_name(self._options.filename, answer.resource))
            return path if self._is_whole(path, answer) else None

    def _is_whole(self, path, answer):
        try:
            there = Identity.of(os.stat(path))
            if there.size != answer.resource.total or not os.path.isfile(path):
                return False
            if os.path.exists(path + ".aria2"):     # aria2 has not finished it
                return False
            with open(path, "rb") as file:
                return self._agrees(file, answer, there.size) and Identity.of(os.stat(path)) == there
        except OSError:
            return False

    def _agrees(self, file, answer, total):
        promised = self._options.checksum or answer.resource.digest
        if promised:
            algorithm = algorithm_of(promised)
            return hash_file(file, [algorithm], self._stop.check) == {algorithm: promised}
        first = min(total, SAMPLES * SAMPLE)    # a small file is compared as a whole
        if read(answer.stream, first) != file.read(first):
            return False
        answer.stream.close()
        step = (total - SAMPLE) // (SAMPLES - 1)
        return first == total or all(self._same_at(file, number * step) for number in range(1, SAMPLES))

    def _same_at(self, file, start):
        answer = self._source.open(self._opener, start=start, end=start + SAMPLE)
        with contextlib.closing(answer.stream):
            file.seek(start)
            return answer.status == 206 and read(answer.stream, SAMPLE) == file.read(SAMPLE)
