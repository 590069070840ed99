"""The checksums that a file must have: the task's, and those that its server tells."""

from ..errors import WrongBytes
from .checksum import Checksum, Verifier, is_available


class Promises:
    """What an Unfinished must hash to, and the hashing beside its download.

    `given` is the task's checksum as "sha-256=<hex>", or None; it may change meanwhile.
    `always` asks for the SHA-256 even if nobody promised one; `note(level, text)` writes
    into the task's log.
    """

    def __init__(self, file, given, always, note):
        self._file, self.given, self._always, self._note = file, given, always, note
        self._verifier = None

    def follow(self):
        """Hash beside the download what arrives in order."""
        if self._verifier is not None and not set(self._algorithms()) <= self._verifier.algorithms:
            self.drop()
        if self._verifier is None:
            file = self._file
            self._verifier = Verifier(self._algorithms(), file.part, lambda: file.segments.prefix,
                                      file.resource.total)

    def drop(self):
        """Forget what was hashed so far."""
        if self._verifier is not None:
            self._verifier.stop()
            self._verifier = None

    def are_kept_by(self, checksum):
        """Return whether a file with this checksum, or None, needs no hashing."""
        return checksum is not None and all(str(each) == checksum for each in self._promises())

    def verify(self, stop):
        """Return the checksum to be known by, or None. Raise WrongBytes unless all promises are kept."""
        self.follow()
        found = self._verifier.finish(self._file.segments.total, stop)
        self._verifier = None
        promises = self._promises()
        if not {each.algorithm for each in promises} <= set(found):     # one has come meanwhile
            return self.verify(stop)
        for promise in promises:
            if found[promise.algorithm] != promise:
                raise WrongBytes("the checksum does not match: expected %s, found %s"
                                 % (promise, found[promise.algorithm]))
        self._check_hint(found)
        return next((str(found[name]) for name in ("sha-256",) + tuple(found) if name in found), None)

    def _algorithms(self):
        wanted = [each.algorithm for each in self._promises()]
        if self._file.resource.content_md5 and is_available("md5"):
            wanted.append("md5")
        return dict.fromkeys(wanted + ["sha-256"] * self._always)

    def _check_hint(self, found):
        """Say so if the file is not what Content-MD5 told, which is often wrong."""
        told = self._file.resource.content_md5
        if told and "md5" in found and str(found["md5"]) != told:
            self._note("warning", "the server's Content-MD5 is of other bytes: expected %s, found %s"
                       % (told, found["md5"]))

    def _promises(self):
        told = [self.given, self._file.resource.digest]
        return [Checksum.parse(text) for text in told if text]
