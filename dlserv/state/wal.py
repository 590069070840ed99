"""Read SQLite's write-ahead log (https://sqlite.org/fileformat2.html#walformat) beyond a damaged frame.

SQLite stops there, but the frames behind were committed and flushed like those before.
"""

import os
import shutil
import struct
import sys

_HEADER = struct.Struct(">8I")      # magic, version, page size, number, two salts, two checksums
_FRAME = struct.Struct(">6I")       # page, pages after a commit or 0, two salts, two checksums
_ORDERS = {0x377f0682: "<", 0x377f0683: ">"}    # magic: of the checksums' words


def pages_behind(path, known):
    """Return {number: bytes} of the pages in intact commits after the first `known` frames."""
    pages, pending = {}, {}
    for _, number, is_commit, page in _frames(path, known):
        if page is None:
            continue        # damaged, or torn at the end
        pending[number] = page
        if is_commit:
            pages.update(pending)
            pending = {}
    return pages


def committed_frames(path):
    """Return how many frames there are up to the last commit before any damage, as SQLite counts."""
    count = 0
    for index, _, is_commit, page in _frames(path, 0):
        if page is None:
            break
        if is_commit:
            count = index + 1
    return count


def replay(path, pages, target):
    """Copy the database to `target` with these pages replaced, completely or not at all."""
    new = target + ".new"
    os.close(os.open(new, os.O_WRONLY | os.O_CREAT, 0o600))     # it may hold passwords
    shutil.copyfile(path, new)
    with open(new, "r+b") as file:
        for number, page in pages.items():
            file.seek((number - 1) * len(page))
            file.write(page)
    os.replace(new, target)


def _frames(path, begin):
    """Yield (index, page number, is a commit, page) from frame `begin` on.

    The page is None if the frame is damaged or left over from an older log; a damaged header is such
    a frame before all others.
    """
    try:
        with open(path, "rb") as file:
            data = file.read()
    except FileNotFoundError:
        return
    if len(data) <= _HEADER.size + _FRAME.size:
        return
    order, size, salts, seed, is_whole = _read_header(data)
    if not is_whole:
        yield -1, 0, False, None
    for index, at in enumerate(range(_HEADER.size, len(data) - size - _FRAME.size + 1, _FRAME.size + size)):
        number, commits, *found, first, second = _FRAME.unpack_from(data, at)
        before, seed = seed, (first, second)
        if index >= begin:
            page = data[at + _FRAME.size:at + _FRAME.size + size]
            is_intact = found == salts and _checksum(data[at:at + 8] + page, order, before) == seed
            yield index, number, bool(commits), page if is_intact else None


def _read_header(data):
    """Return (byte order of the checksums, page size, salts, checksum, is the header intact)."""
    magic, _, size, _, *salts, first, second = _HEADER.unpack_from(data)
    order = _ORDERS.get(magic, "<" if sys.byteorder == "little" else ">")
    is_whole = magic in _ORDERS and _checksum(data[:24], order, (0, 0)) == (first, second)
    if not is_whole:        # use the first frame's
        size, salts = size if _is_page_size(size) else 4096, list(_FRAME.unpack_from(data, 32)[2:4])
    return order, size, salts, (first, second), is_whole


def _is_page_size(size):
    return 512 <= size <= 65536 and not size & (size - 1)


def _checksum(data, order, seed):
    words = struct.unpack("%s%dI" % (order, len(data) // 4), data)
    first, second = seed
    for one, other in zip(words[::2], words[1::2]):
        first = (first + one + second) & 0xffffffff
        second = (second + other + first) & 0xffffffff
    return first, second
