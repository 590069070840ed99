"""A server in a thread of its own, which ends at once and looks for nothing meanwhile.

serve_forever looks a hundred times a second whether it is to end, or makes each test wait for that.
"""

import contextlib
import socket
import socketserver
import threading


class Background(socketserver.ThreadingTCPServer):
    """A context manager; `closing` is set when it ends."""

    allow_reuse_address = daemon_threads = True

    def __init__(self, address, handler):
        super().__init__(address, handler)
        self.closing = threading.Event()

    def __enter__(self):
        threading.Thread(target=self._accept, name=type(self).__name__, daemon=True).start()
        return self

    def __exit__(self, *exc_info):
        self.closing.set()
        with contextlib.suppress(OSError):      # it is not connected, says macOS
            self.socket.shutdown(socket.SHUT_RDWR)
        self.server_close()

    def _accept(self):
        while not self.closing.is_set():
            with contextlib.suppress(OSError):
                self.process_request(*self.get_request())
