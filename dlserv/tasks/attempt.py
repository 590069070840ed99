"""One attempt at one task: the engine's Download, and the observer that it reports to."""

import logging
import threading
import time

from .claimed_names import check_part, check_previous

WAIT_FOR_ALL = 1.5      # seconds for which a stop or a deletion waits for attempts to end

log = logging.getLogger(__name__)


class Attempt:
    """An attempt at `task`, in whichever thread performs it, on behalf of `runner`.

    It may be waited for, cancelled and interrupted from any thread.
    """

    NEW = 1.0           # seconds for which tasks without bytes share a look at the disk's mounting

    def __init__(self, runner, task):
        self._runner, self._registry = runner, runner.registry
        self.task, self.tid, self.url, self.gate = task, task.tid, runner.parse_url(task.url), task.gate
        self.endpoint = self.url.endpoint
        self.download = runner.make_download(self)
        self.cancelled = False      # the task has moved on; its end decides nothing
        self.room = None            # bytes that were free for it when its bytes began, if known
        self.session = None         # the boot and the mounting of its disk, once it performs
        self.outcome = None         # the Finished or the exception that it ended with
        self._began, self._until = time.monotonic(), None
        self.before = self.download.count
        self.plans = 0              # how often it has planned; changed with the registry's lock held
        self.thread = None          # the one that performs it
        self._under_way, self._afterwards = threading.Lock(), []        # the lock is held until it is over
        self._under_way.acquire()
        self._is_over = False

    @property
    def seconds(self):
        """Seconds since it began, up to its cancellation if it was cancelled."""
        return (self._until or time.monotonic()) - self._began

    def cancel(self, keep=True):
        """Stop it; its outcome no longer matters. Unless `keep`, its bytes are not flushed."""
        self.cancelled, self._until = True, time.monotonic()
        self.download.stop(keep=keep)

    def interrupt(self, reason):
        """Stop it, and let it end with this exception."""
        self.download.stop(reason)

    def perform(self):
        """Make the attempt; return the Finished or the exception that it ended with."""
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
        """Open the session of the disk; after another mount, believe only the task's flushed bytes."""
        age = self.NEW if self.task.progress is None else 0.0       # without bytes, there is nothing to believe
        session = self._runner.download_dir.session(self._registry.boot, self.task.options.dir, age)
        with self._registry.lock:
            if self._registry.is_current(self):
                self.task.settle_in(session)
            self.session, progress = session, self.task.progress
        if progress is not None:
            self.download.file.trust(progress.done)
            self.before = self.download.count

    def over(self):
        """Mark the attempt as ended, and wake the threads that wait for it."""
        with self._registry.lock:
            if not self._is_over:
                self._is_over = True
                self._under_way.release()
            afterwards, self._afterwards = self._afterwards, []
        for act in afterwards:
            try:
                act()
            except Exception:       # the thread has other attempts to make
                log.exception("%s: what follows its end has failed", self.tid[:8])

    def call_afterwards(self, act):
        """Call `act()` in the attempt's thread when it ends. Return False, without a call, if it has."""
        with self._registry.lock:
            if not self._is_over:
                self._afterwards.append(act)
            return not self._is_over

    def wait(self, seconds):
        """Wait until the attempt has ended, at most so many seconds; return at once in its own thread."""
        if self.thread is not threading.current_thread() and self._under_way.acquire(timeout=max(0, seconds)):
            self._under_way.release()

    # -- the engine's observer: called by the threads of the download ---------------------

    def planned(self, progress, durable):
        ticket = self._keep(progress, durable)
        if ticket is not None:
            ticket.wait()

    def publishing(self, progress):
        ticket = self._keep(progress, True)
        return ticket.wait if ticket is not None else lambda: None

    def beginning(self):
        self._runner.room.check(self)

    def note(self, level, text):
        with self._registry.lock:
            if self._registry.is_current(self):
                self._registry.note(self.task, level, text)
        log.log(logging.DEBUG if level == "debug" else logging.WARNING, "%s: %s", self.tid[:8], text)

    def _keep(self, progress, durable):
        """Store the plan; return its Ticket, or None if the task is gone. Raise NameTaken."""
        registry = self._registry
        publishing = progress is not None and progress.publishing is not None
        with registry.lock:
            if not registry.is_current(self):
                return None
            if publishing:
                check_previous(registry.tasks.values(), self.task, progress.target)
            elif progress is not None:
                check_part(registry.tasks.values(), self.task, progress.part)
            self.plans += 1
            self.task.plan(progress, self.session)
            return registry.store.write(self.task.changes(), durable)


def wait_for_all(attempts):
    """Wait for the attempts to end, WAIT_FOR_ALL seconds for all of them together.

    A deletion waits as long as a stop; signals.END_SECONDS ends the process whatever is written here.
    """
    deadline = time.monotonic() + WAIT_FOR_ALL
    for attempt in attempts:
        attempt.wait(max(0, deadline - time.monotonic()))
