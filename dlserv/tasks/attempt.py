"""One attempt at one task: its thread, and the observer the engine reports to.

Also the thread that keeps the progress of all attempts: a kill -9 costs at most a second
of work, a power cut at most five.
"""

import logging
import threading
import time

from ..errors import Error, LocalError, Stopped, StoreBroken

log = logging.getLogger(__name__)


def boot_id():
    """What tells this boot of the machine from another, or None where nothing does."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except (OSError, UnicodeDecodeError):
        return None


class Run:
    """The attempt `download`, in whichever thread performs it.

    `keep(run, progress, durable)` stores the progress and gives a Ticket, or None if the
    run is stale; `note(run, level, text)` writes the task's log; `admit(run)` raises
    NoSpace if the disk has no room for what the run has still to fetch; `check_place()`
    raises Unavailable while there is no disk at all.
    """

    def __init__(self, tid, make_download, keep, note, admit, check_place):
        self.tid = tid
        self.download = make_download(self)
        self._keep, self._note, self._admit, self._check_place = keep, note, admit, check_place
        self.cancelled = False      # the task has moved on; its end decides nothing
        self._reason = None         # what it is to end with, instead of with Stopped
        self._began, self._until = time.monotonic(), None
        self.before = self.download.count
        self.kept = 0               # how often it has planned; changed with the board's lock held
        self.thread = None          # the one that performs it
        self._over = threading.Event()

    @property
    def seconds(self):
        """How long it has been going, or was until it was cancelled."""
        return (self._until or time.monotonic()) - self._began

    def cancel(self):
        """Stop it; what it ends with no longer matters."""
        self.cancelled, self._until = True, time.monotonic()
        self.download.stop()

    def interrupt(self, reason):
        """Stop it, and let it end with this exception."""
        self._reason = reason
        self.download.stop()

    def perform(self):
        """Make the attempt; gives the Finished or the exception that it ended with."""
        self.thread = threading.current_thread()
        self.thread.name = "dlserv-" + self.tid[:8]
        try:
            self._check_place()
        except Error as error:
            self.download.close()
            return error
        try:
            return self.download.run()
        except Stopped as stopped:
            return self._reason or stopped
        except Exception as error:
            return error

    def over(self):
        """Nothing more will come of it."""
        self._over.set()

    def wait(self, seconds):
        """Until it is over, at most so long; no time at all in its own thread."""
        if self.thread is not threading.current_thread():
            self._over.wait(seconds)

    # -- the engine's observer -------------------------------------------------------

    def planned(self, progress, durable):
        ticket = self._keep(self, progress, durable)
        if ticket is not None:
            ticket.wait()

    def publishing(self, progress):
        ticket = self._keep(self, progress, True)
        return ticket.wait if ticket is not None else lambda: None

    def note(self, level, text):
        self._note(self, level, text)

    def beginning(self):
        self._admit(self)


class Checkpointer:
    """Stores the progress of all runs, every second; every few seconds, flushed first.

    `runs()` gives those under way; `store(progress_by_run, flushed)` writes the record of
    each, unless it has planned anew since (`run.kept` is another), and gives a Ticket, or
    None if there was nothing to write; `guard(runs)` looks after them besides. Sleeps while
    nothing runs.
    """

    EVERY = 0.8         # seconds between checkpoints, a commit without a flush
    FIRST = 0.1         # the same where all was quiet before; doubles up to that
    FLUSH_EVERY = 4.0   # seconds between those whose bytes are flushed before the record is
    FLUSH_BYTES = 2 ** 27   # or as soon as so many wait to be written: the end comes quicker then

    def __init__(self, runs, store, guard):
        self._runs, self._store, self._guard = runs, store, guard
        self._wake = threading.Condition()
        self._awake = self._stopping = False
        self._pause = self.FIRST
        self._flushed, self._count = time.monotonic(), 0    # when, and what was here then
        self._thread = threading.Thread(target=self._main, name="dlserv-checkpoint", daemon=True)

    def start(self):
        self._thread.start()

    def wake(self):
        """A run has begun."""
        with self._wake:
            if not self._awake:
                self._awake = True
                self._wake.notify()

    def stop(self):
        with self._wake:
            self._stopping = True
            self._wake.notify()
        self._thread.join()

    def _main(self):
        while self._sleep():
            try:
                runs = self._runs()
                if runs:
                    self.wake()
                    self._guard(runs)
                    self._checkpoint(runs, self._is_time_to_flush(runs))
            except StoreBroken:
                pass        # the store tells it, and tries again
            except Exception:
                log.exception("a checkpoint failed; the next one may do better")
                self.wake()

    def _is_time_to_flush(self, runs):
        here, now = sum(run.download.count for run in runs), time.monotonic()
        flush = now - self._flushed >= self.FLUSH_EVERY or here - self._count >= self.FLUSH_BYTES
        if flush:
            self._flushed = now
        self._count = here if flush else min(here, self._count)
        return flush

    def _sleep(self):
        """False when it is time to end."""
        with self._wake:
            if not self._awake and not self._stopping:
                self._pause = self.FIRST
                self._wake.wait_for(lambda: self._awake or self._stopping)
            self._awake = False
            self._wake.wait_for(lambda: self._stopping, self._pause)
            self._pause = min(self.EVERY, 2 * self._pause)
            return not self._stopping

    def _checkpoint(self, runs, flush):
        progress = {run: (run.kept, _progress(run, flush)) for run in runs}
        ticket = self._store(progress, flush)
        if ticket is not None:
            ticket.wait()


def _progress(run, flush):
    """The run's Progress, or None where there is none or its bytes cannot be flushed."""
    try:
        return run.download.flush() if flush else run.download.progress()
    except LocalError as error:
        log.warning("%s: %s", run.tid[:8], error)
        return None
