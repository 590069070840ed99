"""Requests to a daemon over http.client, and its event stream: addresses, tokens, errors as types."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import time
from collections import namedtuple
from urllib.parse import unquote, urlencode, urlsplit

from ..errors import InvalidValue, NoDaemon, NotAllowed, Refused
from ..idn import to_ascii
from ..sockets import resolve

TIMEOUT = 60            # seconds without a byte; the event stream has a comment every 15
LONGEST_IDLE = 20       # seconds after which the daemon may have closed a connection

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any


class Event(namedtuple("Event", "kind data")):
    """A change that the daemon tells of; `data` is the JSON object of its kind."""

    __slots__ = ()

    kind: str
    data: dict[str, Any]


class Transport:
    """Requests to the daemon at `url`. Every method raises NoDaemon, NotAllowed or Refused.

    `url` is an http:// or https:// address, with a path before the routes if need be, or
    `unix:/path` (`http+unix://%2Fpath`). Raise InvalidValue for any other. One connection is
    kept alive between requests, for one thread at a time; each event stream has its own.
    """

    def __init__(self, url: str, token: str | None = None, timeout: float = TIMEOUT,
                 longest_idle: float = LONGEST_IDLE) -> None:
        self.url = url
        self._connect, self._prefix = _parse_address(url)
        self._timeout, self._longest_idle = timeout, longest_idle
        self._headers = {"User-Agent": "dlserv-client"}
        if token:
            self._headers["Authorization"] = "Bearer " + token
        self._connection, self._used = None, 0.0

    def request(self, method: str, path: str, body: object = None, query: dict | None = None) -> dict:
        """Return the reply's JSON object, also of a 207, whose `detail` says what was refused."""
        if time.monotonic() - self._used > self._longest_idle:
            self.close()
        if self._connection is None:
            self._connection = self._connect(self._timeout)
        target = self._prefix + path + ("?" + urlencode(query) if query else "")
        response, data = self._exchange(method, target, body)
        self._used = time.monotonic()
        return self._judge(response, data)

    def get(self, path: str, **query: object) -> dict:
        """Return the reply's JSON object, as the next four do."""
        return self.request("GET", path, query=query)

    def post(self, path: str, body: object) -> dict:
        return self.request("POST", path, body)

    def put(self, path: str, **query: object) -> dict:
        return self.request("PUT", path, query=query)

    def patch(self, path: str, body: object) -> dict:
        return self.request("PATCH", path, body)

    def delete(self, path: str, **query: object) -> dict:
        return self.request("DELETE", path, query=query)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def stream(self, path: str) -> Stream:
        """Return the open Stream of the Server-Sent Events at the path."""
        connection = self._connect(self._timeout)
        with self._or_close(connection):
            connection.request("GET", self._prefix + path,
                               headers=dict(self._headers, Accept="text/event-stream"))
            sock = connection.sock      # the response takes it over if it ends with the connection
            response = connection.getresponse()
            if response.status != 200:
                self._judge(response, response.read())
        return Stream(connection, response, sock, self._absent)

    def _exchange(self, method, target, body):
        headers = dict(self._headers)
        if body is not None:
            body = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        with self._or_close(self):
            self._connection.request(method, target, body, headers)
            response = self._connection.getresponse()
            return response, response.read()

    @contextlib.contextmanager
    def _or_close(self, connection):
        """Close the connection after an error, or Ctrl-C: the next request must not get the rest of a reply."""
        try:
            yield
        except BaseException as error:
            connection.close()
            if isinstance(error, (OSError, http.client.HTTPException)):
                raise self._absent(error) from error
            raise

    def _judge(self, response, data):
        try:
            reply = json.loads(data.decode("utf-8"))
            done = reply["status"]
        except (ValueError, TypeError, KeyError):
            reply, done = {}, None
        if response.status in (401, 403, 429):
            raise NotAllowed(reply.get("errmsg") or f"{self.url} does not let you in")
        if done not in ("success", "error"):
            raise NoDaemon(f"{self.url} answers, but it is not dlserv; check the address")
        if response.status >= 400:
            raise Refused(reply.get("errmsg") or response.reason, response.status,
                          reply.get("code"), reply.get("key"))
        return reply

    def _absent(self, error):
        """Return the NoDaemon for a failed connection."""
        if isinstance(error, socket.timeout):
            return NoDaemon(f"the daemon at {self.url} does not answer")
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        remedy = '; "dlserv serve" starts one' if isinstance(
            error, (ConnectionRefusedError, FileNotFoundError)) else ""
        return NoDaemon(f"no daemon at {self.url}: {reason[:1].lower()}{reason[1:]}{remedy}")


class Stream:
    """Server-Sent Events as they arrive, for one thread that iterates; any may `close` it."""

    connected = True        # see merged.Merged

    def __init__(self, connection: http.client.HTTPConnection, response: http.client.HTTPResponse,
                 sock: socket.socket, absent: Callable[[Exception], NoDaemon]) -> None:
        self._connection, self._response, self._sock = connection, response, sock
        self._absent = absent
        self._rows = {}    # type: dict[str, dict]

    def __iter__(self) -> Iterator[Event]:
        """Yield Events until the end of the stream. Raise NoDaemon.

        A `task` has its whole row: what has not changed, and is not sent, is put in.
        """
        kind, data = "message", []    # type: str, list[str]
        for line in self._lines():
            field, _, value = line.partition(":")
            if not line:
                if data:
                    yield self._completed(Event(kind, json.loads("\n".join(data))))
                kind, data = "message", []
            elif field == "event":
                kind = value.strip()
            elif field == "data":
                data.append(value)

    def _completed(self, event):
        if event.kind == "removed":
            self._rows.pop(event.data.get("tid"), None)
        elif event.kind == "task":      # the first of a task on a stream has its whole row already
            tid = event.data.get("tid")
            event = Event("task", dict(self._rows.get(tid, ()), **event.data))
            self._rows[tid] = event.data
        return event

    def _lines(self):
        try:
            for line in self._response:
                yield line.decode("utf-8", "replace").rstrip("\r\n")
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise self._absent(error) from error

    def close(self) -> None:
        try:
            self._sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass    # it has ended by itself

    def release(self) -> None:
        """Close the descriptors, in the thread that iterates."""
        self._response.close()
        self._connection.close()

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()
        self.release()


# -- addresses ----------------------------------------------------------------------------

class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self):
        self.sock = _opened(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM), self._path, self.timeout)


def _parse_address(url):
    """Return (a function of a timeout that makes a connection, the path before the routes)."""
    if url.startswith("unix:"):
        return _unix(url[len("unix:"):], url)
    try:
        parts = urlsplit(url)
        host, port = to_ascii(parts.hostname or ""), parts.port
    except ValueError:
        raise _not_an_address(url) from None
    if parts.scheme == "http+unix":
        return _unix(unquote(parts.netloc), url)
    kind = {"http": "HTTPConnection", "https": "HTTPSConnection"}.get(parts.scheme)
    if kind is None or not host or "@" in parts.netloc or parts.query or parts.fragment:
        raise _not_an_address(url)
    kind = getattr(http.client, kind, None)
    if kind is None:
        raise InvalidValue("url", "https needs a part of Python that is not installed here: "
                           "install python3-openssl")
    return lambda timeout: _tcp(kind, host, port, timeout), parts.path.rstrip("/")


def _tcp(kind, host, port, timeout):
    connection = kind(host, port, timeout=timeout)
    connection._create_connection = _connect    # http.client's own needs the idna codec
    return connection


def _connect(address, timeout, source):
    """Return a socket connected to the first of the host's addresses that answers. Raise OSError."""
    found = resolve(*address)
    for number, (family, kind, protocol, _, where) in enumerate(found, 1):
        try:
            return _opened(socket.socket(family, kind, protocol), where, timeout)
        except OSError:
            if number == len(found):
                raise


def _opened(sock, where, timeout):
    try:
        sock.settimeout(timeout)
        sock.connect(where)
        return sock
    except BaseException:
        sock.close()
        raise


def _unix(path, url):
    if not path.startswith("/") or not hasattr(socket, "AF_UNIX"):
        raise _not_an_address(url)
    return lambda timeout: _UnixConnection(path, timeout), ""


def _not_an_address(url):
    return InvalidValue("url", f"{url!r} is not a daemon's address such as http://127.0.0.1:6880 "
                               "or unix:/path")
