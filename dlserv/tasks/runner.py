"""The runner: which tasks are running, the threads that perform their attempts, and their ends.

Between the registry, which knows what the tasks are, and the engine, which knows none.
"""

from functools import lru_cache

from .. import urls
from ..net.host_limits import HostClosed, Visitor
from .attempt import Attempt, wait_for_all
from .checkpointer import Checkpointer
from .dispatcher import Dispatcher
from .outcomes import Outcomes
from .room import Room
from .scheduler import Scheduler
from .states import DOWNLOADING, QUEUED


class Runner:
    """Runs the registry's queued tasks within the limits.

    registry      the TaskRegistry; its lock guards all of this, its `running` is the table
                  of attempts, which only this class changes
    settings      the settings.current.Settings
    network       a net.network.Network
    bucket        the TokenBucket of all tasks together
    download_dir  the DownloadDir
    """

    def __init__(self, registry, settings, network, bucket, download_dir):
        self.registry, self.download_dir = registry, download_dir
        self._settings, self._network, self._bucket = settings, network, bucket
        self._running, self.room = registry.running, Room(registry, download_dir, settings)
        self.outcomes = Outcomes(registry, settings)
        self.parse_url = lru_cache(maxsize=1)(urls.parse)     # a new task may begin at once
        self.scheduler = Scheduler(settings)
        self._dispatcher, self._checkpointer = Dispatcher(self), Checkpointer(self)

    # -- without the lock ----------------------------------------------------------------

    def start(self):
        """Begin with what is queued."""
        self.enqueue_all(self.registry.list(QUEUED))
        self._dispatcher.start()
        self._checkpointer.start()

    def stop(self):
        """Stop every attempt where it is, and all threads."""
        self._dispatcher.stop()
        attempts = self.attempts()
        for attempt in attempts:
            attempt.cancel()
        wait_for_all(attempts)
        self._checkpointer.stop()

    def is_alive(self, seconds):
        """Return whether queued tasks are still started; it takes at most twice `seconds` to find out."""
        return self._dispatcher.is_alive(seconds)

    def enqueue_all(self, tasks):
        """Queue those of the tasks that are still here and queued, and begin attempts that may begin."""
        with self.registry.lock:
            for task in tasks:
                if task.state == QUEUED and self.registry.tasks.get(task.tid) is task:
                    self._queue(task, 0)
        self._dispatcher.begin()

    def attempts(self):
        """Return the attempts under way, the oldest first."""
        with self.registry.lock:
            return list(self._running)

    def heed_limits(self):
        """Take note that the limits have changed: the speed, and how many tasks may run."""
        with self.registry.lock:
            for attempt in self._running:
                attempt.download.stir()
            self._send_back(sum(self._running.slots().values()) - self._settings.download.max_concurrent)
            self._dispatcher.wake()

    def watch(self, attempts):
        """Look after the attempts under way, once in a while.

        Interrupt the youngest while something else fills the disk. When an attempt receives bytes
        after a wait, release the tasks that waited for the same. Settle attempts whose threads died.
        """
        with self.registry.lock:
            self._running.note_speed()
        for attempt in attempts:
            if attempt.tid in self.outcomes.waits and attempt.download.received:
                with self.registry.lock:
                    self._come_through(self.outcomes.waits.remove(attempt.tid))
            if attempt.thread is not None and not attempt.thread.is_alive():
                self._dispatcher.abandon(attempt, MemoryError())
        self.room.make(attempts)

    # -- with the lock held --------------------------------------------------------------

    def enqueue(self, task, delay=0):
        """Let a queued task wait for a slot, at least `delay` seconds."""
        if self._queue(task, delay) and (delay or self.may_begin):
            self._dispatcher.wake()

    @property
    def may_begin(self):
        """Return whether a task waits and one of the slots for all tasks is free."""
        return self.scheduler.is_waiting and self.scheduler.has_room(self._running.slots())

    def _queue(self, task, delay):
        """Let the task wait for a slot. Return False if the end of its cancelled attempt will do so."""
        if task.attempt is None:
            gate = self._network.hosts.gate(task.waits_for or self.parse_url(task.url).endpoint, task.let_through)
            task.wait_at(gate, delay)
            self.scheduler.add(task, gate, delay)
            self.outcomes.note_held_back(task)
        return task.attempt is None

    def take_back(self, task, keep=True):
        """Cancel the task's attempt, which frees its slot at once, or take the task out of the queue.

        `keep` says that the bytes of the attempt are still wanted.
        """
        self.scheduler.remove(task.tid)
        self.outcomes.waits.remove(task.tid)
        if task.attempt is not None:
            task.attempt.cancel(keep)
            self._dispatcher.wake()

    def forget(self, task, keep=True):
        """Take the task back, and open the servers again that it caused to be left alone."""
        self.take_back(task, keep)
        self._network.hosts.forgive(task.tid)
        self._dispatcher.wake()

    def reconcile(self, attempts):
        """Take up tasks that were restored after a failed delete, given as {task: its attempt or None}.

        Their attempts may have ended meanwhile.
        """
        for task, attempt in attempts.items():
            if attempt is not None and task.attempt is not attempt:
                self._settle(attempt, None)
            elif task.state == QUEUED:
                self.enqueue(task)

    def adjust(self, task, differs):
        """Apply the task's changed options; if `differs`, a new attempt replaces the one under way."""
        if task.state == DOWNLOADING and differs:
            task.requeue()
            self.take_back(task)
        elif task.attempt is not None:
            task.attempt.download.adjust(task.options)
        if task.state == QUEUED:
            self.enqueue(task, 0 if differs else task.delay)

    def make_download(self, attempt):
        """Return the engine's Download for an attempt, which is its observer."""
        from ..engine.download import Download, Environment
        task, settings = attempt.task, self._settings
        network = self._network._replace(hosts=Visitor(attempt.gate, task.tid))
        environment = Environment(settings.download, settings.general.download_dir, network, self._bucket)
        download = Download(attempt.url, task.options, environment, attempt, task.progress, task.previous)
        if task.refreshing:
            download.refresh()
        return download

    def _send_back(self, count):
        """Requeue `count` running tasks that can be resumed, lowest priority first."""
        able = [attempt.task for attempt in self._running if not attempt.cancelled
                and attempt.task.resource is not None and attempt.task.resource.resumable]
        able.sort(key=lambda task: (task.options.priority, -task.position))
        for task in able[:max(0, count)]:
            task.requeue()
            self.take_back(task)

    # -- beginning and ending --------------------------------------------------------------

    def begin_next(self):
        """Begin the attempt that goes first and return it, or None if none may start now."""
        while self.scheduler.is_waiting and not self._dispatcher.stopping:
            tid = self.scheduler.choose(self._running.slots())
            if tid is None:
                break
            attempt = self._begin(self.registry.tasks[tid])
            if attempt is not None:
                return attempt
        return None

    def _begin(self, task):
        """Return a new attempt at the task, or None if it could not be made."""
        reason = task.reason
        if task.start():
            self.outcomes.count_repeat(reason)
        self.registry.announce("changed", task)
        try:
            attempt = Attempt(self, task)
        except Exception as bug:
            self._release(task, self.outcomes.stumble(task, bug))
            return None
        self._running.begin(attempt)
        self._checkpointer.wake()
        return attempt

    def end(self, attempt, outcome):
        """Take the attempt out of the table and settle what became of it."""
        decides = self.registry.is_current(attempt)
        self._running.end(attempt)
        if decides:
            self._settle(attempt, outcome)

    def recover(self):
        """Bring tasks and attempts together again where an end could not be recorded."""
        for task in list(self.registry.tasks.values()):
            if task.state == DOWNLOADING and task.attempt is None:
                task.requeue()
            if task.state == QUEUED and task.tid not in self.scheduler:
                self.enqueue(task)

    def _settle(self, attempt, outcome):
        """Change the task as the attempt's end demands, and store it."""
        task, delay = attempt.task, 0
        try:
            task.end_attempt(attempt.seconds)
            self._take_progress(attempt, outcome)
            if not attempt.cancelled:
                waited_for = self.outcomes.waits.remove(task.tid)
                delay = self.outcomes.conclude(attempt, outcome)
                if task.tid not in self.outcomes.waits and not isinstance(outcome, HostClosed):
                    self._come_through(waited_for)
        except Exception as error:
            if task.state == DOWNLOADING:
                delay = self.outcomes.stumble(task, error)
            else:
                delay = self._dispatcher.AFTER_A_BUG
                self._dispatcher.stumble("the end of an attempt could not be recorded", error)
        self._release(task, delay)

    def _take_progress(self, attempt, outcome):
        """Take over how far the attempt has come, or only what was flushed if the disk may have lost more."""
        progress, download = attempt.download.progress(), attempt.download
        if progress is not None and attempt.session is not None and not download.disk_failed:
            attempt.task.advance(progress, attempt.session, download.is_flushed)
        if download.disk_failed or getattr(outcome, "is_loss", False):
            attempt.task.fall_back()

    def _come_through(self, what):
        """Let the tasks go on that wait for this, because one that did so has received bytes."""
        for tid, delay in self.outcomes.waits.come_through(what).items():
            other = self.registry.tasks.get(tid)
            if other is not None and other.state == QUEUED:
                self.enqueue(other, delay)

    def _release(self, task, delay):
        """Store and announce the task, and let it wait if it is queued."""
        if task.state == QUEUED:
            self.enqueue(task, delay)
        self.registry.store.write(task.changes(), lazy=True)
        self.registry.announce("changed", task)
