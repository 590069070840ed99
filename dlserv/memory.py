"""Keep the C library from holding on to free memory. (net/low_water.py reads how much the machine has.)"""

import gc
import sys

_M_ARENA_MAX = -8       # of mallopt(3)


def share_one_arena():
    """Let all threads share an arena, else one's free memory is lost to the others; call it before the second."""
    _call("mallopt", _M_ARENA_MAX, 1)


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
