"""A database in one file, a journal of commits.

Appending a frame with a checksum each second neither wears out a flash disk nor risks the file. A
journal twice the size of its records is rewritten atomically.
"""

import contextlib
import os
import struct
from binascii import crc32      # zlib's, and there without it

from ..fs import sync_folder
from .mapping import DamagedFile, Mapping, open_private

MAGIC = b"dlserv journal\n\0"
MARK = b"\xd1FRM"
_FRAME = struct.Struct(">4sII")
_ENTRY = struct.Struct(">II")
_DELETED = 0xffffffff


class JournalMapping(Mapping):
    """All records in memory, journalled to one file. Raise OSError.

    The file is MAGIC and frames; a frame is MARK, the payload's length and CRC-32, and the
    payload: one commit's changes, each a key's and a value's length (_DELETED for a deleted
    key), the key, the value. A frame that a crash cut short is ignored.
    """

    kind = "file"

    SLACK = 2 ** 18         # bytes the journal may waste before it is rewritten

    def __init__(self, path):
        super().__init__(path)
        self._memory, self._live, self._must_rewrite = {}, 0, False
        self._file = self._open()
        try:
            self._read()
        except BaseException:
            self._file.close()
            raise

    def _open(self):
        file = open(self._path, "r+b", buffering=0)
        self._status = os.fstat(file.fileno())      # FAT and FUSE may renumber a closed file
        return file

    def _read(self):
        data = self._file.read()
        self._end = len(MAGIC)
        if not data:
            self._file.write(MAGIC)
        for start, end, changes in frames(data):
            if start != self._end:
                raise DamagedFile(f"bytes {self._end} to {start} of it are damaged")
            self._remember(changes)
            self._end = end

    def _stored(self, key):
        return self._memory.get(key)

    def _stored_keys(self):
        return list(self._memory)

    def _save(self, changes, durable):
        if self._must_rewrite:
            self._rewrite()
        if self._file.closed:       # a rewrite failed to reopen it
            self._file = self._open()
        try:
            self._append(encode(changes), durable)
        except (OSError, MemoryError):
            self._cut()
            raise
        self._remember(changes)
        if self._end > 2 * self._live + self.SLACK:
            with contextlib.suppress(OSError):      # the longer journal is complete too
                self._rewrite()

    def _cut(self):
        """Remove a frame whose write failed, because a refused change must not take effect later."""
        try:
            os.ftruncate(self._file.fileno(), self._end)
            os.fsync(self._file.fileno())
        except OSError:
            self._must_rewrite = True

    def _append(self, frame, durable):
        self._file.seek(self._end)
        view = memoryview(frame)
        while view:
            view = view[self._file.write(view):]
        if durable:
            try:
                os.fsync(self._file.fileno())
            except OSError:
                self._must_rewrite = True   # earlier frames may be lost too
                raise
        self._end += len(frame)

    def _remember(self, changes):
        for key, value in changes.items():
            self._live -= self._weight(key, self._memory.pop(key, None))
            if value is not None:
                self._memory[key] = value
                self._live += self._weight(key, value)

    def _weight(self, key, value):
        return 0 if value is None else _ENTRY.size + len(key) + len(value)

    def _rewrite(self):
        status = _write_new(self._path, self._memory.items())
        self._file.close()
        try:
            os.replace(self._path + ".new", self._path)
            self._status, self._end = status, status.st_size
            sync_folder(self._path)
            self._must_rewrite = False
        finally:
            self._file = self._open()

    def close(self):
        self._file.close()


def frames(data):
    """Yield (start, end, changes) of every intact frame, wherever it is."""
    position = data.find(MARK)
    while position >= 0:
        changes, end = _frame(data, position)
        if changes is not None:
            yield position, end, changes
        position = data.find(MARK, end)


def _frame(data, position):
    begin = position + _FRAME.size
    try:
        _, length, checksum = _FRAME.unpack_from(data, position)
        payload = data[begin:begin + length]
        if len(payload) == length and crc32(payload) == checksum:
            return dict(_entries(payload)), begin + length
    except struct.error:
        pass
    return None, position + 1


def _entries(payload):
    position = 0
    while position < len(payload):
        key_size, value_size = _ENTRY.unpack_from(payload, position)
        position += _ENTRY.size + key_size
        key, value = payload[position - key_size:position], None
        if value_size != _DELETED:
            value = payload[position:position + value_size]
            position += value_size
        yield key, value


def encode(changes):
    """Return the frame of one commit."""
    payload = b"".join(
        _ENTRY.pack(len(key), _DELETED if value is None else len(value)) + key + (value or b"")
        for key, value in changes.items())
    return _FRAME.pack(MARK, len(payload), crc32(payload)) + payload


def last_values(data):
    """Return {key: its last value, or None} of the intact frames in a journal."""
    last = {}
    for _, _, changes in frames(data):
        last.update(changes)
    return last


def write_journal(path, items):
    """Replace the file atomically by a journal of these (key, value). Raise OSError."""
    _write_new(path, items)
    os.replace(path + ".new", path)
    sync_folder(path)


def _write_new(path, items):
    """Write and flush the journal to path.new; return its os.stat_result."""
    with open(path + ".new", "wb", opener=open_private) as file:
        file.write(MAGIC)
        file.writelines(encode(dict([item])) for item in items)
        file.flush()
        os.fsync(file.fileno())
        return os.fstat(file.fileno())
