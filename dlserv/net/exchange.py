"""One request on a connection, and the head of its response; `post` sends a message."""

import re

from ..errors import Permanent
from .auth import Credentials
from .head import read_head
from .proxy import Route
from .reader import Reader
from .remote_file import content_length

_BREAKING = re.compile("[\r\n\0]")


class Exchange:
    """A request that was sent on a route, and the response, whose head has been read.

    It is a POST of the `body`, or a GET. Holds the `slot` until it is closed; a reusable
    connection goes into the `pool` then. Raise Temporary or Permanent, with the channel closed.
    """

    def __init__(self, channel, route, headers, slot, pool, body=None):
        self.channel, self._route, self.slot, self._pool = channel, route, slot, pool
        try:
            method = "GET" if body is None else "POST"
            channel.sendall(_encode(method, route.target, dict(headers, **route.headers)) + (body or b""))
            channel.wait_readable()
            self.reader = Reader(channel)
            with channel.hurried():
                self.head = read_head(self.reader)
            route.remember(channel)
        except BaseException:
            channel.close()
            raise
        self.status, self.headers = self.head.status, self.head.fields

    def leftover(self):
        """Return the bytes that arrived with the head; any further ones must be read from the channel."""
        return self.reader.rest()

    def finish(self):
        """Close a response whose body is not needed; keep the connection if the body has arrived."""
        reusable = False
        try:
            reusable = len(self.leftover()) == content_length(self.headers)
        finally:
            self.close(reusable)

    def close(self, reusable=False):
        """Release the slot; with `reusable`, keep the connection for the next request."""
        if self.slot is None:
            return
        slot, self.slot = self.slot, None
        try:
            if reusable and self.head.keeps_open:
                self._pool.put(self._route.key, self.channel.detach())
            else:
                self.channel.close()
        finally:
            slot.release()      # last, so that the next owner finds the connection in the pool


def _encode(method, target, headers):
    """Return the request as bytes. Raise Permanent for a header with a line end or NUL in it."""
    if _BREAKING.search("".join(headers) + "".join(headers.values())):
        name = next(name for name, value in headers.items() if _BREAKING.search(name + value))
        raise Permanent(f"the request's {name} header has a line end in it; change the task's options")
    lines = [f"{method} {target} HTTP/1.1"] + [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8")


class _Anywhere:
    """The address policy for URLs that the settings themselves name."""

    def permit(self, host, port, addresses):
        return addresses

    def exempts(self, proxy):
        return True


class _NoSlot:
    """A message takes no slot of the downloads from its host."""

    def release(self):
        pass


def post(url, options, network, headers, body):
    """POST the body to a URL of the settings; return the HTTP status. No redirect is followed.

    `options` are a task's effective ones, `network` is a (network.Network, channel.Signal).
    Raise TransferError, Stopped or MissingModule.
    """
    network, stop = network
    route = Route.to(url, options, network._replace(policy=_Anywhere()))
    headers = dict({"Host": url.host_header, "User-Agent": options.user_agent, "Accept": "*/*",
                    "Content-Length": "%d" % len(body), "Connection": "close"}, **headers)
    if url.user is not None:
        headers["Authorization"] = Credentials(url.user, url.password).basic()
    exchange = Exchange(route.open(stop), route, headers, _NoSlot(), network.pool, body)
    exchange.close()
    return exchange.status
