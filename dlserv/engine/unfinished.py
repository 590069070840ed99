"""The file that an attempt fills, from its first byte to its final name.

The observer stores every name before it is used and every loss of bytes before it happens, so
that after a crash at any point the next attempt recognises whatever is on disk.
"""

import threading

from ..errors import NoSpace
from . import continuity, publish
from .folder import Folder
from .partfile import PartFile
from .progress import Finished, Progress
from .segments import Segments, clip


class Unfinished:
    """A part file, the map of its bytes, and the Resource that they belong to.

    part       PartFile, or None before it is created
    segments   Segments, the map
    resource   Resource that the bytes came from, None before a server has answered
    source     str, the URL that described the resource
    doubtful   bool, the part may be another file until its bytes have been compared
    checksum   str, the verified checksum, else None
    verified   str, the one that an earlier attempt found, if no byte has changed since
    discarded  bytes that were discarded because the disk was full and they cannot be resumed, or None

    Any thread may read counts and progress and may flush; all else belongs to the attempt's.
    Every method may raise a LocalError.
    """

    def __init__(self, options, environment, observer, kept=None, previous=None):
        self._options, self._environment, self._observer = options, environment, observer
        self._kept, self._previous = kept, previous
        self._lock = threading.Lock()
        self._folder = self._target = self._publishing = None
        self._name = None           # the chosen name; the target is this or a numbered variant
        self.part = self.resource = self.source = self.checksum = self.verified = self.discarded = None
        self.doubtful, self._restarted = False, bool(kept and kept.restarted)
        self._flushed = None        # bytes on disk at this attempt's last flush
        self.segments = Segments(kept.resource.total, kept.done) if kept else Segments()
        self._given_up = 0          # bytes that this attempt has received and discarded

    # -- for any thread ----------------------------------------------------------------

    @property
    def received(self):
        """Bytes that this attempt has received, including discarded ones."""
        segments = self.segments
        return self._given_up + segments.count - segments.brought

    def describe(self):
        return self.resource or (self._kept and self._kept.resource)

    def progress(self):
        """Return the current Progress, or that of the earlier attempt."""
        with self._lock:
            if self.part is None or self.resource is None or not self.part.named:
                return self._kept
            return self._progress()

    @property
    def disk_failed(self):
        """True if bytes written since the last successful flush may be lost."""
        return self.part is not None and self.part.has_failed

    @property
    def is_flushed(self):
        """True if no byte was written since the last successful flush."""
        return not self.disk_failed and self._flushed == self.segments.count

    def flush(self):
        """Make the bytes on disk durable; return the Progress that survives a power cut."""
        progress, part = self.progress(), self.part
        if part is not None:
            part.flush()
            self._flushed = sum(end - start for start, end in progress.done) if progress else 0
        return progress

    def warn(self, sentence):
        if sentence is not None:
            self._observer.note("warning", sentence)

    def is_from(self, source):
        return str(source.url) == self.source

    def close(self):
        for each in (self.part, self._folder):
            if each is not None:
                each.close()

    # -- the bytes of an earlier attempt ------------------------------------------------

    def recover(self):
        """Return the Finished of a file that got its final name just before a crash, or None."""
        self._folder = Folder(self._environment.root, self._options.dir)
        kept = self._kept
        if kept is None or kept.publishing is None:
            return None
        identity, remark = publish.recover(self._folder, kept.part, kept.target, kept.publishing)
        self.warn(remark)
        return identity and Finished(kept.target, identity, kept.checksum, kept.resource, source=kept.source)

    def trust(self, ranges):
        """Believe only these ranges of the part file; call it before the attempt runs."""
        if self._kept is not None:
            self._kept = self._kept._replace(done=ranges)
            self.segments = Segments(self._kept.resource.total, ranges)

    def reopen(self):
        """Open the part file of an earlier attempt, and keep the bytes that may still be valid."""
        kept = self._kept
        if kept is None:
            return
        part = PartFile.reopen(self._folder, kept.part)
        if part is None:
            self.start_over(f"{kept.part} is gone" if kept.done else None, self._restarted)
            return
        self._believe(kept, part)
        if self.segments.complete and not self.doubtful:
            return
        if self.segments.count and not continuity.may_resume(kept.resource, kept.restarted):
            self.start_over(continuity.CANNOT_RESUME, restarted=True)
        elif self.doubtful and not self.segments.count:
            self.start_over()

    def _believe(self, kept, part):
        self.doubtful = kept.node is not None and part.node != kept.node
        size, total = part.identity().size, kept.resource.total
        if self.doubtful and total:     # leave a byte to request, and so to compare
            size = min(size, total - 1)
        with self._lock:
            self.part, self._target, self._name = part, kept.target, kept.target
            self.resource, self.source = kept.resource, kept.source
            self.segments = Segments(total, clip(kept.done, size))
        if self.segments.complete and kept.publishing == part.identity():
            self.verified = kept.checksum

    # -- beginning, and beginning again ------------------------------------------------

    def begin(self, source, resource, at_hand=False):
        """Choose the names and create the part file, or keep the existing one.

        If all bytes are `at_hand`, it may stay without a name until it is published.
        """
        if self.part is not None:
            self.adopt(source, resource)
        else:
            def announce(part, target):
                plan = part and Progress(part, target, str(source.url), resource, [], None, None)
                self._observer.planned(plan, durable=False)

            if self._previous is not None:
                self._name = self._previous.name
            else:
                self._name = publish.choose_name(self._options.filename, resource,
                                                 None if source.is_main else str(source.main))
            part, target = publish.make_part(self._folder, self._free_names, announce,
                                             at_hand and self._previous is None)
            with self._lock:
                self.part, self._target = part, target
                self.resource, self.source = resource, str(source.url)
        with self._lock:
            self.segments = Segments(resource.total)

    def adopt(self, source, resource):
        """Make this Resource the one that later answers must agree with."""
        with self._lock:
            self.resource, self.source = resource, str(source.url)
        self._observer.planned(self._progress(), durable=False)

    def lengthen(self, segment):
        """Forget the size, which the segment exceeds. Return False if it ends earlier."""
        with self._lock:
            if not self.segments.unbound(segment):
                return False
            self.resource = self.resource._replace(total=None)
            return True

    def start_over(self, reason=None, restarted=False):
        """Discard every byte, in the store before on disk. A doubtful part file is left alone.

        `reason` is for the log; `restarted` is true if it is the lack of a validator.
        """
        if reason:
            self.warn(f"{reason}; starting over from zero")
        self._restarted = restarted
        self._forget()
        if self.part is None:
            return
        if self.doubtful or not self.part.named:
            self.part.close()
            self.part, self.doubtful = None, False
            return
        self._observer.planned(self._progress(), durable=True)
        self.part.truncate()

    @property
    def is_useless(self):
        """True if no later attempt can use the bytes: a file of unknown size cannot be resumed."""
        return self.part is not None and self.resource.total is None

    def leave(self, error, keep):
        """End an attempt that failed: flush its bytes, or remove useless ones from a full disk."""
        if isinstance(error, NoSpace) and self.is_useless:
            self.discarded = self.segments.count
            self.discard()
        elif keep and self.received and self.part is not None and self.part.named and not self.disk_failed:
            self.flush()

    def discard(self):
        self._forget()
        part, self._kept = self.part, None
        with self._lock:
            self.part = None
        found = self._folder.stat(part.name) if part.named and not self.doubtful else None
        part.close()
        if found is not None and not self._folder.is_another(found, *part.node):
            self._folder.remove(part.name)
        if part.named:
            self._observer.planned(None, durable=False)

    def _forget(self):
        with self._lock:
            self._given_up = self.received
            self.segments = Segments()
            self._publishing = self.checksum = self.verified = None

    # -- the end -----------------------------------------------------------------------

    def publish(self, stop):
        """Give the file its final name, or the next free one. Raise Stopped."""
        def announce(target, identity):
            with self._lock:
                self._target, self._publishing = target, identity
            wait = self._observer.publishing(self._progress())

            def settled():
                wait()
                stop.check()        # the disk may have been slow
            return settled

        self.part.stamp(self.resource.modified)
        stop.check()
        interrupted = bool(self._kept and self._kept.publishing)
        name, remark = publish.publish(self.part, self._target, self._free_names(), announce,
                                       interrupted, self._previous)
        self.warn(remark)
        return Finished(name, self._publishing, self.checksum, self.resource, source=self.source)

    def _free_names(self):
        return publish.free_names(self._folder, self._name, self._environment.settings.overwrite,
                                  self._previous)

    def _progress(self):
        done = self.segments.done() if self.part.named else []
        return Progress(self.part.name, self._target, self.source, self.resource, done,
                        self._publishing, self.checksum, self.part.node, self._restarted)
