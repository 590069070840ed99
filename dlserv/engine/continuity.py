"""Decide whether an answer is still of the same file as the bytes on disk; the only place that does.

Three kinds of answers are checked, each in its own way:

  the first of an attempt (a resume)       its head, and the bytes before the hole
  a further connection to the same source  its head; before the first such connection is used,
                                           bytes that are on disk are fetched and compared
  a mirror                                 its size, a digest, the same bytes, the file's end

`objection` judges a head; its test is a table of cases. The rest compares bytes. Where two
streams meet inside the file, the one that arrives second compares a few bytes (`Joint`).
Nothing is repaired here: a difference raises Changed (or Torn), and the caller drops the
connection or starts over from zero.
"""

from ..errors import Changed, Temporary

OVERLAP = 2 ** 14       # bytes that are fetched again and compared with those on disk
SEAM = 2 ** 12          # bytes compared where two connections meet
UNIFORM = 2 ** 20       # bytes up to which a part of the file is sought that differs from its beginning

CANNOT_RESUME = "the server cannot resume this file"
WHOLE_FOR_RANGE = "the server answered a request for a range with the whole file"
OTHER_BYTES = "the server's bytes differ from those on disk"
UNVOUCHED = "the server does not say that the file is still the same"


class Torn(Changed):
    """Two connections delivered different bytes for the same range."""

    def __init__(self):
        super().__init__("two connections delivered different bytes for the same part of the file")


# -- what heads say ------------------------------------------------------------------------

def objection(found, known, own):
    """Return the reason why the Resource `found`, of a part, is not of the Resource `known`, or None.

    `own` is true if both came from the same URL; validators of different servers cannot be
    compared.
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
    """Return whether the two Resources have different ETags or different dates."""
    return any(getattr(found, name) and getattr(known, name)
               and getattr(found, name) != getattr(known, name)
               for name in ("etag", "last_modified"))


def vouches(found, known):
    """Return whether `found` repeats a validator of `known`.

    A strong ETag must be repeated (RFC 9110, 15.3.7). A weak or malformed ETag or a strong
    date suffices if it is equal, because bytes are compared as well.
    """
    if contradicts(found, known):
        return False
    if found.etag and known.etag:
        return True
    strong_etag = known.etag and known.validator == known.etag
    return not strong_etag and _same_date(found, known)


def names_version(resource):
    """Return whether the Resource has a validator, even a weak one."""
    return bool(resource.etag or resource.validator)


def other_digest(found, known):
    """Return whether the two have different digests by the same algorithm."""
    mine, theirs = ((each.digest or "").split("=") for each in (found, known))
    return mine[0] == theirs[0] and mine != theirs


def sameness(found, known, promised, own):
    """Return what shows that a server still has a file that was fetched before: a word, or None.

    `found` is the Resource that it states now, `known` the one of then, `promised` the
    checksums of the file. ETags are compared weakly (RFC 9110, 13.1.2). The size alone decides
    if the server has stated no version, then and now.
    """
    digests = {text.partition("=")[0]: text for text in promised if found.digest}
    told = (found.digest or "").partition("=")[0]
    if told in digests:
        return "checksum" if digests[told] == found.digest else None
    if None not in (found.total, known.total) and found.total != known.total:
        return None
    if not own:
        return "version" if found.total is not None and told_same(found, known) else None
    if found.etag and known.etag:
        return "ETag" if _opaque(found.etag) == _opaque(known.etag) else None
    if found.last_modified and known.last_modified:
        return "date" if found.last_modified == known.last_modified else None
    is_named = any((found.etag, found.last_modified, known.etag, known.last_modified))
    return None if is_named or found.total is None or known.total is None else "size"


def _opaque(etag):
    """Return the ETag without the mark of a weak one."""
    return etag[2:] if etag.startswith("W/") else etag


def told_same(found, known):
    """Return whether two servers state the same digest, or the same strong ETag or date and no other date."""
    same_etag = bool(found.validator) and found.validator == known.validator
    return same_digest(found, known) or (
        not told_other(found, known) and (same_etag or _same_date(found, known)))


def told_other(found, known):
    """Return whether two servers state different dates, both strong."""
    return bool(found.last_modified and known.last_modified and found.dated and known.dated
                and found.last_modified != known.last_modified)


def same_digest(found, known):
    """Return whether the two have the same digest."""
    return bool(found.digest) and found.digest == known.digest


def _same_date(found, known):
    return bool(found.last_modified and found.dated and known.dated
                and found.last_modified == known.last_modified)


def check_part(answer, known, own=True):
    """Raise Changed unless the answer to a range request is a part of the file `known`; see objection."""
    if answer.status != 206:
        raise Changed(WHOLE_FOR_RANGE)
    reason = objection(answer.resource, known, own)
    if reason:
        raise Changed(reason)


# -- what may be tried at all ----------------------------------------------------------------

def may_resume(resource, restarted):
    """Return whether to request the rest of the file, even if it is unknown whether ranges are served.

    Without any validator, do so only if the file was `restarted` from zero before.
    """
    return _is_divisible(resource) and resource.ranges is not False and (names_version(resource) or restarted)


def may_split(resource):
    """Return whether several connections may fetch the file: it needs ranges and a strong validator."""
    return bool(_is_divisible(resource) and resource.ranges and resource.validator)


def _is_divisible(resource):
    return bool(resource.total and not resource.encoding)


# -- which bytes tell --------------------------------------------------------------------------

def overlap_start(part, start, asserted):
    """Return where a request must begin so that the bytes up to `start` prove the server's offset.

    A server that ignores the offset sends the beginning of the file, so the overlap grows
    until it differs from the beginning. If it never does, return 0 if `start` is at most
    UNIFORM; else an ordinary overlap if the server states its offsets (`asserted`), or None.
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

    `done` is the ranges on disk. If the server states its offsets (`asserted`), the end of a
    range beyond UNIFORM bytes suffices even if it repeats the beginning.
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

    The stream begins `before` bytes ahead of the segment and may extend beyond its end. Of two
    neighbours, the one that arrives second compares: at its start if the bytes before it are
    on disk, at its end if those after it are. A difference raises Torn, or Changed in `begin`,
    when no byte of the segment is on disk yet.
    """

    def __init__(self, file, segment, before=0):
        self._part, self._segments, self._segment = file.part, file.segments, segment
        self._before, self._held = before, None

    @property
    def reach(self):
        """The range to request, (start, end): the segment and the bytes to compare at both ends."""
        start, total = self._segment.start - self._before, self._segments.total
        if total is None:
            return start, None if self._segment.is_endless else self._segment.end
        return start, min(self._segment.end + SEAM, total)

    def begin(self, stream):
        """Read the bytes before the segment; compare them if they are on disk already."""
        if self._before:
            self._held = read(stream, self._before)
            if self._differs_at_start():
                raise Changed(OTHER_BYTES)

    def check_start(self):
        """Compare the bytes before the segment if they have reached the disk since `begin`."""
        if self._held and self._segment.position > self._segment.start and self._differs_at_start():
            raise Torn()

    def check_end(self, stream):
        """Compare the bytes after the segment on the stream with those on disk."""
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
