"""Digests: what a file should hash to, and what it does."""

import hashlib
from collections import namedtuple

from ..errors import Permanent

_PIECE = 2 ** 20


class Checksum(namedtuple("Checksum", "algorithm digest")):
    """An algorithm's name as in `sha-256` and a digest in lower-case hex."""

    __slots__ = ()

    @classmethod
    def parse(cls, text):
        """From "sha-256=<hex>" as options.check_checksum leaves it."""
        return cls(*text.split("="))

    def __str__(self):
        return "%s=%s" % self


def hasher(algorithm):
    """A hashlib object. Raises Permanent where this Python was built without it."""
    try:
        return hashlib.new(algorithm.replace("-", ""))
    except ValueError:
        raise Permanent("this Python cannot compute %s" % algorithm) from None


def of_file(algorithm, part, size, stop):
    """The Checksum of the first `size` bytes of the part file; Stopped if told to stop."""
    digest, position = hasher(algorithm), 0
    while position < size:
        stop.check()
        piece = part.read(min(_PIECE, size - position), position)
        if not piece:
            break
        digest.update(piece)
        position += len(piece)
    return Checksum(algorithm, digest.hexdigest())
