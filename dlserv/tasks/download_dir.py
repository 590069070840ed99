"""Where downloads go, and whether the disk that belongs there is there.

An unplugged disk leaves an empty mount point behind, which is on another disk: a router's
flash, most often. What once lay on a mounted disk waits until one is mounted there again.
"""

import logging
import os

from ..errors import Unavailable, Unwritable
from ..fs import mount_of

log = logging.getLogger(__name__)


class Place:
    """The download directory `path`. `mount` is where its disk was mounted, None if nowhere."""

    def __init__(self, path):
        self.path = os.path.abspath(path)
        self.mount = None

    def open(self, fact):
        """Begin with what was remembered of it; gives what is to be remembered, or None.

        Makes the directory if it is missing. Raises Unwritable if that is impossible at the
        first start; later, tasks wait until it can be written again.
        """
        known = bool(fact) and fact.get("path") == self.path
        self.mount = fact.get("mount") if known else None
        try:
            self.check()
            self._make()
        except Unwritable as error:
            if not known:
                raise
            log.warning("%s; downloads wait for their disk", error)
            return None
        self.mount = mount_of(self.path)
        found = {"path": self.path, "mount": self.mount}
        return found if found != fact else None

    def check(self):
        """Raises Unavailable while the disk is not there."""
        if self._is_absent():
            raise Unavailable("nothing is mounted at %s, where the downloads' disk was" % self.mount)

    def is_there(self):
        """Return whether the directory exists and its disk is mounted."""
        return not self._is_absent() and os.path.isdir(self.path)

    def _is_absent(self):
        return self.mount is not None and not os.path.ismount(self.mount)

    def _make(self):
        try:
            os.makedirs(self.path, exist_ok=True)
        except OSError as error:
            raise Unwritable("general.download_dir: %s cannot be made: %s"
                             % (self.path, error.strerror)) from error
        if not os.access(self.path, os.W_OK | os.X_OK):
            raise Unwritable("general.download_dir: %s cannot be written" % self.path)
