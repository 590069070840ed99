"""Keep the C library from holding on to free memory. (net/low_water.py reads how much the machine has.)

glibc makes an arena for each of many threads, and the free memory of one arena is of no use to the others.
"""

import gc
import sys

_M_ARENA_MAX = -8       # of mallopt(3)


def share_one_arena():
    """Let all threads allocate from one arena; call it before there is a second thread."""
    _call("mallopt", _M_ARENA_MAX, 1)


def give_back():
    """Hand the process's unused memory back to the system, where the platform allows it."""
    gc.collect()
    _call("malloc_trim", 0)


def _call(name, *numbers):
    """Call a function of glibc, if there is one of that name."""
    if sys.platform != "linux":
        return
    try:
        import ctypes
        getattr(ctypes.CDLL(None), name)(*numbers)
    except (ImportError, OSError, AttributeError):
        pass        # a small box lacks ctypes, and musl has no such functions
