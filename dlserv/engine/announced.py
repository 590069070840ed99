"""Mirrors that the server itself names (RFC 6249): used if they are asked for and a strong digest is known.

Only answers from the task's own URL count. Each mirror has to prove itself as any other, and the
file must have the digest that was known when the mirrors were accepted.
"""

from ..net import links
from . import continuity

MOST = 32
NAMED = 3           # mirrors that the note in the log names
STRONG = ("sha-256", "sha-512")


class Announced:
    """Adds the mirrors that answers name to the Sources; see Download for the others.

    `options` are the task's effective ones; their `metalink` says whether mirrors are wanted.
    """

    def __init__(self, sources, promises, options, note):
        self._sources, self._promises, self._is_wanted, self._note = sources, promises, options.metalink, note
        self._taken, self._resource = 0, None       # how many, and of which file the server told last
        self._is_told = False       # why none was taken

    def heed(self, answer, source):
        """Take the mirrors that this first answer of a request names."""
        if not self._is_wanted or not source.is_main or answer.resource.encoding:
            return
        named = [(told, links.mirrors(told)) for told in answer.told]
        named = [(told, mirrors) for told, mirrors in named if mirrors]
        digests = [answer.resource.digest] + [told.digest for told, _ in named]
        strong = [digest for digest in digests if is_strong(digest)]
        if strong:
            self._promises.announced = strong[0]
        elif self._is_another_file(answer.resource):
            self.forget()
        self._resource = answer.resource
        if self._is_vouched_for:
            self._take([url for _, mirrors in named for url in mirrors], answer)
        elif named and not self._is_told:
            self._is_told = True
            self._note("info", "the server names mirrors, but no SHA-256 or SHA-512 of the file is known; "
                               "they are not used")

    def _take(self, mirrors, answer):
        own = {str(source.url) for source in self._sources.all} | {str(answer.located)}
        wanted = [url for url in dict.fromkeys(mirrors) if str(url) not in own][:MOST - self._taken]
        if wanted:
            self._sources.announce(wanted)
            self._taken += len(wanted)
            names = ", ".join(url.netloc for url in wanted[:NAMED]) + (", …" if len(wanted) > NAMED else "")
            self._note("info", f"the server names {_counted(len(wanted))}: {names}")

    def _is_another_file(self, found):
        """Return whether this Resource is another file than the one that mirrors were accepted for."""
        known = self._resource
        return known is not None and (found.total != known.total or continuity.contradicts(found, known))

    @property
    def _is_vouched_for(self):
        return is_strong(self._promises.given) or is_strong(self._promises.announced)

    def adjust(self):
        """Drop the mirrors if no strong digest is known any more."""
        if self._taken and not self._is_vouched_for:
            self.forget()

    def forget(self):
        """Drop the mirrors; the next answer may name them again."""
        self._sources.forget_announced()
        self._promises.announced, self._taken = None, 0


def is_strong(checksum):
    """Return whether the checksum, "sha-256=<hex>" or None, is one that nobody can forge."""
    return (checksum or "").partition("=")[0] in STRONG


def _counted(count):
    return "1 mirror" if count == 1 else f"{count} mirrors"
