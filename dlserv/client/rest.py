"""A client of the REST interface, over http.client: kept-alive requests, and the event stream.

    client = Client("http://127.0.0.1:6880")
    client.post("/task/batch/add", {"tasks": ["https://example.org/file.iso"]})["tids"]

Addresses are http:// and https:// ones, with a path before the routes if need be, and
`unix:/path` (or `http+unix://%2Fpath`) for a socket in the file system.
"""

import hashlib
import http.client
import json
import socket
import time
from collections import namedtuple
from urllib.parse import quote, unquote, urlencode, urlsplit

from ..errors import ClientError, InvalidValue, NoDaemon, NotAllowed, Refused
from ..idn import to_ascii

TIMEOUT = 60            # seconds without a byte; the event stream has a comment every 15
LONGEST_IDLE = 20       # seconds after which a connection may have been closed over there

STATES = ("downloading", "paused", "finished", "invalid", "queued")

Event = namedtuple("Event", "kind data")


def tid_of(url):
    """Return the tid of the URL's task: the SHA-1 of what is left when blanks around it are cut."""
    return hashlib.sha1(url.strip().encode("utf-8")).hexdigest()


class Client:
    """Requests to the daemon at `url`, on one connection. Not for two threads at once.

    Every method raises NoDaemon, NotAllowed or Refused. Raises InvalidValue for an address
    that is none.
    """

    def __init__(self, url, token=None, timeout=TIMEOUT):
        self.url = url
        self._connect, self._prefix = _parse_address(url)
        self._timeout = timeout
        self._headers = {"User-Agent": "dlserv-client"}
        if token:
            self._headers["Authorization"] = "Bearer " + token
        self._connection, self._used = None, 0.0

    def get(self, path, **query):
        """The reply's JSON object."""
        return self.request("GET", path, query=query)

    def post(self, path, body):
        return self.request("POST", path, body)

    def put(self, path, **query):
        return self.request("PUT", path, query=query)

    def delete(self, path, **query):
        return self.request("DELETE", path, query=query)

    def request(self, method, path, body=None, query=None):
        """The reply's JSON object; also of a 207, whose `detail` tells what was refused."""
        if time.monotonic() - self._used > LONGEST_IDLE:
            self.close()
        if self._connection is None:
            self._connection = self._connect(self._timeout)
        response, data = self._exchange(method, _target(path, query), body)
        self._used = time.monotonic()
        return self._judge(response, data)

    def close(self):
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.close()

    def stream(self, path="/events"):
        """An open Stream of the daemon's events, on a connection of its own."""
        connection = self._connect(self._timeout)
        try:
            connection.request("GET", self._prefix + path,
                               headers=dict(self._headers, Accept="text/event-stream"))
            sock = connection.sock      # from now on the response's alone, if it ends with the connection
            response = connection.getresponse()
            if response.status != 200:
                self._judge(response, response.read())
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise self._absent(error) from error
        except ClientError:
            connection.close()
            raise
        return Stream(connection, response, sock, self._absent)

    def _exchange(self, method, target, body):
        headers = dict(self._headers)
        if body is not None:
            body = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        try:
            self._connection.request(method, self._prefix + target, body, headers)
            response = self._connection.getresponse()
            return response, response.read()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise self._absent(error) from error
        except BaseException:       # Ctrl-C in the middle of a reply: the next one is not to get the rest
            self.close()
            raise

    def _judge(self, response, data):
        try:
            reply = json.loads(data.decode("utf-8"))
            done = reply["status"]
        except (ValueError, TypeError, KeyError):
            reply, done = None, None
        if response.status in (401, 403, 429):
            raise NotAllowed((reply or {}).get("errmsg") or "%s does not let you in" % self.url)
        if done not in ("success", "error"):
            raise NoDaemon("%s answers, but it is not a dlserv" % self.url)
        if response.status >= 400:
            raise Refused(reply.get("errmsg") or response.reason, response.status)
        return reply

    def _absent(self, error):
        if isinstance(error, socket.timeout):
            return NoDaemon("the daemon at %s does not answer" % self.url)
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return NoDaemon("no daemon at %s: %s" % (self.url, reason[:1].lower() + reason[1:]))


class Stream:
    """Server-Sent Events as they come; iterate over it. Any thread may `close` it."""

    def __init__(self, connection, response, sock, absent):
        self._connection, self._response, self._sock = connection, response, sock
        self._absent = absent

    def __iter__(self):
        """Yield Events until the daemon or `close` ends the stream. Raises NoDaemon."""
        kind, data = "message", []
        for line in self._lines():
            field, _, value = line.partition(":")
            if not line:
                if data:
                    yield Event(kind, json.loads("\n".join(data)))
                kind, data = "message", []
            elif field == "event":
                kind = value.strip()
            elif field == "data":
                data.append(value)

    def _lines(self):
        try:
            for line in self._response:
                yield line.decode("utf-8", "replace").rstrip("\r\n")
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise self._absent(error) from error

    def close(self):
        """End it, also for a thread that waits for its next line."""
        try:
            self._sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass    # it has ended by itself

    def release(self):
        """Give the descriptors back; for the thread that has read it."""
        self._response.close()
        self._connection.close()


def _target(path, query):
    return path + ("?" + urlencode(query) if query else "")


def task_path(tid, what=""):
    """"/task/tid/<tid>/status" and the like."""
    return "/task/tid/%s%s" % (quote(tid, safe=""), what and "/" + what)


# -- addresses ----------------------------------------------------------------------------

class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a socket in the file system."""

    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        try:
            self.sock.connect(self._path)
        except BaseException:
            self.close()
            raise


def _parse_address(url):
    """(function that makes a connection of a timeout, path before the routes)."""
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
        raise InvalidValue("url", "https needs a part of Python that is not installed here: python3-openssl")
    def connect(timeout):
        connection = kind(host, port, timeout=timeout)
        connection._create_connection = _dial   # http.client's own needs the idna codec
        return connection
    return connect, parts.path.rstrip("/")


def _dial(address, timeout, source):
    """A socket connected to the first of the host's addresses that answers.

    The name goes as bytes: a str would be encoded by the idna codec, which small boxes lack.
    """
    host, port = address
    try:
        found = socket.getaddrinfo(host.encode("ascii"), port, type=socket.SOCK_STREAM)
    except UnicodeError:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    for number, (family, kind, protocol, _, where) in enumerate(found, 1):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(timeout)
            sock.connect(where)
            return sock
        except OSError:
            sock.close()
            if number == len(found):
                raise


def _unix(path, url):
    if not path.startswith("/") or not hasattr(socket, "AF_UNIX"):
        raise _not_an_address(url)
    return lambda timeout: _UnixConnection(path, timeout), ""


def _not_an_address(url):
    return InvalidValue("url", "%r is not a daemon's address such as http://127.0.0.1:6880 or unix:/path"
                        % url)
