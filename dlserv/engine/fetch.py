"""Run the connections of one download: how many, to which source, for which bytes.

The first answer is always used. More connections join if the server supports ranges, the
file is large enough and they increase the speed (growth.py). Each takes a hole, or half of
the slowest segment. A connection that fails, stalls or disagrees with the others is dropped
and the others go on; `run` raises only if none is left and every source has failed.
"""

import threading
import time

from ..errors import Changed, Stopped, Temporary, TransferError
from ..net.channel import Signal
from ..net.host_limits import HostFull
from ..threads import Thread
from . import continuity
from .connection import Connection, Leave, Surplus
from .filling import Filling, seconds_left
from .growth import Growth
from .introduction import Introduction
from .segments import LEAST


class Fetch:
    """Fetches the missing bytes of one Unfinished.

    `most` is the limit of connections, given by Download (`_fetch_more`, `adjust`); `_wanted` and
    Growth.look both obey it. It may be changed at any time.
    """

    MAKE_ROOM = 5.0         # seconds until a connection that left its slot to another task is replaced
    IDLE = 0.5              # seconds between two looks while a rate limit decides the speed
    REST = 1.0              # seconds until a lost connection is replaced; doubles with each

    def __init__(self, file, sources, limits, stop, note):
        self._file, self._segments, self._sources = file, file.segments, sources
        self._limits, self._stop, self._note = limits, stop, note
        self._introduction = Introduction(file, sources)
        self._filling = Filling(file, self._introduction, note)
        self.most = limits.connections
        self._changed = threading.Condition()
        self._open, self._alive, self._ended = [], [], []
        self._growth, self._losses = Growth(sources.known_connections()), 0

    @property
    def count(self):
        """Open connections."""
        return len(self._alive)

    def run(self, answer, source):
        """Fetch the missing bytes, the answer's first; the answer's stream is closed.

        Return when all bytes are here, or when no connection is left and a source should be
        asked again. Raise the last error if there is no such source.
        """
        if self._may_grow():
            self._together(answer, source)
        else:
            self._alone(answer, source)

    def wake(self):
        """Wake all threads, because the download's stop signal is set."""
        with self._changed:
            for connection in self._alive:
                connection.stop.set()
            self._changed.notify_all()

    def stir(self):
        """Let threads that wait for a rate limit look at it again."""
        with self._changed:
            for connection in self._alive:
                connection.stop.stir()

    @property
    def _wanted(self):
        return min(self._growth.target, self.most)

    @property
    def _is_limited(self):
        """True if a rate limit makes a connection wait, so that more of them bring nothing."""
        return self._limits.bucket.limited and any(each.pace.limited for each in self._alive)

    def _may_grow(self):
        resource = self._file.resource
        return continuity.may_split(resource) and resource.total - self._segments.count >= 2 * LEAST

    # -- one -------------------------------------------------------------------------

    def _alone(self, answer, source):
        connection = self._connection(source, self._stop, answer)
        self._alive.append(connection)
        self._sources.began(source)
        try:
            self._filling.use_first(connection, answer)
        except continuity.Torn:
            self._sources.separate()
            raise
        except TransferError as error:
            connection.error = error
        finally:
            self._alive.remove(connection)
            self._sources.ended(source, connection.pace.speed)
        if connection.error is not None:
            self._lost(source, connection.error)

    def _connection(self, source, stop, answer):
        return Connection(source, stop, self._limits.bucket, self._limits.min_speed,
                          lambda connection: connection in self._alive[self._wanted:], answer)

    # -- several ---------------------------------------------------------------------

    def _together(self, answer, source):
        self._spawn(source, answer)
        try:
            while (self._alive or self._ended) and not self._segments.complete:
                with self._changed:
                    if not self._ended and not self._stop.is_set:
                        self._changed.wait(self.IDLE if self._is_limited else self._growth.interval)
                self._stop.check()
                self._miss()
                while self._ended:
                    self._bury(self._ended.pop(0))
                self._refill(time.monotonic())
            self._await_comparisons()
        finally:
            self._end_all()
        self._stop.check()

    def _await_comparisons(self):
        """Wait until the last connections have compared the bytes where they meet. Raise Torn."""
        with self._changed:
            while self._alive and not self._stop.is_set:
                self._changed.wait(0.5)
        for connection in self._ended:
            if isinstance(connection.error, continuity.Torn):
                self._bury(connection)

    def _spawn(self, source, answer=None):
        connection = self._connection(source, Signal(), answer)
        name = f"{threading.current_thread().name}-{len(self._alive) + 1}"
        thread = Thread(self._serve, name, (connection,))
        connection.thread = thread
        self._sources.began(source)
        with self._changed:
            self._open.append(connection)
            self._alive.append(connection)
        try:
            thread.start()
        except (RuntimeError, MemoryError):     # no thread to be had; use the current one
            connection.thread = threading.current_thread()
            self._serve(connection)

    def _end_all(self):
        for connection in self._open:
            connection.stop.set()
        while self._open:
            self._close(self._open[0])

    def _close(self, connection):
        if connection.thread is not threading.current_thread():
            connection.thread.join()
        connection.stop.close()
        self._open.remove(connection)

    def _serve(self, connection):
        """Run a connection to its end, in its thread."""
        try:
            self._work(connection)
        except Exception as error:
            connection.error = error
        self._sources.ended(connection.source, connection.pace.speed)
        with self._changed:
            self._alive.remove(connection)
            self._ended.append(connection)
            self._changed.notify_all()

    def _miss(self):
        """Find connections whose threads have died silently, for lack of memory."""
        with self._changed:
            for connection in [each for each in self._alive if not each.thread.is_alive()]:
                connection.error = connection.error or MemoryError()
                self._sources.ended(connection.source, connection.pace.speed)
                self._alive.remove(connection)
                self._ended.append(connection)

    def _work(self, connection):
        client = self._sources.opener(connection.stop, extra=True)
        if connection.answer is not None:
            answer, connection.answer = connection.answer, None
            answer.stream.adopt(connection.stop)
            self._filling.use_first(connection, answer)
        while True:
            segment = self._filling.claim(connection)
            if segment is None:
                return
            joint = continuity.Joint(self._file, segment, min(continuity.SEAM, segment.start))
            try:
                answer = self._filling.ask(client, connection.source, segment, joint)
            except BaseException:
                self._segments.release(segment)
                raise
            self._filling.use(connection, answer, segment, joint)
            self._sources.delivered(connection.source)

    # -- how many --------------------------------------------------------------------

    def _bury(self, connection):
        """Handle the end of a connection. Raise its error if the download cannot go on."""
        self._close(connection)
        error, source = connection.error, connection.source
        if isinstance(error, Stopped):      # it was stalled, and another took over
            self._sources.stalled(source)
        elif isinstance(error, (Leave, HostFull)):
            if not isinstance(error, Surplus):
                self._growth.shrink(time.monotonic(), len(self._alive), self.MAKE_ROOM)
        elif isinstance(error, continuity.Torn):
            self._sources.separate()
            raise error
        elif isinstance(error, TransferError):
            self._lost(source, error)
        elif error is not None:
            raise error

    def _lost(self, source, error):
        """Handle a failed connection. Raise the error if it was the last and no source is worth a try."""
        changed = isinstance(error, Changed)
        is_news = changed and source.is_main        # the next Inquiry decides
        if not (self._alive or is_news) and self._sources.alone:
            raise error
        source.single = source.single or changed
        self._note("warning", f"{source.name}: {error}" + (
            "; going on with one connection to it" if changed and source.active else ""))
        if not is_news and (isinstance(error, Temporary) or not self._sources.alone):
            self._sources.ended_with(source, error)
        self._losses += 1
        self._growth.shrink(time.monotonic(), len(self._alive), min(60.0, self.REST * 2.0 ** self._losses))
        if not (self._alive or is_news or self._sources.fresh):
            raise error if isinstance(error, Temporary) else Temporary(str(error), word=error.word)

    def _refill(self, now):
        """Begin connections up to the wanted number while there is work for them.

        An ended connection counts as open until `_bury` has handled its error.
        """
        self._grow(now)
        while (len(self._open) < self._wanted and self._segments.has_work(seconds_left)
               and not self._stop.is_set):
            source = self._sources.choose()
            if source is None:
                return
            self._spawn(source)

    def _grow(self, now):
        """Measure the speed and adjust the wanted number, unless a limit decides or a connection is new."""
        if self._is_limited:
            self._growth.interrupt(now)
            return
        paces = [each.pace for each in self._open]
        if not self._alive or any(not pace.count or pace.held for pace in paces):
            return
        if self._introduction.is_possible:
            count = self._segments.count
            left = max(0, (self._segments.total or 0) - count)
            learned = self._growth.look(now, count, len(self._alive), self.most, left)
            if learned is not None:
                self._sources.learn_connections(learned)
