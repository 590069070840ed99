"""The checksums that a file must match, "sha-256=<lower-case hex>", and hashing it while it arrives."""

import contextlib
import threading

from ..digests import hashlib_name, load_hashlib
from ..errors import Permanent, Unwritable, WrongBytes
from ..threads import Flag, begin, join

_PIECE = 2 ** 20
WORTH_A_THREAD = 2 ** 24    # bytes; a smaller file is hashed when it is complete


class Promises:
    """The checksums that `file`, an Unfinished, must match: the task's (`given`), and the server's.

    `given` may change at any time; `always` adds the SHA-256. `announced` vouches for mirrors.
    """

    announced = None

    def __init__(self, file, given, always):
        self._file, self.given, self._always = file, given, always
        self._verifier = None

    def follow(self):
        wanted = self._algorithms()
        if self._verifier is None or not self._verifier.suits(wanted, self._file):
            self.drop()
            self._verifier = Verifier(wanted, self._file)

    def drop(self):
        if self._verifier is not None:
            self._verifier.stop()
            self._verifier = None

    def are_kept_by(self, checksum):
        """Return whether this known checksum satisfies all promises."""
        return checksum is not None and all(each == checksum for each in self._promises())

    def verify(self, stop):
        """Return the checksum to record, or None. Raise WrongBytes unless all promises are kept."""
        self.follow()
        found = self._verifier.finish(self._file.segments.total, stop)
        self._verifier = None
        promises = self._promises()
        if not set(map(algorithm_of, promises)) <= set(found):      # `given` has changed meanwhile
            return self.verify(stop)
        for promise in promises:
            mine = found[algorithm_of(promise)]
            if mine != promise:
                raise WrongBytes(f"the checksum does not match: expected {promise}, found {mine}")
        mine, hint = found.get("md5"), self._file.resource.content_md5      # which is often wrong
        if mine and hint and mine != hint:
            self._file.warn(f"the server's Content-MD5 does not match the file: expected {hint}, found {mine}")
        return found.get("sha-256") or next(iter(found.values()), None)

    def _algorithms(self):
        wanted = [algorithm_of(each) for each in self._promises()] + ["sha-256"] * self._always
        if self._file.resource.content_md5:
            with contextlib.suppress(Permanent):        # missing here
                _hasher("md5")
                wanted.append("md5")
        return dict.fromkeys(wanted)

    def _promises(self):
        told = [self.given, self._file.resource.digest, self.announced]
        return [each for each in dict.fromkeys(told) if each]


class Verifier:
    """Hashes an Unfinished with all `algorithms` in one pass, a large one in a thread while it arrives.

    Raise Permanent if an algorithm is missing here.
    """

    PAUSE, LONG_PAUSE = 0.2, 1.0        # seconds between checks for new bytes

    def __init__(self, algorithms, file):
        self._hashes = {name: _hasher(name) for name in algorithms}
        self._part, self._segments = file.part, file.segments
        self._position, self._error, self._thread = 0, None, None
        if self._hashes and (file.resource.total or 0) >= WORTH_A_THREAD:
            self._end = Flag()
            self._thread = begin(self._run, threading.current_thread().name + "-hash")

    def suits(self, algorithms, file):
        return set(algorithms) <= set(self._hashes) and self._segments is file.segments

    def finish(self, size, stop):
        """Return {algorithm: checksum} of the first `size` bytes. Raise Stopped or LocalError."""
        self.stop()
        if self._error is not None:
            raise self._error
        while self._position < size and self._hashes:
            stop.check()
            self._advance(size)
        return _checksums(self._hashes)

    def stop(self):
        if self._thread is not None:
            self._end.set()
            join(self._thread)

    def _run(self):
        pause = self.PAUSE
        try:
            while not self._end.wait(pause):
                before, here = self._position, self._segments.here(0)
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
    """Return {algorithm: checksum} of the rest of an open file; call `check()` before each MiB.

    Raise OSError, or Permanent if an algorithm is missing here.
    """
    hashes = {name: _hasher(name) for name in algorithms}
    buffer = memoryview(bytearray(_PIECE))
    while True:
        check()
        count = file.readinto(buffer)
        if not count:
            return _checksums(hashes)
        for digest in hashes.values():
            digest.update(buffer[:count])


def algorithm_of(checksum):
    return checksum.partition("=")[0]


def _checksums(hashes):
    return {name: f"{name}={digest.hexdigest()}" for name, digest in hashes.items()}


def _hasher(algorithm):
    hashlib = load_hashlib()
    try:
        return hashlib.new(hashlib_name(algorithm))
    except ValueError:
        raise Permanent(f"this Python cannot compute {algorithm}", word="checksum") from None
