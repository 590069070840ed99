"""The common base of both kinds of database, sqlite.py and journal.py."""

import os
from collections.abc import MutableMapping

from ..fs import sync_folder


class DamagedFile(OSError):
    """The bytes of a database are wrong, not merely unreadable now."""


class Mapping(MutableMapping):
    """A mapping of bytes to bytes in a private file; changes are held back until `commit` writes all or none.

    A subclass has a `kind`, "sqlite" or "file", and `_stored(key)`, `_stored_keys()`,
    `_save(changes, durable)` and `close()`.
    """

    def __init__(self, path):
        if not os.path.exists(path):
            os.close(open_private(path, os.O_RDWR | os.O_CREAT))
            sync_folder(path)
        self._path, self._status, self._pending = path, os.stat(path), {}

    def __getitem__(self, key):
        value = self._pending[key] if key in self._pending else self._stored(key)
        if value is None:
            raise KeyError(key)
        return value

    def __setitem__(self, key, value):
        self._pending[key] = value

    def __delitem__(self, key):
        self[key]
        self._pending[key] = None

    def __iter__(self):
        kept = [key for key in self._stored_keys() if key not in self._pending]
        return iter(kept + [key for key, value in self._pending.items() if value is not None])

    def __len__(self):
        return sum(1 for _ in self)

    def commit(self, durable):
        """Write the changes. A durable commit makes earlier relaxed ones durable too."""
        if self._pending:
            self._save(self._pending, durable)
            self._pending = {}

    def roll_back(self):
        """Forget the changes since the last commit."""
        self._pending = {}

    def check(self):
        """Raise DamagedFile or sqlite3.DatabaseError if the stored bytes are damaged."""

    def is_in_place(self):
        """Return whether the file was neither moved nor deleted."""
        try:
            return os.path.samestat(os.stat(self._path), self._status)
        except OSError:
            return False


def open_private(path, flags):
    """Open the file, with mode 0600 if that creates it; an opener for `open`."""
    return os.open(path, flags | getattr(os, "O_CLOEXEC", 0), 0o600)
