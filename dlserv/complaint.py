"""What the log tells once, however often it is met: a state that lasts, such as a lack of threads."""

import time


class Complaint:
    """Tells `log` of a state when it begins, and not again while it lasts, nor within QUIET seconds.

    Never raises: it is called where there may be no memory even for a line of the log.
    """

    QUIET = 60.0
    MOST = 20           # sentences that are remembered

    def __init__(self, log, clock=time.monotonic):
        self._log, self._clock = log, clock
        self._told = {}             # what was told -> (when, whether the state lasts)

    def tell(self, sentence, error=None):
        """Log the sentence, with the traceback of the error, unless that was told and may still be so."""
        try:
            what, now = (sentence, type(error), str(error)), self._clock()
            when, lasts = self._told.get(what, (None, False))
            if not lasts and (when is None or now - when >= self.QUIET):
                self._log.error("%s", sentence, exc_info=error)
                when = now
            self._told[what] = when, True
            if len(self._told) > self.MOST:
                self._told.clear()
        except Exception:
            pass        # it is told the next time, if there is memory then

    def over(self):
        """Take note that the state is over."""
        if any(lasts for _, lasts in self._told.values()):
            self._told = {what: (when, False) for what, (when, _) in self._told.items()}
