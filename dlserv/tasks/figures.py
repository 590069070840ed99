"""The figures of a task, derived from its fields and the attempt under way; reading needs no lock."""

from __future__ import annotations

import time

from .. import urls
from ..engine.meter import seconds_left
from ..units import clean, format_seconds
from .fields import Fields
from .states import DOWNLOADING, QUEUED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any
    from ..engine.progress import Finished
    from ..net.remote_file import Resource


class Figures(Fields):
    """The derived part of `task.Task`."""

    __slots__ = ()

    @property
    def attempt(self) -> Any:
        """The Attempt under way, even if cancelled, or None."""
        return self._registry.running.of(self) if self._registry is not None else None

    @property
    def endpoint(self) -> str:
        return urls.parse(self.url).endpoint

    @property
    def error(self) -> str | None:
        """The sentence about why it failed, or what it waits for and how long; or None."""
        delay, closed = self.delay, self.closed_for
        if self.early:
            when = time.strftime("%Y-%m-%d %H:%M", time.localtime(self.options.not_before))
            return f"waiting until {when}, as `not_before` says"
        if closed > delay:
            return (f"waiting for {self.gate.endpoint}, which asked to be left alone "
                    f"for another {format_seconds(closed)}")
        if delay and self.failures > self.retries:
            return f"{self.problem}; the next try is in {format_seconds(delay)}"
        return self.problem

    @property
    def is_held_back(self) -> bool:
        """True if it is queued and would not start even if all slots were free."""
        return self.delay > 0 or self.closed_for > 0 or self.early

    @property
    def early(self) -> bool:
        """True if it is queued for a later time of day."""
        return self.state == QUEUED and (self.options.not_before or 0) > time.time()

    @property
    def delay(self) -> float:
        """Seconds until the next try of a queued task."""
        if self.state != QUEUED or not self.not_before:
            return 0.0
        return max(0.0, self.not_before - time.monotonic())

    @property
    def closed_for(self) -> float:
        """Seconds for which the server of a queued task is to be left alone."""
        return self.gate.closed_for if self.state == QUEUED and self.gate is not None else 0.0

    @property
    def resource(self) -> Resource | None:
        """None until a server has answered."""
        if self.file is not None:
            return self.file.resource
        attempt = self.attempt
        if attempt is not None and attempt.download.resource is not None:
            return attempt.download.resource
        return self.progress and self.progress.resource

    @property
    def whole(self) -> Finished | None:
        """The Finished whose file is in place, during a refresh that of before; or None."""
        return self.file or (self.previous if self.refreshing else None)

    @property
    def filename(self) -> str:
        """The file's path below the download directory, fit to be shown; "" while unknown."""
        return self._below(self._known_name())

    def _known_name(self):
        name = (self.file and self.file.name) or (self.progress and self.progress.target) \
            or (self.previous and self.previous.name)
        return name or (self.options.filename and _filename().sanitise(self.options.filename)) or ""

    @property
    def tmpfilename(self) -> str:
        """The part file's, or ""."""
        return self._below(self.progress.part) if self.progress else ""

    def _below(self, name):
        return clean(f"{self.options.dir}/{name}" if name and self.options.dir else name, "_")

    @property
    def name(self) -> str:
        """The file's name or the best guess, fit to be shown."""
        name = self._known_name() or _filename().sanitise(urls.file_name(self.url) or urls.parse(self.url).host)
        return clean(name, "_")

    @property
    def title(self) -> str:
        return _filename().split(self.name)[0]

    @property
    def extension(self) -> str:
        """With its dot; "" while unknown."""
        return _filename().split(self._known_name())[1]

    @property
    def downloaded(self) -> int:
        """Bytes that are here."""
        if self.file is not None:
            return self.file.identity.size
        attempt = self.attempt
        if attempt is not None:
            return attempt.download.count
        return sum(end - start for start, end in self.progress.done) if self.progress else 0

    @property
    def ranges(self) -> list[tuple[int, int]]:
        """(start, end) of these, in order."""
        if self.file is not None:
            return [(0, self.file.identity.size)]
        attempt = self.attempt
        progress = attempt and attempt.download.progress() or self.progress
        return progress.done if progress else []

    @property
    def total(self) -> int:
        """0 while unknown."""
        if self.file is not None:
            return self.file.identity.size
        resource = self.resource
        return resource.total or 0 if resource else 0

    @property
    def speed(self) -> float:
        """Bytes a second."""
        attempt = self.attempt
        return round(attempt.download.speed, 1) if attempt is not None and self.state == DOWNLOADING else 0

    @property
    def eta(self) -> float:
        """Seconds left, 0 while unknown."""
        return seconds_left(max(0, self.total - self.downloaded), self.speed)

    @property
    def connections(self) -> int:
        attempt = self.attempt
        return attempt.download.connections if attempt is not None else 0

    @property
    def seconds(self) -> float:
        attempt = self.attempt
        return self.elapsed + (attempt.seconds if attempt is not None else 0.0)


def _filename():
    """Return engine.filename, which is not loaded before a task is shown."""
    from ..engine import filename
    return filename
