"""One attempt to fetch one file: ask, prove, move bytes, verify, publish.

A `Download` runs in the thread that calls `run` and never calls up by import; what it
has to say goes to the observer it was given:

    planned(progress, durable)  names and resource are chosen (None: dropped); return when kept
    publishing(progress)        about to take the final name; returns a function that
                                waits until this is durable
    note(level, text)           a line for the task's log

What a later attempt needs is a `Progress`, plain enough to be stored.
"""

import threading
from collections import namedtuple

from .. import urls
from ..errors import Changed, LocalError, NameTaken, Permanent, Temporary
from . import filename
from .checksum import Checksum, of_file
from .channel import Signal
from .folder import Folder
from .http import Client
from .meter import Meter
from .partfile import Identity, PartFile
from .ratelimit import TokenBucket
from .resource import Resource
from .segments import Segments, clip
from .transfer import copy

OVERLAP = 2 ** 14       # bytes fetched again on resume, to be compared with those on disk


class Progress(namedtuple("Progress", "part target resource done publishing checksum")):
    """What is known about an unfinished file.

    part, target   str, names within the folder: now, and when it is whole
    resource       Resource that the bytes came from
    done           [(start, end), …] bytes that are here
    publishing     Identity of the part while it takes the name `target`, else None
    checksum       str, what it was verified to hash to by then, else None
    """

    __slots__ = ()

    def to_record(self):
        """As plain data, for the database."""
        return {"part": self.part, "target": self.target, "resource": self.resource._asdict(),
                "done": [list(each) for each in self.done],
                "publishing": self.publishing and list(self.publishing), "checksum": self.checksum}

    @classmethod
    def from_record(cls, record):
        """The reverse; raises TypeError, KeyError or ValueError if it is none."""
        publishing = record["publishing"]
        return cls(record["part"], record["target"], Resource.from_record(record["resource"]),
                   [(start, end) for start, end in record["done"]],
                   publishing and Identity(*publishing), record["checksum"])


Finished = namedtuple("Finished", "name identity checksum resource")


class Download:
    """`url` into the folder `options.dir` below `root`, from where `kept` left off."""

    def __init__(self, url, options, overwrite, root, network, observer, kept=None, bucket=None):
        self._url, self._options, self._overwrite = url, options, overwrite
        self._root, self._network, self._observer, self._kept = root, network, observer, kept
        self._bucket = TokenBucket(options.ratelimit, bucket)
        self._stop = Signal()
        self._lock = threading.Lock()
        self._folder = self._part = self._target = self._resource = None
        self._publishing = self._checksum = None
        self._segments = Segments(kept.resource.total, kept.done) if kept else Segments()
        self._meter = Meter(self._segments.count)
        self.connections = 0

    # -- for other threads -----------------------------------------------------------

    def stop(self):
        """Make `run` raise Stopped, soon, whatever it is waiting for."""
        self._stop.set()

    @property
    def count(self):
        """Bytes that are here."""
        return self._segments.count

    @property
    def speed(self):
        """Bytes a second over the last few seconds."""
        return self._meter.speed(self._segments.count)

    @property
    def resource(self):
        """The Resource, or None until the server has answered."""
        return self._resource or (self._kept and self._kept.resource)

    def progress(self):
        """The Progress of now, or what was kept before there is any."""
        with self._lock:
            if self._part is None or self._resource is None:
                return self._kept
            return self._progress()

    def flush(self):
        """Make the bytes that are here durable; the Progress that a power cut leaves true."""
        progress, part = self.progress(), self._part
        if part is not None:
            part.sync()
        return progress

    # -- the attempt -----------------------------------------------------------------

    def run(self):
        """Fetch, verify and publish the file; gives a Finished.

        Raises Stopped, Temporary (try again), Permanent, Changed, or a LocalError.
        """
        try:
            self._stop.check()
            self._folder = Folder(self._root, self._options.dir)
            return self._recover() or self._attempt()
        finally:
            self._close()

    def _close(self):
        if self._part is not None:
            self._part.close()
        if self._folder is not None:
            self._folder.close()
        self._stop.close()

    def _attempt(self):
        client = Client(self._options, self._network, self._stop)
        self._reopen()
        for restarts in range(3):
            try:
                while not self._segments.complete:
                    self._fetch(self._ask(client))
                break
            except Changed as change:
                if restarts == 2:
                    raise Permanent("the file changed again and again: %s" % change) from change
                self._note("warning", "%s; starting over from zero" % change)
                self._start_over()
        self._verify()
        return self._publish()

    def _note(self, level, text):
        self._observer.note(level, text)

    # -- what is here already --------------------------------------------------------

    def _recover(self):
        """The Finished of a file that a crash caught while it took its name, or None."""
        kept = self._kept
        if kept is None or kept.publishing is None:
            return None
        found, part = self._folder.stat(kept.target), self._folder.stat(kept.part)
        if found is None or not kept.publishing.matches(found):
            return None
        if part is not None:
            if (part.st_dev, part.st_ino) != (found.st_dev, found.st_ino):
                return None
            self._folder.remove(kept.part)
        return Finished(kept.target, Identity.of(found), kept.checksum, kept.resource)

    def _reopen(self):
        """Open the part file of an earlier attempt and believe what can be believed."""
        kept = self._kept
        if kept is None:
            return
        part = PartFile.reopen(self._folder, kept.part)
        if part is None:
            self._segments = Segments()
            if kept.done:
                self._note("warning", "%s is gone; starting over from zero" % kept.part)
            return
        done = clip(kept.done, part.size)
        with self._lock:
            self._part, self._target, self._resource = part, kept.target, kept.resource
            self._segments = Segments(kept.resource.total, done)
        if done and not kept.resource.resumable and not self._segments.complete:
            self._note("warning", "the server cannot resume this file; starting over from zero")
            self._start_over()

    def _start_over(self):
        """Forget every byte: in the database before on the disk."""
        with self._lock:
            self._segments = Segments()
        if self._part is not None:
            self._observer.planned(self._progress(), durable=True)
            self._part.truncate()

    # -- asking ----------------------------------------------------------------------

    def _ask(self, client):
        """An Answer whose body belongs at the first missing byte."""
        self._stop.check()
        start = self._first_hole()
        first = max(0, start - OVERLAP)
        answer = client.open(self._url, first, self._resource.validator if start else None)
        try:
            if start:
                return self._prove(client, answer, first, start)
            self._plan(answer.resource)
            return answer
        except BaseException:
            answer.stream.close()
            raise

    def _first_hole(self):
        done = self._segments.done()
        return done[0][1] if done and done[0][0] == 0 else 0

    def _prove(self, client, answer, first, start):
        """An Answer that belongs at byte `start`, proven to continue the bytes on disk.

        A whole answer where a part was asked for is used from zero. Raises Changed where
        nothing can be proven.
        """
        kept = self._resource
        if answer.status == 200 and first and answer.resource.same_validator(kept):
            answer.stream.close()       # some servers know ranges, but not with If-Range
            answer = client.open(self._url, first)
            if answer.status == 206 and not answer.resource.same_validator(kept):
                answer.stream.close()
                raise Changed("the server does not say that the file is still the same")
        if answer.status == 200 and first:
            same = answer.resource.same_validator(kept)
            self._note("warning", "the %s; starting over from zero" % (
                "server no longer resumes" if same else "file on the server has changed"))
            self._start_over()
            self._plan(answer.resource)
            return answer
        if answer.resource.total != kept.total:
            raise Changed("the file on the server has another size now")
        if _contradicts(answer.resource, kept):
            raise Changed("the file on the server has changed")
        self._compare(answer.stream, first, start)
        return answer

    def _compare(self, stream, first, start):
        """Read the overlap and hold it against the disk."""
        buffer = memoryview(bytearray(start - first))
        filled = 0
        while filled < len(buffer):
            count = stream.read_into(buffer[filled:])
            if not count:
                raise Changed("the server sent less than it said")
            filled += count
        if self._part.read(len(buffer), first) != bytes(buffer):
            raise Changed("the server's bytes differ from those on disk")

    # -- names -----------------------------------------------------------------------

    def _plan(self, resource):
        """Choose the names and make the part file, or keep those there are."""
        if self._part is None:
            self._create_part(resource)
        else:
            with self._lock:
                self._resource = resource
            self._observer.planned(self._progress(), durable=False)
        with self._lock:
            self._segments = Segments(resource.total)

    def _create_part(self, resource):
        where = urls.parse(resource.url)
        name = filename.choose(self._options.filename, resource.disposition,
                               urls.file_name(resource.url), where.host, resource.media_type)
        for target in self._names(name):
            part = filename.part_name(target)
            if self._folder.stat(part) is not None:
                continue
            self._observer.planned(Progress(part, target, resource, [], None, None), durable=False)
            try:
                opened = PartFile.create(self._folder, part)
            except NameTaken:
                continue
            except LocalError:
                self._observer.planned(None, durable=False)
                raise
            with self._lock:
                self._part, self._target, self._resource = opened, target, resource
            return

    def _names(self, name):
        """The free ones among name, name (1), name (2), …"""
        number = 0
        while True:
            candidate = filename.numbered(name, number)
            if self._folder.stat(candidate) is None:
                yield candidate
            elif self._overwrite == "never":
                raise Permanent("a file named %s is there already" % self._folder.relative(candidate))
            number += 1

    # -- bytes -----------------------------------------------------------------------

    def _fetch(self, answer):
        """Move the answer's body into the part file."""
        segment = self._segments.claim()
        try:
            if segment is not None:
                self._move(answer.stream, segment)
        finally:
            answer.stream.close()

    def _move(self, stream, segment):
        self.connections = 1
        try:
            copy(stream, self._part, self._segments, segment, self._bucket, self._stop)
            if self._segments.total is None:
                self._segments.finish(segment.position)
            elif segment.position == segment.start:
                raise Temporary("the server sent nothing new")
        finally:
            self.connections = 0
            self._segments.release(segment)

    def _verify(self):
        """Hold the file against the checksum that was told; raises Permanent if it differs."""
        self._part.truncate(self._segments.total)
        if not self._options.checksum:
            return
        wanted = Checksum.parse(self._options.checksum)
        found = of_file(wanted.algorithm, self._part, self._segments.total, self._stop)
        if found != wanted:
            self._start_over()
            raise Permanent("the checksum does not match: expected %s, found %s" % (wanted, found))
        self._checksum = str(found)

    # -- the end ---------------------------------------------------------------------

    def _publish(self):
        """Give the file its name, a free one even if the planned one was taken meanwhile."""
        self._part.stamp(self._resource.modified)
        spare_empty = bool(self._kept and self._kept.publishing)
        names = self._names(self._target)
        target = self._target if spare_empty else next(names)
        while True:
            self._stop.check()
            with self._lock:
                self._target, self._publishing = target, self._part.identity()
            wait = self._observer.publishing(self._progress())
            self._part.sync(times=True)
            wait()
            try:
                self._part.publish(target, spare_empty)
            except NameTaken:
                target, spare_empty = next(names), False
            else:
                return Finished(target, self._publishing, self._checksum, self._resource)

    def _progress(self):
        return Progress(self._part.name, self._target, self._resource, self._segments.done(),
                        self._publishing, self._checksum)


def _contradicts(found, kept):
    """Whether the two responses name different validators of the same kind."""
    return any(getattr(found, name) and getattr(kept, name)
               and getattr(found, name) != getattr(kept, name)
               for name in ("etag", "last_modified"))
