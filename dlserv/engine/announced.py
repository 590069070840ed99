"""Mirrors that the server itself names (RFC 6249), in answers from the task's own URL.

Used if they are asked for and a strong digest is known, which the file must have then. Each has
to prove itself as any other.
"""

from ..net import links
from . import continuity

MOST = 32
NAMED = 3           # mirrors that the note in the log names
STRONG = ("sha-256", "sha-512")


class Announced:
    """Adds these mirrors to `sources`, a Sources."""

    def __init__(self, sources, promises, is_wanted, note):
        self._sources, self._promises, self._is_wanted, self._note = sources, promises, is_wanted, note
        self._taken, self._resource = 0, None       # how many, and of which file the server told last
        self._is_told = False       # why none was taken

    def heed(self, answer, source):
        """Take the mirrors that an answer names."""
        resource = answer.resource
        if not self._is_wanted or not source.is_main or resource.encoding:
            return
        digests, mirrors = [resource.digest], []
        for told in answer.told:
            named = links.mirrors(told)
            if named:
                digests.append(told.digest)
                mirrors += named
        strong = [digest for digest in digests if is_strong(digest)]
        if strong:
            self._promises.announced = strong[0]
        elif self._is_another_file(resource):
            self.forget()
        self._resource = resource
        if self._is_vouched_for:
            self._take(mirrors, answer)
        elif mirrors and not self._is_told:
            self._is_told = True
            self._note("info", "the server names mirrors, but no SHA-256 or SHA-512 of the file is known; "
                               "they are not used")

    def _take(self, mirrors, answer):
        own = {str(source.url) for source in self._sources.all} | {str(answer.located)}
        wanted = [url for url in dict.fromkeys(mirrors) if str(url) not in own][:MOST - self._taken]
        if wanted:
            self._sources.announce(wanted)
            self._taken += len(wanted)
            counted = "1 mirror" if len(wanted) == 1 else f"{len(wanted)} mirrors"
            names = ", ".join(url.netloc for url in wanted[:NAMED]) + (", …" if len(wanted) > NAMED else "")
            self._note("info", f"the server names {counted}: {names}")

    def _is_another_file(self, found):
        known = self._resource
        return known is not None and (found.total != known.total or continuity.contradicts(found, known))

    @property
    def _is_vouched_for(self):
        return is_strong(self._promises.given) or is_strong(self._promises.announced)

    def adjust(self):
        if self._taken and not self._is_vouched_for:
            self.forget()

    def forget(self):
        """Drop the mirrors; the next answer may name them again."""
        self._sources.forget_announced()
        self._promises.announced, self._taken = None, 0


def is_strong(checksum):
    """Return whether nobody can forge the checksum, "sha-256=<hex>" or None."""
    return (checksum or "").partition("=")[0] in STRONG
