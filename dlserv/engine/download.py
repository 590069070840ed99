"""One attempt to fetch one file: request, check, move bytes, verify, publish.

A `Download` runs in the thread that calls `run`. It reports to an observer with these methods:

    planned(progress, durable)  names and resource are chosen, or dropped if None; return
                                when that is stored
    publishing(progress)        the file is about to take its final name; return a function
                                that waits until this is durable
    beginning()                 `missing` bytes will follow; may raise NoSpace
    note(level, text)           a line for the task's log

The file to fill is an Unfinished; its Progress is what a later attempt needs.

The journey of one byte, module by module:

    net/pool, net/connect    an idle connection, or a new one through net/proxy and net/tls
    net/exchange, net/head   sends the GET with a Range and parses the response's head
    net/bodies               the byte's Body: plain, chunked or inflated; over FTP, net/ftp's
    net/remote_file          the Resource: size, validators and digest from the head
    engine/inquiry           accepts the answer; continuity.py compares it with the bytes on disk
    engine/publish           creates the part file, after the observer has stored its name
    engine/fetch             assigns each connection a Segment of the file
    engine/transfer          splices or copies the byte into the PartFile, as ratelimit.py allows
    engine/checksum          hashes it, and compares the digest when the last byte is here
    engine/rename            links the part file to its final name, never over another file
"""

from __future__ import annotations

from collections import namedtuple

from .. import urls
from ..errors import Changed, LocalError, NoSpace, Permanent, Stopped, Unchanged, WrongBytes
from ..net.channel import Signal
from .announced import Announced
from .condition import Condition
from .connection import Limits
from .fetch import Fetch
from .filling import fill_at_hand
from .inquiry import Inquiry
from .meter import Meter
from .progress import Finished, Progress
from .promises import Promises
from .ratelimit import TokenBucket
from .sources import Sources
from .unfinished import Unfinished

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol
    from ..net.remote_file import Resource
    Options = Any       # settings.options.Options, whose fields come from a table

    class Observer(Protocol):
        def planned(self, progress: Progress | None, durable: bool) -> None: ...
        def publishing(self, progress: Progress) -> Callable[[], None]: ...
        def beginning(self) -> None: ...
        def note(self, level: str, text: str) -> None: ...

__all__ = ["Download", "Environment", "Finished", "Progress"]

RESTARTS = {Changed: 2, WrongBytes: 1}      # how often one attempt starts over from zero


class Environment(namedtuple("Environment", "settings root network bucket", defaults=(None,))):
    """The objects that all downloads of one daemon share.

    settings   the settings' section `download`
    root       str, the folder that contains every task's folder
    network    net.network.Network
    bucket     the TokenBucket of all tasks together, or None
    """

    __slots__ = ()


class Download:
    """Fetches `url`, or its mirrors, into the folder `options.dir` below the environment's root.

    `kept` is the Progress of an earlier attempt to resume. `previous` is the Finished of a
    file that this one replaces once it is complete.
    """

    def __init__(self, url: urls.URL, options: Options, environment: Environment, observer: Observer,
                 kept: Progress | None = None, previous: Finished | None = None) -> None:
        self._options, self._environment, self._observer = options, environment, observer
        self._sources = Sources([url] + [urls.parse(mirror) for mirror in options.mirrors],
                                options, environment.network)
        self._file = Unfinished(options, environment, observer, kept, previous)
        self._previous, self._refreshes = previous, False
        self._condition: Condition | None = None
        self._promises = Promises(self._file, options.checksum, environment.settings.hash, observer.note)
        self._announced = Announced(self._sources, self._promises, options, observer.note)
        self._bucket = TokenBucket(options.ratelimit, environment.bucket)
        self._stop, self._meter = Signal(), Meter()
        self._reason: Exception | None = None       # see `stop`
        self._keep = True
        self._fetch: Fetch | None = None

    # -- for other threads -----------------------------------------------------------

    def trust(self, ranges: list[tuple[int, int]]) -> None:
        """Take only these ranges of the part file for valid; call it before `run`."""
        self._file.trust(ranges)

    def refresh(self) -> None:
        """Fetch the file only if its server has another one than `previous`; call it before `run`.

        A previous file that was found to be damaged is fetched in any case.
        """
        self._refreshes, previous = True, self._previous
        if previous is not None and not previous.known:
            self._condition = Condition(previous, str(self._sources.main.url), self._options.checksum)

    def stop(self, reason: Exception | None = None, keep: bool = True) -> None:
        """Interrupt `run`, which then raises `reason` or Stopped.

        Unless `keep`, the bytes are not flushed.
        """
        self._reason, self._keep = reason, keep
        self._stop.set()
        fetch = self._fetch
        if fetch is not None:
            fetch.wake()

    def adjust(self, options: Options) -> None:
        """Use the rate limit, number of connections and checksum of these options from now on."""
        self._options = options
        self._bucket.rate = options.ratelimit
        self._promises.given = options.checksum
        self._announced.adjust()
        fetch = self._fetch
        if fetch is not None:
            fetch.most = options.connections
        self.stir()

    def stir(self) -> None:
        """Let threads that wait for a rate limit look at it again; call it when the common limit has changed."""
        self._stop.stir()
        fetch = self._fetch
        if fetch is not None:
            fetch.stir()

    @property
    def count(self) -> int:
        """Bytes of the file that are on disk."""
        return self._file.segments.count

    @property
    def received(self) -> int:
        """Bytes that this attempt has received, including discarded ones."""
        return self._file.received

    @property
    def missing(self) -> int:
        """Bytes still to come, 0 if the size is unknown."""
        segments = self._file.segments
        return max(0, (segments.total or 0) - segments.count)

    @property
    def speed(self) -> float:
        """Bytes per second over the last few seconds."""
        return self._meter.speed(self.received)

    @property
    def connections(self) -> int:
        """Open connections."""
        fetch = self._fetch
        return fetch.count if fetch is not None else 0

    @property
    def resource(self) -> Resource | None:
        """The Resource, or None until a server has answered."""
        return self._file.describe()

    @property
    def disk_failed(self) -> bool:
        """True if bytes written since the last successful flush may be lost."""
        return self._file.disk_failed

    @property
    def is_flushed(self) -> bool:
        """True if a flush has succeeded since the last byte was written."""
        return self._file.is_flushed

    @property
    def discarded(self) -> int | None:
        """Bytes of a file of unknown size that were discarded because the disk was full, or None."""
        return self._file.discarded

    def progress(self) -> Progress | None:
        """Return the current Progress, or that of the earlier attempt, or None."""
        return self._file.progress()

    def flush(self) -> Progress | None:
        """Make the bytes on disk durable; return the Progress that holds even after a power cut."""
        return self._file.flush()

    # -- the attempt -----------------------------------------------------------------

    def run(self) -> Finished:
        """Fetch, verify and publish the file; return a Finished.

        Raise Stopped, Temporary (try again), Permanent, or a LocalError. Raise Unchanged if
        there is nothing to refresh.
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
            if self._refreshes and isinstance(error, (Unchanged, Permanent, NoSpace)):
                if self._file.part is not None:     # no later attempt needs it
                    self._file.discard()
            else:
                self._file.leave(error, self._keep)
        except LocalError as problem:
            self._observer.note("warning", str(problem))

    def close(self) -> None:
        """Release all resources. `run` does this itself; call it only if `run` was never called."""
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
        """Discard all bytes because of the problem. Raise Permanent if that was done too often."""
        kind = WrongBytes if isinstance(problem, WrongBytes) else Changed
        source = self._file.source
        self._promises.drop()
        self._file.start_over()
        self._sources.forget_proofs()
        if kind is Changed:
            self._announced.forget()
        restarts[kind] -= 1
        if restarts[kind] < 0:
            raise Permanent(f"gave up after starting over: {problem}") from problem
        self._observer.note("warning", f"{problem}; starting over from zero")
        if kind is WrongBytes:
            self._sources.demote(source)

    def _fetch_all(self):
        """Fetch every missing byte."""
        while not self._file.segments.complete:
            try:
                self._fetch_more()
            except Permanent:
                if self._file.is_useless:
                    self._file.discard()
                raise

    def _fetch_more(self):
        """Request the first missing byte, and fetch until nothing is missing or no source delivers."""
        file, observer = self._file, self._observer
        if file.source == str(self._sources.all[0].url):        # a mirror may have another size
            observer.beginning()
        condition = None if file.segments.count else self._condition
        inquiry = Inquiry(file, self._sources, self._options, self._stop, observer.note, condition)
        answer, source = inquiry.ask()
        self._condition = None      # the file has changed
        try:
            observer.beginning()
            self._announced.heed(answer, source)
            if len(self._sources.all) == 1 and not self._bucket.limited and fill_at_hand(file, answer):
                return
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
        """Raise WrongBytes unless the file matches its checksums."""
        file = self._file
        if self._promises.are_kept_by(file.verified):       # an earlier attempt failed only at the name
            file.checksum = file.verified
            return
        if file.part.named:     # an unnamed file is new and has the right size
            file.part.truncate(file.segments.total)
        file.checksum = self._promises.verify(self._stop)
