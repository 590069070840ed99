"""Counters of the interface itself; metrics.py shows them."""

import threading
import time
from collections import Counter


class Counters:
    """Counters of the replies; `started` is the time of their start in epoch seconds."""

    def __init__(self):
        self.started = round(time.time(), 3)
        self._lock = threading.Lock()
        self._replies = Counter()       # HTTP status: number of replies
        self._seconds, self._requests = 0.0, 0

    def count(self, status, seconds=None):
        """Count a reply with this HTTP status, after `seconds` of work if it was a request."""
        with self._lock:
            self._replies[status] += 1
            if seconds is not None:
                self._seconds += seconds
                self._requests += 1

    def read(self):
        """Return ({HTTP status: number of replies}, seconds of work, requests)."""
        with self._lock:
            return dict(self._replies), self._seconds, self._requests
