"""Compare a file that is there already with the one behind a URL: size, checksum and bytes.

The server is asked for the size and for samples all over the file; where a checksum is
known, the whole file is hashed instead. Whatever cannot be told counts as another file.
"""

import hashlib
import os

from .. import urls
from ..digests import hashlib_name
from ..engine.publish import choose_name
from ..engine.sources import Opener, Source
from ..errors import Error
from ..net.channel import Signal

SAMPLES, SAMPLE = 8, 2 ** 14        # how many, and bytes of each
PIECE = 2 ** 20


def find_whole(url, options, network, folder):
    """Return (the path that the URL's file has in `folder`, whether that file is there and whole).

    (None, False) if the server did not say. `options` are the task's effective ones.
    """
    stop = Signal()
    try:
        return _Remote(url, options, network, stop).look_into(folder)
    except Error:
        return None, False
    finally:
        stop.close()


class _Remote:
    """The file as its server has it."""

    def __init__(self, url, options, network, stop):
        url = urls.parse(url)
        self._options, self._source, self._opener = options, Source(url, url), Opener(options, network, stop)

    def look_into(self, folder):
        answer = self._source.open(self._opener)
        try:
            name = choose_name(self._options.filename, answer.resource)
            path = os.path.join(folder, self._options.dir, name)
            return path, self._is_whole(path, answer)
        finally:
            answer.stream.close()

    def _is_whole(self, path, answer):
        total = answer.resource.total
        if total is None or not os.path.isfile(path) or os.path.getsize(path) != total:
            return False
        if os.path.exists(path + ".aria2"):     # aria2 has not finished it
            return False
        try:
            with open(path, "rb") as file:
                return self._agrees(file, answer, total)
        except OSError:
            return False

    def _agrees(self, file, answer, total):
        promised = self._options.checksum or answer.resource.digest
        if promised:
            name, _, digest = promised.partition("=")
            return hash_of(file, name) == digest
        first = min(total, SAMPLES * SAMPLE)    # a small file is compared as a whole
        if _read(answer.stream, first) != file.read(first):
            return False
        answer.stream.close()
        step = (total - SAMPLE) // (SAMPLES - 1)
        return first == total or all(self._same_at(file, number * step) for number in range(1, SAMPLES))

    def _same_at(self, file, start):
        """Return whether the server's bytes from `start` on are the file's; False if it has no ranges."""
        answer = self._source.open(self._opener, start=start, end=start + SAMPLE)
        try:
            file.seek(start)
            return answer.status == 206 and _read(answer.stream, SAMPLE) == file.read(SAMPLE)
        finally:
            answer.stream.close()


def _read(stream, count):
    """Return `count` bytes of the stream, or what it has if that is less."""
    data = bytearray(count)
    view, here = memoryview(data), 0
    while here < count:
        more = stream.read_into(view[here:])
        if not more:
            break
        here += more
    return bytes(data[:here])


def hash_of(file, name):
    """Return the digest of an open file in hex; `name` is as in "sha-256"."""
    found = hashlib.new(hashlib_name(name))
    file.seek(0)
    for piece in iter(lambda: file.read(PIECE), b""):
        found.update(piece)
    return found.hexdigest()


def same_bytes(one, other):
    """Return whether two files have the same bytes."""
    import filecmp
    try:
        return os.path.isfile(other) and filecmp.cmp(one, other, shallow=False)
    except OSError:
        return False
