"""One connection of a client: requests read one after the other, each answered before the next.

The ConnectionLimit is told of each wait for the client, so that it may evict the connection.
"""

import functools
import io
import logging
import socket
import socketserver
import time

from ..errors import Error
from ..exhaustion import exhaustion_in
from . import http1
from .access import VARY_ORIGIN
from .coding import coded
from .connection_limit import BUSY, IDLE, UNFINISHED, shut_down
from .large import LARGE
from .replies import FilePart, Reply, error_reply, failure_reply, json_reply
from .requests import Request, parse_query
from .routes import find
from .wire import READ_SIZE, Wire, has_hung_up

HEAD_SECONDS = 10       # for the whole head of a request, from its first byte
BODY_SECONDS = 30       # for the whole body
IDLE_SECONDS = 30       # between requests
LINGER_SECONDS = 2      # for a client to notice that it was refused
LINGER_BYTES = 2 ** 24

# No page of another site may guess at a reply's type, embed it or learn where it came from.
SHIELD = [("X-Content-Type-Options", "nosniff"), ("Referrer-Policy", "no-referrer"),
          ("Cross-Origin-Resource-Policy", "same-origin")]

log = logging.getLogger(__name__)


def encode_head(reply, headers):
    """Return the head of the reply as bytes: these headers, the SHIELD and its own."""
    fields = [*headers, *SHIELD, *reply.headers]
    return http1.encode_reply(reply.status, http1.joined_fields(fields) if VARY_ORIGIN in headers else fields)


class Handler(socketserver.BaseRequestHandler):
    """Served by socketserver in a thread of its own."""

    def setup(self):
        self._address = self.client_address[0] if self.client_address else None     # None on a unix socket
        if self._address is not None:
            self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
        self._wire = Wire(self.request, self.server.connections)
        self._reader = io.BufferedReader(self._wire, 16384)
        self._heads = http1.HeadReader(self._reader)

    def handle(self):
        self._is_last = False
        try:
            self._shake_hands()
            while not self._is_last:
                self._serve_one()
        except OSError as error:
            log.debug("%s: %s", self.client_address, error)

    def _shake_hands(self):
        """Begin TLS here, not in the accept loop, so that a silent client delays nobody else."""
        if hasattr(self.request, "do_handshake"):
            self.request.settimeout(HEAD_SECONDS)
            self.request.do_handshake()

    def _serve_one(self):
        head, self._unread, self._refuse = None, True, error_reply
        try:
            head = self._read_head()
            if head is None:
                self._is_last = True
                return
            self._is_last, self._unread = not head.keep_alive, head.has_body
            reply = self._answer(head)
        except http1.BadMessage as error:
            reply, self._unread = self._refuse(error.status, str(error), code=error.code), True
        self._is_last = self._is_last or self._unread
        try:
            self._send(reply, head)
        finally:
            reply.close()
        if self._unread:
            self._linger()

    def _linger(self):
        """Let the client read the refusal: a close with bytes unread would reset it (RFC 9112, 9.6)."""
        self._wire.deadline = time.monotonic() + LINGER_SECONDS
        left = LINGER_BYTES
        try:
            self._wire.enter(UNFINISHED)
            shut_down(self.request, socket.SHUT_WR)
            while left > 0:
                count = len(self._reader.read1(READ_SIZE))
                left = left - count if count else 0
        except OSError:
            pass    # the client has gone, or has had its time

    def _read_head(self):
        self._wire.deadline = time.monotonic() + IDLE_SECONDS
        self._wire.enter(IDLE)
        try:
            if not self._reader.peek(1):
                return None
        except OSError:
            return None
        self._wire.enter(UNFINISHED)
        self._began = time.monotonic()
        return self._read("request", HEAD_SECONDS, self._heads.read)

    def _read(self, what, seconds, read, *arguments):
        self._wire.deadline = time.monotonic() + seconds
        try:
            return read(*arguments)
        except socket.timeout:
            raise http1.BadMessage(408, f"the {what} took longer than {seconds} s") from None

    def _answer(self, head):
        """Return the Reply to the request; its body is read, or the connection will be closed."""
        target, _, query = head.target.partition("?")
        path = self._below_prefix(target)
        if path == "" and target == self.server.settings.prefix:
            whole = head.target.replace(target, target + "/", 1)
            return Reply(308, [("Location", whole)])     # for the page's relative links
        methods, arguments = find(path)
        route = methods.get(head.method)
        refusal = self._let_in(head, route)
        if refusal is not None:
            return refusal
        body = self._read_body(head)
        if route is None:
            return self._without_route(head, target, methods)
        self._wire.enter(BUSY)
        work = functools.partial(self._work, route.function, head, path, query, body, arguments)
        return self.server.large_requests.do(len(body), work)

    def _let_in(self, head, route):
        if route is not None and route.refuse is not None:
            self._refuse = route.refuse
            return None
        return self.server.access.refusal(head, self._address, public=route is not None and route.public)

    def _below_prefix(self, path):
        """Return the path below server.prefix, "" if it is elsewhere; a unix socket needs no prefix."""
        prefix = self.server.settings.prefix
        if path.startswith(prefix + "/"):
            return path[len(prefix):]
        return path if path == "*" or self._address is None else ""

    def _read_body(self, head):
        if not head.has_body:
            return b""
        if head.awaits_continue:
            self._wire.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self._wire.enter(UNFINISHED)
        body = self._read("body", BODY_SECONDS, http1.read_body, self._reader, head)
        self._unread = False
        return body

    def _without_route(self, head, target, methods):
        if target == "*" and head.method == "OPTIONS":
            return json_reply({})
        if not methods:
            return error_reply(404, f"there is no path {target[:80]} here")
        allow = ", ".join(sorted(methods) + ["OPTIONS"])
        if head.method == "OPTIONS":
            return json_reply({}, headers=[("Allow", allow)] + self.server.access.preflight(head, allow))
        return error_reply(405, f"{head.method[:20]} is not possible on this path; use {allow}",
                           [("Allow", allow)])

    def _work(self, function, head, path, query, body, arguments):
        try:
            request = Request(head.method, path, parse_query(query), head.headers, bytes(body), self.server,
                              self._address)
            result = function(self.server.daemon, request, *arguments)
            reply = result if isinstance(result, Reply) else json_reply(result)
            return coded(reply, head.headers.get("accept-encoding"))
        except Error as error:
            return failure_reply(error.bare(), self._refuse)
        except Exception as error:
            exhausted = exhaustion_in(error)
            if exhausted is not None:
                return self._refuse(503, f"{exhausted}; try again later", [("Retry-After", "5")])
            log.exception("%s %s failed", head.method, path)
            return self._refuse(500, "the daemon met a bug; see its log")

    def _send(self, reply, head):
        with_body = head is None or head.method != "HEAD"
        if with_body and reply.length is None:
            self._is_last = True
        self.server.counters.count(reply.status, time.monotonic() - self._began)
        start = encode_head(reply, self._headers(reply, head))
        if with_body and isinstance(reply.body, bytes) and len(reply.body) <= LARGE:
            self._wire.write(start + reply.body)     # one packet
            return
        self._wire.write(start)
        if with_body:
            self._send_body(reply.body)

    def _send_body(self, body):
        if isinstance(body, (bytes, memoryview)):
            self._wire.write(body)
        elif isinstance(body, FilePart):
            if not self._wire.send_file(body):
                self._is_last = True        # the client has to notice that bytes are missing
        elif hasattr(body, "converse"):
            self._unread = True             # linger, so that the last words are not lost
            body.converse(self._wire, self._buffered())
        else:
            self._send_stream(body)

    def _buffered(self):
        """Return the bytes that came along with the request."""
        self._wire.deadline = 0.0           # take nothing from the socket
        try:
            return self._reader.read1(READ_SIZE)
        except socket.timeout:
            return b""

    def _send_stream(self, body):
        self._wire.enter(BUSY)
        for data in body:
            if not data and has_hung_up(self.request):      # b"" is the time to look
                break
            self._wire.write(data)
            self._wire.enter(BUSY)

    def _headers(self, reply, head):
        headers = [("Date", self.server.http_date(int(time.time())))]
        if head is not None:
            headers += self.server.access.headers(head)
        if reply.status == 101:
            return headers
        length = reply.length
        if length is not None and reply.status != 304:
            headers.append(("Content-Length", str(length)))
        if self._is_last:
            headers.append(("Connection", "close"))
        elif head.version < (1, 1):
            headers.append(("Connection", "keep-alive"))
        return headers
