"""The fields of a task, whether stored or not, and its record.

The methods here set fields that no state depends on; task.py has the others. All of them
are called with the registry's lock held.

A field is named three times: in the docstring of Fields, in INITIAL, and in SHAPE if it
is stored (with `since` if older records lack it). views.py and api/schemas.py show it.
"""

from __future__ import annotations

import time

from .. import urls
from ..contract import STATES, tid_of
from ..errors import MissingModule
from ..idn import NeedsCodec
from ..settings import options
from ..units import clean
from . import record
from .states import QUEUED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any, TypeVar
    from ..engine.progress import Finished, Progress
    T = TypeVar("T", bound="Fields")


class Fields:
    """The fields of a `task.Task`. Times are epoch seconds, 0.0 for never.

    added     the URL as it was posted first, which the tid is of; `url` may be a fresh link
    posted    the options as they were posted; `options` are those that count
    log       [{"time", "type", "msg"}, …], newest first
    progress  engine.progress.Progress while unfinished, else None
    flushed   the ranges of it that survive a power cut or a lost disk
    session   the boot and the mounting of the disk in which `progress` was written
    file      engine.progress.Finished in the end; `previous` is that of before a restart
              or a refresh, until the new file is whole
    refreshing  whether `previous` is to become `file` again unless its server has another one
    position  the place in the queue, of tasks of one priority; `order` is the order of age
    deliveries  webhooks that are still to be sent, as automation.webhooks has them
    shortage  bytes that were free and not enough for a file of unknown size, or None; not stored
    problem   the sentence about the end of the last attempt, or about what the task waits for, or None;
              `error` is that with the time left. `reason` is one word for it
    failures  attempts in a row that failed; `retries` is how many of them were repeated
    reached   the farthest byte, which starts both counts again
    life      how often it was fetched again after it had finished or failed
    end_time  when it finished or failed last
    deleting  whether its files are being deleted
    verifying whether its finished file is to be verified; `verified_time` is when it was

    Of a queued task, and not stored: `gate` is that of the server it waits for, `waits_for`
    its endpoint if a redirect led to another than its own, `not_before` the time.monotonic()
    of the next try, `let_through` whether it may ask a server that wants to be left alone.
    """

    INITIAL = {"state": QUEUED, "order": 0, "position": 0, "create_time": 0.0, "start_time": 0.0,
               "pause_time": 0.0, "finish_time": 0.0, "end_time": 0.0, "elapsed": 0.0, "retries": 0,
               "failures": 0, "reached": 0, "life": 0, "problem": None, "reason": None, "session": None,
               "deleting": False, "deliveries": (), "progress": None, "file": None, "previous": None,
               "shortage": None, "gate": None, "waits_for": None, "not_before": 0.0, "let_through": False,
               "verifying": False, "verified_time": 0.0, "refreshing": False}

    __slots__ = ("tid", "added", "url", "posted", "options", "log", "flushed", "_registry") + tuple(INITIAL)

    tid: str
    added: str
    url: str
    posted: dict[str, Any]
    options: Any            # settings.options.Options, whose fields come from a table
    log: list[dict[str, Any]]
    flushed: list[tuple[int, int]]
    state: str
    order: int
    position: int
    create_time: float
    start_time: float
    pause_time: float
    finish_time: float
    end_time: float
    elapsed: float
    retries: int
    failures: int
    reached: int
    life: int
    problem: str | None
    reason: str | None
    session: str | None
    deleting: bool
    deliveries: tuple[dict[str, Any], ...]
    progress: Progress | None
    file: Finished | None
    previous: Finished | None
    shortage: int | None
    gate: Any               # net.host_limits.Gate
    waits_for: str | None
    not_before: float
    let_through: bool
    verifying: bool
    verified_time: float
    refreshing: bool
    _registry: Any          # the registry.TaskRegistry that it belongs to, or None

    def __init__(self, url: str, posted: dict[str, Any], settings: Any, added: str | None = None) -> None:
        self.added = added or url
        self.tid, self.url, self.posted = tid_of(self.added), url, posted
        self.log, self.flushed, self._registry = [], [], None
        for name, value in self.INITIAL.items():
            setattr(self, name, value)
        self.configure(settings)

    def configure(self, settings: Any) -> None:
        """Compute the options from the posted ones and config.download."""
        self.options = options.effective(self.posted, settings, self.url)

    def note(self, level: str, text: str, most: int, longest: int = 1000) -> None:
        """Put a line on top of the log, which keeps `most` of them."""
        entry = {"time": int(time.time()), "type": level, "msg": clean(text[:longest], " ")}
        self.log = [entry] + self.log[:most - 1]

    def trim_log(self, most: int) -> None:
        """Keep the newest lines of the log."""
        self.log = self.log[:most]

    def number(self, order: int, position: int) -> None:
        """Set the places in the order of age and in the queue."""
        self.order, self.position = order, position

    def mark_deleting(self, deleting: bool) -> None:
        """Record whether its files are being deleted, for a start after a crash."""
        self.deleting = deleting

    def wait_at(self, gate: Any, delay: float) -> None:
        """Wait at the gate of a server, and for `delay` seconds at least."""
        self.gate, self.not_before = gate, time.monotonic() + delay if delay else 0.0

    def deliver(self, deliveries: Iterable[dict[str, Any]]) -> None:
        """Set the webhooks that are still to be sent."""
        self.deliveries = tuple(deliveries)

    # -- to and from the database ----------------------------------------------------

    def changes(self) -> dict[str, dict[str, Any]]:
        """Return {tid: record}, for the store."""
        return {self.tid: self.to_record()}

    def to_record(self) -> dict[str, Any]:
        """Return the task as plain data for `from_record`."""
        return SHAPE.pack(self)

    @classmethod
    def from_record(cls: type[T], stored: Mapping[str, Any], settings: Any) -> T:
        """Return the stored task. Raise KeyError, TypeError or ValueError if the record is none."""
        values = SHAPE.values(stored)
        _check_codec(values["url"])
        task = cls(values.pop("url"), options.parse(values.pop("posted")), settings, values.pop("added"))
        for name, value in values.items():
            setattr(task, name, value)
        task.refreshing = task.refreshing and task.previous is not None
        return task


SHAPE = record.Shape(Fields, {
    "state": record.Choice("state", STATES), "order": record.COUNT, "place": record.POSITION,
    "create_time": record.TIME, "start_time": record.TIME, "pause_time": record.TIME,
    "finish_time": record.TIME, "elapsed": record.TIME, "retries": record.COUNT, "repeats": record.COUNT,
    "reached": record.COUNT, "life": record.COUNT, "end_time": record.TIME,
    "reason": record.Optional(record.TEXT),
    "error": record.Optional(record.PROSE), "boot": record.Optional(record.TEXT), "leaving": record.FLAG,
    "added": record.TEXT, "url": record.TEXT, "options": record.OBJECT, "log": record.LOG,
    "deliveries": record.DELIVERIES, "progress": record.Optional(record.PROGRESS), "flushed": record.RANGES,
    "file": record.Optional(record.FILE), "previous": record.Optional(record.FILE),
    "verifying": record.FLAG, "verified_time": record.TIME, "refreshing": record.FLAG},
    attributes={"boot": "session", "place": "position", "leaving": "deleting", "options": "posted",
                "error": "problem", "retries": "failures", "repeats": "retries"},
    since={"repeats": 0, "reason": None, "life": 0, "end_time": 0.0, "verifying": False,
           "verified_time": 0.0, "deliveries": (), "refreshing": False})


def _check_codec(url):
    try:
        urls.parse(url)
    except NeedsCodec:
        raise MissingModule("a task with a host name outside ASCII", "python3-codecs") from None
