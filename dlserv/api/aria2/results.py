"""Tasks as aria2 tells them: numbers and booleans are strings, keys are aria2's.

`_STATUS` has a function for each key of tellStatus. Only the keys that the client wants are
computed, because clients poll lists of hundreds of downloads each second.
"""

import os
import re

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
REMOVED_CODE = "31"
_OVERLOADED = re.compile(r"\banswered (?:429|503)\b")


class Teller:
    """Makes results for one Daemon. `root` is the absolute path of its download directory."""

    def __init__(self, daemon):
        self.root = os.path.abspath(daemon.config.general.download_dir)     # which no change reaches
        self._before = os.path.join(self.root, "")      # what stands before the name of a file

    def status(self, found, keys=()):
        """Return the struct of a Task or Removed; `keys` are those wanted, none for all."""
        return self.statuses([found], keys)[0]

    def statuses(self, several, keys=()):
        """Return the structs of Tasks and Removed."""
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
        """Return the Removed that is remembered of a task about to be removed."""
        result = self.status(task)
        for key in ("downloadSpeed", "connections"):
            result[key] = "0"
        result.update(status="removed", errorCode=REMOVED_CODE, errorMessage="")
        return Removed(gid_of(task), task, result)

    def files(self, found, told=None):
        """Return the list of the one file of a Task or Removed; `told` may have its lengths already."""
        if isinstance(found, Removed):
            return found.result["files"]
        told = told or {}
        return [{"index": "1", "path": self._path(found), "selected": "true", "uris": uris(found),
                 "length": told.get("totalLength") or str(found.total),
                 "completedLength": told.get("completedLength") or str(found.downloaded)}]

    def folder(self, task):
        """Return the absolute path of the task's folder."""
        return os.path.join(self.root, task.options.dir) if task.options.dir else self.root

    def _path(self, task):
        name = task.filename
        return self._before + name if name else ""


def uris(task):
    """Return the URIs of a task, those of its mirrors included, fit to be shown."""
    first = {"uri": urls.shown(task.url), "status": "used" if task.start_time else "waiting"}
    return [first] + [{"uri": urls.shown(each), "status": "waiting"} for each in task.options.mirrors]


def servers(task):
    """Return what an active task tells of its server."""
    there = urls.shown(task.resource.url if task.resource else task.url)
    return [{"index": "1", "servers": [{"uri": urls.shown(task.url), "currentUri": there,
                                        "downloadSpeed": str(int(task.speed))}]}]


def word(task):
    """Return aria2's word for the state of the task."""
    return _WORDS[task.state]


def _pieces(total):
    return -(-total // PIECE)


def _bitfield(task):
    """Return which pieces are here, as hex with the first piece in the highest bit; None if none is known."""
    pieces = _pieces(task.total)
    ranges = task.ranges
    if not pieces or not ranges:
        return None
    bits = bytearray((pieces + 7) // 8)
    for start, end in ranges:
        last = pieces if end >= task.total else end // PIECE
        for piece in range(-(-start // PIECE), last):
            bits[piece >> 3] |= 0x80 >> (piece & 7)
    return bits.hex()


def _error_code(task):
    if task.state == FINISHED:
        return "0"
    if task.state != INVALID:
        return None
    if task.reason == "http" and _OVERLOADED.search(task.error or ""):
        return "29"
    return str(_CODES.get(task.reason, 1))


def _error_message(task):
    if task.state == FINISHED:
        return ""
    return task.error or "" if task.state == INVALID else None


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
    "status": lambda teller, task, told: word(task),
    "uploadLength": lambda teller, task, told: "0",
    "uploadSpeed": lambda teller, task, told: "0",
    "verifyIntegrityPending": lambda teller, task, told: "true" if task.verifying else None,
}


def page(items, offset, count):
    """Return `count` items from the offset on; a negative one counts from the end, and backwards."""
    if offset >= 0:
        return items[offset:offset + max(0, count)]
    last = len(items) + offset
    return items[max(0, last - count + 1):last + 1][::-1] if last >= 0 and count > 0 else []
