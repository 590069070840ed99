"""Notifications: what happens to downloads, told to every WebSocket that may know.

A thread follows the daemon's events while there is a session. It compares the state of
each task with the one that was told last, so a retry, which queues a task again and starts
it, is not reported; nor are the states that tasks had when the thread began.
"""

import logging
import threading

from ...errors import NotFound
from ...tasks.states import DOWNLOADING, FINISHED, INVALID, PAUSED
from ...threads import Thread, join
from . import frames
from .gids import first_gid, gid_of
from .jsonrpc import notification
from .results import STOPPED

_METHODS = {DOWNLOADING: "aria2.onDownloadStart", PAUSED: "aria2.onDownloadPause",
            FINISHED: "aria2.onDownloadComplete", INVALID: "aria2.onDownloadError"}
MOST_BEHIND = 20000     # events that the thread may be behind, while it waits for a slow client
_STOP = "aria2.onDownloadStop"

log = logging.getLogger(__name__)


class Notifications:
    """The sessions of one server, and the Follower that works for them."""

    def __init__(self, daemon):
        self._daemon, self._lock = daemon, threading.Lock()
        self._sessions, self._follower, self._closed = (), None, False

    def __len__(self):
        return len(self._sessions)

    def join(self, session):
        """Tell the session from now on; return False if the server is stopping or short of threads."""
        with self._lock:
            if self._closed:
                return False
            if self._follower is None:
                try:
                    self._follower = Follower(self._daemon, self._publish, self._give_up)
                except (RuntimeError, MemoryError) as error:
                    log.error("no thread can be started for notifications: %s", error)
                    return False
            self._sessions += (session,)
            return True

    def leave(self, session):
        """Tell the session no more; without any session, the thread ends."""
        with self._lock:
            self._sessions = tuple(each for each in self._sessions if each is not session)
            follower = None if self._sessions else self._release()
        if follower is not None:
            follower.close()

    def close(self):
        """End all sessions, and the thread."""
        with self._lock:
            self._closed, follower = True, self._release()
            sessions = self._sessions
        for session in sessions:
            session.close(frames.GOING_AWAY, "the daemon is stopping")
        if follower is not None:
            follower.close()

    def _release(self):
        follower, self._follower = self._follower, None
        return follower

    def _publish(self, method, gid):
        message = frames.frame(frames.TEXT, notification(method, gid))
        for session in self._sessions:
            session.tell(message)

    def _give_up(self):
        """Let the clients connect again after a bug, because they have missed something."""
        with self._lock:
            self._release()
        for session in self._sessions:
            session.close(frames.GOING_AWAY, "the daemon met a bug; connect again")


class Follower:
    """Follows the events of a daemon in a thread and calls `publish(method, gid)`.

    `give_up()` is called when a bug ends it. Raise RuntimeError or MemoryError if there is no
    thread to be had.
    """

    def __init__(self, daemon, publish, give_up):
        self._daemon, self._publish, self._give_up = daemon, publish, give_up
        self._lock, self._closed = threading.Lock(), False
        self._subscription = daemon.subscribe(MOST_BEHIND)
        self._told = self._states()
        self._thread = Thread(self._run, "dlserv-aria2")
        try:
            self._thread.start()
        except BaseException:
            self._subscription.close()
            raise

    def close(self):
        """End the thread."""
        with self._lock:
            self._closed = True
            self._subscription.close()
        join(self._thread)

    def _run(self):
        try:
            while not self._closed:
                self._follow()
        except Exception:
            log.exception("the notifications of the aria2 door met a bug")
            self._subscription.close()
            self._give_up()

    def _follow(self):
        """Tell about the next event; if some were missed, about all that is different now."""
        try:
            event = self._subscription.get()
        except EOFError:
            with self._lock:
                self._subscription.close()
                if self._closed:
                    return
                self._subscription = self._daemon.subscribe(MOST_BEHIND)
            self._catch_up()
            return
        if event is not None:
            self._look_at(event.tid, event.state)

    def _states(self):
        return {task.tid: (gid_of(task), task.state) for task in self._daemon.list()}

    def _catch_up(self):
        states = self._states()
        for tid in set(states) | set(self._told):
            self._look_at(tid, states[tid][1] if tid in states else None)

    def _look_at(self, tid, state):
        """Tell the new state of a task, None if it was removed, unless it was told last."""
        if state is None:
            gid, before = self._told.pop(tid, (None, FINISHED))
            if before not in STOPPED:
                self._publish(_STOP, gid)
            return
        is_new, (gid, before) = tid not in self._told, self._told.get(tid, (None, None))
        gid = self._gid(tid) or gid or first_gid(tid)
        if state not in _METHODS and before == DOWNLOADING:
            state = before          # it is queued to be tried again, and still counts as started
        if state in _METHODS and state != before and not (is_new and state == PAUSED):
            self._publish(_METHODS[state], gid)
        self._told[tid] = gid, state

    def _gid(self, tid):
        try:
            return gid_of(self._daemon.get(tid))
        except NotFound:
            return None
