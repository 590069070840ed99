"""A server that answers every request with the same bytes."""

import json
import socketserver
import threading


class Canned(socketserver.ThreadingTCPServer):
    """Answers with `reply`, and remembers the requests' heads; a context manager."""

    allow_reuse_address = daemon_threads = True

    def __init__(self, reply, address=("127.0.0.1", 0)):
        self.reply, self.requests, self.connections = reply, [], 0
        super().__init__(address, _CannedReply)
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self):
        return "http://127.0.0.1:%d" % self.server_address[1]

    def __exit__(self, *exc_info):
        self.shutdown()
        self.server_close()


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
