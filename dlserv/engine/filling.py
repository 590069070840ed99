"""Fill the segments of one file: claim one, ask for its bytes, move them, compare where they meet."""

from ..errors import Longer, Temporary
from . import continuity


class Filling:
    """Fills the segments of an Unfinished with the answers to its connections.

    `introduction` proves further sources, `note` writes to the task's log. Every method is
    called in the thread of its connection.
    """

    def __init__(self, file, introduction, note):
        self._file, self._segments = file, file.segments
        self._introduction, self._note = introduction, note

    def use_first(self, connection, answer):
        """Use the answer, which begins at the first missing byte, unless others have fetched that byte."""
        segment = self._segments.claim(connection)
        if segment is None:
            answer.stream.close()
        else:
            self.use(connection, answer, segment, continuity.Joint(self._file, segment))

    def use(self, connection, answer, segment, joint):
        """Move the answer's bytes into the segment, then close the answer and release the segment."""
        try:
            try:
                joint.begin(answer.stream)
                self._move(connection, answer.stream, segment)
            finally:
                joint.check_start()
            if segment.is_endless:
                self._segments.finish(segment.position)
            elif segment.position == segment.start and segment.left:
                raise Temporary("the server sent no new bytes")
            joint.check_end(answer.stream)
        finally:
            self._segments.release(segment)
            answer.stream.close()

    def _move(self, connection, stream, segment):
        """Move the stream's bytes, even beyond the size that the main source has stated."""
        try:
            connection.move(stream, self._file.part, self._segments, segment)
        except Longer as change:
            if not (connection.source.is_main and self._file.lengthen(segment)):
                raise
            self._note("warning", f"{change}; fetching the file to its end")
            connection.move(stream, self._file.part, self._segments, segment)

    def claim(self, connection):
        """Return the next segment: a hole, or a part of another connection's segment; or None."""
        segment = self._segments.claim(connection)
        if segment is not None:
            return segment
        segment, victim = self._segments.split(connection, seconds_left)
        if victim is not None and not victim.left:
            victim.owner.stop.set()     # it is stalled, and its whole segment was taken
        return segment

    def ask(self, client, source, segment, joint):
        """Return an Answer of the same file for the segment and the bytes to compare around it."""
        if not source.proven:
            self._introduction.introduce(source, client)
        start, end = joint.reach
        answer = source.open(client, start=start, end=end, if_range=source.resource.validator)
        try:
            continuity.check_part(answer, source.resource)
            return answer
        except BaseException:
            answer.stream.close()
            raise


def fill_at_hand(file, answer):
    """Write and close an answer that has arrived as the whole of a new file; return whether it has.

    The machinery of connections would cost more than these bytes.
    """
    stream, segments = answer.stream, file.segments
    if not stream.at_hand or answer.start or segments.count or segments.total != stream.expected:
        return False
    file.part.write(stream.take_at_hand(), 0)
    segments.fill()
    stream.close()
    return True


def seconds_left(segment):
    """Return the seconds that the segment's connection needs for the rest of it."""
    return segment.owner.pace.seconds_for(segment.left)
