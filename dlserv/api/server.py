"""The HTTP server: it listens, accepts, and runs a handler thread for each connection.

`Server` serves one Daemon. `connection_limit` says how many connections there may be,
`access` who is let in, `handler` what happens on a connection.

The journey of a POST /task, from the first byte to the reply:

  Server                 accepts the connection; connection_limit admits it or evicts another
  handler.Handler        reads the head (http1), lets access judge it, reads the body
  routes.find            picks the row; requests and bodies take query and body apart
  daemon.Daemon.add_all  makes a Task, which checks URL and options
  tasks.registry         takes it in and hands its record to state.store
  state.store            commits it with whatever else waits, and fsyncs
  tasks.runner           queues the task for the scheduler
  replies, handler       encode the reply and send it in one write
"""

from __future__ import annotations

import errno
import http.server
import logging
import selectors
import socket
import socketserver
import threading
import time

from ..settings import token
from . import listener
from .access import Access
from .assets import Assets
from .connection_limit import ConnectionLimit
from .handler import Handler, encode_head
from .large import LargeRequests
from .metrics import Metrics
from .peer import shut_down
from .replies import error_reply
from .sse import EventFeed

log = logging.getLogger(__name__)


class Server(http.server.ThreadingHTTPServer):
    """The REST interface of `daemon`; a context manager.

    `host` and `port` override those of the settings. Raises OSError if the address cannot
    be used, InvalidValue or MissingModule if TLS or the token cannot.

    For routes and handlers: `daemon`, `settings` (the section `server`), `connections`,
    `access`, `feed`, `assets`, `metrics` and `large_requests`.
    """

    timeout = 0                             # handle_request is called when there is a connection

    def __init__(self, daemon, host: str | None = None, port: int | None = None) -> None:
        self.daemon = daemon
        self.feed, self.assets, self.metrics = EventFeed(daemon), Assets(), Metrics()
        self.settings = settings = daemon.config.server
        self.connections = ConnectionLimit(settings.max_connections)
        self.access = Access(token.of(settings), settings.allowed_hosts, settings.allowed_origins)
        self.large_requests = LargeRequests()
        self._tls = listener.tls_context(settings.tls_cert, settings.tls_key)
        self._wake, self._waker = socket.socketpair()
        try:
            self.socket = listener.listen(settings.host if host is None else host,
                                          settings.port if port is None else port)
        except BaseException:
            self._close_waker()
            raise
        socketserver.BaseServer.__init__(self, self.socket.getsockname(), Handler)
        self._thread = threading.Thread(target=self._serve, name="dlserv-http", daemon=True)

    @property
    def url(self) -> str:
        """The URL of the server, "unix:/path" on a unix socket."""
        return listener.url_of(self.socket, self._tls is not None, self.settings.prefix)

    @property
    def is_local(self) -> bool:
        """True if only this machine can reach the server."""
        return listener.is_local(self.socket)

    def reload_certificate(self) -> None:
        """Read the certificate's files again, for new connections. Raises InvalidValue."""
        self._tls = listener.tls_context(self.settings.tls_cert, self.settings.tls_key)

    def start(self) -> Server:
        """Accept connections in a thread; return the server itself."""
        if self.access.token is None and not self.is_local:
            log.warning("there is no token: everybody who can reach %s controls this daemon", self.url)
        self._thread.start()
        return self

    def stop(self, seconds: float = 1.0) -> None:
        """Stop accepting, let requests finish for at most `seconds`, then close all connections."""
        if self._thread.is_alive():
            self._waker.send(b"!")
            self._thread.join()
        self._close_listener()
        self.feed.close()
        connections = list(self.connections)
        for connection, _ in connections:
            shut_down(connection, socket.SHUT_RD)
        deadline = time.monotonic() + seconds
        for connection, thread in connections:
            thread.join(max(0, deadline - time.monotonic()))
            if thread.is_alive():
                shut_down(connection, socket.SHUT_RDWR)
        self.large_requests.close(max(0, deadline - time.monotonic()))
        self.server_close()

    def server_close(self) -> None:
        """Release the address; also for a server that was never started."""
        self._close_listener()
        socketserver.ThreadingMixIn.server_close(self)
        self._close_waker()

    def _close_listener(self):
        if self.socket.fileno() >= 0:
            listener.forget(self.socket)

    def _close_waker(self):
        self._wake.close()
        self._waker.close()

    def __enter__(self) -> Server:
        return self.start()

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def _serve(self):
        """Like serve_forever, but without polling."""
        with selectors.DefaultSelector() as selector:
            selector.register(self.socket, selectors.EVENT_READ)
            selector.register(self._wake, selectors.EVENT_READ)
            while self._wake not in [key.fileobj for key, _ in selector.select()]:
                try:
                    self.handle_request()
                except Exception:       # without this thread, nobody could connect any more
                    log.exception("a connection could not be accepted")
                    time.sleep(0.1)

    # -- hooks of socketserver -------------------------------------------------------

    def get_request(self):
        try:
            request, address = self.socket.accept()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                log.error("no connection can be accepted: %s", error.strerror)
                time.sleep(0.1)     # nothing else would slow down the loop
            raise
        if self._tls is not None:
            request = self._tls.wrap_socket(request, server_side=True, do_handshake_on_connect=False)
        return request, address

    def process_request(self, request, client_address):
        if not self.connections.admit(request, client_address[0] if client_address else None):
            self._turn_away(request)
            return
        thread = threading.Thread(target=self.process_request_thread, name="dlserv-http-client",
                                  args=(request, client_address), daemon=True)
        self.connections.attach(request, thread)
        try:
            thread.start()
        except RuntimeError:
            self.shutdown_request(request)
            log.error("no thread can be started for a connection")

    def _turn_away(self, request):
        """Refuse the connection without waiting for the client; over TLS, silently."""
        self.metrics.count(503)
        reply = error_reply(503, "there are too many connections; try again later", [("Retry-After", "5")])
        head = encode_head(reply, [("Content-Length", str(reply.length)), ("Connection", "close")])
        try:
            if self._tls is None:
                request.setblocking(False)
                request.send(head + reply.body)
        except OSError:
            pass    # the client does not get to know why
        request.close()

    def shutdown_request(self, request):
        self.connections.release(request)
        shut_down(request, socket.SHUT_WR)
        self.close_request(request)

    def handle_error(self, request, client_address):
        log.exception("a connection failed")
