"""Attempts at tasks."""

import logging
import threading
import time
from collections import Counter

from ..engine.meter import SpeedHistory
from ..errors import NameTaken, Stopped
from ..threads import Flag

WAIT_FOR_ALL = 1.5      # seconds that a stop or a deletion waits for attempts

log = logging.getLogger(__name__)


class Running:
    """Attempts under way by tid, oldest first; a cancelled one is here until it has ended.

    A task is running if it is here. Only the runner changes this table, with the registry's lock
    held; a task may look up its own attempt without.
    """

    def __init__(self):
        self._attempts = {}
        self._ended = 0             # bytes of ended attempts
        self._history = SpeedHistory()

    def __iter__(self):
        return iter(self._attempts.values())

    def begin(self, attempt):
        if not self._attempts:      # else the speed is noted every second
            self.note_speed()
        self._attempts[attempt.tid] = attempt

    def end(self, attempt):
        if self.is_latest(attempt):
            del self._attempts[attempt.tid]
        self._ended += attempt.download.file.received
        if not self._attempts:
            self.note_speed()

    def of(self, task):
        """Return the task's attempt, or None."""
        attempt = self._attempts.get(task.tid)
        return attempt if attempt is not None and attempt.task is task else None

    def is_latest(self, attempt):
        return self._attempts.get(attempt.tid) is attempt

    def slots(self):
        """Return {endpoint: slots taken}, a Counter; a cancelled attempt has none."""
        return Counter(attempt.endpoint for attempt in self if not attempt.cancelled)

    @property
    def received(self):
        """Bytes since the start."""
        return self._ended + sum(attempt.download.file.received for attempt in self)

    def note_speed(self):
        self._history.note(self.received)

    def speed_history(self):
        """Return {"every": seconds, "speed": [bytes/s, …]} of the last ten minutes, the oldest first."""
        self.note_speed()
        return {"every": self._history.EVERY, "speed": self._history.speeds()}


class Attempt:
    """An attempt at `task` for `runner`, and the observer of its Download; any thread may stop it."""

    GRACE = 30.0        # seconds in which an attempt must get a thread, on a machine that swaps too
    NEW = 1.0           # seconds that tasks without bytes share a look at the disk

    def __init__(self, runner, task):
        self._runner, self._registry = runner, runner.registry
        self.task, self.tid, self.url, self.gate = task, task.tid, runner.parse_url(task.url), task.gate
        self.endpoint = self.url.endpoint
        self.cancelled = False      # the task has moved on; its end decides nothing
        self.room = None            # bytes that were free for it at its first byte, if known
        self.session = None         # the boot and the mounting of its disk
        self.outcome = None         # its Finished or exception
        self._began, self._until = time.monotonic(), None
        self.plans = 0              # how often it has planned
        self.thread = None
        self._afterwards = []       # what to call when it is over, None then
        self._is_over = Flag()
        self.download = runner.make_download(self)      # last, as it has open files
        self.before = self.download.count

    @property
    def seconds(self):
        """Seconds since it began, up to its cancellation."""
        return (self._until or time.monotonic()) - self._began

    @property
    def is_abandoned(self):
        """True if its thread has ended without a word, or it never got one."""
        return self.seconds > self.GRACE if self.thread is None else not self.thread.is_alive()

    def cancel(self, keep=True):
        """Stop it, whatever its outcome. Unless `keep`, its bytes are not flushed."""
        self.cancelled, self._until = True, time.monotonic()
        self.download.stop(keep=keep)

    def interrupt(self, reason):
        """Let it end with this exception."""
        self.download.stop(reason)

    def perform(self):
        self.thread = threading.current_thread()
        self.thread.name = "dlserv-" + self.tid[:8]
        try:
            self._runner.download_dir.check()
            self._open_session()
            self._runner.room.check_shortage(self)
        except Exception as error:
            self.download.close()
            self.outcome = error
            return error
        try:
            self.outcome = self.download.run()
        except Exception as error:
            self.outcome = error
        if self.download.file.discarded is not None:
            self._runner.room.note_shortage(self)
        return self.outcome

    def _open_session(self):
        """After another mount, believe only the task's flushed bytes."""
        age = self.NEW if self.task.progress is None else 0.0       # nothing to believe
        session = self._runner.download_dir.session(self._registry.boot, self.task.options.dir, age)
        with self._registry.lock:
            if self._registry.is_current(self):
                self.task.settle_in(session)
            self.session, progress = session, self.task.progress
        if progress is not None:
            self.download.file.trust(progress.done)
            self.before = self.download.count

    def over(self):
        """Wake those who wait for its end, and make the calls that were put off until then."""
        with self._registry.lock:
            afterwards, self._afterwards = self._afterwards, None
            if afterwards is None:
                return
            self._is_over.set()
        for act in afterwards:
            try:
                act()
            except Exception:       # the thread has other attempts to make
                log.exception("%s: what follows its end has failed", self.tid[:8])

    def call_afterwards(self, act):
        """Call `act()` in the attempt's thread when it ends. Return False, without a call, if it has."""
        with self._registry.lock:
            if self._afterwards is not None:
                self._afterwards.append(act)
            return self._afterwards is not None

    def wait(self, seconds):
        """Wait until it has ended, at most so many seconds; return at once in its own thread."""
        if self.thread is not threading.current_thread():
            self._is_over.wait(max(0, seconds))

    # -- the engine's observer: called by the threads of the download ---------------------

    def planned(self, progress, durable):
        self._keep(progress, durable)()

    def publishing(self, progress):
        return self._keep(progress, True)

    def beginning(self):
        self._runner.room.check(self)

    def note(self, level, text):
        with self._registry.lock:
            if self._registry.is_current(self):
                self._registry.note(self.task, level, text)
        log.log(logging.DEBUG if level == "debug" else logging.WARNING, "%s: %s", self.tid[:8], text)

    def _keep(self, progress, durable):
        """Store the plan, unless the task is gone; return a function that waits for that.

        Raise NameTaken, or Stopped before anything is made where the task may not look for it any more.
        """
        registry, task = self._registry, self.task
        with registry.lock:
            if self.cancelled and progress is not None:
                raise Stopped()
            if not registry.is_current(self):
                return lambda: None
            if progress is not None and progress.publishing is not None:
                check_previous(registry.tasks.values(), task, progress.target)
            elif progress is not None:
                check_part(registry.begun, task, progress.part)
            if progress is not None:        # also one that publishes a part that had no name
                registry.begun.add(task)
            self.plans += 1
            task.plan(progress, self.session)
            return registry.store.write(task.changes(), durable).wait


def check_part(tasks, task, part):
    """Raise NameTaken if another of the tasks is to go on with that part file, even if it does not exist."""
    if any(each.progress is not None and each.progress.part == part and each is not task
           and each.options.dir == task.options.dir for each in tasks):
        raise NameTaken(f"{part} is another task's")


def check_previous(tasks, task, target):
    """Raise NameTaken if another task's file has taken the name of the one that this task replaces."""
    previous = task.previous
    if previous is not None and previous.name == target and any(
            each.file is not None and each.file.name == target and each.options.dir == task.options.dir
            and each.finish_time > task.finish_time and each is not task for each in tasks):
        raise NameTaken(f"{target} is another task's")


def wait_for_all(attempts):
    """Wait for the attempts to end, WAIT_FOR_ALL seconds for all together; signals.END_SECONDS is longer."""
    deadline = time.monotonic() + WAIT_FOR_ALL
    for attempt in attempts:
        attempt.wait(max(0, deadline - time.monotonic()))
