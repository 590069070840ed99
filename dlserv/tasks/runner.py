"""The runner: which tasks are running, between the registry, which knows the tasks, and the engine."""

from functools import lru_cache

from .. import urls
from ..net.host_limits import HostClosed, Visitor
from .attempt import Attempt, wait_for_all
from .checkpointer import Checkpointer
from .dispatcher import Dispatcher
from .download_dir import Room
from .outcomes import Outcomes
from .scheduler import Scheduler
from .states import DOWNLOADING, QUEUED


class Runner:
    """Runs the registry's queued tasks within the limits; the registry's lock guards all of this.

    `network` is the net.network.Network, `bucket` the TokenBucket of all tasks together.
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
        self.enqueue_all(self.registry.list(QUEUED))
        self._dispatcher.start()
        self._checkpointer.start()

    def stop(self):
        self._dispatcher.stop()
        attempts = self.attempts()
        for attempt in attempts:
            attempt.cancel()
        wait_for_all(attempts)
        self._checkpointer.stop()

    def is_alive(self, seconds):
        return self._dispatcher.is_alive(seconds)

    def enqueue_all(self, tasks):
        """Queue those of the tasks that are still here and queued, and begin what may begin."""
        try:
            with self.registry.lock:
                for task in tasks:
                    if task.state == QUEUED and self.registry.holds(task):
                        self._queue(task, 0)
        except Exception as error:      # they are on disk; `recover` queues the rest
            self._dispatcher.have_recovered(error)
        self._dispatcher.begin()

    def attempts(self):
        """Return the attempts under way, oldest first."""
        with self.registry.lock:
            return list(self._running)

    def heed_limits(self):
        with self.registry.lock:
            for attempt in self._running:
                attempt.download.stir()
            self._send_back(sum(self._running.slots().values()) - self._settings.download.max_concurrent)
            self._dispatcher.wake()

    def watch(self, attempts):
        """Look after the attempts under way, once in a while.

        Release tasks that waited for the same as one that receives bytes; settle attempts whose threads
        died; interrupt the youngest while something else fills the disk.
        """
        with self.registry.lock:
            self._running.note_speed()
        for attempt in attempts:
            if attempt.tid in self.outcomes.waits and attempt.download.file.received:
                with self.registry.lock:
                    self._come_through(self.outcomes.waits.remove(attempt.tid))
            if attempt.is_abandoned:
                self._dispatcher.abandon(attempt, MemoryError())
        self.room.make(attempts)

    # -- with the lock held --------------------------------------------------------------

    def enqueue(self, task, delay=0):
        if self._queue(task, delay) and (delay or self.may_begin):
            self._dispatcher.wake()

    @property
    def may_begin(self):
        return self.scheduler.is_waiting and self.scheduler.has_room(self._running.slots())

    def _queue(self, task, delay):
        """Let the task wait, at least `delay` seconds. Return False if the end of its attempt will do so."""
        if task.attempt is None:
            gate = self._network.hosts.gate(task.waits_for or self.parse_url(task.url).endpoint, task.let_through)
            task.wait_at(gate, delay)
            self.scheduler.add(task, gate, delay)
            self.outcomes.note_held_back(task)
        return task.attempt is None

    def take_back(self, task, keep=True):
        """Cancel the task's attempt, which frees its slot at once, or take the task out of the queue.

        Unless `keep`, its bytes are not wanted any more.
        """
        self.scheduler.remove(task.tid)
        self.outcomes.waits.remove(task.tid)
        if task.attempt is not None:
            task.attempt.cancel(keep)
            self._dispatcher.wake()

    def forget(self, task, keep=True):
        """Take the task back, and open the servers that it had closed."""
        self.take_back(task, keep)
        self._network.hosts.forgive(task.tid)
        self._dispatcher.wake()

    def reconcile(self, attempts):
        """Go on with {task: its attempt or None} after a failed delete; they may have ended meanwhile."""
        for task, attempt in attempts.items():
            if attempt is not None and task.attempt is not attempt:
                self._settle(attempt, None)
            elif task.state == QUEUED:
                self.enqueue(task)

    def adjust(self, task, differs):
        """Apply changed options; if `differs`, a new attempt replaces the one under way."""
        if task.state == DOWNLOADING and differs:
            task.requeue()
            self.take_back(task)
        elif task.attempt is not None:
            task.attempt.download.adjust(task.options)
        if task.state == QUEUED:
            self.enqueue(task, 0 if differs else task.delay)

    def make_download(self, attempt):
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
        """Return an attempt at the first task that may run, or None."""
        while self.scheduler.is_waiting and not self._dispatcher.stopping:
            tid = self.scheduler.choose(self._running.slots())
            if tid is None:
                break
            attempt = self._begin(self.registry.tasks[tid])
            if attempt is not None:
                return attempt
        return None

    def _begin(self, task):
        reason = task.reason
        if task.start():
            self.outcomes.retried[reason] += 1
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
        decides = self.registry.is_current(attempt)
        self._running.end(attempt)
        if decides:
            self._settle(attempt, outcome)

    def recover(self):
        """Queue tasks whose attempts ended without a record, and all others again: a change may be half done."""
        self.scheduler.clear()
        for task in list(self.registry.tasks.values()):
            if task.state == DOWNLOADING and task.attempt is None:
                task.requeue()
            if task.state == QUEUED:
                self.enqueue(task, task.delay)

    def _settle(self, attempt, outcome):
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
        """Take over the attempt's progress, or only what was flushed if the disk may have lost more."""
        progress, file = attempt.download.progress(), attempt.download.file
        if progress is not None and attempt.session is not None and not file.disk_failed:
            attempt.task.advance(progress, attempt.session, file.is_flushed)
        if file.disk_failed or getattr(outcome, "is_loss", False):
            attempt.task.fall_back()

    def _come_through(self, what):
        for tid, delay in self.outcomes.waits.come_through(what).items():
            other = self.registry.tasks.get(tid)
            if other is not None and other.state == QUEUED:
                self.enqueue(other, delay)

    def _release(self, task, delay):
        if task.state == QUEUED:
            self.enqueue(task, delay)
        self.registry.store.write(task.changes(), lazy=True)
        self.registry.announce("changed", task)
