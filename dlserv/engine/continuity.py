"""Is this still the same file? Decided here alone, for every answer that goes on with other bytes.

Three kinds of answers have to prove it, each by what it can:

  the first one of an attempt (a resume)   what its head says, and the bytes before the hole
  a further connection to the same source  what its head says; before the first one is used,
                                           bytes that are on disk are fetched and compared
  a mirror                                 its size, a digest, the same bytes, and the file's end

`objection` judges a head and is a table of cases in its test; the rest reads bytes. Where
two streams meet inside the file, whichever arrives second compares a few bytes (`Joint`).
Nothing here repairs anything: a difference raises Changed (or Torn), and the caller drops
the connection or starts over from zero.
"""

from ..errors import Changed, Temporary

OVERLAP = 2 ** 14       # bytes fetched again, to be compared with those on disk
SEAM = 2 ** 12          # bytes compared where two connections meet
UNIFORM = 2 ** 20       # bytes from which on a file that repeats its beginning is taken as it is

CANNOT_RESUME = "the server cannot resume this file"
WHOLE_FOR_RANGE = "the server answered a request for a range with the whole file"
OTHER_BYTES = "the server's bytes differ from those on disk"
UNVOUCHED = "the server does not say that the file is still the same"


class Torn(Changed):
    """Two connections brought different bytes for the same place."""

    def __init__(self):
        super().__init__("two connections brought different bytes for the same place")


# -- what heads say ------------------------------------------------------------------------

def objection(found, known, own):
    """Return why an answer for a part, `found`, is not of the file `known`, or None.

    Both are Resources; `own` says that they came from the same URL, else validators cannot
    be compared: each server makes its own.
    """
    if found.total != known.total:
        return "the file on the server has another size"
    if other_digest(found, known):
        return "the file on the server has another checksum"
    if own and contradicts(found, known):
        return "the file on the server has changed"
    if own and names_version(known) and not vouches(found, known):
        return UNVOUCHED
    return None


def contradicts(found, known):
    """Return whether the two name different validators of the same kind."""
    return any(getattr(found, name) and getattr(known, name)
               and getattr(found, name) != getattr(known, name)
               for name in ("etag", "last_modified"))


def vouches(found, known):
    """Return whether the answer `found` repeats a validator of `known`.

    A strong ETag must be repeated itself (RFC 9110, 15.3.7). A weak or malformed one counts
    where it is equal, for bytes are compared as well; so does a strong date.
    """
    if contradicts(found, known):
        return False
    if found.etag and known.etag:
        return True
    strong_etag = known.etag and known.validator == known.etag
    return not strong_etag and _same_date(found, known)


def names_version(resource):
    """Return whether it has a validator, be it a weak one."""
    return bool(resource.etag or resource.validator)


def other_digest(found, known):
    """Return whether the two tell different digests by the same algorithm."""
    mine, theirs = ((each.digest or "").split("=") for each in (found, known))
    return mine[0] == theirs[0] and mine != theirs


def told_same(found, known):
    """Return whether two servers tell the same digest, or the same strong ETag or date and no other date."""
    same_etag = bool(found.validator) and found.validator == known.validator
    return same_digest(found, known) or (
        not told_other(found, known) and (same_etag or _same_date(found, known)))


def told_other(found, known):
    """Return whether two servers date the file differently, each with a strong date."""
    return bool(found.last_modified and known.last_modified and found.dated and known.dated
                and found.last_modified != known.last_modified)


def same_digest(found, known):
    """Return whether the two tell the same digest."""
    return bool(found.digest) and found.digest == known.digest


def _same_date(found, known):
    return bool(found.last_modified and found.dated and known.dated
                and found.last_modified == known.last_modified)


def check_part(answer, known, own=True):
    """Raise Changed unless the answer to a request for a range is of the `known` file; see objection."""
    if answer.status != 206:
        raise Changed(WHOLE_FOR_RANGE)
    reason = objection(answer.resource, known, own)
    if reason:
        raise Changed(reason)


# -- what may be tried at all ----------------------------------------------------------------

def may_resume(resource, restarted):
    """Return whether the rest may be asked for, of a server that need not have said that it has ranges.

    Without any validator only once the file was `restarted` from zero in vain.
    """
    return _is_divisible(resource) and resource.ranges is not False and (names_version(resource) or restarted)


def may_split(resource):
    """Return whether several connections may fetch it: its server has ranges and a strong validator."""
    return bool(_is_divisible(resource) and resource.ranges and resource.validator)


def _is_divisible(resource):
    return bool(resource.total and not resource.encoding)


# -- which bytes tell --------------------------------------------------------------------------

def overlap_start(part, start, asserted):
    """Return where to begin, so that the bytes up to `start` show that the server began there.

    A server that ignores the offset sends the beginning of the file; so the overlap must
    differ from that, and grows until it does. Where nothing does, 0 if the whole beginning
    is short; else one that was `asserted` (by a Content-Range) has to do, or None.
    """
    length = OVERLAP
    while length < start and length <= UNIFORM:
        if not _repeats_beginning(part, start - length, length):
            return start - length
        length *= 2
    if start <= UNIFORM:
        return 0
    return start - OVERLAP if asserted else None


def telling_range(part, done, asserted):
    """Return a range (start, end) of OVERLAP bytes on disk that differs from the beginning, or None.

    `done` is what is on disk. Where all of that repeats the beginning, the end of much of it
    has to do for a server whose offsets are `asserted`.
    """
    for start, end in done:
        last = end - OVERLAP
        if last >= start and last > 0 and (asserted and last >= UNIFORM
                                           or not _repeats_beginning(part, last, OVERLAP)):
            return last, end
    return None


def _repeats_beginning(part, start, length):
    return part.read(length, start) == part.read(length, 0)


# -- what bytes say ------------------------------------------------------------------------------

def compare(stream, part, first, end):
    """Read the bytes [first, end) off the stream and hold them against the disk; raise Changed."""
    if read(stream, end - first) != part.read(end - first, first):
        raise Changed(OTHER_BYTES)


def read(stream, count):
    """Return the next `count` bytes of the stream. Raise Changed if it ends before."""
    buffer, filled = memoryview(bytearray(count)), 0
    stream.channel.hurry()
    while filled < count:
        more = stream.read_into(buffer[filled:])
        if not more:
            raise Changed("the server sent less than it said")
        filled += more
    stream.channel.relax()
    return bytes(buffer)


class Joint:
    """The two ends of a segment, where its bytes meet those that other connections brought.

    The stream begins `before` bytes ahead of the segment and may go on behind it. Whichever
    of two neighbours arrives second compares: at its start if the bytes before are on disk,
    at its end if those behind are. Both raise Torn, for bytes of the segment are on disk by
    then; `begin` alone raises Changed, before there are any.
    """

    def __init__(self, file, segment, before=0):
        self._part, self._segments, self._segment = file.part, file.segments, segment
        self._before, self._held = before, None

    @property
    def reach(self):
        """The range to ask for, (start, end): the segment, and what is compared at its ends."""
        start, total = self._segment.start - self._before, self._segments.total
        if total is None:
            return start, None if self._segment.is_endless else self._segment.end
        return start, min(self._segment.end + SEAM, total)

    def begin(self, stream):
        """Read what comes before the segment, and compare it if it can be already."""
        if self._before:
            self._held = read(stream, self._before)
            if self._differs_at_start():
                raise Changed(OTHER_BYTES)

    def check_start(self):
        """Compare what came before the segment if that has arrived meanwhile."""
        if self._held and self._segment.position > self._segment.start and self._differs_at_start():
            raise Torn()

    def check_end(self, stream):
        """Compare what follows the segment on the stream with what is on disk there."""
        end = self._segment.end
        count = 0 if self._segment.left else min(SEAM, self._segments.here(end))
        if count:
            try:
                data = read(stream, count)
            except (Changed, Temporary):
                return      # the segment is whole; what was for comparison alone did not come
            if data != self._part.read(count, end):
                raise Torn()

    def _differs_at_start(self):
        first = self._segment.start - self._before
        if self._segments.here(first) < self._before:
            return False
        held, self._held = self._held, None
        return held != self._part.read(self._before, first)
