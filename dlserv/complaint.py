"""Log a lasting problem, such as a lack of threads, once and not each time it is met."""

import time

from .exhaustion import exhaustion_in


class Complaint:
    """Logs a problem to `log` when it begins; not again while it lasts, nor within QUIET seconds."""

    QUIET = 60.0
    MOST = 20           # problems remembered

    def __init__(self, log, clock=time.monotonic):
        self._log, self._clock = log, clock
        self._told = {}             # problem -> (when it was logged, does it last)

    def tell(self, sentence, error=None):
        """Log the sentence and the error's traceback; never raise, as the memory for it may be lacking.

        An error that means a limit of the system is told as that.
        """
        try:
            sentence = str(exhaustion_in(error) or sentence)
            what, now = (sentence, type(error), str(error)), self._clock()
            when, lasts = self._told.get(what, (None, False))
            if not lasts and (when is None or now - when >= self.QUIET):
                self._log.error("%s", sentence, exc_info=error)
                when = now
            self._told[what] = when, True
            if len(self._told) > self.MOST:
                self._told.clear()
        except Exception:
            pass        # the next call logs it, if there is memory then

    def over(self):
        """Record that all problems have ended."""
        if any(lasts for _, lasts in self._told.values()):
            self._told = {what: (when, False) for what, (when, _) in self._told.items()}
