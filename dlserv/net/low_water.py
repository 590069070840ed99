"""How many bytes a wait for a body lets arrive before it ends.

A line delivers packets of 1,500 bytes. A program that wakes up for each few of them spends
more on waking than on moving, so a wait for a body ends when a tenth of a second's worth of
bytes is there (the socket's low-water mark, SO_RCVLOWAT in socket(7)), and no later than
after a second. Pure, but for the amount of memory that it asks the system for once.
"""

import os
import time

SECONDS = 0.1           # worth of bytes that a wait lets arrive
LONGEST_WAIT = 1.0      # seconds until a wait ends with what is there
LEAST, MOST = 2 ** 14, 2 ** 19              # bytes; the kernel keeps twice as many for a socket
SMALL_MACHINE, MOST_THERE = 2 ** 28, 2 ** 17
BESIDE_A_RECORD = 2 ** 14 + 2 ** 9          # bytes that TLS may hold of a record that is not whole


class LowWater:
    """The mark of one connection; follows its speed. `most` is the highest mark in bytes."""

    def __init__(self, most=None, clock=time.monotonic):
        self._most, self._clock = most, clock
        self._rate, self._count, self._since = 0.0, 0, clock()

    def moved(self, count):
        """Note that `count` bytes were read."""
        self._count += count
        elapsed = self._clock() - self._since
        if elapsed >= SECONDS:
            rate = self._count / elapsed
            self._rate = (self._rate + rate) / 2 if self._rate else rate
            self._count, self._since = 0, self._clock()

    def mark(self, certain):
        """Return the bytes to wait for, of the `certain` ones that are still to come."""
        self._most = self._most or most_here()
        wanted = min(self._most, max(LEAST, int(self._rate * SECONDS)))
        return min(wanted, certain)

    def pause(self, mark):
        """Return the seconds that so many bytes take, for a system that has no such mark."""
        return min(SECONDS, mark / self._rate) if self._rate else 0.0


def most_here():
    """Return the highest mark for a machine with this much memory."""
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return MOST_THERE
    return MOST if memory > SMALL_MACHINE else MOST_THERE
