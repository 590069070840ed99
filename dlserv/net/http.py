"""HTTP and HTTPS: ask for a URL from an offset, get an `Answer` whose body can be read.

Follows redirects, keeps credentials to the origin they were given for, reads the head
with http.client, and hands out the body as a stream that knows when it was cut short:
`read_into` gives 0 only at the true end and raises Temporary at any other.
"""

import http.client
import io
import re
import zlib
from collections import namedtuple

from .. import urls
from ..errors import Changed, Permanent, Temporary, TransferError
from ..masking import is_sensitive
from ..units import format_size, parse_retry_after
from . import auth
from . import remote_file
from .channel import Channel
from .cookies import Jar
from .proxy import Route

TEMPORARY = frozenset((408, 425, 429, 500, 502, 503, 504))
REDIRECTS = (301, 302, 303, 307, 308)
MOST_REDIRECTS = 10
EXPIRED = (401, 403, 410)


class Answer(namedtuple("Answer", "status resource stream start located jar")):
    """A 200 or 206 whose body has not been read.

    `stream` begins at byte `start`; `located` is the URL that answered in the end,
    `jar` holds the cookies that were set on the way there.
    """

    __slots__ = ()


class Client:
    """Asks for one task's URLs, with its options, on behalf of whoever `stop` can stop.

    Raises TransferError, Stopped, MissingModule; HostFull for an extra connection where
    the host has enough.
    """

    def __init__(self, options, network, stop, extra=False):
        self._options, self._network, self._stop, self._extra = options, network, stop, extra

    def open(self, url, start=0, end=None, if_range=None, origin=None, jar=None):
        """The Answer for `url` from byte `start` on, to `end` (exclusive) if it is given.

        `if_range` is the validator to send. `origin` is what the task's credentials belong
        to, the URL's own unless said; `jar` is that of an earlier Answer. Raises Changed if
        the server cannot or will not give that range.
        """
        ask = _range_headers(start, end, if_range)
        try:
            return self._chase(url, origin or url.origin, ask, start, jar or self._new_jar())
        except Permanent as refusal:
            if refusal.status not in EXPIRED or not refusal.redirected:
                raise
            # Where it led to may have run out; the original leads to a fresh one.
            return self._chase(url, origin or url.origin, ask, start, self._new_jar())

    def _new_jar(self):
        return Jar(self._network.cookies())

    def _chase(self, url, origin, ask, start, jar):
        """Follow redirects to the Answer."""
        here, answered = url, None
        for hop in range(MOST_REDIRECTS + 1):
            headers = self._headers(here, origin, jar)
            headers.update(ask)
            if answered:
                headers["Authorization"], answered = answered, None
            exchange = self._exchange(here, headers)
            jar.keep(here, exchange.headers)
            try:
                if exchange.status == 401:
                    answered = self._answer_challenge(exchange, here, origin, headers.get("Authorization", ""))
                if answered is None and exchange.status not in REDIRECTS:
                    return _answer(exchange, here, start, jar)
                if answered is None:
                    here = _follow(here, exchange)
            except TransferError as error:
                exchange.close()
                error.redirected = here != url
                raise
            except BaseException:
                exchange.close()
                raise
            exchange.finish()
        raise Permanent("there were more than %d redirects" % MOST_REDIRECTS)

    def _answer_challenge(self, exchange, url, origin, sent):
        """Another Authorization than was `sent` in vain, or None."""
        credentials = self._credentials(url, origin)
        challenges = exchange.headers.get_all("WWW-Authenticate", ())
        answer = credentials and credentials.answer(challenges, "GET", url.target)
        if sent and not (answer and answer.startswith("Digest") and (
                sent.startswith("Basic") or re.search("stale *= *\"?true", str(challenges), re.IGNORECASE))):
            return None
        return answer

    # -- a request -------------------------------------------------------------------

    def _exchange(self, url, headers):
        """Send a request, on a connection that waits for one if there is any."""
        slot = self._network.hosts.acquire(url.host, self._stop, self._extra)
        try:
            route = Route.to(url, self._options, self._network)
            reused = self._network.pool.take(route.key)
            if reused is not None:
                try:
                    channel = Channel(reused, self._stop, self._options.timeout)
                    return self._send(channel, route, headers, slot)
                except Temporary:
                    pass    # the server had closed it meanwhile
            return self._send(route.open(self._stop), route, headers, slot)
        except BaseException:
            slot.release()
            raise

    def _send(self, channel, route, headers, slot):
        try:
            return Exchange(channel, route, headers, slot, self._network.pool)
        except BaseException:
            channel.close()
            raise

    def _headers(self, url, origin, jar):
        options, same = self._options, url.origin == origin
        headers = {"Host": url.host_header, "User-Agent": options.user_agent, "Accept": "*/*",
                   "Accept-Encoding": "identity"}
        if options.referer:
            headers["Referer"] = options.referer
        cookies = [text for text in (same and options.cookies, jar.header(url)) if text]
        if cookies:
            headers["Cookie"] = "; ".join(cookies)
        credentials = self._credentials(url, origin)
        if credentials and url.scheme == "https":       # else only when the server asks
            headers["Authorization"] = credentials.basic()
        for name, value in options.headers.items():
            if same or not is_sensitive(name):
                _set(headers, name, value)
        return headers

    def _credentials(self, url, origin):
        return auth.choose(url, origin, self._options, self._network.netrc)


def _range_headers(start, end, if_range):
    headers = {}
    if start or end is not None:
        headers["Range"] = "bytes=%d-%s" % (start, "" if end is None else end - 1)
        if if_range:
            headers["If-Range"] = if_range
    return headers


def _set(headers, name, value):
    for known in [known for known in headers if known.lower() == name.lower()]:
        del headers[known]
    headers[name] = value


def _follow(url, exchange):
    location = exchange.headers.get("Location")
    if not location:
        raise Permanent("the server redirects (%d) without saying where to" % exchange.status)
    try:
        there = urls.follow(url, location, ("http", "https"))
    except ValueError as error:
        raise Permanent("the server redirects to a URL that %s" % error) from error
    if there.origin == url.origin and there.user is None:
        there = there._replace(user=url.user, password=url.password)
    return there


# -- one request and the head of its response ----------------------------------------

class Exchange:
    """A request that was sent and the response whose head was read."""

    def __init__(self, channel, route, headers, slot, pool):
        self.channel, self._route, self.slot, self._pool = channel, route, slot, pool
        self._sock = Socket(channel)
        connection = _Connection(self._sock)
        try:
            connection.putrequest("GET", route.target, skip_host=True, skip_accept_encoding=True)
            for name, value in dict(headers, **route.headers).items():
                connection.putheader(name, value.encode("utf-8"))
            connection.endheaders()
            channel.wait_readable()
            channel.hurry()
            self.response = connection.getresponse()
            channel.relax()
        except http.client.RemoteDisconnected as error:
            raise Temporary("the server closed the connection without an answer") from error
        except (http.client.HTTPException, ValueError) as error:
            raise Temporary("the server's answer is not HTTP: %s"
                            % (str(error) or type(error).__name__)) from error
        if self._sock.raw.ended:        # http.client takes what it has for the whole head
            raise Temporary("the server closed the connection in the middle of its answer")
        self.status, self.headers = self.response.status, self.response.headers
        route.remember(channel)

    def leftover(self):
        """What of the body came in with the head; afterwards only the channel has more."""
        self._sock.raw.muted = True
        return self._sock.buffered.peek()

    def finish(self):
        """Be done with an answer whose body is of no interest."""
        length = remote_file.content_length(self.headers)
        rest = self.leftover()
        self.close(reusable=length is not None and len(rest) == length)

    def close(self, reusable=False):
        """Give the place at the host back; with `reusable`, keep the connection for the next."""
        if self.slot is None:
            return
        slot, self.slot = self.slot, None
        try:
            if reusable and not self.response.will_close:
                self._pool.put(self._route.key, self.channel.detach())
            else:
                self.channel.close()
        finally:
            slot.release()      # last: who has the place next finds the connection in the pool


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


class Socket:
    """What http.client and ftplib take for a socket; closing it leaves the channel open."""

    def __init__(self, channel):
        self.sendall = channel.sendall
        self.raw = _Raw(channel)
        self.buffered = _Unclosing(self.raw, 65536)

    def makefile(self, mode):
        return self.buffered

    def close(self):
        pass


class _Unclosing(io.BufferedReader):
    """http.client closes its reader behind the body; what came in after that is ours to see."""

    def close(self):
        pass

    def flush(self):
        """A reader has nothing to flush; a dropped response would, in 3.13, when the raw one is closed."""


class _Raw(io.RawIOBase):
    """The channel's bytes, until muted: then a reader sees no more than it has buffered."""

    def __init__(self, channel):
        super().__init__()
        self._channel = channel
        self.muted = self.ended = False

    def readable(self):
        return True

    def readinto(self, view):
        if self.muted:
            return None
        count = self._channel.recv_into(view)
        self.ended = not count
        return count


# -- from the head to the stream -----------------------------------------------------

def _answer(exchange, url, asked, jar):
    """The Answer of a success; raises what any other status means."""
    if exchange.status not in (200, 206):
        raise _refusal(exchange)
    resource = remote_file.from_response(exchange.status, exchange.headers, url)
    start, expected = 0, remote_file.content_length(exchange.headers)
    if exchange.status == 206:
        start, end, _ = remote_file.content_range(exchange.headers)
        if start != asked or expected not in (None, end - start):
            raise Changed("the server answered with another range than was asked for")
        expected = end - start
    stream = _stream(exchange, expected)
    if resource.encoding in _CODINGS and _is_text(resource, url):
        resource = resource._replace(total=None, digest=None)
        stream = Inflated(stream, resource.encoding)
    return Answer(exchange.status, resource, stream, start, url, jar)


def _refusal(exchange):
    status, headers = exchange.status, exchange.headers
    sentence = "the server answered %d %s" % (status, http.client.responses.get(status)
                                              or exchange.response.reason)
    if status == 416:
        return Changed(sentence, status)
    if status not in TEMPORARY:
        return Permanent(sentence, status)
    retry_after = parse_retry_after(headers.get("Retry-After"))
    if status in (429, 503):
        exchange.slot.refused(retry_after)
    return Temporary(sentence, retry_after, status)


def _stream(exchange, expected):
    coding = (exchange.headers.get("Transfer-Encoding") or "").strip().lower()
    if coding == "chunked":
        return Chunked(exchange)
    if coding:
        raise Permanent("the server used a transfer coding that was not asked for: %s" % coding[:40])
    return Plain(exchange, expected)


class _Body:
    """What all have in common: `received` counts their bytes."""

    def __init__(self, exchange):
        self._exchange, self.received = exchange, 0
        self.channel = exchange.channel

    @property
    def slot(self):
        return self._exchange.slot

    def adopt(self, stop):
        """Another thread reads on, which `stop` can stop."""
        self.channel.adopt(stop)


class Plain(_Body):
    """A body of known length, or one that ends with the connection."""

    def __init__(self, exchange, expected):
        super().__init__(exchange)
        self.leftover = memoryview(exchange.leftover())
        self.expected = expected

    @property
    def at_hand(self):
        """Whether all that is left of the body is here and need not be waited for."""
        return self.expected is not None and len(self.leftover) == self.expected - self.received

    def read_into(self, view):
        """Bytes read into the buffer, 0 at the true end. Raises Temporary at any other."""
        view = view[:self._limit(len(view))]
        return self._counted(self._take(view) if view else 0)

    def splice_into(self, pipe, wanted):
        """Bytes moved into the pipe within the kernel, likewise; OSError if it cannot."""
        wanted = self._limit(wanted)
        return self._counted(self.channel.splice_body(pipe, wanted, self._certain) if wanted else 0)

    @property
    def _certain(self):
        """Bytes still to come; without a length the end of the connection ends every wait."""
        return 2 ** 62 if self.expected is None else self.expected - self.received

    def _limit(self, wanted):
        return wanted if self.expected is None else min(wanted, self.expected - self.received)

    def _counted(self, count):
        self.received += count
        if not count and self.expected is not None and self.received < self.expected:
            raise Temporary("the connection was closed after %s of %s"
                            % (format_size(self.received), format_size(self.expected)))
        return count

    def _take(self, view):
        if not self.leftover:
            return self.channel.read_body(view, self._certain)
        count = min(len(view), len(self.leftover))
        view[:count] = self.leftover[:count]
        self.leftover = self.leftover[count:]
        return count

    def close(self):
        self._exchange.close(reusable=self.received == self.expected and not self.leftover)


class Chunked(_Body):
    """A chunked body (RFC 9112, 7.1), decoded by http.client."""

    expected, at_hand, _ended = None, False, False

    def read_into(self, view):
        """Bytes read into the buffer, 0 at the true end. Raises Temporary at any other."""
        try:
            data = self._exchange.response.read1(min(len(view), 2 ** 18))
        except (http.client.HTTPException, ValueError) as error:
            raise Temporary("the connection was closed in the middle of a chunked answer, after %s"
                            % format_size(self.received)) from error
        view[:len(data)] = data
        self.received += len(data)
        self._ended = not data
        return len(data)

    def close(self):
        self._exchange.close(reusable=self._ended and not self._exchange.leftover())


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
    expected, at_hand = None, False

    @property
    def slot(self):
        return self._stream.slot

    def __init__(self, stream, coding):
        self._stream = stream
        self._inflater = zlib.decompressobj(_CODINGS[coding])
        self._input, self._pending = memoryview(bytearray(65536)), b""
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
        while True:
            if not self._pending:
                count = self._stream.read_into(self._input)
                self._pending = bytes(self._input[:count])
            if not self._pending and not self._inflater.eof:
                raise Temporary("the server's compressed answer is cut short")
            if not self._pending:
                return b""
            data = self._inflate(most)
            if data:
                return data

    def _inflate(self, most):
        if self._inflater.eof and self._pending[:1] == b"\x1f":    # another member (RFC 1952, 2.2)
            self._inflater = zlib.decompressobj(31)
        if self._inflater.eof:
            self._pending = b""     # bytes behind the end of the compressed data mean nothing
            return b""
        try:
            data = self._inflater.decompress(self._pending, most)
        except zlib.error as error:
            raise Permanent("the server's compressed answer is damaged: %s" % error) from error
        self._pending = self._inflater.unconsumed_tail or self._inflater.unused_data
        return data

    def close(self):
        self._stream.close()
