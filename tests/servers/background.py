"""A server in a thread of its own, which ends at once and looks for nothing meanwhile.

serve_forever looks a hundred times a second whether it is to end, or makes each test wait for that.
"""

import contextlib
import socket
import socketserver
import threading


class Background(socketserver.ThreadingTCPServer):
    """A context manager."""

    allow_reuse_address = daemon_threads = True
    _is_over = False

    def __enter__(self):
        threading.Thread(target=self._accept, name=type(self).__name__, daemon=True).start()
        return self

    def __exit__(self, *exc_info):
        self._is_over = True
        with contextlib.suppress(OSError):      # it is not connected, says macOS
            self.socket.shutdown(socket.SHUT_RDWR)
        self.server_close()

    def _accept(self):
        while not self._is_over:
            with contextlib.suppress(OSError):
                self.process_request(*self.get_request())
