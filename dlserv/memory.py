"""Keep the C library from holding on to free memory. (net/low_water.py reads how much the machine has.)"""

import gc
import sys

_M_TRIM_THRESHOLD, _M_ARENA_MAX = -1, -8    # of mallopt(3)


def hold_little():
    """Share one arena among all threads, with at most 1 MiB free at its end; call it before the second thread.

    Else each arena keeps its free memory from the others, and twice the largest block that was ever freed.
    """
    _call("mallopt", _M_ARENA_MAX, 1)
    _call("mallopt", _M_TRIM_THRESHOLD, 2 ** 20)


def give_back():
    """Hand unused memory back to the system, where the platform allows it."""
    gc.collect()
    _call("malloc_trim", 0)


def _call(name, *numbers):
    if sys.platform != "linux":
        return
    try:
        import ctypes
        getattr(ctypes.CDLL(None), name)(*numbers)
    except (ImportError, OSError, AttributeError):
        pass        # a small box lacks ctypes, and musl has no such functions
