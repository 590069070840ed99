"""The connections of one download: how many, to which source, and for which bytes.

The first answer is always used. More connections join while the server gives ranges,
the file is large enough and the speed still grows: 1, 2, 4, 8. Each takes a hole, or
half of what the slowest still has. One that fails, stalls or disagrees with the others
is dropped, and the file goes on with the rest; only when none is left, and every source
has failed, does `run` raise.
"""

import threading
import time

from ..errors import Changed, Error, Longer, Permanent, Stopped, Temporary, TransferError
from ..units import format_size
from ..net.channel import Signal
from ..net.host_limits import HostFull
from .meter import Pace
from .segments import LEAST
from .sources import Opener
from .transfer import move

OVERLAP = 2 ** 14       # bytes fetched again, to be compared with those that are here


class _Leave(Error):
    """Another task's first connection needs the place at the host, or there are to be fewer."""


class Connection:
    """Fetches segments from one source; also the throttle that transfer.move asks."""

    MIN_SPEED_OVER = 20.0   # seconds

    def __init__(self, source, stop, bucket, min_speed, is_surplus, answer=None):
        self.source, self.stop, self.answer = source, stop, answer
        self.error = None
        self._bucket, self._min_speed, self._is_surplus = bucket, min_speed, is_surplus
        self._slot = None
        self.pace = Pace()

    def move(self, stream, part, segments, segment):
        """Bring the stream's bytes into the segment."""
        self._slot = stream.slot
        self.pace.rest()
        move(stream, part, segments, segment, self)

    def take(self, wanted):
        if self._is_surplus(self) or self._slot.asked_to_leave():
            raise _Leave()
        began = time.monotonic()
        count = self._bucket.take(wanted, self.stop)
        self.pace.waited(time.monotonic() - began)
        return count

    def moved(self, taken, count):
        if count < taken:
            self._bucket.give_back(taken - count)
        self.pace.held = count == taken and self._bucket.limited    # the server has more
        speed = self.pace.moved(count, self.MIN_SPEED_OVER)
        if speed is not None and speed < self._min_speed:
            raise Temporary("the connection was too slow: less than %s/s for %g s"
                            % (format_size(self._min_speed), self.MIN_SPEED_OVER))


class Fetch:
    """Brings in the missing bytes of one part file.

    `most` is how many connections there may be at the most; it may be changed meanwhile.
    """

    GROW_AFTER = 0.04       # seconds of full speed before the number may be doubled
    JUDGE_AFTER = 0.4       # seconds until it is believed that a doubling did not pay
    PAYS = 1.1              # what a doubling must bring at the least, as a factor
    REVIEW = 5.0            # seconds until it is seen again whether the last doubling has paid
    REST = 1.0              # seconds until a lost connection is replaced; doubles with each

    def __init__(self, options, settings, network, stop, bucket, sources, part, segments, resource, note):
        self._options, self._settings, self._network = options, settings, network
        self._stop, self._bucket, self._sources = stop, bucket, sources
        self._part, self._segments, self._resource, self._note = part, segments, resource, note
        self.most = options.connections
        self._changed = threading.Condition()
        self._open, self._alive, self._ended = [], [], []
        self._target, self._losses, self._not_before = 1, 0, 0.0
        self._speed, self._mark = 0.0, None

    @property
    def count(self):
        """Connections that are open."""
        return len(self._alive)

    def run(self, answer, source):
        """Fetch what is missing, the answer's bytes first; the answer's stream is closed.

        Returns when all is here, or when no connection is left and another source, or the
        same, is to be asked anew. Raises the last error when there is no such source.
        """
        if self._may_grow():
            self._together(answer, source)
        else:
            self._alone(answer, source)

    def wake(self):
        """The download was told to stop."""
        with self._changed:
            for connection in self._alive:
                connection.stop.set()
            self._changed.notify_all()

    def _may_grow(self):
        return (self._resource.resumable
                and self._resource.total - self._segments.count >= 2 * LEAST)

    # -- one -------------------------------------------------------------------------

    def _alone(self, answer, source):
        connection = self._connection(source, self._stop, answer)
        self._alive.append(connection)
        self._sources.began(source)
        try:
            self._use(connection, answer, self._segments.claim(connection))
        except TransferError as error:
            connection.error = error
        finally:
            self._alive.remove(connection)
            self._sources.ended(source, connection.pace.speed)
        if connection.error is not None:
            self._lost(source, connection.error)

    def _connection(self, source, stop, answer):
        return Connection(source, stop, self._bucket, self._settings.min_speed,
                          lambda connection: connection in self._alive[self.most:], answer)

    def _use(self, connection, answer, segment):
        """Move the answer's bytes into the segment, and give both back."""
        try:
            if segment is None:
                return
            self._move(connection, answer.stream, segment)
            if segment.is_endless:
                self._segments.finish(segment.position)
            elif segment.position == segment.start and segment.left:
                raise Temporary("the server sent nothing new")
        finally:
            if segment is not None:
                self._segments.release(segment)
            answer.stream.close()

    def _move(self, connection, stream, segment):
        """Move the stream's bytes, behind the size that the main source told as well."""
        try:
            connection.move(stream, self._part, self._segments, segment)
        except Longer as change:
            if not (connection.source.is_main and self._segments.unbound(segment)):
                raise
            self._note("warning", f"{change}; the file is taken to its end")
            connection.move(stream, self._part, self._segments, segment)

    # -- several ---------------------------------------------------------------------

    def _together(self, answer, source):
        self._spawn(source, answer)
        try:
            while (self._alive or self._ended) and not self._segments.complete:
                with self._changed:
                    if not self._ended and not self._stop.is_set:
                        self._changed.wait(self._interval())
                self._stop.check()
                while self._ended:
                    self._bury(self._ended.pop(0))
                self._refill(time.monotonic())
        finally:
            self._end_all()
        self._stop.check()

    def _interval(self):
        growing = self._target < self.most and time.monotonic() >= self._not_before
        return self.GROW_AFTER / 2 if growing else 0.5

    def _spawn(self, source, answer=None):
        connection = self._connection(source, Signal(), answer)
        thread = threading.Thread(target=self._serve, args=(connection,), daemon=True,
                                  name="%s-%d" % (threading.current_thread().name, len(self._alive) + 1))
        connection.thread = thread
        self._sources.began(source)
        with self._changed:
            self._open.append(connection)
            self._alive.append(connection)
        try:
            thread.start()
        except RuntimeError:        # the system has no thread left; this one has its own
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
        """A connection's thread."""
        try:
            self._work(connection)
        except Exception as error:
            connection.error = error
        self._sources.ended(connection.source, connection.pace.speed)
        with self._changed:
            self._alive.remove(connection)
            self._ended.append(connection)
            self._changed.notify_all()

    def _work(self, connection):
        client = Opener(self._options, self._network, connection.stop, extra=True)
        if connection.answer is not None:
            answer, connection.answer = connection.answer, None
            answer.stream.adopt(connection.stop)
            self._use(connection, answer, self._segments.claim(connection))
        while True:
            segment = self._claim(connection)
            if segment is None:
                return
            try:
                answer = self._ask(client, connection.source, segment)
            except BaseException:
                self._segments.release(segment)
                raise
            self._use(connection, answer, segment)
            self._sources.delivered(connection.source)

    def _claim(self, connection):
        """The next segment: a hole, or a share of what another connection still has."""
        segment = self._segments.claim(connection)
        if segment is not None:
            return segment
        segment, victim = self._segments.split(connection, _seconds_left)
        if victim is not None and not victim.left:
            victim.owner.stop.set()     # it stands still, and all it had is taken
        return segment

    def _ask(self, client, source, segment):
        """An Answer for the segment that agrees with what is known of the file."""
        if not source.introduced:
            self._introduce(client, source)
        answer = source.open(client, start=segment.start, end=None if segment.is_endless else segment.end,
                             if_range=source.resource.validator)
        try:
            check_agrees(answer, self._resource.total, source.resource)
            return answer
        except BaseException:
            answer.stream.close()
            raise

    def _introduce(self, client, source):
        """See that a mirror has the same file: its size, and bytes that are here already."""
        done = next((each for each in self._segments.done() if each[1] - each[0] >= OVERLAP), None)
        if done is None:
            raise Temporary("too little is here yet to compare a mirror with")
        answer = source.open(client, start=done[0], end=done[0] + OVERLAP)
        try:
            if answer.status != 206:
                raise Permanent("it serves no ranges")
            if answer.resource.total != self._resource.total:
                raise Permanent("its file has another size")
            if answer.resource.other_digest(self._resource):
                raise Permanent("its file has another checksum")
            compare(answer.stream, self._part, done[0], done[0] + OVERLAP)
        except Changed:
            raise Permanent("its file has other bytes") from None
        finally:
            answer.stream.close()
        source.resource, source.introduced = answer.resource, True

    # -- how many --------------------------------------------------------------------

    def _bury(self, connection):
        """Draw the conclusion from a connection's end; raises if nothing can go on."""
        self._close(connection)
        error, source = connection.error, connection.source
        if isinstance(error, Stopped):      # it stood still, and another took over
            self._sources.failed(source)
        elif isinstance(error, (_Leave, HostFull)):
            self._shrink(self.REVIEW)
        elif isinstance(error, TransferError):
            self._lost(source, error)
        elif error is not None:
            raise error

    def _lost(self, source, error):
        """A connection has failed; raises if it was the last and no other source is worth a try."""
        is_news = isinstance(error, Changed) and source.is_main     # what to do is seen when it is asked again
        if not (self._alive or is_news) and self._sources.alone:
            raise error
        self._note("warning", "%s: %s" % (source.name, error))
        if is_news:
            source.single = True
        elif isinstance(error, Temporary) or not self._sources.alone:
            self._sources.refused(source, error)
        self._losses += 1
        self._shrink(min(60.0, self.REST * 2.0 ** self._losses))
        if not (self._alive or is_news or self._sources.fresh):
            raise error if isinstance(error, Temporary) else Temporary(str(error))

    def _shrink(self, seconds):
        """Go on with those that are left, without another for so long."""
        self._target = min(max(1, self._target - 1), len(self._alive))
        self._rest(seconds)

    def _rest(self, seconds):
        self._not_before = time.monotonic() + seconds
        self._mark = None

    def _refill(self, now):
        """Begin connections as long as there is something for them to do."""
        self._grow(now)
        while (len(self._alive) < min(self._target, self.most) and self._segments.has_work(_seconds_left)
               and not self._stop.is_set):
            source = self._sources.choose()
            if source is None:
                return
            self._spawn(source)

    def _grow(self, now):
        """Double the number while each doubling pays."""
        if now < self._not_before or self._target >= self.most or not self._alive:
            return
        if any(not connection.pace.count or connection.pace.held for connection in self._alive):
            return      # the last ones are still on their way, or a limit is what holds them back
        count = self._segments.count
        if self._mark is None:
            self._mark = (now, count)
            return
        elapsed = now - self._mark[0]
        if elapsed < self.GROW_AFTER:
            return
        speed = (count - self._mark[1]) / elapsed
        if speed >= self._speed * self.PAYS:
            self._speed, self._mark = speed, None
            self._target = min(self.most, 2 * max(self._target, len(self._alive)))
        elif elapsed >= self.JUDGE_AFTER:
            if speed * self.PAYS < self._speed:
                self._speed = 0.0       # the line is another one now: see what a doubling brings
            self._rest(self.REVIEW)
            self._mark = now, count     # what the last one brought is seen better after a while


def _seconds_left(segment):
    return segment.owner.pace.seconds_for(segment.left)


def check_agrees(answer, total, known):
    """Raises Changed unless a ranged answer is of the file that is known."""
    if answer.status != 206:
        raise Changed("the server answered a request for a range with the whole file")
    if answer.resource.total != total:
        raise Changed("the file on the server has another size now")
    if contradicts(answer.resource, known):
        raise Changed("the file on the server has changed")


def contradicts(found, known):
    """Whether two responses name different validators of the same kind."""
    return any(getattr(found, name) and getattr(known, name)
               and getattr(found, name) != getattr(known, name)
               for name in ("etag", "last_modified"))


def compare(stream, part, first, end):
    """Read the bytes [first, end) off the stream and hold them against the disk."""
    buffer = memoryview(bytearray(end - first))
    filled = 0
    stream.channel.hurry()
    while filled < len(buffer):
        count = stream.read_into(buffer[filled:])
        if not count:
            raise Changed("the server sent less than it said")
        filled += count
    stream.channel.relax()
    if part.read(len(buffer), first) != bytes(buffer):
        raise Changed("the server's bytes differ from those on disk")
