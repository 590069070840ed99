"""When to try again."""

import random

from ..net.host_limits import LONGEST_RETRY_AFTER

LONGEST_WAIT = 600.0            # seconds of backoff, before jitter


def delay(failures, retries, wait, retry_after=None, chance=random.random):
    """Return the seconds to wait after `failures` in a row; None after `retries`.

    Backoff is exponential, with jitter, so that tasks do not all retry at once.
    """
    if failures > retries:
        return None
    backoff = min(LONGEST_WAIT, wait * 2.0 ** min(failures - 1, 16))
    backoff *= 0.75 + 0.5 * chance()
    return max(backoff, min(retry_after or 0, LONGEST_RETRY_AFTER))
