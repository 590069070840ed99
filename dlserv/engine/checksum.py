"""Checksums, and hashing a file during its download.

A `Verifier` hashes the contiguous bytes from the start in a thread of its own, and the rest
after the last byte has arrived.
"""

import threading
from collections import namedtuple

from ..digests import hashlib_name, load_hashlib
from ..errors import Permanent, Unwritable
from ..threads import Thread, join

_PIECE = 2 ** 20
WORTH_A_THREAD = 2 ** 24    # bytes; a smaller file is hashed when it is complete


class Checksum(namedtuple("Checksum", "algorithm digest")):
    """An algorithm's name as in `sha-256` and a digest in lower-case hex."""

    __slots__ = ()

    @classmethod
    def parse(cls, text):
        """Return the Checksum of "sha-256=<hex>", as options.check_checksum returns it."""
        return cls(*text.split("="))

    def __str__(self):
        return f"{self.algorithm}={self.digest}"


class Verifier:
    """Hashes a part file with all `algorithms` in one pass; `prefix()` returns its contiguous bytes.

    Raise Permanent if this Python lacks one of the algorithms.
    """

    PAUSE, LONG_PAUSE = 0.2, 1.0        # seconds between checks for new bytes

    def __init__(self, algorithms, part, prefix, total):
        self._hashes = {name: _hasher(name) for name in algorithms}
        self._part, self._prefix = part, prefix
        self._position, self._error = 0, None
        self._end = self._thread = None
        if self._hashes and total is not None and total >= WORTH_A_THREAD:
            self._begin()

    def _begin(self):
        self._end = threading.Event()
        try:
            self._thread = Thread(self._run, threading.current_thread().name + "-hash")
            self._thread.start()
        except (RuntimeError, MemoryError):     # no thread to be had; hash everything at the end
            self._thread = None

    @property
    def algorithms(self):
        return set(self._hashes)

    def finish(self, size, stop):
        """Return {algorithm: Checksum} of the first `size` bytes. Raise Stopped or LocalError."""
        self.stop()
        if self._error is not None:
            raise self._error
        while self._position < size and self._hashes:
            stop.check()
            self._advance(size)
        return {name: Checksum(name, digest.hexdigest()) for name, digest in self._hashes.items()}

    def stop(self):
        """End the thread."""
        if self._thread is not None:
            self._end.set()
            join(self._thread)
            self._thread = None

    def _run(self):
        pause = self.PAUSE
        try:
            while not self._end.wait(pause):
                before, here = self._position, self._prefix()
                while self._position < here and not self._end.is_set():
                    self._advance(here)
                pause = self.PAUSE if self._position - before > 4 * _PIECE else self.LONG_PAUSE
        except Exception as error:      # raised by `finish`
            self._error = error

    def _advance(self, end):
        piece = self._part.read(min(_PIECE, end - self._position), self._position)
        if not piece:
            raise Unwritable("the part file is shorter than the bytes written to it")
        for digest in self._hashes.values():
            digest.update(piece)
        self._position += len(piece)


def hash_file(file, algorithms, check):
    """Return {algorithm: Checksum} of a binary file, read from its position to its end.

    `check()` is called before each MiB and may raise to stop. Raise OSError, or Permanent if
    this Python lacks one of the algorithms.
    """
    hashes = {name: _hasher(name) for name in algorithms}
    buffer = memoryview(bytearray(_PIECE))
    while True:
        check()
        count = file.readinto(buffer)
        if not count:
            return {name: Checksum(name, digest.hexdigest()) for name, digest in hashes.items()}
        for digest in hashes.values():
            digest.update(buffer[:count])


def is_available(algorithm):
    """Return whether this Python has the algorithm."""
    try:
        return _hasher(algorithm) is not None
    except Permanent:
        return False


def _hasher(algorithm):
    hashlib = load_hashlib()
    try:
        return hashlib.new(hashlib_name(algorithm))
    except ValueError:
        raise Permanent(f"this Python cannot compute {algorithm}", word="checksum") from None
