"""One request on a connection, and the head of its response."""

import re

from ..errors import Permanent
from . import remote_file
from .head import read_head
from .reader import Reader


class Exchange:
    """A request that was sent along a route and the response whose head was read.

    It is a POST of the `body`, or a GET. Holds the `slot` at the host until it is closed; `pool`
    keeps the connection if it can be used again. Raises Temporary or Permanent.
    """

    def __init__(self, channel, route, headers, slot, pool, body=None):
        self.channel, self._route, self.slot, self._pool = channel, route, slot, pool
        method = "GET" if body is None else "POST"
        channel.sendall(_encode(method, route.target, dict(headers, **route.headers)) + (body or b""))
        channel.wait_readable()
        self.reader = Reader(channel)
        with channel.hurried():
            self.head = read_head(self.reader)
        self.status, self.headers = self.head.status, self.head.fields
        route.remember(channel)

    def leftover(self):
        """Return what came in behind the head; afterwards only the channel has more."""
        return self.reader.rest()

    def finish(self):
        """Be done with a response whose body is of no interest."""
        length = remote_file.content_length(self.headers)
        rest = self.leftover()
        self.close(reusable=length is not None and len(rest) == length)

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
            slot.release()      # last: the next to have it finds the connection in the pool


def _encode(method, target, headers):
    """Return the request as bytes. Raises Permanent for a header that would be more than one line."""
    for name, value in headers.items():
        if re.search("[\r\n\0]", name + value):
            raise Permanent("the request's %s header has a line end in it; change the task's options" % name)
    lines = ["%s %s HTTP/1.1" % (method, target)] + ["%s: %s" % pair for pair in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8")
