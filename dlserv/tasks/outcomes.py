"""What the end of an attempt leads to: finished, another try later, a wait, or invalid."""

import errno
import logging
from collections import Counter

from ..engine.download import Finished
from ..engine.retry import Policy
from ..errors import Error, Exhausted, NoSpace, StoreBroken, Temporary, Unavailable
from ..units import format_seconds

# What ends an attempt without being the task's fault or the remote's.
_WAITS = {NoSpace: "waiting for room", Unavailable: "waiting for the disk",
          StoreBroken: "waiting for the database", Exhausted: "waiting for other tasks"}
_EXHAUSTION = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

log = logging.getLogger(__name__)


class Outcomes:
    """The policy for attempts that ended; every method is called with the registry's lock held.

    `counts` says how many have ended as "finished" or "failed", or failed and were
    "retried", since the start.
    """

    BEAT = 5.0      # seconds until a task that waits for this machine looks again

    def __init__(self, registry, settings):
        self._registry, self._settings = registry, settings
        self.counts = Counter(finished=0, failed=0, retried=0)

    def conclude(self, attempt, outcome):
        """Change the attempt's task as its outcome demands, a Finished or an exception.

        Return the seconds for which the task waits before it may start again.
        """
        task = attempt.task
        if _is_exhaustion(outcome):
            outcome = Exhausted()
        if isinstance(outcome, Finished):
            return self._finish(task, outcome)
        if isinstance(outcome, tuple(_WAITS)):
            task.reach(attempt.download.count, attempt.before)
            return self._wait_out(task, outcome)
        if isinstance(outcome, Temporary):
            task.reach(attempt.download.count, attempt.before)
            return self._retry(task, outcome)
        if isinstance(outcome, Error):
            return self._fail(task, "error", str(outcome))
        return self.blame_a_bug(task, outcome)

    def blame_a_bug(self, task, bug):
        """Fail the task because of an exception that nobody expected."""
        log.error("%s: internal error", task.tid[:8], exc_info=bug)
        return self._fail(task, "fatal", f"internal error: {type(bug).__name__}")

    def cannot_begin(self, task, bug):
        """Change a task whose attempt could not even be made; return the seconds for which it waits."""
        return self._wait_out(task, Exhausted()) if _is_exhaustion(bug) else self.blame_a_bug(task, bug)

    def _finish(self, task, finished):
        task.finish(finished)
        self.counts["finished"] += 1
        log.info("%s: finished %s", task.tid[:8], task.filename)
        return 0

    def _retry(self, task, error):
        """Queue the task again for later, or give up."""
        failures = task.count_failure()
        self.counts["retried"] += 1
        policy = Policy(task.options.retries, self._settings.download.retry_wait)
        delay = policy.delay(failures, error.retry_after)
        if delay is None:
            return self._fail(task, "error", str(error))
        task.requeue(f"{error}; the next try is in {format_seconds(delay)}")
        self._registry.note(task, "warning", task.error)
        return delay

    def _wait_out(self, task, error):
        """Queue the task until this machine is fit again; that counts as no try."""
        what = next(words for kind, words in _WAITS.items() if isinstance(error, kind))
        task.requeue(f"{what}: {error}")
        if not task.log or task.log[0]["msg"].partition(":")[0] != what:
            self._registry.note(task, "warning", task.error)
        return self.BEAT

    def _fail(self, task, level, sentence):
        task.fail(sentence)
        self.counts["failed"] += 1
        self._registry.note(task, level, sentence)
        log.warning("%s: invalid: %s", task.tid[:8], sentence)
        return 0


def _is_exhaustion(outcome):
    """Return whether a limit of the system was met, wherever that was and whatever it was taken for."""
    while isinstance(outcome, Exception):
        if isinstance(outcome, OSError) and outcome.errno in _EXHAUSTION:
            return True
        outcome = outcome.__cause__
    return False
