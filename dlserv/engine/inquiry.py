"""Ask for the first answer of an attempt, and decide where its bytes belong.

Only an answer that begins the file can be refused as a web page.
"""

from contextlib import closing

from .. import urls
from ..errors import Changed, Permanent, Temporary, TransferError
from ..net.remote_file import check_is_file
from . import continuity
from .continuity import CANNOT_RESUME, OVERLAP, SEAM
from .sources import decisive


def ask(file, sources, options, stop, condition=None):
    """Return (Answer, Source); the Answer begins at the first missing byte of `file`, an Unfinished.

    With a Condition, only the task's own URL is asked; raise Unchanged if it says so. Raise
    Changed if the bytes on disk are of another file, Temporary or Permanent if no source delivers.
    """
    refusals = []
    for source in sources.in_order() if condition is None else [sources.main]:
        stop.check()
        try:
            return _Inquiry(file, sources, source, options, sources.opener(stop), condition).ask(), source
        except (Temporary, Permanent, Changed) as refusal:
            if condition is not None or isinstance(refusal, Changed) and sources.decides(source):
                raise
            if isinstance(refusal, Changed):
                refusal = Permanent(str(refusal))
            refusals.append(refusal)
            sources.ended_with(source, refusal)
            if len(sources.all) > 1:
                file.warn(f"{source.url.netloc}: {refusal}")
    raise decisive(refusals or [Permanent(sources.all[0].banned or "no source of the file is left")])


class _Inquiry:
    def __init__(self, file, sources, source, options, client, condition):
        self._file, self._sources, self._source = file, sources, source
        self._options, self._client, self._condition = options, client, condition
        self._known, self._own = file.resource, file.is_from(source)

    def ask(self):
        file, source = self._file, self._source
        start, end = file.segments.first_hole
        first = continuity.overlap_start(file.part, start, source.asserts)
        if first is None:
            raise Changed("the bytes on disk cannot show that the server's bytes continue them")
        if end is not None:
            end = min(end + SEAM, self._known.total)
        answer, length = self._answer(first, end)
        try:
            self._use(answer, first, start, length)
        except BaseException:
            answer.stream.close()
            raise
        source.resource, source.proven = file.resource, answer.start > 0
        return answer

    def _answer(self, first, end):
        """Return (Answer, bytes of the requested range).

        If the heads cannot identify the file, more than the overlap is compared first.
        """
        known = self._known
        length = first and (end or known.total) - first
        if not first or not self._own or continuity.names_version(known):
            answer = self._open_part(first, end)
            if not first or self._own or answer.status == 200 or continuity.told_same(answer.resource, known):
                return answer, length
            answer.stream.close()
        whole = self._compare_beginning()
        if whole is not None:
            return whole, OVERLAP
        return self._open_part(first, end), length

    def _open_part(self, first, end):
        known, own = self._known, self._own
        answer = self._open(first, end, condition=self._condition,
                            if_range=known.validator if own and self._file.segments.count else None)
        if (own and first and answer.status == 200 and known.ranges
                and continuity.vouches(answer.resource, known)):
            answer.stream.close()       # some servers ignore Range if there is an If-Range
            answer = self._open(first, end)
        return answer

    def _open(self, start, end, **ask):
        return self._source.open(self._client, start=start, end=end, **ask)

    def _compare_beginning(self):
        """Compare the first bytes too. Return the Answer if it is the whole file."""
        answer = self._open(0, OVERLAP)
        if answer.status == 200:
            return answer
        self._compare(answer, 0, OVERLAP)
        if not self._own:
            self._compare_end(answer.resource)
        return None

    def _compare_end(self, found):
        """Compare the end of the file on another server if it is on disk; else compare the dates."""
        known = self._known
        last = max(0, known.total - OVERLAP)
        if self._file.segments.here(last) == known.total - last:
            self._compare(self._open(last, known.total), last, known.total)
        elif continuity.same_date(found, known) is False and not (self._options.checksum or known.digest):
            raise Changed("the file on the server has another date")

    def _compare(self, answer, first, end):
        with closing(answer.stream):
            continuity.check_head(answer.resource, self._known, self._own)
            continuity.compare(answer.stream, self._file.part, first, end)

    def _use(self, answer, first, start, length):
        """Continue the bytes at `start` with the answer, or begin the file with it.

        The requested range began at `first` and had `length` bytes.
        """
        begins = not self._file.segments.count
        if begins or answer.status == 200:
            name = self._options.filename or urls.file_name(str(self._source.url))
            check_is_file(answer, name, self._condition.known if self._condition else self._known)
        if begins:
            self._file.begin(self._source, answer.resource, answer.stream.at_hand)
        elif answer.status == 200 and first:
            self._take_whole(answer, length)
        else:
            self._go_on(answer, first, start)

    def _take_whole(self, answer, length):
        """Begin the file with a 200 that answers a range, unless the 200 may be just that range."""
        found, known = answer.resource, self._known
        same = continuity.vouches(found, known)
        if found.total is None or found.total != known.total and (same or found.total == length):
            raise Changed("the server answered a range as if it were the whole file")
        self._begin_again(answer, "the file on the server has changed" if not same else
                          "the server no longer resumes" if known.ranges else CANNOT_RESUME)

    def _go_on(self, answer, first, start):
        file = self._file
        continuity.check_head(answer.resource, self._known, self._own)
        if start:
            continuity.compare(answer.stream, file.part, first, start)
            file.doubtful = False
            self._learn(answer, first)
        elif not continuity.vouches(answer.resource, self._known):
            self._begin_again(answer, continuity.UNVOUCHED)
        elif file.doubtful:
            self._begin_again(answer, f"{file.part.name} was replaced by another file")

    def _learn(self, answer, first):
        known = self._known
        if not self._own:
            self._file.adopt(self._source, answer.resource)
            return
        if answer.status == 206 and not known.ranges:
            self._file.adopt(self._source, known._replace(ranges=True))
        if first and not continuity.names_version(known):
            self._file.warn("the server names no version of the file; resuming because the size and"
                            " the bytes at both ends of the part on disk are the same")

    def _begin_again(self, answer, reason):
        if not self._sources.decides(self._source):
            raise Changed(reason)
        self._file.start_over(reason)
        self._sources.forget_proofs()
        self._file.begin(self._source, answer.resource)


class Introduction:
    """Compares sources with `file`, an Unfinished, before they deliver further ranges: a mirror's end too."""

    def __init__(self, file, sources):
        self._file, self._sources = file, sources
        self._end, self._possible = None, False

    @property
    def is_possible(self):
        """True if enough bytes are on disk to compare with."""
        self._possible = self._possible or any(self._range_for(source) for source in self._sources.all)
        return self._possible

    def introduce(self, source, client):
        """Compare the source's bytes with those on disk.

        Raise Changed if they differ, for a mirror Permanent; Temporary if too few are here to compare.
        """
        where = self._range_for(source)
        if where is None:
            raise Temporary("too few bytes are on disk yet to compare its bytes with")
        own = self._file.is_from(source)
        try:
            found = self._compare(source, client, *where)
            if not own and not continuity.same_digest(found, self._file.resource):
                self._compare_end(source, client, found)
        except Changed as difference:
            if own:
                raise
            raise Permanent(str(difference)) from difference
        source.resource, source.proven = self._file.resource if own else found, True

    def _range_for(self, source):
        return continuity.telling_range(self._file.part, self._file.segments.done(), source.asserts)

    def _compare(self, source, client, start, end, expected=None):
        """Fetch a range; return its Resource. Raise Changed unless its bytes are as expected or on disk."""
        found, data = self._fetch(source, client, start, end)
        if data != (expected or self._file.part.read(end - start, start)):
            raise Changed(continuity.OTHER_BYTES)
        return found

    def _fetch(self, source, client, start, end):
        own, known = self._file.is_from(source), self._file.resource
        answer = source.open(client, start=start, end=end, if_range=known.validator if own else None)
        with closing(answer.stream):
            continuity.check_part(answer, known, own)
            return answer.resource, continuity.read(answer.stream, end - start)

    def _compare_end(self, source, client, found):
        total = self._file.resource.total
        where = total - continuity.OVERLAP, total
        end = self._end_of_file(client, *where)
        if end is not None:
            self._compare(source, client, *where, end)
        elif not continuity.told_same(found, self._file.resource):
            raise Temporary("the end of the file is not here yet to compare its end with")

    def _end_of_file(self, client, start, end):
        """Return the last bytes of the file, from disk or the first source, or None."""
        origin = next(filter(self._file.is_from, self._sources.all), None)
        if self._end is None and self._file.segments.here(start) >= end - start:
            self._end = self._file.part.read(end - start, start)
        if self._end is None and origin is not None:
            try:
                self._end = self._fetch(origin, client, start, end)[1]
            except TransferError:
                return None     # connections to that source report the same error
        return self._end
