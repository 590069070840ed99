"""The checksums that a file must match: the task's and the server's."""

from ..errors import WrongBytes
from .checksum import Checksum, Verifier, is_available


class Promises:
    """The checksums of an Unfinished, and the Verifier that hashes it during the download.

    `given` is the task's checksum as "sha-256=<hex>", or None; it may change at any time.
    `always` requests the SHA-256 even if none is promised; `note(level, text)` writes to the
    task's log. `announced` is the checksum by which the server vouches for its mirrors, or None.
    """

    announced = None

    def __init__(self, file, given, always, note):
        self._file, self.given, self._always, self._note = file, given, always, note
        self._verifier = None

    def follow(self):
        """Start a Verifier during the download, unless one for these algorithms is running."""
        wanted, file = self._algorithms(), self._file
        if self._verifier is not None and not set(wanted) <= self._verifier.algorithms:
            self.drop()
        if self._verifier is None:
            self._verifier = Verifier(wanted, file.part, lambda: file.segments.prefix, file.resource.total)

    def drop(self):
        """Stop the Verifier and forget its hashes."""
        if self._verifier is not None:
            self._verifier.stop()
            self._verifier = None

    def are_kept_by(self, checksum):
        """Return whether a known checksum, or None, satisfies all promises, so that no hashing is needed."""
        return checksum is not None and all(str(each) == checksum for each in self._promises())

    def verify(self, stop):
        """Return the checksum to record, or None. Raise WrongBytes unless all promises are kept."""
        self.follow()
        found = self._verifier.finish(self._file.segments.total, stop)
        self._verifier = None
        promises = self._promises()
        if not {each.algorithm for each in promises} <= set(found):     # `given` has changed meanwhile
            return self.verify(stop)
        for promise in promises:
            if found[promise.algorithm] != promise:
                raise WrongBytes(f"the checksum does not match: expected {promise}, "
                                 f"found {found[promise.algorithm]}")
        self._check_hint(found)
        return next((str(found[name]) for name in ("sha-256",) + tuple(found) if name in found), None)

    def _algorithms(self):
        wanted = [each.algorithm for each in self._promises()]
        if self._file.resource.content_md5 and is_available("md5"):
            wanted.append("md5")
        return dict.fromkeys(wanted + ["sha-256"] * self._always)

    def _check_hint(self, found):
        """Warn if the file does not match its Content-MD5, which is often wrong."""
        told = self._file.resource.content_md5
        if told and "md5" in found and str(found["md5"]) != told:
            self._note("warning", f"the server's Content-MD5 does not match the file: expected {told}, "
                                  f"found {found['md5']}")

    def _promises(self):
        told = [self.given, self._file.resource.digest, self.announced]
        return [Checksum.parse(text) for text in dict.fromkeys(told) if text]
