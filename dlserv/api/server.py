"""The HTTP server: it listens, accepts, and runs a handler thread for each connection.

The journey of a POST /task, from the first byte to the reply:

  Acceptor               takes the connection off the listening socket
  Server                 starts its thread, if connection_limit admits it
  handler.Handler        reads the head (http1), lets access judge it, reads the body
  routes.find            picks the row, whose function takes the request apart (requests)
  daemon.Daemon.add_all  makes a Task, which checks URL and options
  tasks.registry         takes it in and hands its record to state.store
  state.store            commits it with whatever else waits, and fsyncs
  tasks.runner           lets the task wait at the gate of its server for the scheduler
  replies, handler       encode the reply and send it in one write
  tasks.dispatcher       begins the attempt as soon as there is a slot; see engine.download
"""

from __future__ import annotations

import functools
import http.server
import logging
import selectors
import socket
import socketserver
import sys
import threading
import time

from ..complaint import Complaint
from ..errors import Unavailable
from ..exhaustion import exhaustion_in
from ..settings import token
from ..sockets import Waker
from ..threads import PAUSE, Flag, Thread, join, persist
from ..units import format_http_date
from . import listener
from .access import Access
from .assets import Assets
from .connection_limit import ConnectionLimit, is_loopback, shut_down
from .handler import Handler, encode_head
from .large import LargeRequests
from .replies import Counters, error_reply

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any
    from ..daemon import Daemon
    from .aria2.door import Door
    from .sse import EventFeed

PATIENCE = 5.0      # seconds that the acceptor may take to show that it is alive

log = logging.getLogger(__name__)


class Acceptor:
    """The thread that calls the server's `handle_request` when a connection waits.

    Nothing ends it but `stop`: no bug, no lack of files, threads or memory; each is logged once.
    """

    def __init__(self, server):
        self._server = server
        self._waker, self._answered = Waker(), Flag()
        self._stopping, self.complaint = False, Complaint(log)
        self._thread = Thread(persist, "dlserv-http", (self._run, self.refused))

    def start(self):
        self._thread.start()

    def close(self):
        self._waker.close()

    def stop(self):
        self._stopping = True
        if self._thread.is_alive():
            self._waker.wake()
        join(self._thread)

    def is_alive(self, seconds):
        """Return whether the thread comes back for more within `seconds`."""
        if self._stopping or not self._thread.is_alive():
            return False
        self._answered.clear()
        self._waker.wake()
        return self._answered.wait(seconds)

    def refused(self, error, bug="a connection could not be taken"):
        exhausted = exhaustion_in(error)
        if exhausted is None:
            self.complaint.tell(bug, error)
        else:
            self.complaint.tell(f"connections are refused: {exhausted}")

    def _run(self):
        with selectors.DefaultSelector() as selector:
            selector.register(self._server.socket, selectors.EVENT_READ)
            selector.register(self._waker, selectors.EVENT_READ)
            while not self._stopping:
                ready = [key.fileobj for key, _ in selector.select()]
                if self._waker in ready:
                    self._waker.clear()
                    self._answered.set()
                elif not self._stopping:
                    self._server.handle_request()


class Server(http.server.ThreadingHTTPServer):
    """The REST interface of `daemon`; a context manager. `host` and `port` override its settings.

    Raise OSError if the address cannot be used, InvalidValue or MissingModule if TLS or the token cannot.
    """

    timeout = 0         # handle_request is called when there is a connection

    def __init__(self, daemon: Daemon, host: str | None = None, port: int | None = None) -> None:
        self.daemon = daemon
        self.assets, self.counters = Assets(), Counters()
        self.large_requests = LargeRequests()
        self.http_date = functools.lru_cache(maxsize=1)(format_http_date)
        self._made: dict[str, Any] = {}         # see `_make`
        self._making, self._stopping = threading.Lock(), False
        self.settings = settings = daemon.config.server
        self.connections = ConnectionLimit(settings.max_connections)
        self.access = Access(token.of(settings), settings.allowed_hosts, settings.allowed_origins)
        self.reload_certificate()
        self.socket = listener.listen(settings.host if host is None else host,
                                      settings.port if port is None else port)
        self._acceptor = Acceptor(self)
        socketserver.BaseServer.__init__(self, self.socket.getsockname(), Handler)

    @property
    def url(self) -> str:
        if listener.is_unix(self.socket):
            return listener.UNIX + self.socket.getsockname()
        host, port = self.socket.getsockname()[:2]
        host = f"[{host}]" if ":" in host else host
        return f"{'http' if self._tls is None else 'https'}://{host}:{port}{self.settings.prefix}"

    @property
    def is_local(self) -> bool:
        return listener.is_unix(self.socket) or is_loopback(self.socket.getsockname()[0])

    @property
    def feed(self) -> EventFeed:
        from .sse import EventFeed
        return self._make("feed", lambda: EventFeed(self.daemon))

    @property
    def aria2(self) -> Door:
        from .aria2.door import Door
        return self._make("aria2", lambda: Door(self.daemon, self.access))

    def _make(self, name, make):
        """Return what `make()` makes, once for each name; it is closed with the server."""
        with self._making:
            if name not in self._made:
                self._made[name] = make()
                if self._stopping:
                    self._made[name].close()
            return self._made[name]

    def reload_certificate(self) -> None:
        """Read the certificate's files again, for new connections. Raise InvalidValue."""
        self._tls = listener.tls_context(self.settings.tls_cert, self.settings.tls_key)

    def start(self) -> Server:
        """Accept connections in a thread; return the server itself."""
        if self.access.token is None and not self.is_local:
            log.warning("there is no token: everybody who can reach %s controls this daemon", self.url)
        self._acceptor.start()
        return self

    def stop(self, seconds: float = 1.0) -> None:
        """Stop accepting, let requests finish for at most `seconds`, then close all connections."""
        self._acceptor.stop()
        listener.forget(self.socket)
        with self._making:
            self._stopping = True
            for each in self._made.values():
                each.close()
        connections = list(self.connections)
        for connection, _ in connections:
            shut_down(connection, socket.SHUT_RD)
        deadline = time.monotonic() + seconds
        for connection, thread in connections:
            join(thread, max(0, deadline - time.monotonic()))
            if thread.is_alive():
                shut_down(connection, socket.SHUT_RDWR)
        self.server_close()

    def server_close(self) -> None:
        listener.forget(self.socket)
        socketserver.ThreadingMixIn.server_close(self)
        self._acceptor.close()

    def check_alive(self) -> None:
        """Raise Unavailable unless connections are accepted and tasks started."""
        self.check_listening()
        self.daemon.report.check_alive()

    def check_listening(self) -> None:
        if not self._acceptor.is_alive(PATIENCE):
            raise Unavailable("no connections are accepted any more; start the daemon again")

    def __enter__(self) -> Server:
        return self.start()

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    # -- hooks of socketserver -------------------------------------------------------

    def get_request(self) -> tuple[socket.socket, Any]:
        try:
            request, address = self.socket.accept()
        except OSError as error:
            if exhaustion_in(error) is not None:
                self._acceptor.refused(error)
                time.sleep(PAUSE)
            raise
        if listener.is_unix(self.socket):
            address = None      # though a client may have bound its end to a name
        if self._tls is not None:
            request = self._tls.wrap_socket(request, server_side=True, do_handshake_on_connect=False)
        return request, address

    def process_request(self, request: Any, client_address: Any) -> None:
        try:
            thread = Thread(self.process_request_thread, "dlserv-http-client", (request, client_address))
            if not self._admit(request, client_address[0] if client_address else None, thread):
                self._turn_away(request, "there are too many connections; try again later")
                return
            thread.start()
            self._acceptor.complaint.over()
        except (RuntimeError, MemoryError) as error:
            self.connections.release(request)
            self._acceptor.refused(error)
            self._turn_away(request, f"{exhaustion_in(error)}; try again later")

    def _admit(self, *connection):
        """Return whether there is room, perhaps once connections of dead threads are closed."""
        if self.connections.admit(*connection):
            return True
        dead = [sock for sock, thread in self.connections if not thread.is_alive()]
        for sock in dead:
            self.shutdown_request(sock)
        return bool(dead) and self.connections.admit(*connection)

    def _turn_away(self, request, sentence):
        """Refuse without waiting for the client; over TLS, silently."""
        self.counters.count(503)
        reply = error_reply(503, sentence, [("Retry-After", "5")])
        head = encode_head(reply, [("Content-Length", str(reply.length)), ("Connection", "close")])
        try:
            if self._tls is None:
                request.setblocking(False)
                request.send(head + reply.body)
        except OSError:
            pass    # the client does not get to know why
        request.close()

    def shutdown_request(self, request: Any) -> None:
        self.connections.release(request)
        shut_down(request, socket.SHUT_WR)
        self.close_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        self._acceptor.refused(sys.exc_info()[1], "a connection failed")
