"""Get the first answer of an attempt: choose the source, and decide where its bytes belong.

An answer continues the bytes on disk, which continuity.py checks, or begins the file. Only one
that begins it can be refused as a web page.
"""

from contextlib import closing

from .. import urls
from ..errors import Changed, Permanent, Temporary
from ..net.remote_file import check_is_file
from . import continuity
from .continuity import CANNOT_RESUME, OVERLAP, SEAM
from .sources import decisive


class Inquiry:
    """Asks the sources in turn for the first missing byte of `file`, an Unfinished.

    With a Condition, only the task's own URL is asked: no mirror tells whether it has changed.
    """

    def __init__(self, file, sources, options, stop, condition=None):
        self._file, self._sources, self._options = file, sources, options
        self._stop, self._condition = stop, condition

    def ask(self):
        """Return (Answer, Source); the body of the Answer begins at the first missing byte.

        Raise Changed if the bytes on disk are of another file, Temporary or Permanent if no source
        delivers; Unchanged if the condition says so.
        """
        if self._condition is not None:
            return self._ask(self._sources.main), self._sources.main
        refusals = []
        for source in self._sources.in_order():
            self._stop.check()
            try:
                return self._ask(source), source
            except (Temporary, Permanent, Changed) as refusal:
                if isinstance(refusal, Changed):
                    if self._is_main(source):
                        raise
                    refusal = Permanent(str(refusal))
                refusals.append(refusal)
                self._sources.ended_with(source, refusal)
                if len(self._sources.all) > 1:
                    self._file.warn(f"{source.url.netloc}: {refusal}")
        raise decisive(refusals
                       or [Permanent(self._sources.all[0].banned or "no source of the file is left")])

    def _is_main(self, source):
        """Return whether this source decides what the file is; any other is dropped if it differs."""
        return source.is_main or self._sources.alone

    def _ask(self, source):
        client = self._sources.opener(self._stop)
        start, end = self._file.segments.first_hole
        first = continuity.overlap_start(self._file.part, start, source.asserts)
        if first is None:
            raise Changed("the bytes on disk cannot show that the server's bytes continue them")
        if end is not None:
            end = min(end + SEAM, self._file.resource.total)
        answer, length = self._answer(source, client, first, end)
        try:
            self._use(source, answer, first, start, length)
        except BaseException:
            answer.stream.close()
            raise
        source.resource, source.proven = self._file.resource, answer.start > 0
        return answer

    # -- asking ------------------------------------------------------------------------

    def _answer(self, source, client, first, end):
        """Return (Answer, bytes of the requested range).

        If the heads cannot identify the file, more than the overlap is compared first.
        """
        known, own = self._file.resource, self._file.is_from(source)
        length = first and (end or known.total) - first
        if not first or not own or continuity.names_version(known):
            answer = self._open(source, client, first, end)
            if not first or own or answer.status == 200 or continuity.told_same(answer.resource, known):
                return answer, length
            answer.stream.close()
        whole = self._compare_beginning(source, client)
        if whole is not None:
            return whole, OVERLAP
        return self._open(source, client, first, end), length

    def _open(self, source, client, first, end):
        known, own = self._file.resource, self._file.is_from(source)
        answer = source.open(client, start=first, end=end, condition=self._condition,
                             if_range=known.validator if own and self._file.segments.count else None)
        if (own and first and answer.status == 200 and known.ranges
                and continuity.vouches(answer.resource, known)):
            answer.stream.close()       # some servers ignore Range if there is an If-Range
            answer = source.open(client, start=first, end=end)
        return answer

    def _compare_beginning(self, source, client):
        """Compare the first bytes too. Return the Answer if it is the whole file, else None."""
        answer = source.open(client, start=0, end=OVERLAP)
        if answer.status == 200:
            return answer
        self._compare(source, answer, 0, OVERLAP)
        if not self._file.is_from(source):
            self._compare_end(source, client, answer.resource)
        return None

    def _compare_end(self, source, client, found):
        """Compare the end of the file on another server if it is on disk; else compare the dates."""
        known = self._file.resource
        last = max(0, known.total - OVERLAP)
        if self._file.segments.here(last) == known.total - last:
            self._compare(source, source.open(client, start=last, end=known.total), last, known.total)
        elif continuity.same_date(found, known) is False and not (self._options.checksum or known.digest):
            raise Changed("the file on the server has another date")

    def _compare(self, source, answer, first, end):
        with closing(answer.stream):
            self._check_head(source, answer)
            continuity.compare(answer.stream, self._file.part, first, end)

    def _check_head(self, source, answer):
        continuity.check_head(answer.resource, self._file.resource, self._file.is_from(source))

    # -- using what came -----------------------------------------------------------------

    def _use(self, source, answer, first, start, length):
        """Check that the answer continues the bytes at `start`, or begin the file with it.

        `first` is the start of the requested range and `length` its bytes.
        """
        begins = not self._file.segments.count
        if begins or answer.status == 200:
            name = self._options.filename or urls.file_name(str(source.url))
            check_is_file(answer, name, self._condition.known if self._condition else self._file.resource)
        if begins:
            self._file.begin(source, answer.resource, answer.stream.at_hand)
        elif answer.status == 200 and first:
            self._take_whole(source, answer, length)
        else:
            self._go_on(source, answer, first, start)

    def _take_whole(self, source, answer, length):
        """Begin the file with a 200 that answers a range, unless the 200 may be just that range."""
        found, known = answer.resource, self._file.resource
        same = continuity.vouches(found, known)
        if found.total is None or found.total != known.total and (same or found.total == length):
            raise Changed("the server answered a range as if it were the whole file")
        self._begin_again(source, answer, "the file on the server has changed" if not same else
                          "the server no longer resumes" if known.ranges else CANNOT_RESUME)

    def _go_on(self, source, answer, first, start):
        file = self._file
        self._check_head(source, answer)
        if start:
            continuity.compare(answer.stream, file.part, first, start)
            file.doubtful = False
            self._learn(source, answer, first)
        elif not continuity.vouches(answer.resource, file.resource):
            self._begin_again(source, answer, continuity.UNVOUCHED)
        elif file.doubtful:
            self._begin_again(source, answer, f"{file.part.name} was replaced by another file")

    def _learn(self, source, answer, first):
        known = self._file.resource
        if not self._file.is_from(source):
            self._file.adopt(source, answer.resource)
            return
        if answer.status == 206 and not known.ranges:
            self._file.adopt(source, known._replace(ranges=True))
        if first and not continuity.names_version(known):
            self._file.warn("the server names no version of the file; resuming because the size and"
                            " the bytes at both ends of the part on disk are the same")

    def _begin_again(self, source, answer, reason):
        if not self._is_main(source):
            raise Changed(reason)
        self._file.start_over(reason)
        self._sources.forget_proofs()
        self._file.begin(source, answer.resource)
