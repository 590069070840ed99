"""The room on the disk: attempts begin only while there is enough, and the youngest end if it runs out."""

from ..errors import NoSpace
from ..units import format_size


class Room:
    """The room in the DownloadDir for the registry's attempts, beside `download.reserve` bytes.

    Call the methods without the registry's lock, so that a disk that hangs holds up nothing else.
    """

    def __init__(self, registry, download_dir, settings):
        self._registry, self._download_dir, self._settings = registry, download_dir, settings

    def check(self, attempt):
        """Raise NoSpace if there is no room for the attempt beside the others."""
        attempt.room = room = self._beside_others(attempt)
        short = attempt.download.file.segments.missing - room if room is not None else 0
        if short > 0:
            raise NoSpace(f"there is not enough room: {format_size(short)} more must be free in "
                          f"{self._download_dir.path} (the reserve is "
                          f"{format_size(self._settings.download.reserve)})")

    def check_shortage(self, attempt):
        """Raise NoSpace unless more bytes are free than were too few for the task's file of unknown size."""
        shortage = attempt.task.shortage
        room = None if shortage is None else self._beside_others(attempt)
        if room is not None and room <= shortage:
            raise NoSpace(f"the file is larger than the {format_size(shortage)} that were free in "
                          f"{self._download_dir.path}; it is fetched again when more is free")

    def note_shortage(self, attempt):
        """Take note that the disk was too small for the attempt's file, whose size is not known.

        The bytes that were free at its beginning count only if the file has taken most of them;
        otherwise something else has filled the disk.
        """
        written = attempt.download.file.discarded
        rooms = [written, self._beside_others(attempt) or 0]
        if attempt.room is not None and attempt.room - attempt.room // 8 <= written:
            rooms.append(attempt.room)
        with self._registry.lock:
            attempt.task.fall_short(max(rooms))

    def make(self, attempts):
        """Interrupt the youngest of the attempts while the disk fills up from elsewhere."""
        while attempts and (self._beside(attempts) or 0) < 0:
            attempts[-1].interrupt(NoSpace("the disk has filled up"))
            attempts = attempts[:-1]

    def _beside_others(self, attempt):
        with self._registry.lock:
            others = [each for each in self._registry.running if each is not attempt]
        return self._beside(others)

    def _beside(self, attempts):
        """Return the bytes that are free beside what the attempts have still to bring, or None if unknown."""
        free = self._download_dir.free_bytes
        missing = sum(attempt.download.file.segments.missing for attempt in attempts)
        return None if free is None else free - missing - self._settings.download.reserve
