"""The thread that keeps progress: a kill -9 costs at most a second of work, a power cut at most five."""

import logging
import time

from ..complaint import Complaint
from ..errors import LocalError, StoreBroken
from ..memory import give_back
from ..threads import Flag, Thread, join, persist

log = logging.getLogger(__name__)


class Checkpointer:
    """Stores the progress of the runner's attempts, and calls its `watch`; sleeps while none runs.

    Their bytes are flushed before every few records.
    """

    EVERY = 0.8         # seconds between checkpoints, a commit without a flush
    FIRST = 0.1         # the first of them after a rest; doubles up to that
    QUIET = 4.0         # seconds without an attempt until memory is given back
    FLUSH_EVERY = 4.0   # seconds between checkpoints that flush the bytes before the record
    FLUSH_BYTES = 2 ** 27   # unflushed bytes that make one due at once: the last is to be short

    def __init__(self, runner):
        self._runner = runner
        self._awake, self._stopping = Flag(), Flag()
        self._pause = self.FIRST
        self._flushed, self._count = time.monotonic(), 0    # when, and at how many bytes
        self._complaint = Complaint(log)
        self._thread = Thread(persist, "dlserv-checkpoint", (self._main, self._stumble))

    def start(self):
        self._thread.start()

    def wake(self):
        if not self._awake.is_set():
            self._awake.set()

    def stop(self):
        self._stopping.set()
        self.wake()
        join(self._thread)

    def _main(self):
        while self._sleep():
            try:
                attempts = self._runner.attempts()
                if attempts:
                    self.wake()
                    self._runner.watch(attempts)
                    self._checkpoint(attempts, self._is_time_to_flush(attempts))
                    self._complaint.over()
            except StoreBroken:
                pass        # the store logs it, and tries again

    def _stumble(self, error):
        self._complaint.tell("a checkpoint failed; the next one may do better", error)
        self.wake()

    def _is_time_to_flush(self, attempts):
        here, now = sum(attempt.download.count for attempt in attempts), time.monotonic()
        flush = now - self._flushed >= self.FLUSH_EVERY or here - self._count >= self.FLUSH_BYTES
        if flush:
            self._flushed = now
        self._count = here if flush else min(here, self._count)
        return flush

    def _sleep(self):
        """Wait until an attempt runs, then until it is time; return False at the end."""
        if not self._awake.is_set():
            if self._pause > self.FIRST and not self._awake.wait(self.QUIET):
                give_back()
            self._pause = self.FIRST
            self._awake.wait()
        self._awake.clear()
        is_over = self._stopping.wait(self._pause)
        self._pause = min(self.EVERY, 2 * self._pause)
        return not is_over

    def _checkpoint(self, attempts, flush):
        progress = {attempt: (attempt.plans, _progress(attempt, flush)) for attempt in attempts}
        ticket = self._store(progress, flush)
        if ticket is not None:
            ticket.wait()

    def _store(self, progress, flushed):
        """Store {attempt: (its plans, its Progress)} in one transaction; return the Ticket, or None.

        A flush may take long: the Progress of an attempt that has planned since is outdated.
        """
        changes, registry = {}, self._runner.registry
        with registry.lock:
            for attempt, (plans, reached) in progress.items():
                if not registry.is_current(attempt):
                    continue
                if attempt.download.file.disk_failed:
                    attempt.task.fall_back()
                elif reached is not None and plans == attempt.plans:
                    attempt.task.advance(reached, attempt.session, flushed)
                else:
                    continue
                changes.update(attempt.task.changes())
            return registry.store.write(changes, durable=flushed) if changes else None


def _progress(attempt, flush):
    """Return the attempt's Progress or None; interrupt it if its bytes cannot be flushed."""
    try:
        return attempt.download.file.flush() if flush else attempt.download.progress()
    except LocalError as error:
        log.warning("%s: %s", attempt.tid[:8], error)
        attempt.interrupt(error)
        return None
