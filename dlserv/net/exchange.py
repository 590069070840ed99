"""One request on a connection, and the head of its response; `post` sends a message."""

import contextlib

from .auth import Credentials
from .head import encode_head, read_head
from .proxy import Route
from .reader import Reader
from .remote_file import content_length


class Exchange:
    """A GET, or a POST of the `body`, sent on a route, and the response, whose head has been read.

    Raise Temporary or Permanent, with the channel closed.
    """

    def __init__(self, channel, route, headers, slot, pool, body=None):
        self.channel, self._route, self.slot, self._pool = channel, route, slot, pool
        try:
            method = "GET" if body is None else "POST"
            channel.sendall(encode_head(method, route.target, dict(headers, **route.headers)) + (body or b""))
            channel.wait_readable()
            self.reader = Reader(channel)
            with channel.hurried():
                self.head = read_head(self.reader)
            route.remember(channel)
        except BaseException:
            channel.close()
            raise
        self.status, self.headers = self.head.status, self.head.fields

    def finish(self):
        """Close a response whose body is not needed."""
        reusable = False
        try:
            reusable = len(self.reader.rest()) == content_length(self.headers)
        finally:
            self.close(reusable)

    def close(self, reusable=False):
        """Release the slot; keep the connection for another request if it is `reusable`."""
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


def post(url, options, network, headers, body):
    """POST the body to a URL of the settings and return the status, of a redirect, too.

    `network` is a (Network, Signal). Raise TransferError, Stopped or MissingModule.
    """
    network, stop = network
    route = Route(url, options, network._replace(policy=None))
    headers = dict({"Host": url.host_header, "User-Agent": options.user_agent, "Accept": "*/*",
                    "Content-Length": "%d" % len(body), "Connection": "close"}, **headers)
    if url.user is not None:
        headers["Authorization"] = Credentials(url.user, url.password).basic()
    channel = route.open(stop)
    with contextlib.closing(channel):       # a message takes no slot of the downloads from its host
        return Exchange(channel, route, headers, None, network.pool, body).status
