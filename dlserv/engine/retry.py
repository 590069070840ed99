"""When to try again."""

import random
from collections import namedtuple

from ..net.host_limits import LONGEST_RETRY_AFTER

LONGEST_WAIT = 600.0            # seconds of backoff, before jitter


class Policy(namedtuple("Policy", "retries wait")):
    """At most `retries` further attempts, the first after about `wait` seconds."""

    __slots__ = ()

    def delay(self, failures, retry_after=None, chance=random.random):
        """Return the seconds to wait after `failures` in a row, or None to give up.

        Backoff is exponential, with jitter, so that tasks do not all retry at once.
        """
        if failures > self.retries:
            return None
        backoff = min(LONGEST_WAIT, self.wait * 2.0 ** min(failures - 1, 16))
        backoff *= 0.75 + 0.5 * chance()
        return max(backoff, min(retry_after or 0, LONGEST_RETRY_AFTER))
