"""WebSockets from the handshake to the close: a thread each, which other threads wake to notify the client.

One more thread follows the daemon's events while there is a session. It compares the state
of each task with the one that was told last, so a retry, which queues a task again and
starts it, is not reported; nor are the states that tasks had when the thread began.
"""

import logging
import selectors
import threading
import time
from collections import deque

from ...errors import NotFound
from ...sockets import Waker
from ...tasks.states import DOWNLOADING, FINISHED, INVALID, PAUSED
from ...threads import Thread, join
from ..connection_limit import BUSY, IDLE, UNFINISHED
from . import frames
from .frames import Closing
from .gids import WIDTH, gid_of
from .jsonrpc import notification
from .results import STOPPED

PING_AFTER = 30.0       # seconds of silence after which the client is asked whether it is there
SILENCE = 60.0          # seconds of silence after which it is taken for gone
MOST_BEHIND = 1000      # notifications that a client may have unread
PATIENCE = 1.0          # seconds that the notifications wait for a client that is that far behind
MOST_EVENTS = 20000     # events that the notifications may be behind, while they wait for a slow client
_STOP = "aria2.onDownloadStop"
_METHODS = {DOWNLOADING: "aria2.onDownloadStart", PAUSED: "aria2.onDownloadPause",
            FINISHED: "aria2.onDownloadComplete", INVALID: "aria2.onDownloadError"}

log = logging.getLogger(__name__)


class Session:
    """The body of a 101 reply: the handler hands the connection over with `converse`.

    `answer(data)` returns the bytes to reply to a message with.
    """

    def __init__(self, answer, caller, notifications):
        self._answer, self._caller, self._notifications = answer, caller, notifications
        self._lock = threading.RLock()
        self._news = threading.Condition(self._lock)
        self._ahead, self._end = deque(), None
        self._waker = None          # while the session lasts
        self._frames = frames.Frames()

    # -- other threads ---------------------------------------------------------------

    def tell(self, message):
        """Send the message as soon as the client reads; a client too far behind is dropped."""
        if not self._caller.is_known:
            return
        with self._lock:
            self._news.wait_for(lambda: len(self._ahead) < MOST_BEHIND or self._end, PATIENCE)
            if len(self._ahead) < MOST_BEHIND:
                self._ahead.append(message)
            else:
                self._end = self._end or Closing(frames.POLICY, f"{MOST_BEHIND} notifications are unread")
            self._rouse()

    def close(self, sentence=""):
        with self._lock:
            self._end = self._end or Closing(frames.GOING_AWAY, sentence)
            self._news.notify_all()
            self._rouse()

    def _rouse(self):
        if self._waker is not None:
            self._waker.wake()

    # -- the thread of the connection ------------------------------------------------

    def converse(self, wire, leftover):
        """Serve the connection until it ends; see replies."""
        self._waker = Waker()
        try:
            if not self._notifications.join(self):
                raise Closing(frames.GOING_AWAY, "the daemon is stopping, or short of threads")
            self._serve(wire, leftover)
        except Closing as closing:
            wire.write(frames.close_frame(closing.code, str(closing)))
        finally:
            with self._lock:        # so that nobody writes to a descriptor that is another's by then
                self._waker.close()
                self._waker = None
            self._notifications.leave(self)

    def _serve(self, wire, leftover):
        self._take(wire, leftover)
        heard, asked = time.monotonic(), False
        with selectors.DefaultSelector() as selector:
            selector.register(wire.sock, selectors.EVENT_READ)
            selector.register(self._waker, selectors.EVENT_READ)
            while True:
                self._send_news(wire)
                if not self._notifications.is_followed():
                    raise Closing(frames.GOING_AWAY, "the daemon met a bug; connect again")
                due = heard + (SILENCE if asked else PING_AFTER)
                ready = {key.fileobj for key, _ in selector.select(max(0, due - time.monotonic()))}
                if self._waker in ready:
                    self._waker.clear()
                data = wire.receive() if wire.sock in ready else None
                if data == b"":
                    self._send_news(wire)       # a server that stops ends what is read as well
                    return
                if data:
                    heard, asked = time.monotonic(), False
                    self._take(wire, data)
                elif time.monotonic() >= due:
                    if asked:
                        raise Closing(frames.GOING_AWAY, "the client did not answer a ping")
                    wire.write(frames.frame(frames.PING, b""))
                    asked = True

    def _take(self, wire, data):
        for opcode, payload in self._frames.feed(data):
            if opcode == frames.TEXT:
                frames.text(payload)
                wire.enter(BUSY)
                wire.write(frames.frame(frames.TEXT, self._answer(payload)))
            elif opcode == frames.PING:
                wire.write(frames.frame(frames.PONG, payload))
            elif opcode == frames.CLOSE:
                raise Closing(frames.close_code(payload))
            elif opcode == frames.BINARY:
                raise Closing(frames.UNSUPPORTED, "calls must be sent as text, not binary")
        self._wait(wire)

    def _send_news(self, wire):
        """Send what other threads told. Raise Closing if one of them ended the session."""
        with self._lock:
            messages, self._ahead = self._ahead, deque()
            self._news.notify_all()
            if self._end is not None:
                raise self._end
        if messages:
            wire.write(b"".join(messages))
            self._wait(wire)

    def _wait(self, wire):
        """Give the client its turn; one that is unknown or half heard may be evicted."""
        wire.enter(UNFINISHED if self._frames.is_partial else BUSY if self._caller.is_known else IDLE)


class Notifications:
    """The sessions of one server; a Follower works for them."""

    def __init__(self, daemon):
        self._daemon, self._lock = daemon, threading.Lock()
        self._sessions, self._follower, self._closed = (), None, False

    def __len__(self):
        return len(self._sessions)

    def join(self, session):
        """Return False if the server is stopping or short of threads."""
        with self._lock:
            if self._closed:
                return False
            if not self.is_followed():
                try:
                    self._follower = Follower(self._daemon, self._publish, self._give_up)
                except (RuntimeError, MemoryError) as error:
                    log.error("no thread can be started for notifications: %s", error)
                    return False
            self._sessions += (session,)
            return True

    def is_followed(self):
        return self._closed or self._follower is not None and self._follower.thread.is_alive()

    def leave(self, session):
        """Tell the session no more; without sessions, the thread ends."""
        with self._lock:
            self._sessions = tuple(each for each in self._sessions if each is not session)
            follower = None if self._sessions else self._release()
        if follower is not None:
            follower.close()

    def close(self):
        with self._lock:
            self._closed, follower = True, self._release()
        self._close_sessions("the daemon is stopping")
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
        """After a bug, let the clients connect again: they have missed something."""
        with self._lock:
            self._release()
        self._close_sessions("the daemon met a bug; connect again")

    def _close_sessions(self, sentence):
        for session in self._sessions:
            session.close(sentence)


class Follower:
    """A thread that calls `publish(method, gid)`, and `give_up()` when a bug ends it.

    Raise RuntimeError or MemoryError if there is no thread to be had.
    """

    def __init__(self, daemon, publish, give_up):
        self._daemon, self._publish, self._give_up = daemon, publish, give_up
        self._lock, self._closed = threading.Lock(), False
        self._subscription = daemon.subscribe(MOST_EVENTS)
        try:
            self._told = self._states()         # {tid: (gid, state)}
            self.thread = Thread(self._run, "dlserv-aria2")
            self.thread.start()
        except BaseException:
            self._subscription.close()
            raise

    def close(self):
        with self._lock:
            self._closed = True
            self._subscription.close()
        join(self.thread)

    def _run(self):
        try:
            while not self._closed:
                self._follow()
        except Exception:
            self._subscription.close()
            self._give_up()
            log.exception("the notifications of the aria2 door met a bug")

    def _follow(self):
        """Tell the next event; if some were missed, all that is different now."""
        try:
            event = self._subscription.get()
        except EOFError:
            with self._lock:
                self._subscription.close()
                if self._closed:
                    return
                self._subscription = self._daemon.subscribe(MOST_EVENTS)
            states = self._states()
            for tid in set(states) | set(self._told):
                self._look_at(tid, states[tid][1] if tid in states else None)
            return
        if event is not None:
            self._look_at(event.tid, event.state)

    def _states(self):
        return {task.tid: (gid_of(task), task.state) for task in self._daemon.list()}

    def _look_at(self, tid, state):
        """Tell the new state of a task, None if it was removed, unless it was told last."""
        gid, before = self._told.pop(tid, (tid[:WIDTH], None))
        if state is None:
            if before is not None and before not in STOPPED:
                self._publish(_STOP, gid)
            return
        try:
            gid = gid_of(self._daemon.get(tid))
        except NotFound:
            pass        # it is removed by now; its last gid will do
        if state not in _METHODS and before == DOWNLOADING:
            state = before          # it is queued to be tried again, and still counts as started
        if state in _METHODS and state != before and (before is not None or state != PAUSED):
            self._publish(_METHODS[state], gid)
        self._told[tid] = gid, state
