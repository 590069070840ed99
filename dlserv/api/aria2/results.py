"""Tasks as aria2 tells them: numbers and booleans are strings, keys are aria2's.

`_STATUS` has a function for each key of tellStatus. Only the keys that the client wants are
computed, because clients poll lists of hundreds of downloads each second.
"""

import os
import re
import time

from ... import urls
from ...tasks.states import DOWNLOADING, FINISHED, INVALID, PAUSED, QUEUED
from .gids import Removed, gid_of

PIECE = 2 ** 20                 # bytes; downloads have no pieces, but clients draw them
ACTIVE, WAITING, STOPPED = (DOWNLOADING,), (QUEUED, PAUSED), (FINISHED, INVALID)

_WORDS = {QUEUED: "waiting", DOWNLOADING: "active", PAUSED: "paused", FINISHED: "complete",
          INVALID: "error"}

# The code of each reason, as aria2's manual lists them under EXIT STATUS; 1 is "unknown".
_CODES = {"timeout": 2, "not_found": 3, "network": 6, "refused": 6, "range": 8, "no_space": 9, "exists": 13,
          "disk": 17, "dns": 19, "ftp": 21, "http": 22, "redirects": 23, "auth": 24, "checksum": 32}
_OVERLOADED = re.compile(r"\banswered (?:429|503)\b")


class Teller:
    """Makes results for one Daemon. `root` is the absolute path of its download directory."""

    def __init__(self, daemon):
        self.root = os.path.abspath(daemon.config.general.download_dir)     # which no change reaches
        self._before = os.path.join(self.root, "")      # what stands before the name of a file

    def statuses(self, several, keys=()):
        """Return the structs of Tasks and Removed, with these keys or all."""
        rows = [(key, _STATUS[key]) for key in keys or _STATUS if key in _STATUS]
        return [self._struct(found, rows) for found in several]

    def _struct(self, found, rows):
        if isinstance(found, Removed):
            return {key: found.result[key] for key, _ in rows if key in found.result}
        result = {}
        for key, tell in rows:
            value = tell(self, found, result)
            if value is not None:
                result[key] = value
        return result

    def removed(self, task):
        """Return the Removed of a task about to be removed."""
        result = dict(self.statuses([task])[0], downloadSpeed="0", connections="0", status="removed",
                      errorCode="31", errorMessage="")
        return Removed(gid_of(task), task, result, time.time())

    def files(self, task, told):
        """Return the one file in a list; `told` may have its lengths already."""
        name = task.filename
        return [{"index": "1", "path": self._before + name if name else "", "selected": "true", "uris": uris(task),
                 "length": told.get("totalLength") or str(task.total),
                 "completedLength": told.get("completedLength") or str(task.downloaded)}]

    def folder(self, task):
        return os.path.join(self.root, task.options.dir) if task.options.dir else self.root


def uris(task):
    """Return the URIs of a task and its mirrors, fit to be shown."""
    first = {"uri": urls.shown(task.url), "status": "used" if task.start_time else "waiting"}
    return [first] + [{"uri": urls.shown(each), "status": "waiting"} for each in task.options.mirrors]


def _pieces(total):
    return -(-total // PIECE)


def _bitfield(task):
    """Return the pieces that are here in hex, the first in the highest bit; None if none is known."""
    pieces, ranges = _pieces(task.total), task.ranges
    if not pieces or not ranges:
        return None
    bits = bytearray((pieces + 7) // 8)
    for start, end in ranges:
        last = pieces if end >= task.total else end // PIECE
        for piece in range(_pieces(start), last):
            bits[piece >> 3] |= 0x80 >> (piece & 7)
    return bits.hex()


def _error_code(task):
    if task.state != INVALID:
        return "0" if task.state == FINISHED else None
    if task.reason == "http" and _OVERLOADED.search(task.error or ""):
        return "29"
    return str(_CODES.get(task.reason, 1))


def _error_message(task):
    if task.state != INVALID:
        return "" if task.state == FINISHED else None
    return task.error or ""


# The members of structs; a value of None is left out. `told` has the members so far.
_STATUS = {
    "completedLength": lambda teller, task, told: str(task.downloaded),
    "totalLength": lambda teller, task, told: str(task.total),
    "bitfield": lambda teller, task, told: _bitfield(task),
    "connections": lambda teller, task, told: str(task.connections),
    "dir": lambda teller, task, told: teller.folder(task),
    "downloadSpeed": lambda teller, task, told: str(int(task.speed)),
    "errorCode": lambda teller, task, told: _error_code(task),
    "errorMessage": lambda teller, task, told: _error_message(task),
    "files": lambda teller, task, told: teller.files(task, told),
    "gid": lambda teller, task, told: gid_of(task),
    "numPieces": lambda teller, task, told: str(_pieces(int(told.get("totalLength") or task.total))),
    "pieceLength": lambda teller, task, told: str(PIECE),
    "status": lambda teller, task, told: _WORDS[task.state],
    "uploadLength": lambda teller, task, told: "0",
    "uploadSpeed": lambda teller, task, told: "0",
    "verifyIntegrityPending": lambda teller, task, told: "true" if task.verifying else None,
}


def page(items, offset, count):
    """Return `count` items from the offset on; a negative offset counts from the end, backwards."""
    if offset >= 0:
        return items[offset:offset + max(0, count)]
    last = len(items) + offset
    return items[max(0, last - count + 1):last + 1][::-1] if last >= 0 and count > 0 else []
