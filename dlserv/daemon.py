"""The daemon, as a program that embeds it and the API see it.

    with Daemon({"general": {"download_dir": "/srv", "db_path": "/srv/.dlserv.db"}}) as daemon:
        tid = daemon.add("https://example.org/file.iso", {"priority": 1})
        print(daemon.wait(tid).state)

No HTTP here, no signals, no output but logging, nothing shared between two daemons.
Every method may be called from any thread. What `add`, `pause`, `resume` and `delete`
have returned from is on disk.
"""

import contextlib
import logging
import os
import threading
import time

from .automation.automation import Automation
from .engine.ratelimit import TokenBucket
from .errors import (Conflict, Forbidden, InvalidValue, LocalError, NotFound, Permanent, RequestError,
                     StoreBroken, Unavailable)
from .fs import check_file, file_system, free_bytes
from .net.address_policy import AddressPolicy
from .net.host_limits import HostLimits
from .net.netrc import Netrc
from .net.pool import Pool
from .net.network import Network
from .net.tls import Tls, load_authorities, load_certificate
from .settings import options
from .settings.config import AUTOMATION, Config, fixed_names, is_live
from .settings.current import Settings
from .state.store import FACT, Store
from .tasks.attempt import wait_for_all
from .tasks.deletions import Deletions
from .tasks.download_dir import DownloadDir
from .tasks.registry import TaskRegistry, boot_id
from .tasks.runner import Runner
from .tasks.states import FINISHED, INVALID, PAUSED, QUEUED
from .tasks.task import Task, check_url
from .tasks.verification import Verification
from .version import __version__

NETWORK_FILE_SYSTEMS = ("nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "afs")

log = logging.getLogger(__name__)
logging.getLogger("dlserv").addHandler(logging.NullHandler())


class Daemon:
    """Downloads what is added, in the background, until it is stopped.

    `settings` has the shape of the configuration file and must name
    `general.download_dir` and `general.db_path`. `proxies` are used where the settings
    name none, as urllib.request.getproxies() gives them; `netrc` is the path of a .netrc
    to take passwords from, `folder` where `download.cookies_file` lies. `keep(changes,
    config)` is called with what `configure` was asked for, before it counts. `origins` has
    where settings were set: {"section.key": "--port" or the like}.

    Raises InvalidValue for a setting that is wrong; `start` raises StoreBroken,
    MissingModule or Unwritable. A daemon that was stopped is not started again.
    """

    def __init__(self, settings, proxies=None, netrc=None, folder=".", keep=None, origins=None):
        self._settings = current = Settings(Config.parse(settings))
        for key in ("download_dir", "db_path"):
            if getattr(self.config.general, key) is None:
                raise InvalidValue("general." + key, "must be given")
        self._started, self._began = False, time.monotonic()
        self._confined = self.config.download.deny_private
        self._keep, self._configuring = keep, threading.Lock()
        self._origins = origins or {}
        self._folder, self._cookie_file = folder, None
        self._registry = TaskRegistry(current, boot_id())
        self._bucket = TokenBucket(current.download.ratelimit)
        self._network = Network(
            Tls(current.download.ca_file, current.download.client_cert), dict(proxies or {}),
            HostLimits(current), Pool(), Netrc(netrc), self._cookies, AddressPolicy(current))
        self._download_dir = DownloadDir(current.general.download_dir)
        self._runner = Runner(self._registry, current, self._network, self._bucket, self._download_dir)
        self._deletions = Deletions(self._registry, self._download_dir)
        self._verification = Verification(self._registry, self._download_dir)
        self._automation = Automation(current, self._registry, self._network, self.add_all, self._heed_window)
        self.url = None         # where clients reach it, for hooks

    @property
    def config(self):
        """The Config that counts now."""
        return self._settings.config

    # -- life ------------------------------------------------------------------------

    def start(self):
        """Open the database and go on with its tasks; return the daemon itself."""
        if self._registry.store is not None:
            raise RuntimeError("a daemon that was stopped is not started again")
        general = self.config.general
        self._check_files(self.config.download)
        self._automation.check(self.config)
        store = _open_store(general.db_path, general.db_backend)
        log.info("database %s (%s), downloads to %s", store.path, store.backend,
                 os.path.abspath(general.download_dir))
        if file_system(store.path) in NETWORK_FILE_SYSTEMS:
            log.warning("the database is on a network file system, which may lose it; "
                        "name a local one with general.db_path")
        interrupted = self._restore(store)
        try:
            self._deletions.finish_interrupted(interrupted)
            log.info("%s", ", ".join("%d %s" % (count, state) for state, count in self.counts().items()))
            self._automation.start({"DLSERV_URL": self.url} if self.url else {})
            self._runner.start()
            self._verification.start()
        except BaseException:
            self._end()
            raise
        self._started, self._began = True, time.monotonic()
        return self

    def _restore(self, store):
        """Take in what the store holds; return the tasks whose deletion a crash interrupted."""
        try:
            fact = self._download_dir.open(store.fact("place"))
            interrupted = self._registry.open(store)
        except BaseException:
            store.close()
            raise
        if fact is not None:
            store.write({FACT + "place": fact})
        return interrupted

    def stop(self):
        """Stop all attempts where they are, store everything, end all threads."""
        if self._started:
            self._started = False
            self._end()

    def _end(self):
        """End all threads and close the database, whatever fails on the way."""
        with contextlib.closing(self._registry), contextlib.closing(self._network.pool):
            self._verification.stop()
            try:
                self._runner.stop()
            finally:
                self._automation.stop()

    def __enter__(self):
        return self.start()

    def __exit__(self, *exc_info):
        self.stop()

    # -- what users do ---------------------------------------------------------------

    def add(self, url, posted=None, notes=()):
        """Add a URL with its options; return the tid.

        `notes` are warnings for the task's log. Raises InvalidValue, or Exists, which
        holds the tid of the task that is there.
        """
        tids, failures = self.add_all([(url, posted, notes)])
        _raise_first(failures)
        return tids[0]

    def add_all(self, wanted):
        """Add many (url, posted, notes); return (tids, [(url, RequestError), …] of those refused)."""
        tasks, failures = [], []
        for url, posted, notes in wanted:
            try:
                tasks.append(self._make_task(url, posted or {}, notes))
            except RequestError as error:
                failures.append((url, error.bare()))
        taken, refused = self._registry.add_all(tasks)
        self._runner.enqueue_all(taken)
        return [task.tid for task in taken], failures + [(task.added, error) for task, error in refused]

    def pause(self, tid):
        """Stop the task where it is. Raises NotFound or Conflict."""
        _raise_first(self.pause_all([tid]))

    def resume(self, tid):
        """Let the task go on from where it was. Raises NotFound or Conflict."""
        _raise_first(self.resume_all([tid]))

    def delete(self, tid, del_file=False):
        """Forget the task, and its files with `del_file`; return a Removal. Raises NotFound."""
        removals, failures = self.delete_all([tid], del_file)
        _raise_first(failures)
        return removals[tid]

    def restart(self, tid):
        """Fetch a finished or invalid task again from nothing. Raises NotFound or Conflict.

        A finished file stays until the new one is whole.
        """
        _raise_first(self.restart_all([tid]))

    def verify(self, tid):
        """Compute the SHA-256 of a finished task's file in the background. Raise NotFound or Conflict.

        The task's `file.checksum` and `verified_time` say so when it is done, and its `error`
        and log if it is not the one known before.
        """
        _raise_first(self.verify_all([tid]))

    def change(self, tid, url=None, posted=None):
        """Give the task another URL of the same file, or other options; a None takes one back.

        What is here of the file is kept if the new URL's validator or size and its bytes
        agree. Limits and priority count at once; what concerns requests begins a new
        attempt. Raises InvalidValue, NotFound or Conflict.
        """
        if url is not None:
            url = check_url(url)
        posted = posted or {}
        if "paused" in posted:
            raise InvalidValue("options.paused", "counts when a task is added; pause it, or let it go on")
        checked = dict({key: None for key in posted if key in options.TABLE.fields}, **options.parse(posted))

        def change(task):
            anew = task.change(url, checked, self.config.download)
            self._runner.adjust(task, anew)
            return task.changes()

        _raise_first(self._registry.act_on_all([tid], change))

    def move(self, tid, to):
        """Move a waiting task to another place of `queue`, within its priority.

        `to` is "top", "bottom", "up", "down", or an index; one that is out of range is the
        nearest that is possible. Raises NotFound or Conflict.
        """
        def reorder(task):
            changes = {}
            for each in self._registry.reorder(task, to):
                changes.update(each.changes())
                if each.state == QUEUED:
                    self._runner.enqueue(each, each.delay)
            return changes

        _raise_first(self._registry.act_on_all([tid], reorder))

    def restart_all(self, tids):
        """Restart each; return [(tid, RequestError), …] of those that could not be."""
        def restart(task):
            task.restart()
            self._runner.enqueue(task)
            return task.changes()

        return self._registry.act_on_all(tids, restart)

    def verify_all(self, tids):
        """Verify the file of each; return [(tid, RequestError), …] of those that could not be."""
        def verify(task):
            task.verify()
            self._verification.enqueue(task)
            return task.changes()

        return self._registry.act_on_all(tids, verify)

    def pause_all(self, tids):
        """Pause each; return [(tid, RequestError), …] of those that could not be."""
        def pause(task):
            task.pause()
            self._runner.take_back(task)
            return task.changes()

        return self._registry.act_on_all(tids, pause)

    def resume_all(self, tids):
        """Resume each; return [(tid, RequestError), …] of those that could not be."""
        def resume(task):
            task.resume()
            self._runner.enqueue(task)
            return task.changes()

        return self._registry.act_on_all(tids, resume)

    def delete_all(self, tids, del_file=False):
        """Delete each; return ({tid: Removal}, [(tid, RequestError), …]).

        Raises StoreBroken; then all of them are still there.
        """
        attempts = {}       # task -> its attempt or None

        def delete(task):
            attempts[task] = task.attempt
            self._runner.forget(task, keep=not del_file)
            return self._registry.begin_delete(task, del_file)

        try:
            failures = self._registry.act_on_all(tids, delete)
        except StoreBroken:
            with self._registry.lock:
                self._registry.undo_delete(attempts)
                self._runner.reconcile(attempts)
            raise
        wait_for_all(filter(None, attempts.values()))
        return self._deletions.finish(attempts, del_file), failures

    # -- what users see --------------------------------------------------------------

    def get(self, tid):
        """The Task. Raises NotFound."""
        return self._registry.get(tid)

    def list(self, state=None):
        """The Tasks, oldest first; those in one state if it is named."""
        return self._registry.list(state)

    def queue(self):
        """Return the Tasks that wait or are paused, the next one first."""
        return self._registry.queue()

    def counts(self):
        """{state: how many tasks are in it}, every state named."""
        return self._registry.counts()

    def wait(self, tid, timeout=None):
        """The Task once nothing more happens to it by itself: finished, invalid or paused.

        Raises NotFound, also when it is deleted meanwhile, TimeoutError, and StoreBroken
        when the daemon is stopped.
        """
        return self._registry.wait(tid, (FINISHED, INVALID, PAUSED), timeout)

    def subscribe(self, most=1000):
        """Return an events.Subscription to what happens to tasks from now on, at most `most` events behind."""
        return self._registry.events.subscribe(most)

    def watch(self):
        """An events.Changes: which tasks changed since one last looked."""
        return self._registry.events.watch()

    @property
    def network(self):
        """Return the net.network.Network that all connections share."""
        return self._network

    def running(self):
        """The tids of the tasks that download."""
        return [attempt.tid for attempt in self._runner.attempts()]

    def stats(self):
        """How it goes as a whole: bytes a second now, bytes since the start, and so on."""
        received, speed, connections = self._runner.totals()
        return {"speed": round(speed, 1), "downloaded_bytes": received, "connections": connections,
                "free_bytes": free_bytes(self.config.general.download_dir),
                "uptime": round(time.monotonic() - self._began, 1), "version": __version__,
                "window": self._automation.window()}

    def speed_history(self):
        """Return {"every": seconds, "speed": [bytes/s in each, the oldest first]} of the last ten minutes."""
        return self._runner.speed_history()

    def folders(self):
        """Return (sorted folders that a task may go to, whether none is left out).

        They are those that tasks name and those below the download directory. Raise
        Unavailable while its disk is not there.
        """
        found, whole = self._download_dir.folders()
        named = {task.options.dir for task in self.list()} - {""}
        return sorted(named.union(filter(options.is_folder, found))), whole

    def health(self):
        """Return {"repaired": a sentence} if the database was damaged at the start, else {}.

        Raises StoreBroken or Unavailable if the daemon cannot work; their sentences name no
        path, for anybody may read them.
        """
        store = self._registry.store
        if store is None or not store.is_writable:
            raise StoreBroken("the database cannot be written")
        if not self._download_dir.is_there():
            raise Unavailable("the download directory is not there; its disk may be missing")
        if not self._runner.is_alive():
            raise Unavailable("the scheduler has died; start the daemon again")
        return {"repaired": store.repaired} if store.repaired else {}

    def outcomes(self):
        """{"finished": …, "failed": …, "retried": …}: how many attempts ended so since the start."""
        with self._registry.lock:
            return dict(self._runner.outcomes.counts)

    def reasons(self):
        """Return ({reason: attempts that failed for good}, {reason: attempts that were made again}).

        A reason is one of errors.REASONS, or None.
        """
        with self._registry.lock:
            return dict(self._runner.outcomes.failed), dict(self._runner.outcomes.retried)

    def open_file(self, tid):
        """(the task, a binary file object) of a finished task's file, if it is still that file.

        Raises NotFound, Conflict, or Unavailable where its disk is away.
        """
        task = self.get(tid)
        from .engine.folder import Folder
        file = task.file
        if file is None:
            raise Conflict("the task is %s; it has no file yet" % task.state)
        self._download_dir.check()
        try:
            with Folder(self._download_dir.path, task.options.dir, make=False) as folder:
                opened = os.fdopen(folder.open(file.name), "rb")
        except LocalError as error:
            raise NotFound("the file is not there any more: %s" % error) from error
        if not file.identity.matches(os.fstat(opened.fileno())):
            opened.close()
            raise Conflict("%s was changed since it was downloaded" % task.filename)
        return task, opened

    # -- settings --------------------------------------------------------------------

    def configure(self, changes):
        """Change settings while it runs; `changes` has the shape of the configuration file.

        All or nothing, at once. Raises InvalidValue, Forbidden for one of `fixed_settings`,
        and what `keep` raises.
        """
        with self._configuring:
            for section in AUTOMATION:
                if isinstance(changes, dict) and section in changes:
                    raise Forbidden(f"{section} can be set in the configuration file alone; change it there "
                                    "and send SIGHUP", section)
            config = self.config.changed(changes)
            fixed = self.fixed_settings()
            refused = [name for name in config.names(changes) if name in fixed]
            if refused:
                when = "send SIGHUP" if is_live(refused[0]) else "start the daemon again"
                others = f" and {len(refused) - 1} more" if refused[1:] else ""
                raise Forbidden(f"{refused[0]}{others} cannot be changed over the API; set it in the "
                                f"configuration file or the environment, and {when}", refused[0])
            self._check_files(config.download)
            if self._keep is not None:
                self._keep(changes, config)
            self._apply(config)

    def origins(self):
        """Return {"section.key": where it was set, None for a default} of all settings."""
        return {name: self._origins.get(name) for name in self.config.names(self.config.masked())}

    def reload(self, settings):
        """Use new settings as far as they may change; return the names of those that wait for a start.

        Raises InvalidValue.
        """
        with self._configuring:
            config = Config.parse(settings)
            self._check_files(config.download)
            self._automation.check(config)
            self._confined = config.download.deny_private
            self._apply(self.config.with_live_of(config))
            self._automation.configure()
            return self.config.differences(config)

    def fixed_settings(self):
        """Return the names, "section.key", of the settings that `configure` refuses.

        With deny_private set at the start or by `reload`, they include what would lift it.
        """
        return fixed_names(self._confined)

    # -- inside ----------------------------------------------------------------------

    def _apply(self, config):
        """Make the settings those that count."""
        with self._registry.lock:
            self._settings.config = config
            self._registry.configure()
        self._bucket.rate = self._settings.download.ratelimit
        self._network.pool.clear()
        self._network.tls.configure(config.download.ca_file, config.download.client_cert)
        self._runner.heed_limits()

    def _heed_window(self, limits):
        """Let these limits count in the place of the settings' own."""
        with self._registry.lock:
            self._settings.limits = limits
        self._bucket.rate = self._settings.download.ratelimit
        self._runner.heed_limits()

    def _make_task(self, url, posted, notes):
        task = Task.new(url, posted, self.config.download)
        for note in notes:
            self._registry.note(task, "warning", note)
        return task

    def _check_files(self, settings):
        """Raise InvalidValue if a file that a setting names cannot be loaded."""
        for key, path, load in (("ca_file", settings.ca_file, load_authorities),
                                ("client_cert", settings.client_cert, load_certificate),
                                ("cookies_file", self._cookies_path(settings), self._read_cookies)):
            try:
                if path:
                    check_file(path)
                    load(path)
            except (OSError, ValueError, Permanent) as error:
                reason = getattr(error, "strerror", None) or error
                raise InvalidValue("download." + key, f"{path} cannot be loaded: {reason}") from None

    def _cookies_path(self, settings):
        name = settings.cookies_file
        return name and os.path.join(self._folder, name)

    def _cookies(self):
        path = self._cookies_path(self.config.download)
        return self._read_cookies(path) if path else ()

    def _read_cookies(self, path):
        """Return the Cookies in the file; see CookieFile.read."""
        from .net.cookies import CookieFile
        self._cookie_file = self._cookie_file or CookieFile()
        return self._cookie_file.read(path)


def _open_store(path, backend):
    try:
        return Store(path, backend)
    except StoreBroken as error:
        raise StoreBroken("general.db_path: %s" % error) from error


def _raise_first(failures):
    for _, error in failures:
        raise error
