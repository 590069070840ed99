"""A task, and the methods that change its state within what `states.TRANSITIONS` allows.

A task changes through its own methods alone, called with the registry's lock held; `changes` returns
what is to be stored then. Reading needs no lock.
"""

from __future__ import annotations

import time

from .. import urls
from ..contract import ENDED
from ..errors import Conflict, InvalidValue, reason_of
from ..settings import options, rules
from .figures import Figures
from .states import (FAIL, FINISH, KEEP, PAUSE, PAUSED, REFRESH, REQUEUE, RESTART, RESUME, START, VERIFY,
                     next_state)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any
    from ..engine.progress import Finished, Progress

LIVE_OPTIONS = {"ratelimit", "connections", "priority", "retries", "checksum"}  # an attempt heeds them


class Task(Figures):
    """One download as the daemon knows it. Methods raise Conflict for what the state refuses."""

    __slots__ = ()

    @classmethod
    def new(cls, url: str, posted: Mapping[str, Any], settings: Any) -> Task:
        """Return a task that nothing has happened to. Raise InvalidValue."""
        url, checked = check_url(url), options.parse(posted)
        rule, ruled = rules.find(settings.rules, url)
        if "dir" in ruled:
            checked.setdefault("dir", ruled["dir"])
        task = cls(url, checked, settings)
        if rule:
            task.note("info", f"{rule} of the settings applies", 1)
        task.create_time = time.time()
        if task.options.paused:
            task.state, task.pause_time = PAUSED, task.create_time
        return task

    # -- changes that a user asks for --------------------------------------------------

    def pause(self) -> None:
        self._go(PAUSE)
        self._forget()

    def resume(self, paused: bool = False) -> None:
        """Go on with all tries before it, if it is not left `paused`; if it is queued and held back, at once."""
        if not self.is_held_back:
            self._go(RESUME, paused)
        elif self.early:
            del self.posted["not_before"]
            self.options = self.options._replace(not_before=None)
        self._forget(by_user=True)

    def restart(self, paused: bool = False) -> None:
        """Begin again from nothing; a finished file stays until the new one is whole."""
        self._go(RESTART, paused)
        self._forget(by_user=True)
        self.previous, self.file, self.reached = self.file or self.previous, None, 0
        self.flushed, self.verifying, self.verified_time = [], False, 0.0
        if self.progress is not None:
            self.progress = self.progress._replace(done=[], publishing=None, checksum=None)

    def refresh(self) -> None:
        if self.verifying:
            raise Conflict("the file is being verified; refresh it when that is done")
        self._go(REFRESH)
        self._forget(by_user=True)
        self.previous, self.file, self.reached, self.refreshing = self.file, None, 0, True

    def verify(self) -> None:
        self._go(VERIFY)
        self.verifying = True

    def change(self, url: str | None, posted: Mapping[str, Any], settings: Any) -> bool:
        """Take another URL, unless None, and checked options, of which a None resets one.

        Return whether requests differ, so that a new attempt must replace one under way.
        """
        fixed = {"filename", "dir"} & set(posted)
        if fixed and (self.progress or self.file or self.previous):
            raise Conflict("the file has its name already; %s cannot be changed" % " and ".join(sorted(fixed)))
        before, there = self.options, self.url
        self.posted = {key: value for key, value in dict(self.posted, **posted).items() if value is not None}
        self.url = url or there
        self.configure(settings)
        differs = self.url != there or any(getattr(before, name) != getattr(self.options, name)
                                           for name in before._fields if name not in LIVE_OPTIONS)
        if differs:
            self.let_through, self.waits_for = True, None
        return differs

    # -- changes that attempts bring about ---------------------------------------------

    def start(self) -> bool:
        """Begin an attempt; return whether it repeats one that failed.

        Nothing is to be stored: until its first checkpoint the task is as good as queued.
        """
        self._go(START)
        self.start_time = self.start_time or time.time()
        self._forget()
        repeats = self.failures > self.retries
        self.retries = self.failures
        return repeats

    def plan(self, progress: Progress | None, session: str) -> None:
        """Take over an attempt's plan, None if it gave it up."""
        self.progress, self.session = progress, session
        if progress is None or not progress.done:       # the part is a new one
            self.flushed = []

    def advance(self, progress: Progress, session: str, flushed: bool) -> None:
        """Take over an attempt's Progress; `flushed` if it survives a power cut."""
        self.progress, self.session = progress, session
        if flushed:
            self.flushed = progress.done

    def fall_back(self) -> None:
        """Believe only flushed bytes: the disk may have lost the rest."""
        if self.progress is not None:
            self.progress = self.progress._replace(done=self.flushed)

    def settle_in(self, session: str) -> None:
        """Fall back if the last session was another one."""
        if self.session != session:
            self.fall_back()
        self.session = session

    def end_attempt(self, seconds: float) -> None:
        self.elapsed += seconds

    def reach(self, count: int, before: int) -> None:
        """Reset the tries if `count` bytes are more than ever, and than `before`."""
        if count > max(self.reached, before):
            self.retries = self.failures = 0
        self.reached = max(self.reached, count)

    def fall_short(self, room: int) -> None:
        """Remember that `room` free bytes were too few, the file's size being unknown."""
        self.shortage = max(room, self.shortage or 0)

    def count_failure(self) -> int:
        self.failures += 1
        return self.failures

    def requeue(self, problem: str | None = None, reason: str | None = None,
                waits_for: str | None = None) -> None:
        """Wait for another attempt, at `waits_for` if that is not the task's own endpoint."""
        self._go(REQUEUE, problem=problem, reason=reason, waits_for=waits_for)

    def finish(self, file: Finished) -> None:
        now = time.time()
        self._go(FINISH, file=file, progress=None, flushed=[], previous=None, shortage=None, refreshing=False,
                 finish_time=now, end_time=now, verified_time=now if file.checksum else 0.0)

    def fail(self, problem: str, reason: str | None) -> None:
        self._go(FAIL, problem=problem, reason=reason, end_time=time.time())

    def keep(self, problem: str | None = None, reason: str | None = None) -> None:
        """Have the file of before a refresh again, unchanged or because of the problem.

        Then the bytes of another file stay for the next refresh.
        """
        self._go(KEEP, file=self.previous, previous=None, refreshing=False, problem=problem, reason=reason,
                 shortage=None, life=self.life - 1)
        self.retries = self.failures = 0
        if problem is None:
            self.progress, self.flushed = None, []

    def end_verification(self, checksum: str | None, problem: Exception | None) -> None:
        """Record the file's checksum, or None, and the Error about what is wrong, or None.

        The right checksum is kept beside a wrong one. `verifying` changes last, because readers have no lock.
        """
        file = self.file
        self.problem, self.reason = str(problem) if problem else None, reason_of(problem)
        if file is not None and checksum is not None:
            self.verified_time = time.time()
            self.file = file._replace(checksum=checksum, known=file.known or file.checksum if problem else None)
        self.verifying = False

    # -- changes that the registry makes ----------------------------------------------

    def enter(self, registry: Any) -> None:
        self._registry = registry

    def wake_up(self, boot: str) -> None:
        """Fall back after another boot: there may have been a power cut."""
        if not (self.session or "").startswith(boot):
            self.fall_back()

    def _forget(self, by_user=False):
        """Clear what keeps it from starting; after a user's act, the count of tries as well."""
        self.problem = self.reason = self.waits_for = None
        self.not_before, self.let_through = 0.0, by_user
        if by_user:
            self.retries = self.failures = 0
            self.shortage = None

    def _go(self, event, paused=False, **fields):
        """Enter the state that the event, and with `paused` a pause after it, leads to.

        It changes last, because readers have no lock and expect the fields in it.
        """
        before, after = self.state, next_state(self.state, event)
        if paused:
            after = next_state(after, PAUSE)
        if after == PAUSED:
            self.pause_time = time.time()
        for name, value in fields.items():
            setattr(self, name, value)
        self.state = after
        if before in ENDED and self.state not in ENDED:
            self.life += 1
        if self._registry is not None:
            self._registry.moved(self, before)


def check_url(url: str) -> str:
    """Return the URL without blanks around it. Raise InvalidValue unless it can be fetched."""
    try:
        return urls.check_url(url)
    except ValueError as error:
        raise InvalidValue("url", str(error)) from None
