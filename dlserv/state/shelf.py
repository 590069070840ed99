"""A shelf of dicts of plain data, pickled in the same format on every Python, with a CRC-32 behind.

Classes are not unpickled, so that a tampered database cannot execute code.
"""

import io
import pickle
import shelve
from binascii import crc32      # zlib's, and there without it

PROTOCOL = 4            # of pickle, which every Python has


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module, name):
        raise pickle.UnpicklingError(f"a record names {module}.{name}")


class Shelf(shelve.Shelf):
    """A shelf over a mapping of bytes to bytes."""

    def __getitem__(self, key):
        return unpack(self.dict[key.encode(self.keyencoding)])

    def __setitem__(self, key, record):
        self.dict[key.encode(self.keyencoding)] = pack(record)


def pack(record):
    value = pickle.dumps(record, protocol=PROTOCOL)
    return value + _crc(value)


def unpack(value):
    """Return the record in these bytes. Raise pickle.UnpicklingError, or anything for a damaged one."""
    # The CRC comes first: a damaged pickle may allocate gigabytes. shelve.open writes none, and ignores it.
    whole = _crc(value[:-4]) == value[-4:]
    file = io.BytesIO(value[:-4] if whole else value)
    record = _PlainUnpickler(file).load() if whole or value.endswith(pickle.STOP) else None
    if record is None or file.read():
        raise pickle.UnpicklingError("its checksum does not match")
    if not isinstance(record, dict):
        raise pickle.UnpicklingError("it is not a record")
    return record


def _crc(value):
    return crc32(value).to_bytes(4, "big")
