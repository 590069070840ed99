"""The outcome of an attempt: finished, another try later, a wait, or invalid."""

import logging
from collections import Counter

from ..engine.progress import Finished
from ..engine import retry
from ..errors import (Error, Exhausted, NoSpace, Offline, StoreBroken, Temporary, Unavailable, Unchanged,
                      WrongClock, reason_of)
from ..exhaustion import exhaustion_in
from ..net.host_limits import HostClosed, HostFull
from ..units import format_seconds
from .states import INVALID
from .waits import Waits

# Neither the task's fault nor the remote's: it waits.
_WAITS = {NoSpace: "waiting for room", Unavailable: "waiting for the disk",
          StoreBroken: "waiting for the database", Exhausted: "waiting for other tasks",
          Offline: "waiting for the network", WrongClock: "waiting for the clock"}
# A refresh does not wait: the old file is there, so it ends, or is tried again.
_IMPATIENT = (NoSpace, Offline, WrongClock)

log = logging.getLogger(__name__)


class Outcomes:
    """The policy for attempts that ended; every method is called with the registry's lock held.

    `finished` counts attempts; by reason, `failed` those that failed for good, and `retried` those
    made again after a failure. `waits` are for this machine.
    """

    def __init__(self, registry, settings):
        self._registry, self._settings = registry, settings
        self.finished, self.failed, self.retried = 0, Counter(), Counter()
        self.waits = Waits()

    def conclude(self, attempt, outcome):
        """Change the task as the Finished or exception demands; return the seconds until it may start again."""
        task = attempt.task
        if isinstance(outcome, Finished):
            return self._finish(task, outcome)
        if isinstance(outcome, Unchanged) and task.refreshing:
            return self._keep(task, outcome)
        outcome = exhaustion_in(outcome) or outcome
        if not isinstance(outcome, Error):
            return self.blame_a_bug(task, outcome)
        task.reach(attempt.download.count, attempt.before)
        if isinstance(outcome, tuple(_WAITS)) and not (task.refreshing and isinstance(outcome, _IMPATIENT)):
            return self._wait_out(task, outcome)
        if isinstance(outcome, HostClosed):
            task.requeue(waits_for=outcome.endpoint)        # it costs no try
            return 0
        if isinstance(outcome, HostFull) and outcome.by_us:
            return self._give_way(task, outcome)
        if isinstance(outcome, Temporary):
            return self._retry(task, outcome)
        return self._fail(task, "error", str(outcome), reason_of(outcome))

    def blame_a_bug(self, task, bug):
        log.error("%s: internal error", task.tid[:8], exc_info=bug)
        return self._fail(task, "fatal", f"internal error: {type(bug).__name__}", "bug")

    def stumble(self, task, error):
        """Do the same after an error of ours; a limit of the system is waited out."""
        exhausted = exhaustion_in(error)
        return self._wait_out(task, exhausted) if exhausted else self.blame_a_bug(task, error)

    def _finish(self, task, finished):
        task.finish(finished)
        self.finished += 1
        self._registry.on_end(task)
        log.info("%s: finished %s", task.tid[:8], task.filename)
        return 0

    def _keep(self, task, unchanged):
        task.keep()
        self._registry.note(task, "info", str(unchanged))
        log.info("%s: %s", task.tid[:8], unchanged)
        return 0

    def _retry(self, task, error):
        delay = retry.delay(task.count_failure(), task.options.retries, self._settings.download.retry_wait,
                            error.retry_after)
        if delay is None:
            return self._fail(task, "error", str(error), reason_of(error))
        task.requeue(str(error), reason_of(error))
        self._registry.note(task, "warning", f"{error}; the next try is in {format_seconds(delay)}")
        return delay

    def _wait_out(self, task, error):
        """Queue the task, which costs no try, until this machine's condition is over."""
        what = next(words for kind, words in _WAITS.items() if isinstance(error, kind))
        task.requeue(f"{what}: {error}", reason_of(error))
        self._note_once(task, what)
        return self.waits.add(task.tid, what)

    def _give_way(self, task, full):
        task.requeue(f"waiting for other tasks: {full}", reason_of(full))
        self._note_once(task, "waiting for other tasks")
        return self._settings.download.retry_wait

    def note_held_back(self, task):
        if task.closed_for:
            self._note_once(task, f"waiting for {task.gate.endpoint}")

    def _note_once(self, task, what):
        """Log the task's error, which begins with `what`, unless one is on top."""
        if not task.log or not task.log[0]["msg"].startswith(what):
            self._registry.note(task, "warning", task.error)

    def _fail(self, task, level, sentence, reason):
        self.failed[reason] += 1
        if task.refreshing:
            sentence = f"the file stays as it was, because it could not be refreshed: {sentence}"
            task.keep(sentence, reason)
        else:
            task.fail(sentence, reason)
        self._registry.note(task, level, sentence)
        if task.state == INVALID:
            self._registry.on_end(task)
        log.warning("%s: %s: %s", task.tid[:8], task.state, sentence)
        return 0
