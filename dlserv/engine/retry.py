"""When a failed attempt is made again: backoff, Retry-After, and when to give up. Pure."""

import random
from collections import namedtuple

LONGEST_WAIT = 600.0            # seconds of backoff at most
LONGEST_RETRY_AFTER = 3600.0    # of what a server may ask for

TEMPORARY = frozenset((408, 425, 429, 500, 502, 503, 504))


class Policy(namedtuple("Policy", "retries wait")):
    """`retries` tries after a failure, the first after about `wait` seconds."""

    __slots__ = ()

    def delay(self, failures, retry_after=None, chance=random.random):
        """Seconds until the try after the `failures`th failure in a row, or None to give up.

        Exponential with jitter, so that many tasks do not come back at the same moment;
        never before the server said.
        """
        if failures > self.retries:
            return None
        backoff = min(LONGEST_WAIT, self.wait * 2.0 ** min(failures - 1, 16))
        backoff *= 0.75 + 0.5 * chance()
        return max(backoff, min(retry_after or 0, LONGEST_RETRY_AFTER))
