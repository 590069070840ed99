"""The runner: which tasks are running, the threads that perform their attempts, and their ends.

Between the registry, which knows what the tasks are, and the engine, which knows none.
"""

import logging
import threading
from collections import Counter

from .. import urls
from ..engine.download import Download, Environment, Finished
from ..engine.meter import SpeedHistory
from ..errors import Exhausted
from ..net.host_limits import HostClosed, Visitor
from .attempt import Attempt, wait_for_all
from .checkpointer import Checkpointer
from .outcomes import Outcomes
from .room import Room
from .scheduler import Scheduler
from .states import DOWNLOADING, QUEUED

log = logging.getLogger(__name__)


class Runner:
    """Runs the registry's queued tasks within the limits.

    registry      the TaskRegistry; its lock guards all of this, its `running` is the table
                  of attempts, which only this class changes
    settings      the settings.current.Settings
    network       a net.proxy.Network
    bucket        the TokenBucket of all tasks together
    download_dir  the DownloadDir
    """

    AFTER_A_BUG = 5.0       # seconds until what met a bug of ours is tried again

    def __init__(self, registry, settings, network, bucket, download_dir):
        self.registry, self.download_dir = registry, download_dir
        self._settings, self._network, self._bucket = settings, network, bucket
        self._running, self.room = registry.running, Room(registry, download_dir, settings)
        self.outcomes = Outcomes(registry, settings)
        self._scheduler, self._checkpointer = Scheduler(settings), Checkpointer(self)
        self._received = 0          # bytes that ended attempts have brought
        self._history = SpeedHistory()
        self._shut = set()          # Gates that were shut at the last look
        self._changed, self._stopping = threading.Condition(registry.lock), False
        self._thread = threading.Thread(target=self._schedule, name="dlserv-scheduler", daemon=True)

    # -- without the lock ----------------------------------------------------------------

    def start(self):
        """Begin with what is queued."""
        self.enqueue_all(self.registry.list(QUEUED))
        self._thread.start()
        self._checkpointer.start()

    def stop(self):
        """Stop every attempt where it is, and all threads."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._thread.join()
        attempts = self.attempts()
        for attempt in attempts:
            attempt.cancel()
        wait_for_all(attempts)
        self._checkpointer.stop()

    def enqueue_all(self, tasks):
        """Queue those of the tasks that are still here and wait for an attempt."""
        with self.registry.lock:
            for task in tasks:
                if task.state == QUEUED and self.registry.tasks.get(task.tid) is task:
                    self.enqueue(task)

    def attempts(self):
        """Return the attempts under way, the oldest first."""
        with self.registry.lock:
            return list(self._running.values())

    def totals(self):
        """Return (bytes received since the start, bytes/s now, open connections)."""
        with self.registry.lock:
            downloads = [attempt.download for attempt in self._running.values()]
            received = self._received + sum(download.received for download in downloads)
        return (received, sum(download.speed for download in downloads),
                sum(download.connections for download in downloads))

    def speed_history(self):
        """Return {"every": seconds, "speed": [bytes/s in each, the oldest first]} of the last ten minutes."""
        with self.registry.lock:
            self._note_speed()
            return {"every": self._history.EVERY, "speed": self._history.speeds()}

    def heed_limits(self):
        """Take note that the limits have changed: fewer tasks may run, or more."""
        with self.registry.lock:
            self._send_back(sum(self._slots().values()) - self._settings.download.max_concurrent)
            self._changed.notify_all()

    def watch(self, attempts):
        """Look after the attempts under way, once in a while.

        Interrupt the youngest while the disk fills up from elsewhere, and let the tasks go
        on that wait for the same as one which gets on.
        """
        with self.registry.lock:
            self._note_speed()
        for attempt in attempts:
            if attempt.tid in self.outcomes.waits and attempt.download.received:
                with self.registry.lock:
                    self._come_through(self.outcomes.waits.remove(attempt.tid))
        self.room.make(attempts)

    # -- with the lock held --------------------------------------------------------------

    def enqueue(self, task, delay=0):
        """Let a queued task wait for a slot, at least `delay` seconds."""
        if task.attempt is None:    # else it is enqueued when the cancelled attempt has ended
            gate = self._network.hosts.gate(task.waits_for or task.endpoint, task.let_through)
            task.wait_at(gate, delay)
            self._scheduler.add(task, gate, delay)
            self.outcomes.note_held_back(task)
            if delay or self._scheduler.has_room(self._slots()):
                self._changed.notify_all()

    def take_back(self, task, keep=True):
        """Cancel the task's attempt, which frees its slot at once, or take the task out of the queue.

        `keep` says that the bytes of the attempt are still wanted.
        """
        self._scheduler.remove(task.tid)
        self.outcomes.waits.remove(task.tid)
        if task.attempt is not None:
            task.attempt.cancel(keep)
            self._changed.notify_all()

    def forget(self, task, keep=True):
        """Take the task back, and end what it did to other tasks: closures of servers that it caused."""
        self.take_back(task, keep)
        self._network.hosts.forgive(task.tid)
        self._changed.notify_all()

    def reconcile(self, attempts):
        """Take up tasks that were restored after a failed delete, given as {task: its attempt or None}.

        Their attempts may have ended meanwhile.
        """
        for task, attempt in attempts.items():
            if attempt is not None and task.attempt is not attempt:
                self._settle(attempt, None)
            elif task.state == QUEUED:
                self.enqueue(task)

    def adjust(self, task, anew):
        """Heed the task's changed options; `anew` begins a new attempt if one is under way."""
        if task.state == DOWNLOADING and anew:
            task.requeue()
            self.take_back(task)
        elif task.attempt is not None:
            task.attempt.download.adjust(task.options)
        if task.state == QUEUED:
            self.enqueue(task, 0 if anew else task.delay)

    def make_download(self, attempt):
        """Return the engine's Download for an attempt, which is its observer."""
        task, settings = attempt.task, self._settings
        network = self._network._replace(hosts=Visitor(attempt.gate, task.tid))
        environment = Environment(settings.download, settings.general.download_dir, network, self._bucket)
        return Download(urls.parse(task.url), task.options, environment, attempt, task.progress, task.previous)

    def _send_back(self, count):
        """Requeue `count` running tasks that can be resumed, lowest priority first."""
        able = [attempt.task for attempt in self._running.values() if not attempt.cancelled
                and attempt.task.resource is not None and attempt.task.resource.resumable]
        able.sort(key=lambda task: (task.options.priority, -task.position))
        for task in able[:max(0, count)]:
            task.requeue()
            self.take_back(task)

    def _slots(self):
        """Return {endpoint: how many tasks of it have a slot}; a cancelled attempt has none."""
        return Counter(attempt.endpoint for attempt in self._running.values() if not attempt.cancelled)

    # -- beginning -----------------------------------------------------------------------

    def _schedule(self):
        """Begin attempts as slots come free; asleep while there is nothing to do."""
        with self._changed:
            while not self._stopping:
                try:
                    self._fill_slots()
                    self._tell_who_is_held_back()
                    seconds = self._scheduler.seconds_to_sleep()
                except Exception:       # without this thread nothing would ever start again
                    log.exception("the scheduler met a bug; it goes on")
                    seconds = self.AFTER_A_BUG
                self._changed.wait(seconds)

    def _fill_slots(self):
        while True:
            attempt = self._begin_next()
            if attempt is None:
                return
            try:
                threading.Thread(target=self._work, args=(attempt,), name="dlserv-" + attempt.tid[:8],
                                 daemon=True).start()
            except RuntimeError:        # the system has no thread left
                log.exception("%s could not be started", attempt.tid[:8])
                attempt.download.close()
                del self._running[attempt.tid]
                self._settle(attempt, Exhausted())

    def _tell_who_is_held_back(self):
        """Log and announce it for the tasks that wait at a Gate which has shut, or opened, since the last look."""
        shut = self._scheduler.shut()
        for gate in shut ^ self._shut:
            for tid in self._scheduler.waiting_at(gate):
                self.outcomes.note_held_back(self.registry.tasks[tid])
                self.registry.announce("changed", self.registry.tasks[tid])
        self._shut = shut

    def _begin_next(self):
        """Begin the attempt that goes first and return it, or None if none may start now."""
        while not self._stopping:
            tid = self._scheduler.choose(self._slots())
            if tid is None:
                break
            attempt = self._begin(self.registry.tasks[tid])
            if attempt is not None:
                return attempt
        return None

    def _begin(self, task):
        """Return a new attempt at the task, or None if it could not be made."""
        self.outcomes.counts["retried"] += task.start()
        self.registry.announce("changed", task)
        try:
            attempt = Attempt(self, task)
        except Exception as bug:
            self._release(task, self.outcomes.cannot_begin(task, bug))
            return None
        self._note_speed()
        self._running[task.tid] = attempt
        self._checkpointer.wake()
        return attempt

    def _note_speed(self):
        self._history.note(self._received + sum(each.download.received for each in self._running.values()))

    # -- ending ---------------------------------------------------------------------------

    def _work(self, attempt):
        """Perform one attempt after the other, as long as the slot goes to another task."""
        while attempt is not None:
            outcome, following = attempt.perform(), None
            try:
                following = self._end(attempt, outcome)
            except Exception:
                log.exception("%s: its end could not be recorded", attempt.tid[:8])
            attempt.over()
            attempt = following

    def _end(self, attempt, outcome):
        """Settle what became of the attempt; return the one that has its slot now, or None."""
        with self.registry.lock:
            self._received += attempt.download.received
            decides = self.registry.is_current(attempt)
            if self._running.get(attempt.tid) is attempt:
                del self._running[attempt.tid]
            self._note_speed()
            if decides:
                self._settle(attempt, outcome)
            following = self._begin_next()
            if following is None or not isinstance(outcome, Finished) or self._scheduler.has_room(self._slots()):
                self._changed.notify_all()
            return following

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
        except Exception as bug:
            delay = self.AFTER_A_BUG
            if task.state == DOWNLOADING:
                self.outcomes.blame_a_bug(task, bug)
            else:
                log.error("%s: its end could not be recorded", attempt.tid[:8], exc_info=bug)
        self._release(task, delay)

    def _take_progress(self, attempt, outcome):
        """Take over how far the attempt has come, or only what was flushed if the disk may have lost more."""
        progress, download = attempt.download.progress(), attempt.download
        if progress is not None and attempt.session is not None and not download.disk_failed:
            attempt.task.advance(progress, attempt.session, download.is_flushed)
        if download.disk_failed or getattr(outcome, "is_loss", False):
            attempt.task.fall_back()
    def _come_through(self, what):
        """Let those go on that wait for that: a task that did so gets on."""
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
