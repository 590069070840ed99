"""Free memory goes back to the system, where the C library would keep it for later."""

import gc
import sys


def give_back():
    """Return what is free to the system, as far as that can be done here."""
    gc.collect()
    if sys.platform != "linux":
        return
    try:
        import ctypes
        ctypes.CDLL(None).malloc_trim(0)
    except (ImportError, OSError, AttributeError):
        pass        # a small box lacks ctypes, and musl has no such function
