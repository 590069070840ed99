"""The HTTP server: connections, limits, dispatch, and errors as replies.

`Server` listens for one Daemon. Each connection is a thread that reads one request after
the other; each reply leaves in one write.

The journey of one POST /task, room by room:

  api/acceptor.py     takes the connection off the listening socket; `Server` gives it a thread
  api/http1.py        reads the head and the body, and guesses at nothing
  api/access.py       says whether this caller may do that; api/routes.py has the row for it
  api/bodies.py       makes a URL and options of JSON or a form; settings/options.py checks each
  daemon.py           `add` makes a tasks/task.py Task of them, whose tid is that of the URL
  tasks/registry.py   takes it in, unless it is there already, and writes its record
  state/store.py      commits the record with those of all who wait, and settles their tickets
  tasks/runner.py     lets the task wait at the gate of its server for tasks/scheduler.py to choose it
  api/replies.py      says so in one write: what was answered is on the disk
  tasks/dispatcher.py begins the attempt as soon as there is a slot; see engine/download.py
"""

import collections
import http
import http.server
import io
import logging
import socket
import socketserver
import sys
import threading
import time

from ..errors import (Conflict, Error, Exists, Forbidden, Full, NotFound, RequestError, StoreBroken,
                      Unavailable, exhaustion_in)
from ..settings import token
from . import http1, listener
from ..threads import Thread, join
from .acceptor import PAUSE, Acceptor
from .assets import Assets
from .connection_limit import Crowd, has_hung_up, shut
from .access import Guard
from .requests import NoLength, Request, WrongType, parse_query
from .sse import Feed
from .replies import FilePart, Reply, error_reply, json_reply
from .routes import find

HEAD_SECONDS = 10       # for the whole head of a request, from its first byte
BODY_SECONDS = 30       # for the whole body
IDLE_SECONDS = 30       # between requests
WRITE_SECONDS = 30      # without the client taking a byte
LINGER_SECONDS = 2      # for a client to notice that it was refused
LINGER_BYTES = 2 ** 24

# Nothing here is to be guessed at, told about or embedded by the pages of others.
SHIELD = [("X-Content-Type-Options", "nosniff"), ("Referrer-Policy", "no-referrer"),
          ("Cross-Origin-Resource-Policy", "same-origin")]

# The first class that matches decides.
STATUSES = ((NotFound, 404), (Conflict, 409), (WrongType, 415), (NoLength, 411), (Forbidden, 403), (Full, 503),
            (RequestError, 400), (StoreBroken, 503), (Unavailable, 503), (Error, 500))

log = logging.getLogger(__name__)


class Server(http.server.ThreadingHTTPServer):
    """The REST interface of `daemon`; a context manager.

    `host` and `port` stand in for those of the settings. Raises OSError when the address
    cannot be had, InvalidValue or MissingModule where TLS or the token cannot.
    """

    timeout = 0                             # handle_request is called when one is there

    def __init__(self, daemon, host=None, port=None):
        self.daemon = daemon
        self.feed, self.assets = Feed(daemon), Assets()
        self.replies = collections.Counter()    # HTTP status: how many
        self.settings = settings = daemon.config.server
        self.crowd = Crowd(settings.max_connections)
        self.guard = Guard(token.of(settings), settings.allowed_hosts, settings.allowed_origins)
        self._tls = listener.tls_context(settings.tls_cert, settings.tls_key)
        self._lock = threading.Lock()
        self.socket = listener.listen(settings.host if host is None else host,
                                      settings.port if port is None else port)
        self._acceptor = Acceptor(self.socket, lambda: self.handle_request())
        socketserver.BaseServer.__init__(self, self.socket.getsockname(), Handler)

    @property
    def url(self):
        """Where it listens."""
        return listener.url_of(self.socket, self._tls is not None, self.settings.prefix)

    @property
    def is_local(self):
        """Whether nobody but this machine reaches it."""
        return listener.is_local(self.socket)

    def reload_certificate(self):
        """Take the certificate's files anew, for connections from now on. Raises InvalidValue."""
        self._tls = listener.tls_context(self.settings.tls_cert, self.settings.tls_key)

    def start(self):
        """Accept connections, in threads; gives the server itself."""
        if self.guard.token is None and not self.is_local:
            log.warning("there is no token: whoever reaches %s may do anything here", self.url)
        self._acceptor.start()
        return self

    def stop(self, seconds=1.0):
        """Accept no more, let replies under way be finished, close the rest."""
        self._acceptor.stop()
        self._close_listener()
        self.feed.close()
        connections = list(self.crowd)
        for connection, _ in connections:
            shut(connection, socket.SHUT_RD)
        deadline = time.monotonic() + seconds
        for connection, thread in connections:
            join(thread, max(0, deadline - time.monotonic()))
            if thread is not None and thread.is_alive():
                shut(connection, socket.SHUT_RDWR)
        self.server_close()

    def server_close(self):
        """Give the address free; also for a server that was never started."""
        self._close_listener()
        socketserver.ThreadingMixIn.server_close(self)
        self._acceptor.close()

    def _close_listener(self):
        if self.socket.fileno() >= 0:
            listener.forget(self.socket)

    def __enter__(self):
        return self.start()

    def __exit__(self, *exc_info):
        self.stop()

    def count(self, status):
        """A reply with this status goes out."""
        with self._lock:
            self.replies[status] += 1

    # -- hooks of socketserver -------------------------------------------------------

    def get_request(self):
        try:
            request, address = self.socket.accept()
        except OSError as error:
            if exhaustion_in(error) is not None:
                self._acceptor.refused(error)
                time.sleep(PAUSE)
            raise
        if self._tls is not None:
            request = self._tls.wrap_socket(request, server_side=True, do_handshake_on_connect=False)
        return request, address

    def process_request(self, request, client_address):
        address = client_address[0] if client_address else None
        if not self.crowd.admit(request, address) and not (self._miss() and self.crowd.admit(request, address)):
            self._turn_away(request, "there are too many connections; try again in a while")
            return
        try:
            thread = Thread(self.process_request_thread, "dlserv-http-client", (request, client_address))
            self.crowd.serve(request, thread)
            thread.start()
            self._acceptor.served()
        except (RuntimeError, MemoryError) as error:
            self.crowd.leave(request)
            self._acceptor.refused(error)
            self._turn_away(request, f"{exhaustion_in(error)}; try again in a while")

    def _miss(self):
        """Close connections whose threads have died for want of memory; return whether there were any."""
        lost = [sock for sock, thread in self.crowd if thread is None or not thread.is_alive()]
        for sock in lost:
            self.shutdown_request(sock)
        return bool(lost)

    def _turn_away(self, request, sentence):
        """Say so if that goes at once; TLS would take its time."""
        self.count(503)
        reply = error_reply(503, sentence, [("Retry-After", "5"), ("Connection", "close")])
        try:
            if self._tls is None:
                request.setblocking(False)
                request.send(_encode(reply, SHIELD + reply.headers + [("Content-Length", str(reply.length))])
                             + reply.body)
        except OSError:
            pass    # it would not have listened
        request.close()

    def shutdown_request(self, request):
        self.crowd.leave(request)
        shut(request, socket.SHUT_WR)
        self.close_request(request)

    def handle_error(self, request, client_address):
        self._acceptor.refused(sys.exc_info()[1], "a connection failed")


class _Reader(io.RawIOBase):
    """A socket's bytes until a deadline that the handler sets."""

    def __init__(self, sock):
        super().__init__()
        self._sock = sock
        self.deadline = 0.0

    def readable(self):
        return True

    def readinto(self, view):
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise socket.timeout("timed out")
        set_timeout(self._sock, left)
        return self._sock.recv_into(view)


def _encode(reply, headers):
    return http1.encode_reply(reply.status, http.HTTPStatus(reply.status).phrase, headers)


def set_timeout(sock, seconds):
    """As settimeout, but spare the system call where it makes no difference."""
    current = sock.gettimeout()
    if current is None or not seconds <= current <= seconds + 0.5:
        sock.settimeout(seconds)


class Handler(http.server.BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"

    def setup(self):
        self.disable_nagle_algorithm = self.request.family != getattr(socket, "AF_UNIX", None)
        super().setup()
        self.rfile.close()
        self._raw = _Reader(self.connection)
        self.rfile = io.BufferedReader(self._raw, 16384)

    def handle(self):
        self.close_connection = False
        try:
            self._shake_hands()
            while not self.close_connection:
                self.handle_one_request()
        except OSError as error:
            log.debug("%s: %s", self.client_address, error)

    def _shake_hands(self):
        """Begin TLS, in the connection's own thread, so that a silent client holds up nobody."""
        if hasattr(self.connection, "do_handshake"):
            self.server.crowd.idle(self.connection)     # whoever takes longest goes first
            self.connection.settimeout(HEAD_SECONDS)
            self.connection.do_handshake()

    def handle_one_request(self):
        head, self._unread = None, True
        try:
            head = self._read_head()
            if head is None:
                self.close_connection = True
                return
            self.close_connection, self._unread = not head.keep_alive, head.has_body
            reply = self._answer(head)
        except http1.BadMessage as error:
            reply, self._unread = error_reply(error.status, str(error)), True
        self.close_connection = self.close_connection or self._unread
        self._send(reply, head)
        if self._unread:
            self._linger()

    def _linger(self):
        """Let the client read the refusal: a close with bytes unread would reset it (RFC 9112, 9.6)."""
        self._raw.deadline = time.monotonic() + LINGER_SECONDS
        left = LINGER_BYTES
        try:
            shut(self.connection, socket.SHUT_WR)
            while left > 0:
                count = len(self.rfile.read1(65536))
                left = left - count if count else 0
        except OSError:
            pass    # it has gone, or goes on talking: either way it has had its time

    def _read_head(self):
        """The next Head; None when the client has gone or is idle for too long."""
        self._raw.deadline = time.monotonic() + IDLE_SECONDS
        self.server.crowd.idle(self.connection)
        try:
            if not self.rfile.peek(1):
                return None
        except OSError:
            return None
        self.server.crowd.busy(self.connection)
        self._raw.deadline = time.monotonic() + HEAD_SECONDS
        try:
            return http1.read_head(self.rfile)
        except socket.timeout:
            raise http1.BadMessage(408, "the request took longer than %d s" % HEAD_SECONDS) from None

    # -- from a head to a reply ------------------------------------------------------

    def _answer(self, head):
        """The Reply to the request; its body is read or the connection given up."""
        target, _, query = head.target.partition("?")
        path = self._below_prefix(target)
        if path == "" and target == self.server.settings.prefix:
            whole = head.target.replace(target, target + "/", 1)
            return Reply(308, [("Location", whole)])     # for the page's relative links
        methods, arguments = find(path)
        route = methods.get(head.method)
        refusal = self.server.guard.refusal(head, self._address(), public=route is not None and route.public)
        if refusal is not None:
            return refusal
        body = self._read_body(head)
        if path == "*" and head.method == "OPTIONS":
            return json_reply({})
        if not methods:
            return error_reply(404, "there is no path %s here" % target[:80])
        allow = ", ".join(sorted(methods) + ["OPTIONS"])
        if head.method == "OPTIONS":
            return json_reply({}, headers=[("Allow", allow)] + self.server.guard.preflight(head, allow))
        if route is None:
            return error_reply(405, "%s is not possible on this path" % head.method[:20], [("Allow", allow)])
        return self._call(route.function, head, path, query, body, arguments)

    def _address(self):
        """Who calls; all on a unix socket are one."""
        return self.client_address[0] if self.client_address else "the unix socket"

    def _below_prefix(self, path):
        """The path as the routes know it; "" for one that is not below server.prefix.

        Who calls over the unix socket may leave the prefix out.
        """
        prefix = self.server.settings.prefix
        if path.startswith(prefix + "/"):
            return path[len(prefix):]
        return path if path == "*" or not self.client_address else ""

    def _read_body(self, head):
        if not head.has_body:
            return b""
        if head.expects_continue and not head.is_too_large:
            self._write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._raw.deadline = time.monotonic() + BODY_SECONDS
        try:
            body = http1.read_body(self.rfile, head)
        except socket.timeout:
            raise http1.BadMessage(408, "the body took longer than %d s" % BODY_SECONDS) from None
        self._unread = False
        return body

    def _call(self, function, head, path, query, body, arguments):
        try:
            request = Request(head.method, path, parse_query(query), head.headers, body, self.server)
            result = function(self.server.daemon, request, *arguments)
        except Exists as error:
            return error_reply(409, str(error), tid=error.tid)
        except Error as error:
            status = next(code for kind, code in STATUSES if isinstance(error, kind))
            return error_reply(status, str(error))
        except Exception as error:
            exhausted = exhaustion_in(error)
            if exhausted is not None:
                return error_reply(503, f"{exhausted}; try again in a while", [("Retry-After", "5")])
            log.exception("%s %s failed", head.method, path)
            return error_reply(500, "this is a bug of the daemon; its log says more")
        return result if isinstance(result, Reply) else json_reply(result)

    def _send(self, reply, head):
        """Write the reply, at once if its body is bytes, and without one if HEAD asked."""
        try:
            self._send_reply(reply, head)
        finally:
            reply.close()

    def _send_reply(self, reply, head):
        with_body = head is None or head.method != "HEAD"
        if reply.length is None and with_body:
            self.close_connection = True
        self.server.count(reply.status)
        start = _encode(reply, self._headers(reply, head))
        if isinstance(reply.body, bytes):
            self._write(start + (reply.body if with_body else b""))
            return
        self._write(start)
        if with_body and isinstance(reply.body, FilePart):
            self._send_file(reply.body)
        elif with_body:
            for data in reply.body:
                if not data and has_hung_up(self.connection):
                    break
                self._write(data)

    def _send_file(self, part):
        if len(part) and self.connection.sendfile(part.file, part.start, len(part)) < len(part):
            self.close_connection = True    # it was cut short meanwhile; the client must notice

    def _headers(self, reply, head):
        headers = [("Date", self.date_time_string())] + SHIELD + reply.headers
        if head is not None:
            headers += self.server.guard.headers(head)
        if reply.length is not None and reply.status != 304:
            headers.append(("Content-Length", str(reply.length)))
        if self.close_connection:
            headers.append(("Connection", "close"))
        elif head.version < (1, 1):
            headers.append(("Connection", "keep-alive"))
        return headers

    def _write(self, data):
        """All of it; the time is counted anew whenever the client takes some."""
        set_timeout(self.connection, WRITE_SECONDS)
        view = memoryview(data)
        while view:
            view = view[self.connection.send(view):]
