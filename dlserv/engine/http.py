"""HTTP and HTTPS: ask for a URL from an offset, get an `Answer` whose body can be read.

Follows redirects, keeps credentials to the origin they were given for, reads the head
with http.client, and hands out the body as a stream that knows when it was cut short:
`read_into` gives 0 only at the true end and raises Temporary at any other.
"""

import base64
import http.client
import io
import re
import zlib
from collections import namedtuple

from .. import urls
from ..errors import Changed, Permanent, Temporary
from ..options import is_sensitive
from ..units import format_size, parse_retry_after
from . import resource as resources
from .proxy import open_channel
from .retry import TEMPORARY

REDIRECTS = (301, 302, 303, 307, 308)
MOST_REDIRECTS = 10


class Answer(namedtuple("Answer", "status resource stream start")):
    """A 200 or 206 whose body has not been read: `stream` begins at byte `start`."""

    __slots__ = ()


class Client:
    """Asks for one task's URLs, with its options. Raises TransferError, Stopped, MissingModule."""

    def __init__(self, options, network, stop):
        self._options, self._network, self._stop = options, network, stop

    def open(self, url, start=0, if_range=None):
        """The Answer for `url` from byte `start` on; `if_range` is the validator to send.

        Raises Changed if the server cannot or will not give that range.
        """
        here = url
        for _ in range(MOST_REDIRECTS + 1):
            exchange = self._exchange(here, self._headers(here, url.origin, start, if_range))
            try:
                if exchange.status not in REDIRECTS:
                    return _answer(exchange, here, start)
                here = _follow(here, exchange)
            except BaseException:
                exchange.close()
                raise
            exchange.close()
        raise Permanent("there were more than %d redirects" % MOST_REDIRECTS)

    def _exchange(self, url, headers):
        channel, target, extra = open_channel(url, self._options, self._network, self._stop)
        try:
            return Exchange(channel, target, dict(headers, **extra))
        except BaseException:
            channel.close()
            raise

    def _headers(self, url, origin, start, if_range):
        options, same = self._options, url.origin == origin
        headers = {"Host": url.host_header, "User-Agent": options.user_agent, "Accept": "*/*",
                   "Accept-Encoding": "identity"}
        if options.referer:
            headers["Referer"] = options.referer
        if options.cookies and same:
            headers["Cookie"] = options.cookies
        authorization = self._authorization(url, same)
        if authorization:
            headers["Authorization"] = authorization
        for name, value in options.headers.items():
            if same or not is_sensitive(name):
                _set(headers, name, value)
        if start:
            headers["Range"] = "bytes=%d-" % start
            if if_range:
                headers["If-Range"] = if_range
        return headers

    def _authorization(self, url, same):
        if url.user is not None:
            return basic(url.user, url.password)
        if same and self._options.user is not None:
            return basic(self._options.user, self._options.password or "")
        return None


def basic(user, password):
    """The value of an Authorization header of the Basic scheme (RFC 7617)."""
    return "Basic " + base64.b64encode(("%s:%s" % (user, password)).encode("utf-8")).decode("ascii")


def _set(headers, name, value):
    for known in [known for known in headers if known.lower() == name.lower()]:
        del headers[known]
    headers[name] = value


def _follow(url, exchange):
    location = exchange.headers.get("Location")
    if not location:
        raise Permanent("the server redirects (%d) without saying where to" % exchange.status)
    try:
        there = urls.follow(url, location)
    except ValueError as error:
        raise Permanent("the server redirects to a URL that %s" % error) from error
    if there.origin == url.origin and there.user is None:
        there = there._replace(user=url.user, password=url.password)
    return there


# -- one request and the head of its response ----------------------------------------

class Exchange:
    """A request that was sent and the response whose head was read."""

    def __init__(self, channel, target, headers):
        self.channel = channel
        self._sock = _Socket(channel)
        connection = _Connection(self._sock)
        try:
            connection.putrequest("GET", target, skip_host=True, skip_accept_encoding=True)
            for name, value in headers.items():
                connection.putheader(name, value.encode("utf-8"))
            connection.endheaders()
            self.response = connection.getresponse()
        except http.client.RemoteDisconnected as error:
            raise Temporary("the server closed the connection without an answer") from error
        except (http.client.HTTPException, ValueError) as error:
            raise Temporary("the server's answer is not HTTP: %s"
                            % (str(error) or type(error).__name__)) from error
        self.status, self.headers = self.response.status, self.response.headers

    def leftover(self):
        """What of the body came in with the head; afterwards only the channel has more."""
        self._sock.raw.muted = True
        return self._sock.buffered.peek()

    def close(self):
        self.channel.close()


class _Connection(http.client.HTTPConnection):
    """http.client's writer and parser over a channel that is there already."""

    def __init__(self, sock):
        super().__init__("")
        self.response_class = _Response
        self.sock = sock


class _Response(http.client.HTTPResponse):
    """Skips every interim response, not 100 alone (RFC 9110, 15.2)."""

    def begin(self):
        super().begin()
        for _ in range(16):
            if not 100 <= self.status < 200 or self.status == 101:
                break
            self.headers = None
            super().begin()


class _Socket:
    """What http.client takes for a socket; closing it leaves the channel open."""

    def __init__(self, channel):
        self.sendall = channel.sendall
        self.raw = _Raw(channel)
        self.buffered = io.BufferedReader(self.raw, 65536)

    def makefile(self, mode):
        return self.buffered

    def close(self):
        pass


class _Raw(io.RawIOBase):
    """The channel's bytes, until muted: then a reader sees no more than it has buffered."""

    def __init__(self, channel):
        super().__init__()
        self._channel = channel
        self.muted = False

    def readable(self):
        return True

    def readinto(self, view):
        return None if self.muted else self._channel.recv_into(view)


# -- from the head to the stream -----------------------------------------------------

def _answer(exchange, url, asked):
    """The Answer of a success; raises what any other status means."""
    if exchange.status not in (200, 206):
        raise _refusal(exchange.status, exchange.response.reason, exchange.headers)
    resource = resources.from_response(exchange.status, exchange.headers, url)
    start, expected = 0, resources.content_length(exchange.headers)
    if exchange.status == 206:
        start, end, _ = resources.content_range(exchange.headers)
        if start != asked or expected not in (None, end - start):
            raise Changed("the server answered with another range than was asked for")
        expected = end - start
    stream = _stream(exchange, expected)
    if resource.encoding in _CODINGS and _is_text(resource, url):
        resource, stream = resource._replace(total=None), Inflated(stream, resource.encoding)
    return Answer(exchange.status, resource, stream, start)


def _refusal(status, reason, headers):
    reason = http.client.responses.get(status) or re.sub(r"[^ -~]+", " ", reason).strip()[:80]
    sentence = ("the server answered %d %s" % (status, reason)).strip()
    if status == 416:
        return Changed(sentence)
    if status in TEMPORARY:
        return Temporary(sentence, parse_retry_after(headers.get("Retry-After")))
    return Permanent(sentence)


def _stream(exchange, expected):
    coding = (exchange.headers.get("Transfer-Encoding") or "").strip().lower()
    if coding == "chunked":
        return Chunked(exchange)
    if coding:
        raise Permanent("the server used a transfer coding that was not asked for: %s" % coding[:40])
    return Plain(exchange, expected)


class Plain:
    """A body of known length, or one that ends with the connection."""

    def __init__(self, exchange, expected):
        self._exchange = exchange
        self._leftover = memoryview(exchange.leftover())
        self.channel = exchange.channel
        self.expected, self.received = expected, 0

    def read_into(self, view):
        if self.expected is not None:
            view = view[:self.expected - self.received]
            if not view:
                return 0
        count = self._take(view)
        self.received += count
        if not count and self.expected is not None:
            raise Temporary("the connection was closed after %s of %s"
                            % (format_size(self.received), format_size(self.expected)))
        return count

    def _take(self, view):
        if not self._leftover:
            return self.channel.recv_full(view) if self.channel.secure else self.channel.recv_into(view)
        count = min(len(view), len(self._leftover))
        view[:count] = self._leftover[:count]
        self._leftover = self._leftover[count:]
        return count

    def close(self):
        self._exchange.close()


class Chunked:
    """A chunked body (RFC 9112, 7.1), decoded by http.client."""

    expected = None

    def __init__(self, exchange):
        self._exchange = exchange
        self.received = 0

    def read_into(self, view):
        try:
            data = self._exchange.response.read1(len(view))
        except (http.client.HTTPException, ValueError) as error:
            raise Temporary("the connection was closed in the middle of a chunked answer, after %s"
                            % format_size(self.received)) from error
        view[:len(data)] = data
        self.received += len(data)
        return len(data)

    def close(self):
        self._exchange.close()


# -- compressed although "identity" was asked for ------------------------------------

_CODINGS = {"gzip": 31, "x-gzip": 31, "deflate": 47}
_TEXT = re.compile(r"text/.*|(?:.*[/+])(?:json|xml|javascript|ecmascript)")


def _is_text(resource, url):
    """Whether the type says that the file itself cannot be the compressed thing."""
    name = urls.file_name(url.path).lower()
    return (_TEXT.fullmatch(resource.media_type) is not None
            and not name.endswith((".gz", ".tgz", ".svgz", ".z")))


class Inflated:
    """The decoded bytes of a stream, within bounds that no honest text reaches."""

    RATIO, GRACE = 200, 64 * 2 ** 20
    expected = None

    def __init__(self, stream, coding):
        self._stream = stream
        self._inflater = zlib.decompressobj(_CODINGS[coding])
        self._input = memoryview(bytearray(65536))
        self.received = 0

    def read_into(self, view):
        data = self._more(len(view))
        view[:len(data)] = data
        self.received += len(data)
        if self.received > self.GRACE + self.RATIO * self._stream.received:
            raise Permanent("the server's compressed answer unpacks to more than %d times its size"
                            % self.RATIO)
        return len(data)

    def _more(self, most):
        pending = self._inflater.unconsumed_tail
        while True:
            if not pending:
                count = self._stream.read_into(self._input)
                pending = bytes(self._input[:count])
            if not pending and not self._inflater.eof:
                raise Temporary("the server's compressed answer is cut short")
            if not pending:
                return b""
            data = self._inflate(pending, most)
            if data:
                return data
            pending = self._inflater.unconsumed_tail

    def _inflate(self, pending, most):
        if self._inflater.eof:
            return b""      # bytes behind the end of the compressed data mean nothing
        try:
            return self._inflater.decompress(pending, most)
        except zlib.error as error:
            raise Permanent("the server's compressed answer is damaged: %s" % error) from error

    def close(self):
        self._stream.close()
