"""One attempt to fetch one file: ask, prove, move bytes, verify, publish.

A `Download` runs in the thread that calls `run` and never calls up by import; what it
has to say goes to the observer it was given:

    planned(progress, durable)  names and resource are chosen (None: dropped); return when kept
    publishing(progress)        about to take the final name; returns a function that
                                waits until this is durable
    beginning()                 bytes will follow, `missing` of them; may raise NoSpace
    note(level, text)           a line for the task's log

The file it fills is an Unfinished; what a later attempt needs is the Progress of that.
"""

from collections import namedtuple

from .. import urls
from ..errors import Changed, LocalError, Permanent, Stopped, WrongBytes
from ..net.channel import Signal
from .connection import Limits
from .fetch import Fetch
from .inquiry import Inquiry
from .meter import Meter
from .promises import Promises
from .ratelimit import TokenBucket
from .sources import Sources
from .unfinished import Finished, Progress, Unfinished

__all__ = ["Download", "Environment", "Finished", "Progress"]

RESTARTS = {Changed: 2, WrongBytes: 1}      # how often one attempt begins again from zero


class Environment(namedtuple("Environment", "settings root network bucket", defaults=(None,))):
    """What the downloads of one daemon share.

    settings   config.download
    root       str, the folder that every task's folder is below
    network    proxy.Network
    bucket     the TokenBucket of all tasks together, or None
    """

    __slots__ = ()


class Download:
    """`url` and its mirrors into the folder `options.dir` below the environment's root.

    It goes on from `kept`, the Progress of an earlier attempt. `previous` is the Finished
    of a file that this one replaces once it is whole.
    """

    def __init__(self, url, options, environment, observer, kept=None, previous=None):
        self._options, self._environment, self._observer = options, environment, observer
        self._sources = Sources([url] + [urls.parse(mirror) for mirror in options.mirrors],
                                options, environment.network)
        self._file = Unfinished(options, environment, observer, kept, previous)
        self._promises = Promises(self._file, options.checksum, environment.settings.hash, observer.note)
        self._bucket = TokenBucket(options.ratelimit, environment.bucket)
        self._stop, self._meter = Signal(), Meter()
        self._reason, self._keep = None, True       # see `stop`
        self._fetch = None

    # -- for other threads -----------------------------------------------------------

    def trust(self, ranges):
        """Believe no other bytes to be here than these; call it before `run`."""
        self._file.trust(ranges)

    def stop(self, reason=None, keep=True):
        """Make `run` raise the reason or Stopped, soon, whatever it is waiting for.

        If nobody is to `keep` the bytes, they are not flushed.
        """
        self._reason, self._keep = reason, keep
        self._stop.set()
        fetch = self._fetch
        if fetch is not None:
            fetch.wake()

    def adjust(self, options):
        """Heed another rate limit, number of connections and checksum from now on."""
        self._options = options
        self._bucket.rate = options.ratelimit
        self._promises.given = options.checksum
        fetch = self._fetch
        if fetch is not None:
            fetch.most = options.connections

    @property
    def count(self):
        """Bytes that are here."""
        return self._file.segments.count

    @property
    def received(self):
        """Bytes that this attempt has brought, those given up again included."""
        return self._file.received

    @property
    def missing(self):
        """Bytes still to come, as far as the size is known."""
        segments = self._file.segments
        return max(0, (segments.total or 0) - segments.count)

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
        return self._file.describe()

    @property
    def disk_failed(self):
        """Whether bytes may be lost that were written since the last good flush."""
        return self._file.disk_failed

    @property
    def is_flushed(self):
        """Whether a flush has succeeded since the last byte came."""
        return self._file.is_flushed

    @property
    def discarded(self):
        """Bytes of a file of unknown size that were given up because the disk was full, or None."""
        return self._file.discarded

    def progress(self):
        """Return the current Progress, or what was kept before there is any."""
        return self._file.progress()

    def flush(self):
        """Make the bytes that are here durable; return the Progress that a power cut leaves true."""
        return self._file.flush()

    # -- the attempt -----------------------------------------------------------------

    def run(self):
        """Fetch, verify and publish the file; return a Finished.

        Raise Stopped, Temporary (try again), Permanent, or a LocalError.
        """
        try:
            self._stop.check()
            return self._file.recover() or self._attempt()
        except Stopped as stopped:
            reason = self._reason or stopped
            self._leave(reason)
            raise reason from None
        except Exception as error:
            self._leave(error)
            raise
        finally:
            self.close()

    def _leave(self, error):
        try:
            self._file.leave(error, self._keep)
        except LocalError as problem:
            self._observer.note("warning", str(problem))

    def close(self):
        """Give up what it holds; for one that is not run, else `run` does so."""
        self._promises.drop()
        self._file.close()
        self._stop.close()

    def _attempt(self):
        self._file.reopen()
        restarts = dict(RESTARTS)
        while True:
            try:
                self._fetch_all()
                self._verify()
                return self._file.publish(self._stop)
            except (Changed, WrongBytes) as problem:
                self._start_over(problem, restarts)

    def _start_over(self, problem, restarts):
        """Begin again from zero because of the problem. Raise Permanent if that was done often enough."""
        kind = WrongBytes if isinstance(problem, WrongBytes) else Changed
        source = self._file.source
        self._promises.drop()
        self._file.start_over()
        self._sources.forget_proofs()
        restarts[kind] -= 1
        if restarts[kind] < 0:
            raise Permanent("again and again, %s" % problem) from problem
        self._observer.note("warning", "%s; starting over from zero" % problem)
        if kind is WrongBytes:
            self._sources.demote(source)

    def _fetch_all(self):
        """Bring in every missing byte."""
        while not self._file.segments.complete:
            try:
                self._fetch_more()
            except Permanent:
                if self._file.is_useless:
                    self._file.discard()
                raise

    def _fetch_more(self):
        """Ask for the first missing byte and fetch until nothing is missing or nobody delivers."""
        file, observer = self._file, self._observer
        if file.source == str(self._sources.all[0].url):        # else the size may be another
            observer.beginning()
        answer, source = Inquiry(file, self._sources, self._options, self._stop, observer.note).ask()
        try:
            observer.beginning()
            self._promises.follow()
            limits = Limits(self._options.connections, self._bucket, self._environment.settings.min_speed)
            self._fetch = Fetch(file, self._sources, limits, self._stop, observer.note)
        except BaseException:
            answer.stream.close()
            raise
        try:
            self._fetch.run(answer, source)
        finally:
            self._fetch = None

    def _verify(self):
        """Raise WrongBytes unless the file is what was promised."""
        file = self._file
        if self._promises.are_kept_by(file.verified):       # only its name was refused
            file.checksum = file.verified
            return
        if file.part.named:     # else it is new and has its size
            file.part.truncate(file.segments.total)
        file.checksum = self._promises.verify(self._stop)
