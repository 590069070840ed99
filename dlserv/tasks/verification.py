"""Verify finished files in the background, one at a time, by a thread of low priority."""

import logging
import os
import sys
import threading
from collections import deque

from ..complaint import Complaint
from ..errors import Altered, Error, Stopped, Unavailable, Unwritable
from ..exhaustion import exhaustion_in
from ..threads import Flag, begin, join, persist
from .states import FINISHED

SHA_256 = "sha-256"         # computed for every file that is verified
NICENESS = 19
AGAIN = 5.0                 # seconds after a lack of memory or files

log = logging.getLogger(__name__)


class Verification:
    """Computes the SHA-256 of finished files, and compares it with the checksums known before.

    Requests and results are stored with the tasks. The thread exists only while files wait.
    """

    def __init__(self, registry, download_dir):
        self._registry, self._download_dir = registry, download_dir
        self._waiting, self._thread, self._stopping = deque(), None, Flag()
        self._complaint = Complaint(log)

    def start(self):
        finished = self._registry.list(FINISHED)
        with self._registry.lock:
            for task in finished:
                if task.verifying:
                    self.enqueue(task)

    def stop(self):
        with self._registry.lock:
            self._stopping.set()
            thread = self._thread
        join(thread)

    def enqueue(self, task):
        """Verify the task's file when its turn comes; the registry's lock is held."""
        if task not in self._waiting:
            self._waiting.append(task)
        if (self._thread is None or not self._thread.is_alive()) and not self._stopping.is_set():
            self._thread = begin(persist, "dlserv-verify", (self._run, self._put_off))
            if self._thread is None:
                log.warning("no thread could be started to verify files; the next request tries again")

    # -- the thread ----------------------------------------------------------------------

    def _run(self):
        _lower_priority()
        task = self._next()
        while task is not None:
            self._verify(task, task.file)
            task = self._next()

    def _next(self):
        with self._registry.lock:
            while self._waiting:
                task = self._waiting[0]
                if self._is_wanted(task, task.file):
                    return task         # which waits until it is done
                self._waiting.popleft()
            self._thread = None
            return None

    def _is_wanted(self, task, file):
        return (task.verifying and task.file is file and file is not None
                and self._registry.holds(task) and not self._stopping.is_set())

    def _verify(self, task, file):
        try:
            checksum, problem = self._judge(task, file)
        except Stopped:
            return
        except Exception as error:
            if exhaustion_in(error):
                raise
            checksum, problem = None, _problem(task, error)
        self._complaint.over()
        self._conclude(task, file, checksum, problem)

    def _put_off(self, error):
        with self._registry.lock:
            self._waiting.rotate(-1)
        self._complaint.tell(f"files wait to be verified: {exhaustion_in(error) or repr(error)}")
        self._stopping.wait(AGAIN)

    def _judge(self, task, file):
        """Return (the SHA-256 as text, the Error that says what is wrong with the file or None)."""
        from ..engine.checksum import algorithm_of
        promised = [text for text in file.promised + [task.options.checksum] if text]
        algorithms = dict.fromkeys([SHA_256] + [algorithm_of(each) for each in promised])
        found, is_intact = self._hash(task, file, algorithms)
        for promise in promised:
            if found[algorithm_of(promise)] != promise:
                return found[SHA_256], Altered(
                    f"the file has another checksum than before: expected {promise}, "
                    f"found {found[algorithm_of(promise)]}; restart the task to download it again")
        if not promised and not is_intact:
            return None, Altered("the file has been changed since it was downloaded, and no checksum was known; "
                                 "restart the task to download it again")
        return found[SHA_256], None

    def _hash(self, task, file, algorithms):
        """Return ({algorithm: checksum}, whether size and time of the file are as they were)."""
        from ..engine.checksum import hash_file
        self._download_dir.check()
        with self._download_dir.folder(task.options.dir) as folder, \
                os.fdopen(folder.open(file.name), "rb", buffering=0) as opened:
            try:
                found = hash_file(opened, algorithms, lambda: self._check(task, file))
            except OSError as error:
                raise Unavailable(f"{task.filename} cannot be read: {error.strerror or error}") from error
            return found, file.identity.matches(os.fstat(opened.fileno()))

    def _check(self, task, file):
        if not self._is_wanted(task, file):
            raise Stopped()

    def _conclude(self, task, file, checksum, problem):
        registry = self._registry
        with registry.lock:
            if not self._is_wanted(task, file):
                return
            if problem is None:
                registry.note(task, "debug", f"the file was verified: {checksum}")
            else:
                registry.note(task, "error", str(problem))
                log.warning("%s: %s", task.tid[:8], problem)
            task.end_verification(checksum, problem)
            registry.store.write(task.changes())
        registry.announce("changed", task)


def _problem(task, error):
    """Return an Error for the user; log a bug of ours."""
    if isinstance(error, Error):
        return error
    log.error("%s: verifying met a bug", task.tid[:8], exc_info=error)
    return Unwritable("the file could not be verified because of a bug")


def _lower_priority():
    if sys.platform == "linux":     # elsewhere it would be the whole process's
        try:
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
        except OSError:
            pass
