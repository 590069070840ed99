"""One attempt to fetch one file: ask, prove, move bytes, verify, publish.

A `Download` runs in the thread that calls `run` and never calls up by import; what it
has to say goes to the observer it was given:

    planned(progress, durable)  names and resource are chosen (None: dropped); return when kept
    publishing(progress)        about to take the final name; returns a function that
                                waits until this is durable
    beginning()                 bytes will follow, `missing` of them; may raise NoSpace
    note(level, text)           a line for the task's log

What a later attempt needs is a `Progress`, plain enough to be stored.
"""

import stat
import threading
from collections import namedtuple

from .. import urls
from ..errors import Changed, Permanent, Temporary, WrongBytes
from . import publish
from ..net.channel import Signal
from .checksum import Checksum, Verifier, is_available
from .fetch import OVERLAP, Fetch, compare, contradicts
from .folder import Folder
from .meter import Meter
from .partfile import Identity, PartFile
from .ratelimit import TokenBucket
from ..net.remote_file import Resource, check_is_file
from .segments import Segments, clip
from .sources import Opener, Sources

_CANNOT = "the server cannot resume this file"
RESTARTS = {Changed: 2, WrongBytes: 1}      # how often one attempt begins again from zero


class Progress(namedtuple("Progress", "part target source resource done publishing checksum node",
                          defaults=(None,))):
    """What is known about an unfinished file.

    part, target   str, names within the folder: now, and when it is whole
    source         str, the URL of the task or the mirror that the resource was found at
    resource       Resource that the bytes came from
    done           [(start, end), …] bytes that are here
    publishing     Identity of the part while it takes the name `target`, else None
    checksum       str, what it was verified to hash to by then, else None
    node           (device, inode) of the part, None before it is made
    """

    __slots__ = ()

    def may_be(self, status):
        """Whether the file of this os.stat_result, under the part's name, can be the part: its size fits."""
        least = max((end for _, end in self.done), default=0)
        most = self.resource.total
        return stat.S_ISREG(status.st_mode) and least <= status.st_size and (
            most is None or status.st_size <= most)

    def to_record(self):
        """As plain data, for the database."""
        return dict(self._asdict(), resource=self.resource._asdict(),
                    done=[list(each) for each in self.done],
                    publishing=self.publishing and list(self.publishing), node=self.node and list(self.node))

    @classmethod
    def from_record(cls, record):
        """The reverse; raises TypeError, KeyError or ValueError if it is none."""
        return cls(**dict(record, resource=Resource.from_record(record["resource"]),
                          done=[(start, end) for start, end in record["done"]],
                          publishing=record["publishing"] and Identity(*record["publishing"]),
                          node=record.get("node") and tuple(record["node"])))


Finished = namedtuple("Finished", "name identity checksum resource")


class Download:
    """`url` and its mirrors into the folder `options.dir` below `root`, from where `kept` left off.

    `settings` is config.download, `network` a route.Network, `bucket` the parent of the
    task's own TokenBucket; `previous` the Finished of a file that this one replaces once
    it is whole.
    """

    def __init__(self, url, options, settings, root, network, observer, kept=None, bucket=None,
                 previous=None):
        self._options, self._settings, self._root = options, settings, root
        self._network, self._observer, self._kept = network, observer, kept
        self._previous = previous
        self._sources = Sources([url] + [urls.parse(mirror) for mirror in options.mirrors])
        self._bucket = TokenBucket(options.ratelimit, bucket)
        self._stop = Signal()
        self._lock = threading.Lock()
        self._folder = self._part = self._target = self._fetch = self._verifier = None
        self._name = None           # what the target is, or a number was put to
        self._resource = self._source = self._publishing = self._checksum = None
        self._doubtful = False      # the part is not known to be ours before its bytes were compared
        self._segments = Segments(kept.resource.total, kept.done) if kept else Segments()
        self._old = self._segments.count    # bytes that this attempt did not bring
        self._meter = Meter()

    # -- for other threads -----------------------------------------------------------

    def stop(self):
        """Make `run` raise Stopped, soon, whatever it is waiting for."""
        self._stop.set()
        fetch = self._fetch
        if fetch is not None:
            fetch.wake()

    def adjust(self, options):
        """Heed another rate limit, number of connections and checksum from now on."""
        self._options = options
        self._bucket.rate = options.ratelimit
        fetch = self._fetch
        if fetch is not None:
            fetch.most = options.connections

    @property
    def count(self):
        """Bytes that are here."""
        return self._segments.count

    @property
    def received(self):
        """Bytes that this attempt has brought, those given up again included."""
        return self._segments.count - self._old

    @property
    def missing(self):
        """Bytes still to come, as far as the size is known."""
        return max(0, (self._segments.total or 0) - self._segments.count)

    @property
    def speed(self):
        """Bytes a second over the last few seconds."""
        return self._meter.speed(self.received)

    @property
    def connections(self):
        """Connections that are open."""
        fetch = self._fetch
        return fetch.count if fetch is not None else 0

    @property
    def resource(self):
        """The Resource, or None until a server has answered."""
        return self._resource or (self._kept and self._kept.resource)

    def progress(self):
        """The Progress of now, or what was kept before there is any."""
        with self._lock:
            if self._part is None or self._resource is None or not self._part.named:
                return self._kept
            return self._progress()

    def flush(self):
        """Make the bytes that are here durable; the Progress that a power cut leaves true."""
        progress, part = self.progress(), self._part
        if part is not None:
            part.flush()
        return progress

    # -- the attempt -----------------------------------------------------------------

    def run(self):
        """Fetch, verify and publish the file; gives a Finished.

        Raises Stopped, Temporary (try again), Permanent, or a LocalError.
        """
        try:
            self._stop.check()
            self._folder = Folder(self._root, self._options.dir)
            return self._recover() or self._attempt()
        finally:
            self.close()

    def close(self):
        """Give up what it holds; for one that is not run, else `run` does so."""
        if self._verifier is not None:
            self._verifier.stop()
        if self._part is not None:
            self._part.close()
        if self._folder is not None:
            self._folder.close()
        self._stop.close()

    def _attempt(self):
        self._reopen()
        restarts = dict(RESTARTS)
        while True:
            try:
                self._fetch_all()
                self._verify()
                return self._publish()
            except (Changed, WrongBytes) as problem:
                self._start_over()
                restarts[type(problem)] -= 1
                if restarts[type(problem)] < 0:
                    raise Permanent("again and again, %s" % problem) from problem
                self._note("warning", "%s; starting over from zero" % problem)
                if isinstance(problem, WrongBytes):
                    self._sources.demote(self._source)

    def _note(self, level, text):
        self._observer.note(level, text)

    # -- what is here already --------------------------------------------------------

    def _recover(self):
        """The Finished of a file that a crash caught while it took its name, or None."""
        kept = self._kept
        if kept is None or kept.publishing is None:
            return None
        identity = publish.recover(self._folder, kept.part, kept.target, kept.publishing)
        return identity and Finished(kept.target, identity, kept.checksum, kept.resource)

    def _reopen(self):
        """Open the part file of an earlier attempt and believe what can be believed."""
        kept = self._kept
        if kept is None:
            return
        part = PartFile.reopen(self._folder, kept.part)
        if part is None:
            self._segments = Segments()
            self._old = 0
            if kept.done:
                self._note("warning", "%s is gone; starting over from zero" % kept.part)
            return
        self._doubtful = kept.node is not None and part.node != kept.node
        size = part.size
        if self._doubtful and kept.resource.total:      # so that there is something left to compare
            size = min(size, kept.resource.total - 1)
        with self._lock:
            self._part, self._target, self._name = part, kept.target, kept.target
            self._resource, self._source = kept.resource, kept.source
            self._segments = Segments(kept.resource.total, clip(kept.done, size))
            self._old = self._segments.count
        if self._segments.count and not kept.resource.may_resume and not self._segments.complete:
            self._note("warning", "%s; starting over from zero" % _CANNOT)
            self._start_over()
        elif self._doubtful and not self._segments.count:
            self._start_over()

    def _start_over(self):
        """Forget every byte: in the database before on the disk. What may not be ours is left alone."""
        self._drop_verifier()
        with self._lock:
            self._old -= self._segments.count
            self._segments = Segments()
            self._publishing = self._checksum = None
        if self._part is None:
            return
        if self._doubtful or not self._part.named:
            self._part.close()
            self._part, self._doubtful = None, False
            return
        self._observer.planned(self._progress(), durable=True)
        self._part.truncate()

    # -- asking ----------------------------------------------------------------------

    def _fetch_all(self):
        """Bring in every missing byte."""
        while not self._segments.complete:
            if self._source == str(self._sources.all[0].url):       # else the size may be another
                self._observer.beginning()
            answer, source = self._ask_any()
            try:
                self._observer.beginning()
                self._follow()
            except BaseException:
                answer.stream.close()
                raise
            self._fetch = Fetch(self._options, self._settings, self._network, self._stop, self._bucket,
                                self._sources, self._part, self._segments, self._resource, self._note)
            try:
                self._fetch.run(answer, source)
            finally:
                self._fetch = None

    def _ask_any(self):
        """(an Answer whose body belongs at the first missing byte, its Source)."""
        refusals = []
        for source in self._sources.in_order():
            self._stop.check()
            try:
                return self._ask(source), source
            except (Temporary, Permanent, Changed) as refusal:
                if isinstance(refusal, Changed) and self._is_main(source):
                    raise
                refusals.append(refusal)
                self._sources.refused(source, refusal)
                if len(self._sources.all) > 1:
                    self._note("warning", "%s: %s" % (source.name, refusal))
        refusals.append(Permanent(self._sources.all[0].banned or "there is nowhere left to ask"))
        raise next((each for each in refusals if isinstance(each, Temporary)), refusals[0])

    def _ask(self, source):
        start, end = self._segments.first_hole
        first = max(0, start - OVERLAP)
        own = str(source.url) == self._source
        client = Opener(self._options, self._network, self._stop)
        answer = source.open(client, start=first, end=end,
                             if_range=self._resource.validator if start and own else None)
        if (own and first and answer.status == 200 and self._resource.ranges
                and answer.resource.same_validator(self._resource)):
            answer = self._ask_plainly(source, client, answer, first, end)
        try:
            if answer.status == 200 or not self._segments.count:
                check_is_file(answer, self._options.filename or urls.file_name(str(source.url)), self._resource)
            self._place(source, answer, first, start)
        except BaseException:
            answer.stream.close()
            raise
        source.resource, source.introduced = self._resource, True
        return answer

    def _ask_plainly(self, source, client, answer, first, end):
        """Ask without If-Range: some servers know ranges, but not with that."""
        answer.stream.close()
        answer = source.open(client, start=first, end=end)
        if answer.status == 206 and not answer.resource.same_validator(self._resource):
            answer.stream.close()
            raise Changed("the server does not say that the file is still the same")
        return answer

    def _place(self, source, answer, first, start):
        """See that the answer continues the bytes on disk at `start`, or begin anew with it."""
        known, found = self._resource, answer.resource
        if not self._segments.count:
            self._plan(source, found, answer.stream.at_hand)
        elif first and answer.status == 200:
            same = found.same_validator(known)
            if same and found.total not in (None, known.total):
                self._disagree(source, "the server answered a range as if it were the whole file")
            self._begin_anew(source, found, "the file on the server has changed" if not same else
                             "the server no longer resumes" if known.ranges else _CANNOT)
        elif found.total != known.total:
            self._disagree(source, "the file on the server has another size now")
        elif found.other_digest(known):
            self._disagree(source, "the server tells another checksum now")
        elif str(source.url) == self._source and contradicts(found, known):
            self._disagree(source, "the file on the server has changed")
        elif start:
            self._compare(source, answer, first, start)
        elif not found.same_validator(known):
            self._begin_anew(source, found, "the server does not say that the file is still the same")
        elif self._doubtful:
            self._begin_anew(source, found, "%s is another file now" % self._part.name)

    def _compare(self, source, answer, first, start):
        """Hold the overlap against the disk; what agrees is what later attempts ask for."""
        try:
            compare(answer.stream, self._part, first, start)
        except Changed as change:
            self._disagree(source, str(change))
        self._doubtful = False
        if str(source.url) != self._source:
            self._adopt(source, answer.resource)
        elif answer.status == 206 and not self._resource.ranges:
            self._adopt(source, self._resource._replace(ranges=True))

    def _begin_anew(self, source, resource, reason):
        """Use a whole answer from zero."""
        if not self._is_main(source):
            raise Permanent(reason)
        self._note("warning", "%s; starting over from zero" % reason)
        self._start_over()
        self._plan(source, resource)

    def _disagree(self, source, reason):
        raise (Changed if self._is_main(source) else Permanent)(reason)

    def _is_main(self, source):
        """Whether what this source says is the truth; another is merely left out if it differs."""
        return source.is_main or self._sources.alone

    # -- names -----------------------------------------------------------------------

    def _plan(self, source, resource, at_hand=False):
        """Choose the names and make the part file, or keep those there are.

        A file whose bytes are all `at_hand` gets by without a name until it is published.
        """
        if self._part is not None:
            self._adopt(source, resource)
        else:
            self._name = self._choose_name(source, resource)
            part, target = publish.make_part(
                self._folder, self._free_names(),
                lambda part, target: self._announce(part, target, source, resource),
                at_hand and self._previous is None)
            with self._lock:
                self._part, self._target = part, target
                self._resource, self._source = resource, str(source.url)
        with self._lock:
            self._segments = Segments(resource.total)

    def _choose_name(self, source, resource):
        if self._previous is not None:
            return self._previous.name
        main = next(each for each in self._sources.all if each.is_main)
        return publish.choose_name(self._options.filename, resource, None if source is main else str(main.url))

    def _announce(self, part, target, source, resource):
        plan = part and Progress(part, target, str(source.url), resource, [], None, None)
        self._observer.planned(plan, durable=False)

    def _adopt(self, source, resource):
        with self._lock:
            self._resource, self._source = resource, str(source.url)
        self._observer.planned(self._progress(), durable=False)

    def _free_names(self):
        return publish.free_names(self._folder, self._name, self._settings.overwrite, self._previous)

    # -- digests ---------------------------------------------------------------------

    def _follow(self):
        """Hash beside the download what arrives in order."""
        if self._verifier is not None and not set(self._algorithms()) <= self._verifier.algorithms:
            self._drop_verifier()
        if self._verifier is None:
            self._verifier = Verifier(self._algorithms(), self._part, lambda: self._segments.prefix,
                                      self._resource.total)

    def _drop_verifier(self):
        if self._verifier is not None:
            self._verifier.stop()
            self._verifier = None

    def _algorithms(self):
        wanted = [each.algorithm for each in self._promises()]
        wanted += ["md5"] * bool(self._resource.content_md5 and is_available("md5"))
        return dict.fromkeys(wanted + ["sha-256"] * self._settings.hash)

    def _check_hint(self, found):
        """Say so if the file is not what Content-MD5 told, which is often wrong."""
        told = self._resource.content_md5
        if told and "md5" in found and str(found["md5"]) != told:
            self._note("warning", "the server's Content-MD5 is of other bytes: expected %s, found %s"
                       % (told, found["md5"]))

    def _promises(self):
        """The Checksums that the file must have: the task's, and the server's own."""
        told = [self._options.checksum, self._resource.digest]
        return [Checksum.parse(text) for text in told if text]

    def _verify(self):
        """Raises WrongBytes unless the file is what was promised."""
        if self._part.named:    # else it is new and has its size
            self._part.truncate(self._segments.total)
        self._follow()
        found = self._verifier.finish(self._segments.total, self._stop)
        self._verifier = None
        promises = self._promises()
        if not {each.algorithm for each in promises} <= set(found):     # one has come meanwhile
            return self._verify()
        for promise in promises:
            if found[promise.algorithm] != promise:
                raise WrongBytes("the checksum does not match: expected %s, found %s"
                                 % (promise, found[promise.algorithm]))
        self._check_hint(found)
        self._checksum = next((str(found[name]) for name in ("sha-256",) + tuple(found) if name in found), None)

    # -- the end ---------------------------------------------------------------------

    def _publish(self):
        """Give the file its name, a free one even if the planned one was taken meanwhile."""
        self._part.stamp(self._resource.modified)
        interrupted = bool(self._kept and self._kept.publishing)
        self._stop.check()
        name = publish.publish(self._part, self._target, self._free_names(),
                               self._announce_publishing, interrupted, self._previous)
        return Finished(name, self._publishing, self._checksum, self._resource)

    def _announce_publishing(self, target, identity):
        with self._lock:
            self._target, self._publishing = target, identity
        wait = self._observer.publishing(self._progress())

        def settled():
            wait()
            self._stop.check()      # who stops it need not wait for a slow disk
        return settled

    def _progress(self):
        done = self._segments.done() if self._part.named else []
        return Progress(self._part.name, self._target, self._source, self._resource, done,
                        self._publishing, self._checksum, self._part.node)
