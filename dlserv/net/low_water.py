"""Choose how many bytes must arrive before a wait for a body ends.

A network delivers packets of 1,500 bytes, and waking up for every few of them costs more than
moving them. So a wait for a body ends once a tenth of a second's worth of bytes has arrived
(the socket's low-water mark, SO_RCVLOWAT in socket(7)), after a second at the latest.
"""

import os
import time

SECONDS = 0.1           # worth of bytes to wait for
LONGEST_WAIT = 1.0      # seconds
LEAST, MOST = 2 ** 14, 2 ** 19          # bytes; the kernel reserves twice as many
SMALL_MACHINE, MOST_THERE = 2 ** 28, 2 ** 17    # bytes of memory; the highest mark there
BESIDE_A_RECORD = 2 ** 14 + 2 ** 9      # bytes of an incomplete record that TLS may hold


class LowWater:
    """The mark of one connection, which follows its speed; `most` is the highest, in bytes."""

    def __init__(self, most=None, clock=time.monotonic):
        self._most, self._clock = most, clock
        self._rate, self._count, self._since = 0.0, 0, clock()

    def moved(self, count):
        self._count += count
        elapsed = self._clock() - self._since
        if elapsed >= SECONDS:
            rate = self._count / elapsed
            self._rate = (self._rate + rate) / 2 if self._rate else rate
            self._count, self._since = 0, self._clock()

    def mark(self, certain):
        """Return how many bytes to wait for; `certain` are still to come."""
        self._most = self._most or _most_here()
        return min(self._most, max(LEAST, int(self._rate * SECONDS)), certain)

    def pause(self, mark):
        """Return the seconds to sleep where sockets have no low-water mark."""
        return min(SECONDS, mark / self._rate) if self._rate else 0.0


def _most_here():
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return MOST_THERE
    return MOST if memory > SMALL_MACHINE else MOST_THERE
