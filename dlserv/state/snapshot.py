"""A daily copy of a database of either kind, as a journal, which replaces the previous one atomically."""

import logging
import os
import time

from .journal import last_values, write_journal

DAY = 86400.0
MARK = b"fact/snapshot"     # the record that is equal in a snapshot and in its database
FIRST = 60.0            # seconds before the first snapshot, so that it is not empty
AGAIN = 3600.0          # seconds until a failed snapshot is tried again

log = logging.getLogger(__name__)


class Snapshot:
    """The snapshot of the database at `path`; `clock` returns epoch seconds."""

    def __init__(self, path, clock=time.time):
        self.path, self._clock = path + ".snapshot", clock
        try:
            self.made = os.stat(self.path).st_mtime
        except OSError:
            self.made = None        # epoch seconds, or None if there is no snapshot
        self._next = clock() + FIRST if self.made is None else self.made + DAY

    def due_in(self):
        """Return the seconds until the next snapshot is due; 0 if the last is dated in the future."""
        left = self._next - self._clock()
        return max(0.0, left) if left <= DAY else 0.0

    def make(self, items):
        """Replace the snapshot by these (key, value); log a failure. Return whether it succeeded."""
        now = self._clock()
        try:
            write_journal(self.path, items)
            os.utime(self.path, (now, now))
        except Exception as error:      # a damaged record too, which the last copy may have intact
            self._next = now + AGAIN
            log.warning("the snapshot of the database cannot be written: %s", error)
            return False
        self.made, self._next = now, now + DAY
        return True

    def set_aside(self):
        """Put the date into the snapshot's name, because its database is missing; return the path."""
        aside = f"{self.path}-{time.strftime('%Y%m%d-%H%M%S', time.localtime(self.made))}"
        os.replace(self.path, aside)
        self.made = None
        return aside

    def is_older_than(self, mapping):
        """Return whether the snapshot is no newer than the database, which has its MARK."""
        mark = self.read().get(MARK)
        return mark is None or mapping.get(MARK) == mark

    def read(self):
        """Return {key: value} of the intact records; {} if there is no snapshot."""
        try:
            with open(self.path, "rb") as file:
                return last_values(file.read())
        except OSError as error:
            if self.made is not None:
                log.error("the snapshot of the database cannot be read: %s", error)
            return {}
