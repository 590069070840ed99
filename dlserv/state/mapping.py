"""What both kinds of database have in common: changes are held back until a commit.

A mapping of bytes to bytes with the dbm interface, as shelve.Shelf wants it, that adds
`commit(durable)` and `roll_back()`. sqlite.py and journal.py say where a commit goes.
"""

import os
from collections.abc import MutableMapping

from ..fs import sync_folder


class DamagedFile(OSError):
    """The bytes of a database are wrong, not merely out of reach."""


class Mapping(MutableMapping):
    """Changes are held back until `commit`, which writes them as one or not at all."""

    def __init__(self):
        self._pending = {}

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
        """Write what has changed. A durable commit takes the relaxed ones before it along."""
        if self._pending:
            self._save(self._pending, durable)
            self._pending = {}

    def roll_back(self):
        """Forget what was not committed."""
        self._pending = {}

    def check(self):
        """Raise if the stored bytes are damaged."""

    def is_in_place(self):
        """Whether what is written still comes under the path it was opened by."""


def create_private(path):
    """Make the file with mode 0600 if there is none."""
    if not os.path.exists(path):
        os.close(open_private(path, os.O_RDWR | os.O_CREAT))
        sync_folder(path)


def open_private(path, flags):
    """Return a descriptor of the file, for its owner alone if it is made; an opener for `open`."""
    return os.open(path, flags | getattr(os, "O_CLOEXEC", 0), 0o600)


def is_at(path, status):
    """Return True if the file of this os.stat_result is the one under the path."""
    try:
        return os.path.samestat(os.stat(path), status)
    except OSError:
        return False
