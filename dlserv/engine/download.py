"""One attempt to fetch one file: request, check, move bytes, verify, publish.

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
    engine/partfile          links the part file to its final name, never over another file
"""

from __future__ import annotations

from collections import namedtuple

from .. import urls
from ..errors import Changed, LocalError, NoSpace, Permanent, Stopped, Unchanged, WrongBytes
from ..net.channel import Signal
from . import inquiry
from .announced import Announced
from .checksum import Promises
from .continuity import CANNOT_RESUME, Condition
from .fetch import Fetch
from .meter import Meter
from .ratelimit import TokenBucket
from .sources import Sources
from .transfer import fill_at_hand
from .unfinished import Unfinished

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol
    from ..net.remote_file import Resource
    from .progress import Finished, Progress
    Options = Any       # settings.options.Options, whose fields come from a table

    class Observer(Protocol):
        # Names and resource are chosen, or dropped if None. Return when that is stored.
        def planned(self, progress: Progress | None, durable: bool) -> None: ...

        # The file is about to take its final name. Return a function that waits until this is durable.
        def publishing(self, progress: Progress) -> Callable[[], None]: ...

        # The missing bytes will follow. May raise NoSpace.
        def beginning(self) -> None: ...

        # A line for the task's log.
        def note(self, level: str, text: str) -> None: ...

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

    The file under way is `file`, an Unfinished; `kept` is the Progress to resume, `previous` the
    Finished that this file replaces.
    """

    def __init__(self, url: urls.URL, options: Options, environment: Environment, observer: Observer,
                 kept: Progress | None = None, previous: Finished | None = None) -> None:
        self._options, self._environment, self._observer = options, environment, observer
        self._sources = Sources([url] + [urls.parse(mirror) for mirror in options.mirrors],
                                options, environment.network)
        self.file = Unfinished(options, environment, observer, kept, previous)
        self._previous, self._refreshes = previous, False
        self._condition: Condition | None = None
        self._promises = Promises(self.file, options.checksum, environment.settings.hash)
        self._announced = Announced(self._sources, self._promises, options.metalink, observer.note)
        self._bucket = TokenBucket(options.ratelimit, environment.bucket)
        self._meter = Meter()
        self._reason: Exception | None = None
        self._keep = True
        self._fetch: Fetch | None = None
        self._stop = Signal()       # last, as it has open files

    # -- for other threads -----------------------------------------------------------

    def refresh(self) -> None:
        """Fetch the file only if its server has another one, or `previous` is damaged; call it before `run`."""
        self._refreshes, previous = True, self._previous
        if previous is not None and not previous.known:
            self._condition = Condition(previous, str(self._sources.main.url), self._options.checksum)

    def stop(self, reason: Exception | None = None, keep: bool = True) -> None:
        """Interrupt `run`, which then raises `reason` or Stopped; flush the bytes if `keep`."""
        self._reason, self._keep = reason, keep
        self._stop.set()
        fetch = self._fetch
        if fetch is not None:
            fetch.wake()

    def adjust(self, options: Options) -> None:
        """Use the rate limit, number of connections and checksum of these options."""
        self._options = options
        self._bucket.rate = options.ratelimit
        self._promises.given = options.checksum
        self._announced.adjust()
        fetch = self._fetch
        if fetch is not None:
            fetch.most = options.connections
        self.stir()

    def stir(self) -> None:
        """Let threads that wait for a rate limit look at it again."""
        self._stop.stir()
        fetch = self._fetch
        if fetch is not None:
            fetch.stir()

    @property
    def count(self) -> int:
        """Bytes of the file that are on disk."""
        return self.file.segments.count

    @property
    def speed(self) -> float:
        """Bytes/s over the last few seconds."""
        return self._meter.speed(self.file.received)

    @property
    def connections(self) -> int:
        fetch = self._fetch
        return fetch.count if fetch is not None else 0

    @property
    def resource(self) -> Resource | None:
        """None until a server has answered."""
        return self.file.describe()

    def progress(self) -> Progress | None:
        return self.file.progress()

    # -- the attempt -----------------------------------------------------------------

    def run(self) -> Finished:
        """Fetch, verify and publish the file.

        Raise Stopped, Temporary (try again), Permanent, a LocalError, or Unchanged if there is
        nothing to refresh.
        """
        try:
            self._stop.check()
            return self.file.recover() or self._attempt()
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
                if self.file.part is not None:     # no later attempt needs it
                    self.file.discard()
            else:
                self.file.leave(error, self._keep)
        except LocalError as problem:
            self.file.warn(str(problem))

    def close(self) -> None:
        """Call it only if `run` was never called."""
        self._promises.drop()
        self.file.close()
        self._stop.close()

    def _attempt(self):
        self.file.reopen()
        restarts = dict(RESTARTS)
        while True:
            try:
                self._fetch_all()
                self._verify()
                return self.file.publish(self._stop)
            except (Changed, WrongBytes) as problem:
                self._start_over(problem, restarts)

    def _start_over(self, problem, restarts):
        kind = WrongBytes if isinstance(problem, WrongBytes) else Changed
        source = self.file.source
        self._promises.drop()
        self.file.start_over()
        self._sources.forget_proofs()
        if kind is Changed:
            self._announced.forget()
        restarts[kind] -= 1
        if restarts[kind] < 0:
            raise Permanent(f"gave up after starting over: {problem}") from problem
        self.file.warn(f"{problem}; starting over from zero")
        if kind is WrongBytes:
            self._sources.demote(source)

    def _fetch_all(self):
        while not self.file.segments.complete:
            try:
                self._fetch_more()
            except Permanent:
                if self.file.is_useless:
                    self.file.discard()
                raise

    def _fetch_more(self):
        """Request the first missing byte, and fetch until nothing is missing or no source delivers."""
        file, sources, observer = self.file, self._sources, self._observer
        if file.is_useless and file.segments.count:     # a source failed in the middle
            file.start_over(CANNOT_RESUME)
        if file.is_from(sources.all[0]):        # a mirror may have another size
            observer.beginning()
        condition = None if file.segments.count else self._condition
        answer, source = inquiry.ask(file, sources, self._options, self._stop, condition)
        self._condition = None      # the file has changed
        try:
            observer.beginning()
            self._announced.heed(answer, source)
            if len(sources.all) == 1 and not self._bucket.limited and fill_at_hand(file, answer):
                return
            self._promises.follow()
            self._fetch = Fetch(file, sources, self._stop, self._options.connections, self._bucket,
                                self._environment.settings.min_speed)
            self._fetch.run(answer, source)
        finally:
            self._fetch = None
            answer.stream.close()

    def _verify(self):
        file = self.file
        if self._promises.are_kept_by(file.verified):       # an earlier attempt failed only at the name
            file.checksum = file.verified
            return
        if file.part.named:     # an unnamed file is new and has the right size
            file.part.truncate(file.segments.total)
        file.checksum = self._promises.verify(self._stop)
