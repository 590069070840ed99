"""The thread that takes connections off the listening socket.

Without it the daemon would be deaf, so nothing ends it but `stop`: no bug, no lack of
files, threads or memory. The log tells of each of these once.
"""

import logging
import selectors
import threading
import time

from ..complaint import Complaint
from ..exhaustion import exhaustion_in
from ..sockets import Waker
from ..threads import Thread, join

PAUSE = 0.1         # seconds after a failure; nothing else would slow the loop down

log = logging.getLogger(__name__)


class Acceptor:
    """Calls `take()` when a connection waits on the socket; asleep until there is one."""

    def __init__(self, sock, take):
        self._sock, self._take = sock, take
        self._waker = Waker()
        self._stopping, self._complaint = False, Complaint(log)
        self._answered = threading.Event()
        self._thread = Thread(self._run, "dlserv-http")

    def start(self):
        self._thread.start()

    def stop(self):
        """Take no more; return when that is certain. It may be called again."""
        self._stopping = True
        if self._thread.is_alive():
            self._waker.wake()
        join(self._thread)

    def is_alive(self, seconds):
        """Return whether the thread runs and comes back for more within `seconds`."""
        if self._stopping or not self._thread.is_alive():
            return False
        self._answered.clear()
        self._waker.wake()
        return self._answered.wait(seconds)

    def close(self):
        """Release its descriptors."""
        self._waker.close()

    def refused(self, error, bug="a connection could not be taken"):
        """Log why a connection was refused: a limit of the system, or a bug of ours, in these words."""
        exhausted = exhaustion_in(error)
        if exhausted is None:
            self._complaint.tell(bug, error)
        else:
            self._complaint.tell(f"connections are refused: {exhausted}")

    def served(self):
        """Take note that connections are served again."""
        self._complaint.over()

    def _run(self):
        with selectors.DefaultSelector() as selector:
            selector.register(self._sock, selectors.EVENT_READ)
            selector.register(self._waker, selectors.EVENT_READ)
            while not self._stopping:
                try:
                    ready = [key.fileobj for key, _ in selector.select()]
                    if self._waker in ready:
                        self._waker.clear()
                        self._answered.set()
                    elif not self._stopping:
                        self._take()
                except Exception as error:
                    self.refused(error)
                    time.sleep(PAUSE)
