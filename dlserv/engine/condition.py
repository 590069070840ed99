"""The condition of a refresh: fetch the file only if its server has another one by now."""

from ..errors import Permanent, Unchanged
from .continuity import sameness

_SENTENCES = {
    "size": "unchanged as far as can be told: the server names no version of the file, and its size is the same",
}


class Condition:
    """The condition that the file behind `url`, the task's own, is another one than before.

    `file` is the Finished that is here; `checksum` the one that the task was posted with, or
    None.
    """

    def __init__(self, file, url, checksum):
        self.known, self._promised = file.resource, file.promised
        self._own = file.source in (None, url)
        self._is_pinned = checksum in file.promised

    @property
    def fields(self):
        """The request fields that state it; none if the file came from another URL."""
        return self.known.conditions if self._own else {}

    def check(self, found):
        """Raise Unchanged if `found`, the server's Resource, is of the file that is here.

        Raise Permanent for another one if the task's checksum fits the present file alone.
        """
        same = sameness(found, self.known, self._promised, self._own)
        if same:
            raise Unchanged(_SENTENCES.get(same, f"unchanged: the file on the server has the same {same}"))
        if self._is_pinned:
            raise Permanent("the file on the server has changed, but the task's checksum is that of the file "
                            "that is here; take the checksum off the task and refresh it again",
                            word="checksum")
