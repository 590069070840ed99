"""Read the user's .netrc: logins and passwords by host.

The standard library's reader rejects the whole file for one odd word and, before Python 3.11,
does not accept a "#" in a password.
"""

import os
import re
import stat

from ..idn import comparable
from .auth import Credentials
from .head import unescaped
from .user_file import UserFile, is_clean, lines

_KEYS = {"machine": "machine", "login": "login", "user": "login", "password": "password",
         "passwd": "password", "account": "account"}
_KEYWORDS = frozenset(_KEYS) | {"default", "macdef"}
_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"|((?:[^\s\\]|\\.)+)')


class Netrc:
    """The .netrc at `path`, which may be None; the file need not exist."""

    def __init__(self, path):
        self._path, self._file = path, UserFile(parse, "entries of a netrc")

    def find(self, host):
        """Return the Credentials for the host, or None; a file that others can access is ignored."""
        try:
            status = os.stat(self._path) if self._path else None
            if status is None or _is_exposed(status):
                return None
            entries = self._file.read(self._path, status)
        except OSError:
            return None
        return entries.get(comparable(host)) or entries.get(None)


def _is_exposed(status):
    return hasattr(os, "getuid") and (status.st_uid != os.getuid()
                                      or stat.S_IMODE(status.st_mode) & 0o077 != 0)


def parse(text):
    """Return ({host, None for the default: Credentials}, numbers of the invalid lines).

    The first of several entries for a host counts, as in ftp(1) and curl.
    """
    entries, odd, entry = [], set(), None
    for number, key, value in _pairs(text):
        if key == "default" or (key == "machine" and value is not None):
            entry = {"line": number, "host": value and comparable(value)}
            entries.append(entry)
        elif key == "machine":
            entry = None        # a machine without a name: skip its keys
        elif entry is not None and key is not None:
            entry[key] = value
        if entry is None or key is None or (value is None and key != "default"):
            odd.add(number)
    found = {}
    for entry in entries:
        login, password = entry.get("login"), entry.get("password", "")
        if login is None or password is None or not is_clean(login + password):
            odd.add(entry["line"])
        else:
            found.setdefault(entry["host"], Credentials(login, password))
    return found, sorted(odd)


def _pairs(text):
    """Yield (line number, key, value), None for a missing value or an unknown word."""
    pending, in_macro = None, False
    for number, line in lines(text):
        in_macro = in_macro and bool(line.strip())
        for word in () if in_macro else map(_unquoted, _WORD.finditer(line)):
            if pending and (pending[0] == number or word not in _KEYWORDS):
                yield pending + (word,)
                pending = None
                continue
            if pending:
                yield pending + (None,)
                pending = None
            in_macro = word == "macdef"
            if in_macro or word.startswith("#"):
                break
            if word in _KEYS:
                pending = number, _KEYS[word]
            else:
                yield number, "default" if word == "default" else None, None
    if pending:
        yield pending + (None,)


def _unquoted(match):
    quoted, plain = match.groups()
    return unescaped(quoted if plain is None else plain)
