"""Downloads by gid, aria2's name for them: tasks that are there, and those just removed.

A gid is 16 hex digits. A task's first one is the beginning of its tid; a task that is
fetched again after it finished or failed gets another one, made of the tid and the task's
`life`. So a gid survives pauses, retries and restarts of the daemon.
"""

import re
import threading
import time
from collections import OrderedDict

from ...contract import sha1
from ...errors import NotFound
from .jsonrpc import RpcError

MOST_REMOVED = 200              # removed downloads that are remembered, until the daemon ends
WIDTH = 16


def first_gid(tid):
    """Return the gid of the task's first life."""
    return tid[:WIDTH]


def gid_of(task):
    """Return the gid of a task."""
    if not task.life:
        return first_gid(task.tid)
    return sha1(f"{task.tid}:{task.life}".encode("ascii")).hexdigest()[:WIDTH]


class Removed:
    """A download that was removed: the task as it was, the last result and when."""

    __slots__ = ("gid", "task", "result", "time")

    def __init__(self, gid, task, result):
        self.gid, self.task, self.result, self.time = gid, task, result, time.time()


class Gids:
    """Finds the tasks of a daemon by gid, and keeps the last removed ones.

    Gids that were found once are looked up in a dict, which is checked at each use and rebuilt
    when it is outdated.
    """

    def __init__(self, daemon):
        self._daemon, self._lock = daemon, threading.Lock()
        self._tids = {}
        self._removed = OrderedDict()

    def find(self, gid):
        """Return the Task or Removed of the gid or of its unique beginning. Raise RpcError."""
        if re.fullmatch("[0-9a-fA-F]{1,%d}" % WIDTH, gid) is None:
            raise RpcError(f"Invalid GID {gid[:40]}")
        found = self._exact(gid.lower())
        return self._by_prefix(gid) if found is None else found

    def _exact(self, gid):
        removed = self._removed.get(gid)
        if removed is not None:
            return self._again(removed) or removed
        task = self._known(gid)
        if task is None and len(gid) == WIDTH:
            self._tids = {gid_of(each): each.tid for each in self._daemon.list()}
            task = self._known(gid)
        return task

    def _known(self, gid):
        try:
            task = self._daemon.get(self._tids[gid])
        except (KeyError, NotFound):
            return None
        return task if gid_of(task) == gid else None

    def _by_prefix(self, gid):
        with self._lock:
            found = {each.gid: each for each in self._removed.values()}
        found.update((gid_of(task), task) for task in self._daemon.list())
        matches = [each for name, each in found.items() if name.startswith(gid.lower())]
        if len(matches) > 1:
            raise RpcError(f"GID {gid} is not unique")
        if not matches:
            raise RpcError(f"GID {gid} is not found")
        return matches[0]

    # -- removed downloads -----------------------------------------------------------

    def bury(self, removed):
        """Remember a removed download, and forget the oldest of too many."""
        with self._lock:
            self._removed.pop(removed.gid, None)
            self._removed[removed.gid] = removed
            while len(self._removed) > MOST_REMOVED:
                self._removed.popitem(last=False)

    def forget(self, gid):
        """Forget a removed download, if it is remembered."""
        with self._lock:
            self._removed.pop(gid, None)

    def forget_all(self):
        """Forget all removed downloads."""
        with self._lock:
            self._removed.clear()

    def removed(self):
        """Return the removed downloads, newest last, but for those whose URL was added again."""
        with self._lock:
            found = list(self._removed.values())
        return [each for each in found if self._again(each) is None]

    def _again(self, removed):
        """Return the task that has the gid of the removed one, because its URL was added again; or None."""
        try:
            task = self._daemon.get(removed.task.tid)
        except NotFound:
            return None
        return task if gid_of(task) == removed.gid else None
