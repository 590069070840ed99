"""A receiver of webhooks: keeps what was posted, and answers as it is told."""

import collections
import http.server

from servers.background import Background

Message = collections.namedtuple("Message", "path headers body")


class Receiver(Background):
    """`answers` are the statuses of the next messages, 204 afterwards; None hangs until it ends. A context manager."""

    def __init__(self, *answers, port=0):
        self.answers, self.messages = list(answers), []
        super().__init__(("127.0.0.1", port), _Handler)
        self.url = "http://127.0.0.1:%d/hook" % self.server_address[1]

    def take(self, message):
        """Keep the message and return the status of the answer, or None."""
        self.messages.append(message)
        answer = self.answers.pop(0) if self.answers else 204
        if answer is None:
            self.closing.wait()
        return answer


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status = self.server.take(Message(self.path, {k.lower(): v for k, v in self.headers.items()}, body))
        if status is not None:
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

    def log_message(self, *arguments):
        pass
