"""Downloads by gid, aria2's name for them: tasks that are there, and those just removed.

A gid is 16 hex digits. A task's first one is the beginning of its tid; a task that is
fetched again after it finished or failed gets another one, made of the tid and the task's
`life`. So a gid survives pauses, retries and restarts of the daemon.
"""

import re
import threading
from collections import namedtuple

from ...contract import sha1
from ...errors import NotFound
from .jsonrpc import RpcError

MOST_REMOVED = 200              # removed downloads that are remembered, until the daemon ends
WIDTH = 16

# A removed download: the task as it was, the last result and when.
Removed = namedtuple("Removed", "gid task result time")


def gid_of(task):
    name = sha1(f"{task.tid}:{task.life}".encode("ascii")).hexdigest() if task.life else task.tid
    return name[:WIDTH]


class Gids:
    """Finds the tasks of a daemon by gid, and keeps the last removed ones."""

    def __init__(self, daemon):
        self._daemon, self._lock = daemon, threading.Lock()
        self._tids = {}         # {gid: tid}, checked at each use and rebuilt when outdated
        self._removed = []      # newest last; replaced as a whole, under the lock

    def find(self, gid):
        """Return the Task or Removed of the gid or of its unique beginning. Raise RpcError."""
        if re.fullmatch("[0-9a-fA-F]{1,%d}" % WIDTH, gid) is None:
            raise RpcError(f"Invalid GID {gid[:40]}")
        name = gid.lower()
        found = self._task(self._tids.get(name, ""), name)
        if found is None:
            found = next((each for each in self.removed() if each.gid == name), None)
        return self._search(gid) if found is None else found

    def _search(self, gid):
        tasks = {gid_of(task): task for task in self._daemon.list()}
        self._tids = {name: task.tid for name, task in tasks.items()}
        known = dict({each.gid: each for each in self._removed}, **tasks)
        matches = [name for name in known if name.startswith(gid.lower())]
        if len(matches) != 1:
            raise RpcError(f"GID {gid} is not {'unique' if matches else 'found'}")
        return known[matches[0]]

    def _task(self, tid, gid):
        try:
            task = self._daemon.get(tid)
        except NotFound:
            return None
        return task if gid_of(task) == gid else None

    def bury(self, removed):
        with self._lock:
            self._removed = (self._but(removed.gid) + [removed])[-MOST_REMOVED:]

    def forget(self, gid):
        with self._lock:
            self._removed = self._but(gid)

    def forget_all(self):
        with self._lock:
            self._removed = []

    def removed(self):
        """Return the Removed, newest last, but for those whose URL was added again."""
        return [each for each in self._removed if self._task(each.task.tid, each.gid) is None]

    def _but(self, gid):
        return [each for each in self._removed if each.gid != gid]
