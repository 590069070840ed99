"""HTTP and HTTPS: a URL and an offset in, an `Answer` with an unread body out."""

import contextlib
import http.client
import re
from collections import namedtuple

from .. import urls
from ..errors import Changed, Permanent, Temporary, TransferError, Unchanged
from ..masking import is_sensitive
from ..units import parse_retry_after, utf8_of
from . import auth, links, remote_file
from .bodies import framed
from .channel import Channel
from .cookies import Jar
from .exchange import Exchange
from .inflated import Inflated, decoded
from .proxy import Route

# The first digit of a status decides, with these exceptions (RFC 9110, 15).
TEMPORARY = (408, 425, 429)             # and every 5xx
NO_FILE = (202, 204, 205)               # other 2xx are the file
REDIRECTS = (301, 302, 303, 307, 308)
NO_REDIRECT = (304, 305, 306)           # other 3xx redirect if they have a Location
MOST_REDIRECTS = 20
MOST_CHALLENGES = 3     # answered for one URL
EXPIRED = (401, 403, 410)


class Answer(namedtuple("Answer", "status resource stream start located jar told", defaults=((),))):
    """A success: `status` is 206 for a part of the file, else 200; `stream`, the Body, begins at `start`.

    `located` is the URL after redirects, `jar` the Jar with the cookies set on the way, `told` the
    links.Told of the responses that came from the origin of the credentials.
    """

    __slots__ = ()


# A request: the first byte wanted, the fields that name a range, the condition or None, its fields.
_Ask = namedtuple("_Ask", "start range condition conditions")


class Client:
    """Requests URLs with one task's options. Credentials are sent only to the origin they belong to.

    Raise TransferError, Stopped, MissingModule; HostFull if there is no slot for an `extra` connection.
    """

    def __init__(self, options, network, stop, extra=False):
        self._options, self._network, self._stop, self._extra = options, network, stop, extra

    def open(self, url, start=0, end=None, if_range=None, origin=None, jar=None, condition=None):
        """Return the Answer for `url` from byte `start`, up to `end` (exclusive) if given.

        `if_range` is the validator to send, `origin` that of the credentials, by default the
        URL's, `jar` that of an earlier Answer. `condition` has the `fields` to send and
        `check(resource)`, which raises Unchanged, as a 304 does. Raise Changed if the server
        does not deliver that range.
        """
        ask = _Ask(start, _range_headers(start, end, if_range), condition,
                   {} if condition is None else condition.fields)
        origin, cookies = origin or url.origin, self._network.cookies
        try:
            return self._chase(url, origin, ask, jar or Jar(cookies()))
        except Permanent as refusal:
            if refusal.status not in EXPIRED or not refusal.redirected:
                raise
            # the target may have expired; the URL leads to a fresh one
            return self._chase(url, origin, ask, Jar(cookies()))

    def check_redirect(self, here, there):
        """Raise Permanent, in a subclass, to forbid a redirect."""

    def _chase(self, url, origin, ask, jar):
        """Follow redirects and answer challenges; return the Answer."""
        here, answered, redirects, challenges, told = url, None, 0, 0, []
        while True:
            headers = self._headers(here, origin, jar)
            headers.update(ask.range, **ask.conditions)
            if answered:
                _set(headers, "Authorization", answered)
            exchange, answered = self._ask(here, headers), None
            try:
                jar.keep(here, exchange.headers)
                if exchange.status < 400 and auth.belongs(here, origin):
                    told += links.told(here, exchange.headers)
                if exchange.status == 401 and challenges < MOST_CHALLENGES:
                    answered = self._answer_challenge(exchange, here, origin, _get(headers, "Authorization"))
                if answered is not None:
                    challenges += 1
                elif _is_redirect(exchange):
                    there = _follow(here, exchange, redirects)
                    self.check_redirect(here, there)
                    here, redirects, challenges = there, redirects + 1, 0
                else:
                    return _answer(exchange, here, ask, jar, told)
            except BaseException as error:
                exchange.close()
                if isinstance(error, TransferError):
                    error.redirected = here != url
                raise
            exchange.finish()

    def _answer_challenge(self, exchange, url, origin, sent):
        """Return the Authorization to try next, or None; `sent` was refused, if any."""
        credentials = self._credentials(url, origin)
        challenges = exchange.headers.get_all("WWW-Authenticate")
        answer = credentials and credentials.answer(challenges, "GET", url.target)
        if not sent:
            given = auth.given(url, origin, self._options)      # as Basic if no challenge can be answered
            return answer or (given and given.basic())
        is_news = sent.startswith("Basic") or auth.has_stale_nonce(challenges)
        return answer if answer and answer.startswith("Digest") and is_news else None

    def _ask(self, url, headers):
        route = Route(url, self._options, self._network)
        exchange = self._exchange(url, route, headers)
        if exchange.status == 407 and route.answer(exchange.headers.get_all("Proxy-Authenticate")):
            exchange.finish()
            exchange = self._exchange(url, route, headers)
        return exchange

    def _exchange(self, url, route, headers):
        """Send a request, on an idle connection of the pool if there is one."""
        slot, pool = self._network.hosts.acquire(url.endpoint, self._stop, self._extra), self._network.pool
        try:
            reused = pool.take(route.key)
            if reused is not None:
                with contextlib.suppress(Temporary):        # the server has closed the idle connection
                    channel = Channel(reused, self._stop, self._options.timeout)
                    return Exchange(channel, route, headers, slot, pool)
            return Exchange(route.open(self._stop), route, headers, slot, pool)
        except BaseException:
            slot.release()
            raise

    def _headers(self, url, origin, jar):
        options, same = self._options, auth.belongs(url, origin)
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
            headers["If-Range"] = utf8_of(if_range)
    return headers


def _get(headers, name):
    return next((value for known, value in headers.items() if known.lower() == name.lower()), None)


def _set(headers, name, value):
    for known in [known for known in headers if known.lower() == name.lower()]:
        del headers[known]
    headers[name] = value


def _is_redirect(exchange):
    # an unknown 3xx counts as 300 (RFC 9110, 15)
    status = exchange.status
    return status in REDIRECTS or (300 <= status < 400 and status not in NO_REDIRECT
                                   and bool(exchange.headers.get("Location")))


def _follow(url, exchange, followed):
    """Return the target of a redirect after `followed` others. Raise Permanent."""
    location = exchange.headers.get("Location")
    if not location:
        raise Permanent(f"the server redirects ({exchange.status}) without saying where to", word="redirects")
    if followed == MOST_REDIRECTS:
        raise Permanent(f"there were more than {MOST_REDIRECTS} redirects", word="redirects")
    try:
        there = urls.follow(url, location, ("http", "https"))
    except ValueError as error:
        raise Permanent(f"the server redirects to a URL that {error}", word="redirects") from error
    if auth.belongs(there, url.origin) and there.user is None:
        there = there._replace(user=url.user, password=url.password)
    return there


def _answer(exchange, url, ask, jar, told):
    """Return the Answer of a success. Raise Changed, Permanent, Temporary or Unchanged for any other."""
    if exchange.status == 304 and ask.conditions:
        exchange.close(reusable=not exchange.reader.rest())
        raise Unchanged("unchanged: the server answered 304 Not Modified")
    if not _is_success(exchange):
        raise _refusal(exchange)
    status = 206 if _is_part(exchange, ask.range) else 200
    resource = remote_file.from_response(status, exchange.headers, url)
    expected, begins = remote_file.content_length(exchange.headers), 0
    if status == 206:
        begins, end, _ = remote_file.content_range(exchange.headers)
        if begins != ask.start or expected not in (None, end - begins):
            raise Changed("the server answered with another range than the one requested")
        expected = end - begins
    stream = framed(exchange, expected)
    if not (status == 206 and ask.range) and _is_text(resource, url):
        stream = decoded(stream, resource.encoding)
    if isinstance(stream, Inflated):
        resource = resource._replace(total=None, digest=None, content_md5=None)
    else:
        resource = resource._replace(encoding="")
    if ask.condition is not None:
        ask.condition.check(resource)
    return Answer(status, resource, stream, begins, url, jar, told)


def _is_success(exchange):
    # an unknown 2xx must have a body
    status = exchange.status
    return status in (200, 203, 206) or (
        200 <= status < 300 and status not in NO_FILE and remote_file.content_length(exchange.headers) != 0)


def _is_part(exchange, range_fields):
    # a 206 without a range, in response to a request without one, is the whole file
    return exchange.status == 206 and bool(range_fields or remote_file.tells_range(exchange.headers))


def _refusal(exchange):
    status, headers = exchange.status, exchange.headers
    sentence = "the server answered %d %s" % (status, http.client.responses.get(status)
                                              or exchange.head.reason)
    if status == 416:
        return Changed(sentence, status)
    if status not in TEMPORARY and not 500 <= status < 600:
        return Permanent(sentence, status)
    retry_after = parse_retry_after(headers.get("Retry-After"))
    if status in (429, 503):
        exchange.slot.refused(retry_after)
    return Temporary(sentence, retry_after, status)


_TEXT = re.compile(r"text/.*|(?:.*[/+])(?:json|xml|javascript|ecmascript)")


def _is_text(resource, url):
    """Return whether the file is a text, which is decoded if it is compressed."""
    name = urls.file_name(url.path).lower()
    return (_TEXT.fullmatch(resource.media_type) is not None
            and not name.endswith((".gz", ".tgz", ".svgz", ".z")))
