"""One WebSocket, from the handshake to its close: calls answered, notifications sent.

The thread of the connection does both. It sleeps until the client has sent something, or
until another thread has something to tell and wakes it through a socket.
"""

import selectors
import socket
import threading
import time
from collections import deque

from . import frames

PING_AFTER = 30.0       # seconds of silence after which the client is asked whether it is there
SILENCE = 60.0          # seconds of silence after which it is taken for gone
MOST_BEHIND = 1000      # notifications that a client may have unread
PATIENCE = 1.0          # seconds that the notifications wait for a client that is that far behind


class Closing(Exception):
    """The session ends, with a close frame of this code."""

    def __init__(self, code, sentence=""):
        super().__init__(sentence)
        self.code = code


class Session:
    """The body of a 101 reply: the handler hands the connection over with `converse`.

    `answer(data)` returns the bytes to reply to a message with, `caller` tells whether the
    client may have notifications; `notifications` has `join` and `leave`.
    """

    def __init__(self, answer, caller, notifications):
        self._answer, self._caller, self._notifications = answer, caller, notifications
        self._news = threading.Condition()
        self._ahead, self._end = deque(), None
        self._wake = self._waker = None         # sockets, while the session lasts
        self._frames = frames.Frames()

    # -- other threads ---------------------------------------------------------------

    def tell(self, message):
        """Send the encoded message as soon as the client reads; a client too far behind is dropped."""
        if not self._caller.is_known:
            return
        with self._news:
            self._news.wait_for(lambda: len(self._ahead) < MOST_BEHIND or self._end, PATIENCE)
            if len(self._ahead) < MOST_BEHIND:
                self._ahead.append(message)
        if len(self._ahead) >= MOST_BEHIND:
            self.close(frames.POLICY, f"{MOST_BEHIND} notifications are unread")
        else:
            self._rouse()

    def close(self, code=frames.GOING_AWAY, sentence=""):
        """End the session with a close frame, as soon as the thread can."""
        with self._news:
            self._end = self._end or Closing(code, sentence)
            self._news.notify_all()
        self._rouse()

    def _rouse(self):
        try:
            if self._waker is not None:
                self._waker.send(b"!")
        except OSError:
            pass        # it is awake, or over

    # -- the thread of the connection ------------------------------------------------

    def converse(self, line):
        """Serve the connection until it ends; `line` is a wire.Line."""
        self._wake, self._waker = socket.socketpair()
        self._waker.setblocking(False)
        try:
            if self._notifications.join(self):
                self._serve(line)
            else:
                raise Closing(frames.GOING_AWAY, "the daemon is stopping, or short of threads")
        except frames.Violation as error:
            line.write(frames.close_frame(error.code, str(error)))
        except Closing as closing:
            line.write(frames.close_frame(closing.code, str(closing)))
        finally:
            self._notifications.leave(self)
            self._wake.close()
            self._waker.close()

    def _serve(self, line):
        self._take(line, line.leftover)
        heard, asked = time.monotonic(), False
        with selectors.DefaultSelector() as selector:
            selector.register(line.connection, selectors.EVENT_READ)
            selector.register(self._wake, selectors.EVENT_READ)
            while True:
                self._send_news(line)
                due = heard + (SILENCE if asked else PING_AFTER)
                ready = {key.fileobj for key, _ in selector.select(max(0, due - time.monotonic()))}
                if self._wake in ready:
                    self._wake.recv(4096)
                data = line.read() if line.connection in ready else None
                if data == b"":
                    self._send_news(line)       # a server that stops ends what is read as well
                    return
                if data:
                    heard, asked = time.monotonic(), False
                    self._take(line, data)
                elif time.monotonic() >= due:
                    asked = self._ask(line, asked)

    def _ask(self, line, asked):
        """Ping a client that is silent, unless it was `asked` before; then end the session."""
        if asked:
            raise Closing(frames.GOING_AWAY, "the client did not answer a ping")
        line.write(frames.frame(frames.PING, b""))
        return True

    def _take(self, line, data):
        """Answer what the client sent."""
        for opcode, payload in self._frames.feed(data):
            if opcode == frames.TEXT:
                frames.text(payload)
                line.busy()
                line.write(frames.frame(frames.TEXT, self._answer(payload)))
            elif opcode == frames.PING:
                line.write(frames.frame(frames.PONG, payload))
            elif opcode == frames.CLOSE:
                raise Closing(frames.close_code(payload))
            elif opcode == frames.BINARY:
                raise frames.Violation(frames.UNSUPPORTED, "calls must be sent as text, not binary")
        line.wait(is_partial=self._frames.is_partial, is_known=self._caller.is_known)

    def _send_news(self, line):
        """Send what other threads told, and end if one of them said so."""
        with self._news:
            messages = list(self._ahead)
            self._ahead.clear()
            end = self._end
            self._news.notify_all()
        if end is not None:
            raise end
        if messages:
            line.write(b"".join(messages))
            line.wait(is_partial=self._frames.is_partial, is_known=self._caller.is_known)
