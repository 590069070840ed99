"""The daemon, as a program that embeds it and the API see it.

    with Daemon({"general": {"download_dir": "/srv", "db_path": "/srv/.dlserv.db"}}) as daemon:
        tid = daemon.add("https://example.org/file.iso", {"priority": 1})
        print(daemon.wait(tid).state)

No HTTP here, no signals, no output but logging, nothing shared between two daemons.
Every method may be called from any thread. What `add`, `pause`, `resume` and `delete` have
returned from is on disk. Daemon.__init__ makes the parts that do the work:

  tasks.registry     knows the tasks and stores them
  tasks.operations   changes them as users ask for it
  tasks.runner       downloads them
  tasks.report       has the figures of the whole, and its health
  configuration      changes the settings
  automation         acts by itself
"""

from __future__ import annotations

import contextlib
import logging
import time
from functools import partialmethod

from .automation.automation import Automation
from .configuration import Configuration, Followers
from .contract import SETTLED, STATES
from .engine.ratelimit import TokenBucket
from .errors import InvalidValue
from .fs import boot_id
from .net.network import NamedFiles, Network
from .settings.config import Config
from .settings.current import Settings
from .tasks.deletions import Deletions
from .tasks.download_dir import DownloadDir
from .tasks.operations import Operations, raise_first
from .tasks.registry import TaskRegistry
from .tasks.report import Report
from .tasks.runner import Runner
from .tasks.verification import Verification
from .version import __version__

TYPE_CHECKING = False       # type checkers take it for typing's, which costs an import
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from typing import Any, BinaryIO, List, Tuple
    from .errors import RequestError
    from .tasks.events import Subscription
    from .tasks.removal import Removal
    from .tasks.task import Task

    Failures = List[Tuple[str, RequestError]]

log = logging.getLogger(__name__)
logging.getLogger("dlserv").addHandler(logging.NullHandler())


class Daemon:
    """Downloads what is added, in the background, until it is stopped, which is for good.

    settings  has the shape of the configuration file; must name `general.download_dir` and `general.db_path`
    proxies   for where the settings name none, as urllib.request.getproxies() returns them
    netrc     the path of a .netrc with passwords
    folder    where `download.cookies_file` lies
    keep      called with (changes, the new Config) before `configure` has an effect
    origins   {"section.key": where it was set}

    Raise InvalidValue for a setting that is wrong. For the API and the process: `configuration`,
    `report`, `archive`, `events`, `network`, and `variables`, of the environment of hooks.
    """

    def __init__(self, settings: Mapping[str, Any], proxies: Mapping[str, str] | None = None,
                 netrc: str | None = None, folder: str = ".",
                 keep: Callable[[Any, Config], None] | None = None,
                 origins: Mapping[str, str] | None = None) -> None:
        self._settings = current = Settings(Config.parse(settings))
        for key in ("download_dir", "db_path"):
            if getattr(current.general, key) is None:
                raise InvalidValue("general." + key, "must be given")
        self._started, self._began = False, time.monotonic()
        self.variables: dict[str, str] = {}
        files = NamedFiles(current, folder)
        self._registry = registry = TaskRegistry(current, boot_id())
        self.events, self.archive = registry.events, registry.archive
        bucket = TokenBucket(current.download.ratelimit)
        self.network = Network.of(current, dict(proxies or {}), netrc, files.cookies)
        self._download_dir = DownloadDir(current.general.download_dir)
        self._runner = Runner(registry, current, self.network, bucket, self._download_dir)
        self._deletions = Deletions(registry, self._download_dir)
        self._verification = Verification(registry, self._download_dir)
        self._operations = Operations(current, registry, self._runner, self._deletions, self._verification)
        self.report = Report(registry, self._runner, self._download_dir)
        followers = Followers(current, registry, self._runner, bucket, self.network)
        self._automation = Automation(current, registry, self.network, self._operations.add_all,
                                      followers.use_limits)
        self.configuration = Configuration(followers, files, self._automation, keep, origins)

    # -- life ------------------------------------------------------------------------

    def start(self) -> Daemon:
        """Open the database and go on with its tasks. Raise StoreBroken, MissingModule or Unwritable."""
        if self._registry.store is not None:
            raise RuntimeError("a daemon that was stopped is not started again")
        self.configuration.check()
        interrupted = self._registry.open(self._download_dir)
        try:
            self._deletions.finish_interrupted(interrupted)
            log.info("%s", ", ".join(f"{count} {state}" for state, count in self.counts().items()))
            self._automation.start(self.variables)
            self._runner.start()
            self._verification.start()
        except BaseException:
            self._end()
            raise
        self._started, self._began = True, time.monotonic()
        return self

    def stop(self) -> None:
        """Stop all attempts where they are, store everything, end all threads."""
        if self._started:
            self._started = False
            self._end()

    def _end(self):
        with contextlib.closing(self._registry), contextlib.closing(self.network.pool):
            self._verification.stop()
            try:
                self._runner.stop()
            finally:
                self._automation.stop()

    def __enter__(self) -> Daemon:
        return self.start()

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    # -- one task or many ------------------------------------------------------------

    def add(self, url: str, posted: Mapping[str, Any] | None = None, notes: Iterable[str] = ()) -> str:
        """Add a URL with its options; return the tid.

        `notes` are warnings for the task's log. Raise InvalidValue, Exists, or Archived.
        """
        tids, failures = self.add_all([(url, posted, notes)])
        raise_first(failures)
        return tids[0]

    def add_all(self, wanted: Iterable[Tuple[str, Mapping[str, Any] | None, Iterable[str]]]
                ) -> Tuple[List[str], Failures]:
        """Add many (url, posted, notes); return (tids, [(url, RequestError), …] of those refused)."""
        return self._operations.add_all(wanted)

    def act(self, act: str, tid: str) -> None:
        """Carry out one of contract.ACTS on a task. Raise InvalidValue, NotFound or Conflict.

        pause    stop it where it is
        resume   let it go on from where it was
        restart  fetch it again from nothing; a finished file stays until the new one is whole
        refresh  fetch a finished file again if its server has another one by now; the file stays
                 as it was if not, or if that fails
        verify   compute the SHA-256 of its finished file in the background, for its `file.checksum`
                 and `verified_time`, or its `error` if it is not the one known before
        """
        raise_first(self.act_on_all(act, [tid]))

    def act_on_all(self, act: str, tids: Iterable[str]) -> Failures:
        """Carry out an act on each; return [(tid, RequestError), …] of those that refused."""
        return self._operations.act_on_all(act, tids)

    pause, pause_all = partialmethod(act, "pause"), partialmethod(act_on_all, "pause")
    resume, resume_all = partialmethod(act, "resume"), partialmethod(act_on_all, "resume")
    restart, restart_all = partialmethod(act, "restart"), partialmethod(act_on_all, "restart")
    refresh, refresh_all = partialmethod(act, "refresh"), partialmethod(act_on_all, "refresh")
    verify, verify_all = partialmethod(act, "verify"), partialmethod(act_on_all, "verify")

    def delete(self, tid: str, del_file: bool = False, states: Collection[str] = STATES) -> Removal:
        """Forget the task, and its files with `del_file`; return a Removal.

        Raise NotFound, or Conflict if it is in none of the states.
        """
        removals, failures = self.delete_all([tid], del_file, states)
        raise_first(failures)
        return removals[tid]

    def delete_all(self, tids: Iterable[str], del_file: bool = False, states: Collection[str] = STATES
                   ) -> Tuple[dict[str, Removal], Failures]:
        """Delete each; return ({tid: Removal}, [(tid, RequestError), …]). Raise StoreBroken, and delete none."""
        return self._operations.delete_all(tids, del_file, states)

    def change(self, tid: str, url: str | None = None, posted: Mapping[str, Any] | None = None,
               act: str | None = None, paused: bool = False) -> None:
        """Change the task's URL to another one of the same file, or its options; a None resets one.

        Bytes that are here are kept if the new URL's validator or size and its bytes agree. Options
        that concern requests begin a new attempt. An `act`, "resume" or "restart", follows in the same step,
        and a pause if it is to be `paused`. Raise InvalidValue, NotFound or Conflict, and change nothing.
        """
        self._operations.change(tid, url, posted or {}, act, paused)

    def move(self, tid: str, to: str | int) -> None:
        """Move a waiting task within its priority: to one of contract.PLACES or the nearest possible index.

        Raise NotFound or Conflict.
        """
        self._operations.move(tid, to)

    # -- looking at tasks ------------------------------------------------------------

    def get(self, tid: str) -> Task:
        """Return the Task. Raise NotFound."""
        return self._registry.get(tid)

    def list(self, state: str | None = None) -> List[Task]:
        """Return the Tasks, or those in one state, oldest first."""
        return self._registry.list(state)

    def queue(self) -> List[Task]:
        """Return the Tasks that wait or are paused, the next one first."""
        return self._registry.queue()

    def counts(self) -> dict[str, int]:
        """Return {state: number of tasks}, with every state."""
        return self._registry.counts()

    def wait(self, tid: str, timeout: float | None = None) -> Task:
        """Return the Task once it is finished, invalid or paused.

        Raise NotFound, also when it is deleted meanwhile, TimeoutError after `timeout` seconds,
        and StoreBroken when the daemon is stopped.
        """
        return self._registry.wait(tid, SETTLED, timeout)

    def open_file(self, tid: str) -> Tuple[Task, BinaryIO]:
        """Return (the Task, a binary file object of its file). Raise NotFound, Conflict or Unavailable."""
        task = self.get(tid)
        return task, self._download_dir.open_file(task)

    def subscribe(self, most: int = 1000) -> Subscription:
        """Return a Subscription to all events from now on, at most `most` of them behind."""
        return self.events.subscribe(most)

    # -- the whole -------------------------------------------------------------------

    def stats(self) -> dict[str, Any]:
        """Return the figures of `GET /stats`."""
        uptime = round(time.monotonic() - self._began, 1)
        return dict(self.report.totals(), uptime=uptime, version=__version__, window=self._automation.window())

    @property
    def config(self) -> Config:
        return self._settings.config

    def configure(self, changes: Mapping[str, Any]) -> None:
        """Change settings while it runs; see Configuration.configure."""
        self.configuration.configure(changes)
