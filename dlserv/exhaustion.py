"""Recognising errors that mean a limit of the system, which passes by itself: open files, memory, threads."""

import errno
import re
import socket

from .errors import Exhausted

_NO_MORE_FILES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS)
# Phrases of glibc and musl about a library that cannot be loaded now.
_NO_FILES_TO_LOAD = re.compile("(?i)too many open files|no file descriptors available")
_NO_MEMORY_TO_LOAD = re.compile("(?i)failed to map segment|cannot allocate memory(?! in static)|out of memory")


def exhaustion_in(error):
    """Return an Exhausted if the error or one of its causes is such a limit, else None."""
    while isinstance(error, Exception):
        if isinstance(error, Exhausted):
            return error
        if _is_out_of_files(error):
            return Exhausted()
        if _is_out_of_memory(error):
            return Exhausted("memory")
        if isinstance(error, RuntimeError) and "start new thread" in str(error):
            return Exhausted("threads")
        error = error.__cause__
    return None


def _is_out_of_files(error):
    return (isinstance(error, OSError) and error.errno in _NO_MORE_FILES
            or _cannot_load(error, _NO_FILES_TO_LOAD))


def _is_out_of_memory(error):
    return (isinstance(error, MemoryError)
            or isinstance(error, SystemError)       # CPython raises it on some failed allocations
            or isinstance(error, RuntimeError) and str(error) == "can't allocate lock"
            or isinstance(error, socket.gaierror) and error.errno == getattr(socket, "EAI_MEMORY", None)
            or isinstance(error, OSError) and error.errno == errno.ENOMEM
            or getattr(error, "reason", None) == "MALLOC_FAILURE"       # an ssl.SSLError's
            or _cannot_load(error, _NO_MEMORY_TO_LOAD))


def _cannot_load(error, reason):
    return isinstance(error, ImportError) and reason.search(str(error)) is not None


def check_missing(error):
    """Raise Exhausted if such a limit led to the ImportError; else this Python lacks the module."""
    exhausted = exhaustion_in(error)
    if exhausted is not None:
        raise exhausted from error
