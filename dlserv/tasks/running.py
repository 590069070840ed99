"""The table of attempts under way: a task is running if it is here."""

from collections import Counter

from ..engine.meter import SpeedHistory


class Running:
    """Attempts by the tid of their tasks, the oldest first; a cancelled one is here until it has ended.

    Only the runner changes it, with the registry's lock held; a task may look up its own
    attempt without.
    """

    def __init__(self):
        self._attempts = {}
        self._received = 0          # bytes that ended attempts have brought
        self._history = SpeedHistory()

    def __iter__(self):
        return iter(list(self._attempts.values()))

    def begin(self, attempt):
        """Put the attempt in."""
        if not self._attempts:      # else the speed is noted every second
            self.note_speed()
        self._attempts[attempt.tid] = attempt

    def end(self, attempt):
        """Take the attempt out."""
        if self.is_latest(attempt):
            del self._attempts[attempt.tid]
        self._received += attempt.download.file.received
        if not self._attempts:
            self.note_speed()

    def of(self, task):
        """Return the task's attempt, or None."""
        attempt = self._attempts.get(task.tid)
        return attempt if attempt is not None and attempt.task is task else None

    def is_latest(self, attempt):
        """Return whether no newer attempt has taken its place."""
        return self._attempts.get(attempt.tid) is attempt

    def slots(self):
        """Return {endpoint: how many tasks of it have a slot}, a Counter; a cancelled attempt has none."""
        return Counter(attempt.endpoint for attempt in self._attempts.values() if not attempt.cancelled)

    def totals(self):
        """Return (bytes received since the start, bytes/s now, open connections)."""
        downloads = [attempt.download for attempt in self]
        return (self._bytes(), sum(download.speed for download in downloads),
                sum(download.connections for download in downloads))

    def _bytes(self):
        return self._received + sum(attempt.download.file.received for attempt in self)

    def note_speed(self):
        """Note the bytes received so far, for the history."""
        self._history.note(self._bytes())

    def speed_history(self):
        """Return {"every": seconds, "speed": [bytes/s in each, the oldest first]} of the last ten minutes."""
        self.note_speed()
        return {"every": self._history.EVERY, "speed": self._history.speeds()}
