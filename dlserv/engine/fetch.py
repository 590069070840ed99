"""Run the connections of one download.

More join the first answer's while they increase the speed (growth.py). Each takes a hole, or half
of the slowest segment. One that fails, stalls or disagrees with the others is dropped.
"""

import threading
import time

from ..errors import Changed, Stopped, Temporary, TransferError
from ..net.channel import Signal
from ..net.host_limits import HostFull
from ..threads import Thread
from . import continuity
from .connection import Connection, Surplus, seconds_left
from .growth import Growth
from .inquiry import Introduction
from .segments import LEAST


class Fetch:
    """Fetches the missing bytes of `file`, an Unfinished, on at `most` connections, which may change.

    Each needs `min_speed` bytes/s.
    """

    MAKE_ROOM = 5.0         # seconds until a connection that left its slot to another task is replaced
    IDLE = 0.5              # seconds between two looks while a rate limit decides the speed
    REST = 1.0              # seconds until a lost connection is replaced; doubles with each

    def __init__(self, file, sources, stop, most, bucket, min_speed):
        self.file, self.sources, self._stop = file, sources, stop
        self.most, self.bucket, self.min_speed = most, bucket, min_speed
        self.introduction = Introduction(file, sources)
        self._segments = file.segments
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._alive, self._ended = [], []       # a connection is in one of them until it is closed
        self._growth, self._losses = Growth(sources.known_connections()), 0

    @property
    def count(self):
        return len(self._alive)

    def run(self, answer, source):
        """Fetch the missing bytes, the answer's first, and close the answer.

        Return when all are here, or no connection is left and a source should be asked again. Raise
        the last error if there is no such source.
        """
        resource = self.file.resource
        if continuity.may_split(resource) and resource.total - self._segments.count >= 2 * LEAST:
            self._together(answer, source)
        else:
            self._alone(answer, source)

    def wake(self):
        """End all waits, because the download's stop signal is set."""
        with self._lock:
            for connection in self._alive:
                connection.stop.set()
            self._changed.notify_all()

    def stir(self):
        with self._lock:
            for connection in self._alive:
                connection.stop.stir()

    def is_surplus(self, connection):
        return connection in self._alive[self._wanted:]

    @property
    def _wanted(self):
        return min(self._growth.target, self.most)

    @property
    def _is_limited(self):
        """True if a rate limit makes a connection wait, so that more of them bring nothing."""
        return self.bucket.limited and any(each.pace.limited for each in self._alive)

    def _alone(self, answer, source):
        connection = Connection(self, source, self._stop, answer)
        self._alive.append(connection)
        self.sources.began(source)
        try:
            connection.use_answer()
        except TransferError as error:
            connection.error = error
        finally:
            self._alive.remove(connection)
            self.sources.ended(source, connection.pace.speed)
        if isinstance(connection.error, HostFull):      # no other goes on; the attempt waits for the host
            self._lost(source, connection.error)
        else:
            self._judge(connection)

    # -- several ---------------------------------------------------------------------

    def _together(self, answer, source):
        self._spawn(source, answer)
        try:
            while (self._alive or self._ended) and not self._segments.complete:
                with self._lock:
                    if not self._ended and not self._stop.is_set:
                        self._changed.wait(self.IDLE if self._is_limited else self._growth.interval)
                self._stop.check()
                self._miss()
                while self._ended:
                    connection = self._ended.pop(0)
                    self._close(connection)
                    self._judge(connection)
                self._refill(time.monotonic())
            self._await_comparisons()
        finally:
            self._end_all()
        self._stop.check()

    def _await_comparisons(self):
        """Wait until the last connections have compared the bytes where they meet. Raise Torn."""
        with self._lock:
            while self._alive and not self._stop.is_set:
                self._miss()
                self._changed.wait(0.5)
        for connection in self._ended:
            if isinstance(connection.error, continuity.Torn):
                self._judge(connection)

    def _spawn(self, source, answer=None):
        connection = Connection(self, source, None, answer)
        name = f"{threading.current_thread().name}-{len(self._alive) + 1}"
        connection.thread = Thread(self._serve, name, (connection,))
        connection.stop = Signal()      # last, as it has open files
        self.sources.began(source)
        with self._lock:
            self._alive.append(connection)
        try:
            connection.thread.start()
        except (RuntimeError, MemoryError):     # no thread to be had; use the current one
            connection.thread = threading.current_thread()
            self._serve(connection)

    def _end_all(self):
        with self._lock:
            left = self._alive + self._ended
        for connection in left:
            connection.stop.set()
        for connection in left:
            self._close(connection)

    def _close(self, connection):
        if connection.thread is not threading.current_thread():
            connection.thread.join()
        connection.stop.close()

    def _serve(self, connection):
        try:
            connection.work()
        except Exception as error:
            connection.error = error
        with self._lock:
            self._end(connection)
            self._changed.notify_all()

    def _miss(self):
        """Find connections whose threads have died silently, for lack of memory."""
        with self._lock:
            for connection in [each for each in self._alive if not each.thread.is_alive()]:
                connection.error = connection.error or MemoryError()
                self._end(connection)

    def _end(self, connection):
        self.sources.ended(connection.source, connection.pace.speed)
        self._ended.append(connection)      # first, as `_together` looks without the lock and must find it
        self._alive.remove(connection)

    # -- how many --------------------------------------------------------------------

    def _judge(self, connection):
        """Handle the end of a connection. Raise its error if the download cannot go on."""
        error, source = connection.error, connection.source
        if isinstance(error, Stopped):      # it was stalled, and another took over
            self.sources.let_rest(source, has_failed=False)
        elif isinstance(error, HostFull):
            self._growth.shrink(time.monotonic(), len(self._alive), self.MAKE_ROOM)
        elif isinstance(error, continuity.Torn):
            self.sources.separate()
            raise error
        elif isinstance(error, TransferError):
            self._lost(source, error)
        elif error is not None and not isinstance(error, Surplus):
            raise error

    def _lost(self, source, error):
        changed = isinstance(error, Changed)
        is_news = changed and source.is_main        # the next inquiry decides
        if not (self._alive or is_news) and self.sources.alone:
            raise error
        source.single = source.single or changed
        self.file.warn(f"{source.url.netloc}: {error}" + (
            "; going on with one connection to it" if changed and source.active else ""))
        if not is_news and (isinstance(error, Temporary) or not self.sources.alone):
            self.sources.ended_with(source, error)
        self._losses += 1
        self._growth.shrink(time.monotonic(), len(self._alive), min(60.0, self.REST * 2.0 ** self._losses))
        if not (self._alive or is_news or self.sources.fresh):
            raise error if isinstance(error, Temporary) else Temporary(str(error), word=error.word)

    def _refill(self, now):
        self._grow(now)
        while (len(self._alive) + len(self._ended) < self._wanted and self._segments.has_work(seconds_left)
               and not self._stop.is_set):
            source = self.sources.choose()
            if source is None:
                return
            self._spawn(source)

    def _grow(self, now):
        """Adjust the wanted number to the speed, unless a limit decides that or a connection is new."""
        if self._is_limited:
            self._growth.interrupt(now)
            return
        paces = [each.pace for each in self._alive + self._ended]
        if not self._alive or any(not pace.count or pace.held for pace in paces):
            return
        if self.introduction.is_possible:
            segments = self._segments
            learned = self._growth.look(now, segments.count, len(self._alive), self.most, segments.missing)
            if learned is not None:
                self.sources.learn_connections(learned)
