"""Give free memory back to the system. (How much the machine has is read by net/low_water.py.)"""

import gc
import sys


def give_back():
    """Hand the process's unused memory back to the system, where the platform allows it."""
    gc.collect()
    if sys.platform != "linux":
        return
    try:
        import ctypes
        ctypes.CDLL(None).malloc_trim(0)
    except (ImportError, OSError, AttributeError):
        pass        # a small box lacks ctypes, and musl has no such function
