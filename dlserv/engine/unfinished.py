"""The file that an attempt fills, from its first byte until it has its final name.

What a later attempt needs to know of it is a `Progress`, plain enough to be stored. The
observer is told of every name before it is taken and of every byte before it is given up,
so a crash at any point leaves nothing behind that the next attempt does not recognise.
"""

import stat
import threading
from collections import namedtuple

from ..errors import NoSpace
from . import continuity, publish
from .folder import Folder
from .partfile import PartFile
from .segments import Segments, clip


class Progress(namedtuple("Progress", "part target source resource done publishing checksum node restarted",
                          defaults=(None, False))):
    """What is known about an unfinished file.

    part, target   str, names within the folder: now, and when it is whole
    source         str, the URL of the task or the mirror that the resource was found at
    resource       Resource that the bytes came from
    done           [(start, end), …] bytes that are here
    publishing     Identity of the part while it takes the name `target`, else None
    checksum       str, what it was verified to hash to by then, else None
    node           (device, inode) of the part, None before it is made
    restarted      bool, it was given up once for want of a validator, and began again from zero
    """

    __slots__ = ()

    def may_be(self, status):
        """Return whether the file of this os.stat_result can be the part, by its size."""
        least = max((end for _, end in self.done), default=0)
        most = self.resource.total
        return stat.S_ISREG(status.st_mode) and least <= status.st_size and (
            most is None or status.st_size <= most)


class Finished(namedtuple("Finished", "name identity checksum resource known", defaults=(None,))):
    """A whole file under its final name.

    name       str, within the task's folder
    identity   Identity of the file when it took the name
    checksum   str, the last one that was computed of it, else None
    resource   Resource that the bytes came from
    known      str, the checksum that it should have where `checksum` is another, else None
    """

    __slots__ = ()

    @property
    def promised(self):
        """The checksums known to be right: the one that it was first found to have, and the server's."""
        return [text for text in (self.known or self.checksum, self.resource.digest) if text]


class Unfinished:
    """A part file, the map of its bytes, and what is known of the file that they belong to.

    part       PartFile, or None before there is one
    segments   Segments, the map
    resource   Resource that the bytes came from, None before a server has answered
    source     str, the URL that it was found at
    doubtful   the part is not known to be ours until its bytes were compared
    checksum   str, what it was verified to hash to, else None

    Any thread may ask for the counts and the progress, and flush; the rest is for the
    thread of the attempt. Every method may raise a LocalError.
    """

    def __init__(self, options, environment, observer, kept=None, previous=None):
        self._options, self._environment, self._observer = options, environment, observer
        self._kept, self._previous = kept, previous
        self._lock = threading.Lock()
        self._folder = self._target = self._publishing = None
        self._name = None           # what the target is, or a number was put to
        self.part = self.resource = self.source = self.checksum = None
        self.doubtful, self._restarted = False, bool(kept and kept.restarted)
        self.segments = Segments(kept.resource.total, kept.done) if kept else Segments()
        self._brought_before = self.segments.count      # bytes that this attempt did not bring
        self.verified = None        # the checksum that an earlier attempt found, if no byte has changed since
        self.discarded = None       # how many bytes were given up for want of room
        self._flushed = None        # how many bytes were here at the last flush of this attempt

    # -- for any thread ----------------------------------------------------------------

    @property
    def received(self):
        """Bytes that this attempt has brought, those given up again included."""
        return self.segments.count - self._brought_before

    def describe(self):
        """Return the Resource, or None until a server has answered."""
        return self.resource or (self._kept and self._kept.resource)

    def progress(self):
        """Return the current Progress, or what was kept before there is any."""
        with self._lock:
            if self.part is None or self.resource is None or not self.part.named:
                return self._kept
            return self._progress()

    @property
    def disk_failed(self):
        """Whether bytes may be lost that were written since the last good flush."""
        return self.part is not None and self.part.has_failed

    @property
    def is_flushed(self):
        """Whether a flush has succeeded since the last byte came."""
        return not self.disk_failed and self._flushed == self.segments.count

    def flush(self):
        """Make the bytes that are here durable; return the Progress that a power cut leaves true."""
        progress, part = self.progress(), self.part
        if part is not None:
            part.flush()
            self._flushed = sum(end - start for start, end in progress.done) if progress else 0
        return progress

    def close(self):
        """Close the part file and the folder."""
        if self.part is not None:
            self.part.close()
        if self._folder is not None:
            self._folder.close()

    # -- what is here already ----------------------------------------------------------

    def recover(self):
        """Return the Finished of a file that a crash caught while it took its name, or None."""
        self._folder = Folder(self._environment.root, self._options.dir)
        kept = self._kept
        if kept is None or kept.publishing is None:
            return None
        identity, remark = publish.recover(self._folder, kept.part, kept.target, kept.publishing)
        self._note_remark(remark)
        return identity and Finished(kept.target, identity, kept.checksum, kept.resource)

    def trust(self, ranges):
        """Believe no other bytes to be here than these; for before there is a part file."""
        if self._kept is not None:
            self._kept = self._kept._replace(done=ranges)
            self.segments = Segments(self._kept.resource.total, ranges)
            self._brought_before = self.segments.count

    def reopen(self):
        """Open the part file of an earlier attempt and believe what can be believed."""
        kept = self._kept
        if kept is None:
            return
        part = PartFile.reopen(self._folder, kept.part)
        if part is None:
            self.segments = Segments()
            self._brought_before = 0
            if kept.done:
                self._note_start_over("%s is gone" % kept.part)
            return
        self._believe(kept, part)
        if self.segments.complete:
            return
        if self.segments.count and not continuity.may_resume(kept.resource, kept.restarted):
            self._note_start_over(continuity.CANNOT_RESUME)
            self.start_over(restarted=True)
        elif self.doubtful and not self.segments.count:
            self.start_over()

    def _believe(self, kept, part):
        self.doubtful = kept.node is not None and part.node != kept.node
        size = part.size
        if self.doubtful and kept.resource.total:      # so that there is something left to compare
            size = min(size, kept.resource.total - 1)
        with self._lock:
            self.part, self._target, self._name = part, kept.target, kept.target
            self.resource, self.source = kept.resource, kept.source
            self.segments = Segments(kept.resource.total, clip(kept.done, size))
            self._brought_before = self.segments.count
        if self.segments.complete and kept.publishing == part.identity():
            self.verified = kept.checksum

    def _note_start_over(self, reason):
        self._observer.note("warning", f"{reason}; starting over from zero")

    # -- beginning, and beginning again ------------------------------------------------

    def begin(self, source, resource, at_hand=False):
        """Choose the names and make the part file, or keep those there are, for the first byte to come.

        A file whose bytes are all `at_hand` gets by without a name until it is published.
        """
        if self.part is not None:
            self.adopt(source, resource)
        else:
            self._name = self._choose_name(source, resource)
            part, target = publish.make_part(
                self._folder, self._free_names,
                lambda part, target: self._announce(part, target, source, resource),
                at_hand and self._previous is None)
            with self._lock:
                self.part, self._target = part, target
                self.resource, self.source = resource, str(source.url)
        with self._lock:
            self.segments = Segments(resource.total)

    def adopt(self, source, resource):
        """Take this description, found at this Source, for the one that later answers must agree with."""
        with self._lock:
            self.resource, self.source = resource, str(source.url)
        self._observer.planned(self._progress(), durable=False)

    def lengthen(self, segment):
        """Forget the size that was told: the segment goes on behind it. Return False if it ends before that."""
        with self._lock:
            if not self.segments.unbound(segment):
                return False
            self.resource = self.resource._replace(total=None)
            return True

    def start_over(self, restarted=False):
        """Forget every byte: in the database before on the disk. What may not be ours is left alone.

        `restarted` says that it was for want of a validator; see Progress.
        """
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
        """Whether no later attempt can use the bytes: a file of unknown size cannot go on."""
        return self.part is not None and self.resource.total is None

    def leave(self, error, keep):
        """Flush what this attempt brought, so that it counts whatever becomes of the disk, if it is to be kept.

        If the disk is full and no later attempt can use it, remove it instead.
        """
        if isinstance(error, NoSpace) and self.is_useless:
            self.discarded = self.segments.count
            self.discard()
        elif keep and self.received and self.part is not None and self.part.named and not self.disk_failed:
            self.flush()

    def discard(self):
        """Remove the part file, and drop what is known of it."""
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
            self._brought_before -= self.segments.count
            self.segments = Segments()
            self._publishing = self.checksum = self.verified = None

    def _choose_name(self, source, resource):
        if self._previous is not None:
            return self._previous.name
        own = None if source.is_main else str(source.main)
        return publish.choose_name(self._options.filename, resource, own)

    def _announce(self, part, target, source, resource):
        plan = part and Progress(part, target, str(source.url), resource, [], None, None)
        self._observer.planned(plan, durable=False)

    # -- the end -----------------------------------------------------------------------

    def publish(self, stop):
        """Take the final name, a free one even if the planned one was taken meanwhile; return a Finished.

        Raise Stopped if `stop` is set before the name is taken.
        """
        self.part.stamp(self.resource.modified)
        interrupted = bool(self._kept and self._kept.publishing)
        stop.check()
        name, remark = publish.publish(
            self.part, self._target, self._free_names(),
            lambda target, identity: self._announce_publishing(target, identity, stop),
            interrupted, self._previous)
        self._note_remark(remark)
        return Finished(name, self._publishing, self.checksum, self.resource)

    def _announce_publishing(self, target, identity, stop):
        with self._lock:
            self._target, self._publishing = target, identity
        wait = self._observer.publishing(self._progress())

        def settled():
            wait()
            stop.check()        # a stop does not wait for a slow disk
        return settled

    def _note_remark(self, sentence):
        """Log what could not be done once the file had its name."""
        if sentence is not None:
            self._observer.note("warning", sentence)

    def _free_names(self):
        return publish.free_names(self._folder, self._name, self._environment.settings.overwrite,
                                  self._previous)

    def _progress(self):
        done = self.segments.done() if self.part.named else []
        return Progress(self.part.name, self._target, self.source, self.resource, done,
                        self._publishing, self.checksum, self.part.node, self._restarted)
