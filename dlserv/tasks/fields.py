"""The fields of a task and its record.

The methods here set fields that no state depends on, called with the registry's lock held.
"""

from __future__ import annotations

import time

from .. import urls
from ..contract import tid_of
from ..errors import MissingModule
from ..idn import NeedsCodec
from ..settings import options
from ..units import clean
from . import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any, TypeVar
    from ..engine.progress import Finished, Progress
    T = TypeVar("T", bound="Fields")


SHAPE = record.Shape(dict, {
    "state": record.STATE, "order": record.COUNT, "place": record.POSITION,
    "create_time": record.TIME, "start_time": record.TIME, "pause_time": record.TIME, "finish_time": record.TIME,
    "end_time": record.TIME, "verified_time": record.TIME, "elapsed": record.TIME,
    "retries": record.COUNT, "repeats": record.COUNT, "reached": record.COUNT, "life": record.COUNT,
    "reason": record.OPTIONAL_TEXT, "error": record.OPTIONAL_PROSE, "boot": record.OPTIONAL_TEXT,
    "leaving": record.FLAG, "verifying": record.FLAG, "refreshing": record.FLAG,
    "added": record.TEXT, "url": record.TEXT, "options": record.OBJECT, "log": record.LOG,
    "deliveries": record.DELIVERIES, "progress": record.optional(record.PROGRESS), "flushed": record.RANGES,
    "file": record.optional(record.FILE), "previous": record.optional(record.FILE)},
    since=["repeats", "reason", "life", "end_time", "verifying", "verified_time", "deliveries", "refreshing"],
    attributes={"boot": "session", "place": "position", "leaving": "deleting", "options": "posted",
                "error": "problem", "retries": "failures", "repeats": "retries"})


class Fields:
    """The fields of a `task.Task`. Times are epoch seconds, 0.0 for never.

    A field is named here, and in SHAPE if it is stored (in its `since`, too, if older records lack
    it) or else in INITIAL. views.py and api/schemas.py show it.
    """

    INITIAL = dict(SHAPE.initial, gate=None, waits_for=None, not_before=0.0, let_through=False, shortage=None)

    __slots__ = ("tid", "options", "_registry") + tuple(INITIAL)

    tid: str
    added: str  # the URL as posted first, which the tid is of
    url: str  # that, or a fresh link to the file
    posted: dict[str, Any]  # options as posted
    options: Any  # the settings.options.Options that count
    log: list[dict[str, Any]]  # {"time", "type", "msg"}, newest first
    state: str
    order: int  # by age
    position: int  # in the queue, within a priority
    create_time: float
    start_time: float
    pause_time: float
    finish_time: float
    end_time: float  # of the last finish or failure
    elapsed: float
    failures: int  # attempts in a row that failed
    retries: int  # those of them that were repeated
    reached: int  # the farthest byte, which resets both
    life: int  # how often it was fetched again after its end
    problem: str | None  # why the last attempt failed, or what it waits for
    reason: str | None  # one word for it
    progress: Progress | None  # while unfinished
    flushed: list[tuple[int, int]]  # its ranges that survive a power cut
    session: str | None  # the boot and the mounting that it was written in
    file: Finished | None
    previous: Finished | None  # until a restart or refresh has a new one
    refreshing: bool  # `previous` stays unless the server has another
    verifying: bool
    verified_time: float
    deleting: bool  # with its files
    deliveries: tuple[dict[str, Any], ...]  # those of automation.webhooks, to be sent
    # Not stored, and from `gate` on of a queued task only:
    _registry: Any  # its TaskRegistry, or None
    shortage: int | None  # free bytes that were too few, its size being unknown
    gate: Any  # of the server, a net.host_limits.Gate
    waits_for: str | None  # endpoint of a server behind a redirect
    not_before: float  # time.monotonic() of the next try
    let_through: bool  # to a server that wants to be left alone

    def __init__(self, url: str, posted: dict[str, Any], settings: Any, added: str | None = None) -> None:
        for name, value in self.INITIAL.items():
            setattr(self, name, value)
        self.added = added or url
        self.tid, self.url, self.posted = tid_of(self.added), url, posted
        self.log, self.flushed, self._registry = [], [], None
        self.configure(settings)

    def configure(self, settings: Any) -> None:
        """Compute the options from the posted ones and config.download."""
        self.options = options.effective(self.posted, settings, self.url)

    def note(self, level: str, text: str, most: int, longest: int = 1000) -> None:
        """Put a line on top of the log, which keeps `most` of them."""
        entry = {"time": int(time.time()), "type": level, "msg": clean(text[:longest], " ")}
        self.log = [entry] + self.log[:most - 1]

    def trim_log(self, most: int) -> None:
        self.log = self.log[:most]

    def number(self, order: int, position: int) -> None:
        self.order, self.position = order, position

    def mark_deleting(self, deleting: bool) -> None:
        self.deleting = deleting

    def wait_at(self, gate: Any, delay: float) -> None:
        self.gate, self.not_before = gate, time.monotonic() + delay if delay else 0.0

    def deliver(self, deliveries: Iterable[dict[str, Any]]) -> None:
        self.deliveries = tuple(deliveries)

    # -- to and from the database ----------------------------------------------------

    def changes(self) -> dict[str, dict[str, Any]]:
        return {self.tid: self.to_record()}

    def to_record(self) -> dict[str, Any]:
        return SHAPE.pack(self)

    @classmethod
    def from_record(cls: type[T], stored: Mapping[str, Any], settings: Any) -> T:
        """Return the stored task. Raise KeyError, TypeError or ValueError if the record is none."""
        values = SHAPE.values(stored)
        try:
            urls.parse(values["url"])
        except NeedsCodec:
            raise MissingModule("a task with a host name outside ASCII", "python3-codecs") from None
        task = cls(values.pop("url"), options.parse(values.pop("posted")), settings, values.pop("added"))
        for name, value in values.items():
            setattr(task, name, value)
        task.refreshing = task.refreshing and task.previous is not None
        return task
