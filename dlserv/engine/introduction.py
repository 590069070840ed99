"""Compare a source's bytes with the file before it may deliver further ranges."""

from contextlib import closing

from ..errors import Changed, Permanent, Temporary, TransferError
from . import continuity


class Introduction:
    """Compares sources with `file`, an Unfinished; of a mirror the end too, with the first source's."""

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
        own, known = self._file.is_from(source), self._file.resource
        try:
            found = self._compare(source, client, *where)
            if not own and not continuity.same_digest(found, known):
                self._compare_end(source, client, found)
        except Changed as difference:
            if own:
                raise
            raise Permanent(str(difference)) from difference
        source.resource, source.proven = known if own else found, True

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
        """Return the last bytes of the file, from disk or the first source, or None if unavailable."""
        origin = self._sources.find(self._file.source)
        if self._end is None and self._file.segments.here(start) >= end - start:
            self._end = self._file.part.read(end - start, start)
        if self._end is None and origin is not None:
            try:
                self._end = self._fetch(origin, client, start, end)[1]
            except TransferError:
                return None     # connections to that source report the same error
        return self._end
