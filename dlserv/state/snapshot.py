"""The copy of a day: what the database held, in a second file that nothing else touches.

It is a journal as journal.JournalMapping reads it, whatever the database is made of, and
replaces the one before it atomically. No threads here: the store's calls it.
"""

import logging
import os
import time

from .journal import JournalMapping, write_journal

DAY = 86400.0
MARK = b"fact/snapshot"     # the record by which database and snapshot know each other
FIRST = 60.0            # seconds before the first one, so that there is something in it
AGAIN = 3600.0          # seconds after which one that failed is tried again

log = logging.getLogger(__name__)


class Snapshot:
    """The one of the database at `path`; `clock` gives epoch seconds."""

    def __init__(self, path, clock=time.time):
        self.path, self._clock = path + ".snapshot", clock
        try:
            self.made = os.stat(self.path).st_mtime
        except OSError:
            self.made = None        # epoch seconds
        self._next = clock() + FIRST if self.made is None else self.made + DAY

    def due_in(self):
        """Seconds until the next is to be made; 0 where the last is from the future."""
        left = self._next - self._clock()
        return max(0.0, left) if left <= DAY else 0.0

    def due_at_the_end(self):
        return self.made is None or self.due_in() == 0

    def make(self, items):
        """Put these (key, value) in its place; gives whether that could be done, else it is logged."""
        now = self._clock()
        try:
            write_journal(self.path, items)
            os.utime(self.path, (now, now))
        except Exception as error:      # a damaged record too: the last copy may have it whole
            self._next = now + AGAIN
            log.warning("the snapshot of the database cannot be made: %s", error)
            return False
        self.made, self._next = now, now + DAY
        return True

    def set_aside(self):
        """Keep it under a name with its date, which is given: the database it is of is gone."""
        aside = "%s-%s" % (self.path, time.strftime("%Y%m%d-%H%M%S", time.localtime(self.made)))
        os.replace(self.path, aside)
        self.made = None
        return aside

    def is_older_than(self, mapping):
        """Whether the database, as it is, has lived through the making of it."""
        mark = self.read().get(MARK)
        return mark is None or mapping.get(MARK) == mark

    def read(self):
        """{key: value} of what is whole in it; empty if there is none."""
        found = {}
        try:
            with open(self.path, "rb") as file:
                data = file.read()
        except OSError as error:
            if self.made is not None:
                log.error("the snapshot of the database cannot be read: %s", error)
            return found
        for _, _, changes in JournalMapping.frames(data):
            found.update(changes)
        return found
