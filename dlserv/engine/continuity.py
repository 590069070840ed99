"""Decide whether an answer is still of the same file as the bytes on disk; the only place that does.

  the first answer of an attempt           its head, and the bytes before the hole
  a further connection to the same source  its head; before the first one, bytes that are on disk
  a mirror                                 its size, a digest, the same bytes, the file's end

`objection` judges heads; the rest compares bytes. A difference raises Changed (or Torn); the
caller drops the connection or starts over from zero.
"""

from ..errors import Changed, Permanent, Temporary, Unchanged

OVERLAP = 2 ** 14       # bytes that are fetched again and compared with those on disk
SEAM = 2 ** 12          # bytes compared where two connections meet
UNIFORM = 2 ** 20       # bytes up to which a part of the file is sought that differs from its beginning

CANNOT_RESUME = "the server cannot resume this file"
OTHER_BYTES = "the server's bytes differ from those on disk"
UNVOUCHED = "the server does not say that the file is still the same"


class Torn(Changed):
    def __init__(self):
        super().__init__("two connections delivered different bytes for the same part of the file")


# -- heads ---------------------------------------------------------------------------------------

def objection(found, known, own):
    """Return the reason why the Resource `found`, of a part, is not of `known`, or None.

    Unless both came from the same URL (`own`), validators cannot be compared.
    """
    if found.total != known.total:
        return "the file on the server has another size"
    mine, theirs = ((each.digest or "").split("=") for each in (found, known))
    if mine[0] == theirs[0] and mine != theirs:
        return "the file on the server has another checksum"
    if own and contradicts(found, known):
        return "the file on the server has changed"
    if own and names_version(known) and not vouches(found, known):
        return UNVOUCHED
    return None


def check_head(found, known, own):
    reason = objection(found, known, own)
    if reason:
        raise Changed(reason)


def check_part(answer, known, own=True):
    """Raise Changed unless the answer to a range request is a part of the file `known`."""
    if answer.status != 206:
        raise Changed("the server answered a request for a range with the whole file")
    check_head(answer.resource, known, own)


def contradicts(found, known):
    """Return whether the two have different ETags or different dates."""
    return any(getattr(found, name) and getattr(known, name)
               and getattr(found, name) != getattr(known, name)
               for name in ("etag", "last_modified"))


def vouches(found, known):
    """Return whether `found` repeats a validator of `known`: a strong ETag (RFC 9110, 15.3.7), else any.

    A weak one suffices because bytes are compared as well.
    """
    if contradicts(found, known):
        return False
    if found.etag and known.etag:
        return True
    strong_etag = known.etag and known.validator == known.etag
    return not strong_etag and bool(same_date(found, known))


def names_version(resource):
    return bool(resource.etag or resource.validator)


def told_same(found, known):
    """Return whether two servers state the same digest, or the same strong ETag or date and no other date."""
    same_etag, date = bool(found.validator) and found.validator == known.validator, same_date(found, known)
    return same_digest(found, known) or date is not False and (same_etag or date is True)


def same_digest(found, known):
    return bool(found.digest) and found.digest == known.digest


def same_date(found, known):
    """Return whether the strong dates are equal; None unless both have one."""
    if found.last_modified and known.last_modified and found.dated and known.dated:
        return found.last_modified == known.last_modified
    return None


def may_resume(resource, restarted):
    """Return whether to request the rest of the file.

    Without any validator, do so only if the file was `restarted` from zero before.
    """
    return _is_divisible(resource) and resource.ranges is not False and (names_version(resource) or restarted)


def may_split(resource):
    """Return whether several connections may fetch the file."""
    return bool(_is_divisible(resource) and resource.ranges and resource.validator)


def _is_divisible(resource):
    return bool(resource.total and not resource.encoding)


# -- refreshing a file that is complete ------------------------------------------------------------

class Condition:
    """The condition that `url`, the task's own, has another file than `file`, a Finished.

    `checksum` is the task's, or None.
    """

    def __init__(self, file, url, checksum):
        self.known, self._promised = file.resource, file.promised
        self._own = file.source in (None, url)
        self._is_pinned = checksum in file.promised

    @property
    def fields(self):
        """The request fields; none if the file came from another URL."""
        return self.known.conditions if self._own else {}

    def check(self, found):
        """Raise Unchanged if `found`, a Resource, is of that file.

        Raise Permanent for another one if the task's checksum fits that file alone.
        """
        same = sameness(found, self.known, self._promised, self._own)
        if same == "size":
            raise Unchanged("unchanged as far as can be told: the server names no version of the file, "
                            "and its size is the same")
        if same:
            raise Unchanged(f"unchanged: the file on the server has the same {same}")
        if self._is_pinned:
            raise Permanent("the file on the server has changed, but the task's checksum is that of the file "
                            "that is here; take the checksum off the task and refresh it again",
                            word="checksum")


def sameness(found, known, promised, own):
    """Return a word for the evidence that the Resource `found` is the `known` one's file, or None.

    ETags are compared weakly (RFC 9110, 13.1.2). The size alone decides if the server has
    stated no version, then and now.
    """
    digests = {text.partition("=")[0]: text for text in promised if found.digest}
    told = (found.digest or "").partition("=")[0]
    if told in digests:
        return "checksum" if digests[told] == found.digest else None
    has_sizes = None not in (found.total, known.total)
    if has_sizes and found.total != known.total:
        return None
    if not own:
        return "version" if found.total is not None and told_same(found, known) else None
    if found.etag and known.etag:
        return "ETag" if _opaque(found.etag) == _opaque(known.etag) else None
    if found.last_modified and known.last_modified:
        return "date" if found.last_modified == known.last_modified else None
    is_named = any((found.etag, found.last_modified, known.etag, known.last_modified))
    return "size" if has_sizes and not is_named else None


def _opaque(etag):
    return etag[2:] if etag.startswith("W/") else etag


# -- bytes -----------------------------------------------------------------------------------------

def overlap_start(part, start, asserted):
    """Return where a request must begin so that the bytes up to `start` prove the server's offset.

    A server that ignores the offset sends the beginning of the file, so the overlap grows until it
    differs from that. If it never does, ask from 0 for up to UNIFORM bytes; beyond, use an
    ordinary overlap if the server states its offsets (`asserted`), else return None.
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
    """Return a range of OVERLAP bytes on disk (`done`) that differs from the beginning, or None.

    If the server states its offsets (`asserted`), any beyond UNIFORM bytes suffices.
    """
    for start, end in done:
        last = end - OVERLAP
        if last >= start and last > 0 and (asserted and last >= UNIFORM
                                           or not _repeats_beginning(part, last, OVERLAP)):
            return last, end
    return None


def _repeats_beginning(part, start, length):
    return part.read(length, start) == part.read(length, 0)


def compare(stream, part, first, end):
    """Read the bytes [first, end) from the stream. Raise Changed unless they equal those on disk."""
    if read(stream, end - first) != part.read(end - first, first):
        raise Changed(OTHER_BYTES)


def read(stream, count):
    """Return the next `count` bytes of the stream. Raise Changed if it ends earlier."""
    buffer, filled = memoryview(bytearray(count)), 0
    with stream.channel.hurried():
        while filled < count:
            more = stream.read_into(buffer[filled:])
            if not more:
                raise Changed("the server sent less than it announced")
            filled += more
    return bytes(buffer)


class Joint:
    """The two ends of a segment, where its bytes meet those of other connections.

    The stream begins `before` bytes ahead of the segment and may extend beyond it. Of two
    neighbours, the one that arrives second compares. A difference raises Torn, or Changed if no
    byte of the segment is on disk yet.
    """

    def __init__(self, file, segment, before=0):
        self._part, self._segments, self._segment = file.part, file.segments, segment
        self._before, self._held = before, None

    @property
    def reach(self):
        """The range to request, with the bytes to compare at both ends."""
        start, total = self._segment.start - self._before, self._segments.total
        if total is None:
            return start, None if self._segment.is_endless else self._segment.end
        return start, min(self._segment.end + SEAM, total)

    def begin(self, stream):
        if self._before:
            self._held = read(stream, self._before)
            if self._differs_at_start():
                raise Changed(OTHER_BYTES)

    def check_start(self):
        """Compare the bytes before the segment if they have reached the disk since `begin`."""
        if self._held and self._segment.position > self._segment.start and self._differs_at_start():
            raise Torn()

    def check_end(self, stream):
        end = self._segment.end
        count = 0 if self._segment.left else min(SEAM, self._segments.here(end))
        if count:
            try:
                data = read(stream, count)
            except (Changed, Temporary):
                return      # the segment is complete; only the bytes for comparison are missing
            if data != self._part.read(count, end):
                raise Torn()

    def _differs_at_start(self):
        first = self._segment.start - self._before
        if self._segments.here(first) < self._before:
            return False
        held, self._held = self._held, None
        return held != self._part.read(self._before, first)
