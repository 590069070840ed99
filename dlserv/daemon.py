"""The daemon, as a program that embeds it and the API see it.

    with Daemon({"general": {"download_dir": "/srv", "db_path": "/srv/.dlserv.db"}}) as daemon:
        tid = daemon.add("https://example.org/file.iso", {"priority": 1})
        print(daemon.wait(tid).state)

No HTTP here, no signals, no output but logging, nothing shared between two daemons.
Every method may be called from any thread. What `add`, `pause`, `resume` and `delete`
have returned from is on disk.
"""

import logging
import os
import time

from . import options, urls
from .attempts import Attempts, join
from .board import Board
from .config import Config, file_system
from .engine.dial import Tls
from .engine.proxy import Network
from .engine.ratelimit import TokenBucket
from .errors import InvalidValue, Unwritable
from .removal import Removal, remove_files
from .run import boot_id
from .store import Store
from .task import FINISHED, INVALID, PAUSE, PAUSED, QUEUED, RESUME, Task

NETWORK_FILE_SYSTEMS = ("nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "afs")

log = logging.getLogger(__name__)


class Daemon:
    """Downloads what is added, in the background, until it is stopped.

    `settings` has the shape of the configuration file and must name
    `general.download_dir` and `general.db_path`. `proxies` are used where the settings
    name none, as urllib.request.getproxies() gives them.

    Raises InvalidValue for a setting that is wrong; `start` raises StoreBroken,
    MissingModule or Unwritable. A daemon that was stopped is not started again.
    """

    def __init__(self, settings, proxies=None):
        self.config = Config.parse(settings)
        for key in ("download_dir", "db_path"):
            if getattr(self.config.general, key) is None:
                raise InvalidValue("general." + key, "must be given")
        self._boot = boot_id()
        self._board = Board(self.config.general.log_size)
        self._attempts = Attempts(self._board, lambda: self.config,
                                  Network(Tls(self.config.download.ca_file), dict(proxies or {})),
                                  TokenBucket(self.config.download.ratelimit), self._boot)

    # -- life ------------------------------------------------------------------------

    def start(self):
        """Open the database and go on with what it holds; gives the daemon itself."""
        general = self.config.general
        _prepare_folder(general.download_dir)
        store = Store(general.db_path, general.db_backend)
        log.info("database %s (%s), downloads to %s", store.path, store.backend,
                 os.path.abspath(general.download_dir))
        if file_system(store.path) in NETWORK_FILE_SYSTEMS:
            log.warning("the database is on a network file system, which may lose it; "
                        "name a local one with general.db_path")
        interrupted = self._board.open(store, self.config.download, self._boot)
        for task in interrupted:
            self._clear_away(task)
        self._board.left([task.tid for task in interrupted])
        log.info("%s", ", ".join("%d %s" % (count, state) for state, count in self.counts().items()))
        self._attempts.start()
        return self

    def stop(self):
        """Stop all attempts where they are, store everything, end all threads."""
        self._attempts.stop()
        self._board.close()

    def __enter__(self):
        return self.start()

    def __exit__(self, *exc_info):
        self.stop()

    # -- what users do ---------------------------------------------------------------

    def add(self, url, posted=None, notes=()):
        """Take a URL with its options; gives the tid.

        `notes` are warnings for the task's log. Raises InvalidValue, or Exists, which
        holds the tid of the task that is there.
        """
        task = self._make_task(url, posted or {})
        for note in notes:
            self._board.note(task, "warning", note)
        self._board.add(task)
        with self._board.lock:
            if task.state == QUEUED and self._board.tasks.get(task.tid) is task:
                self._attempts.enqueue(task)
        return task.tid

    def pause(self, tid):
        """Stop the task where it is. Raises NotFound or Conflict."""
        _raise_first(self.pause_all([tid]))

    def resume(self, tid):
        """Let the task go on from where it was. Raises NotFound or Conflict."""
        _raise_first(self.resume_all([tid]))

    def delete(self, tid, del_file=False):
        """Forget the task, and its files with `del_file`; gives a Removal. Raises NotFound."""
        removals, failures = self.delete_all([tid], del_file)
        _raise_first(failures)
        return removals[tid]

    def pause_all(self, tids):
        """Pause each; gives [(tid, RequestError), …] of those that could not be."""
        return self._board.act_on_all(tids, self._pause)

    def resume_all(self, tids):
        """Resume each; gives [(tid, RequestError), …] of those that could not be."""
        return self._board.act_on_all(tids, self._resume)

    def delete_all(self, tids, del_file=False):
        """Delete each; gives ({tid: Removal}, [(tid, RequestError), …])."""
        tasks = []

        def leave(task):
            self._attempts.take_back(task)
            tasks.append(task)
            return self._board.leave(task, del_file)

        failures = self._board.act_on_all(tids, leave)
        join([task.run for task in tasks if task.run is not None])
        removals = {task.tid: self._clear_away(task) if del_file else Removal([], [], [])
                    for task in tasks}
        self._board.left(removals)
        return removals, failures

    # -- what users see --------------------------------------------------------------

    def get(self, tid):
        """The Task. Raises NotFound."""
        return self._board.get(tid)

    def list(self, state=None):
        """The Tasks, oldest first; those in one state if it is named."""
        return self._board.list(state)

    def counts(self):
        """{state: how many tasks are in it}, every state named."""
        return self._board.counts()

    def wait(self, tid, timeout=None):
        """The Task once nothing more happens to it by itself: finished, invalid or paused.

        Raises NotFound, also when it is deleted meanwhile, and TimeoutError.
        """
        return self._board.wait(tid, (FINISHED, INVALID, PAUSED), timeout)

    def subscribe(self):
        """An events.Subscription to what happens to tasks from now on."""
        return self._board.events.subscribe()

    # -- inside ----------------------------------------------------------------------

    def _make_task(self, url, posted):
        try:
            urls.parse(url)
        except ValueError as error:
            raise InvalidValue("url", str(error)) from None
        task = Task(url, options.parse(posted), self.config.download)
        task.create_time = time.time()
        if task.options.paused:
            task.state, task.pause_time = PAUSED, task.create_time
        return task

    def _pause(self, task):
        self._board.move(task, PAUSE)
        self._attempts.take_back(task)
        return task.to_record()

    def _resume(self, task):
        self._board.move(task, RESUME)
        task.retries, task.error = 0, None
        self._attempts.enqueue(task)
        return task.to_record()

    def _clear_away(self, task):
        run = task.run
        if run is not None and run.download.progress() is not None:
            task.progress = run.download.progress()
        return remove_files(task, self.config.general.download_dir)


def _raise_first(failures):
    for _, error in failures:
        raise error


def _prepare_folder(path):
    try:
        os.makedirs(path, exist_ok=True)
    except OSError as error:
        raise Unwritable("general.download_dir: %s cannot be made: %s" % (path, error.strerror)) from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise Unwritable("general.download_dir: %s cannot be written" % path)
