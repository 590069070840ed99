"""A server that answers every request with the same bytes."""

import json
import socketserver

from servers.background import Background


class Canned(Background):
    """Answers with `reply`, and remembers the requests' heads; a context manager."""

    def __init__(self, reply, address=("127.0.0.1", 0)):
        self.reply, self.requests, self.connections = reply, [], 0
        super().__init__(address, _CannedReply)

    @property
    def url(self):
        return "http://127.0.0.1:%d" % self.server_address[1]


class _CannedReply(socketserver.StreamRequestHandler):
    def handle(self):
        self.server.connections += 1
        while True:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                line = self.rfile.readline()
                if not line:
                    return
                head += line
            self.server.requests.append(head.decode())
            self.wfile.write(self.server.reply)


def reply(status, body, more=""):
    """Return the bytes of a reply; a body that is not bytes goes as JSON."""
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    return ("HTTP/1.1 %s\r\nContent-Length: %d\r\n%s\r\n" % (status, len(body), more)).encode() + body
