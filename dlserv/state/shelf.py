"""A shelf of plain records: dicts of plain data, pickled in one format on every Python."""

import io
import pickle
import shelve
import zlib

PROTOCOL = 4            # of pickle, which every Python has


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module, name):
        raise pickle.UnpicklingError("a record names %s.%s" % (module, name))


class Shelf(shelve.Shelf):
    """A shelf of one pickle format on every Python, closed to anything but plain data.

    A CRC-32 follows each pickle, where shelve.open does not look.
    """

    def __init__(self, mapping):
        super().__init__(mapping, protocol=PROTOCOL)

    def __getitem__(self, key):
        return unpack(self.dict[key.encode(self.keyencoding)])

    def __setitem__(self, key, record):
        self.dict[key.encode(self.keyencoding)] = pack(record)


def pack(record):
    """Return the record as bytes: its pickle and the CRC-32 of that."""
    value = pickle.dumps(record, protocol=PROTOCOL)
    return value + _crc(value)


def unpack(value):
    """Return the record of these bytes. Raise pickle.UnpicklingError, or whatever a damaged one causes."""
    # The checksum first: a damaged pickle may ask for gigabytes. shelve.open writes none.
    whole = _crc(value[:-4]) == value[-4:]
    file = io.BytesIO(value[:-4] if whole else value)
    if not whole and not value.endswith(pickle.STOP):
        raise pickle.UnpicklingError("its checksum does not match")
    record = _PlainUnpickler(file).load()
    if file.read():
        raise pickle.UnpicklingError("its checksum does not match")
    if not isinstance(record, dict):
        raise pickle.UnpicklingError("it is not a record")
    return record


def _crc(value):
    return zlib.crc32(value).to_bytes(4, "big")
