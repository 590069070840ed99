"""The cost of a text in CPU time, on a machine that others use too."""

import gc
import time

LITTLE, MUCH = 0.05, 0.5    # seconds
TRIES = 6


def is_cheap(work, text, clock=time.thread_time):
    """Return whether `work(text)` is short, or on a slow machine at least linear.

    Linear means that a quarter of the text takes more than an eighth of the time; a quadratic
    parser would take a sixteenth, so that it is enough to see it work on a quarter that takes little.
    """
    quarter = text[:len(text) // 4] + text[-1:]
    if least_seconds(work, quarter, clock, tries=1) < LITTLE / 16:
        return True
    least = least_seconds(work, text, clock)
    if least < LITTLE:
        return True
    return least < MUCH and least < 8 * least_seconds(work, quarter, clock, enough=0)


def least_seconds(work, text, clock=time.thread_time, enough=LITTLE, tries=TRIES):
    """Return the least CPU time of some tries, of which the first that is short enough is the last."""
    least = float("inf")
    gc.disable()        # what other tests have left is no cost of this
    try:
        for _ in range(tries):
            began = clock()
            work(text)
            least = min(least, clock() - began)
            if least < enough:
                break
    finally:
        gc.enable()
    return least
