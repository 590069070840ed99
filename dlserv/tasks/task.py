"""A task: what was asked for, how far it is, and the methods that change it.

A task changes through its own methods alone, within what `states.TRANSITIONS` allows. They
are called with the registry's lock held and stamp the times; `changes` returns what is to be
stored then. Everything else may be read without the lock.
"""

import time

from .. import urls
from ..contract import ENDED, STATES, tid_of
from ..errors import Conflict, InvalidValue, MissingModule, reason_of
from ..idn import NeedsCodec
from ..settings import options, rules
from ..units import clean
from . import record
from .figures import Figures
from .states import (FAIL, FINISH, KEEP, PAUSE, PAUSED, QUEUED, REFRESH, REQUEUE, RESTART, RESUME, START, VERIFY,
                     next_state)

LIVE_OPTIONS = {"ratelimit", "connections", "priority", "retries", "checksum"}  # heeded by an attempt under way


class Task(Figures):
    """One download as the daemon knows it. Times are epoch seconds, 0.0 for never.

    added     the URL as it was posted first, which the tid is of; `url` may be a fresh link
    posted    the options as they were posted; `options` are those that count
    log       [{"time", "type", "msg"}, …], newest first
    progress  engine.download.Progress while unfinished, else None
    flushed   the ranges of it that survive a power cut, and whatever else befalls the disk
    session   the boot and the mounting of the disk in which `progress` was written
    file      engine.download.Finished in the end; `previous` is that of before a restart
              or a refresh, until the new file is whole
    refreshing  whether `previous` is to become `file` again unless its server has another one
    position  the place in the queue, of tasks of one priority; `order` is the order of age
    deliveries  webhooks that are still to be sent, as automation.webhooks has them
    shortage  bytes that were free and not enough for a file of unknown size, or None; not stored
    problem   what ended the last attempt, or what the task waits for, as a sentence, or None;
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

    def __init__(self, url, posted, settings, added=None):
        self.added = added or url
        self.tid, self.url, self.posted = tid_of(self.added), url, posted
        self.log, self.flushed, self._registry = [], [], None
        for name, value in self.INITIAL.items():
            setattr(self, name, value)
        self.configure(settings)

    @classmethod
    def new(cls, url, posted, settings):
        """Return a task that nothing has happened to. Raise InvalidValue."""
        url, posted = check_url(url), options.parse(posted)
        rule, ruled = rules.find(settings.rules, url)
        task = cls(url, dict({key: ruled[key] for key in ruled if key == "dir"}, **posted), settings)
        if rule:
            task.note("info", f"{rule} of the settings applies", 1)
        task.create_time = time.time()
        if task.options.paused:
            task.state, task.pause_time = PAUSED, task.create_time
        return task

    # -- changes that a user asks for --------------------------------------------------

    def pause(self):
        """Stop where it is. Raise Conflict."""
        self._go(PAUSE)
        self.pause_time = time.time()
        self._forget()

    def resume(self):
        """Go on from where it was, with all tries before it; at once, if it is queued and held back.

        A time that it waits for is forgotten. Raise Conflict.
        """
        if not self.is_held_back:
            self._go(RESUME)
        elif self.early:
            del self.posted["not_before"]
            self.options = self.options._replace(not_before=None)
        self.retries = self.failures = 0
        self.shortage = None
        self._forget(let_through=True)

    def restart(self):
        """Begin again from nothing; a finished file stays until the new one is whole. Raise Conflict."""
        self._go(RESTART)
        self.retries = self.failures = self.reached = 0
        self.shortage = None
        self._forget(let_through=True)
        self.previous, self.file, self.flushed = self.file or self.previous, None, []
        self.verifying, self.verified_time = False, 0.0
        if self.progress is not None:
            self.progress = self.progress._replace(done=[], publishing=None, checksum=None)

    def refresh(self):
        """Fetch the finished file again if its server has another one by now. Raise Conflict."""
        if self.verifying:
            raise Conflict("the file is being verified; refresh it when that is done")
        self._go(REFRESH)
        self.retries = self.failures = self.reached = 0
        self._forget(let_through=True)
        self.previous, self.file, self.refreshing = self.file, None, True

    def verify(self):
        """Let the finished file be verified. Raise Conflict."""
        self._go(VERIFY)
        self.verifying = True

    def change(self, url, posted, settings):
        """Take another URL, unless None, and other options, of which a None resets one.

        Return whether requests will differ, so that an attempt under way must give way to
        a new one. `posted` is checked. Raise Conflict for a name that is fixed already.
        """
        fixed = {"filename", "dir"} & set(posted)
        if fixed and (self.progress or self.file):
            raise Conflict("the file has its name already; %s cannot be changed" % " and ".join(sorted(fixed)))
        before, there = self.options, self.url
        self.posted = {key: value for key, value in dict(self.posted, **posted).items() if value is not None}
        self.url = url or there
        self.configure(settings)
        changed = {name for name in before._fields if getattr(before, name) != getattr(self.options, name)}
        anew = self.url != there or bool(changed - LIVE_OPTIONS)
        if anew:
            self.let_through, self.waits_for = True, None
        return anew

    # -- changes that attempts bring about ---------------------------------------------

    def start(self):
        """Begin an attempt; return whether it repeats one that failed.

        Nothing needs to be stored: before its first checkpoint the task is as good as queued.
        """
        self._go(START)
        self.start_time = self.start_time or time.time()
        self._forget()
        repeats = self.failures > self.retries
        self.retries = self.failures
        return repeats

    def plan(self, progress, session):
        """Go on with what an attempt has planned; None if it dropped its plan."""
        self.progress, self.session = progress, session
        if progress is None or not progress.done:       # every byte is given up, or the part is a new one
            self.flushed = []

    def advance(self, progress, session, flushed):
        """Take over how far an attempt has come; `flushed` if that survives a power cut."""
        self.progress, self.session = progress, session
        if flushed:
            self.flushed = progress.done

    def fall_back(self):
        """Believe only what was flushed: the disk may have lost the rest."""
        if self.progress is not None:
            self.progress = self.progress._replace(done=self.flushed)

    def settle_in(self, session):
        """Begin an attempt in this session; in another one than the last, only what was flushed is here."""
        if self.session != session:
            self.fall_back()
        self.session = session

    def end_attempt(self, seconds):
        """Count the time that an attempt took."""
        self.elapsed += seconds

    def reach(self, count, before):
        """Start the count of tries again if `count` bytes are more than ever, and than `before`."""
        if count > max(self.reached, before):
            self.retries = self.failures = 0
        self.reached = max(self.reached, count)

    def fall_short(self, room):
        """Wait until more bytes are free than these, for a file of unknown size."""
        self.shortage = max(room, self.shortage or 0)

    def count_failure(self):
        """Return how many attempts in a row have failed, this one included."""
        self.failures += 1
        return self.failures

    def requeue(self, problem=None, reason=None, waits_for=None):
        """Wait for another attempt, at the gate of the endpoint `waits_for` if it is not the task's own."""
        self._go(REQUEUE)
        self.problem, self.reason, self.waits_for = problem, reason, waits_for

    def finish(self, file):
        """Be whole: `file` is the engine's Finished."""
        self._go(FINISH)
        self.file, self.progress, self.flushed, self.previous, self.shortage = file, None, [], None, None
        self.refreshing, self.finish_time = False, time.time()
        self.end_time = self.finish_time
        self.verified_time = self.finish_time if file.checksum else 0.0

    def fail(self, problem, reason):
        """Be invalid, for the reason that the sentence tells."""
        self._go(FAIL)
        self.problem, self.reason, self.end_time = problem, reason, time.time()

    def keep(self, problem=None, reason=None):
        """Have the file of before a refresh again: it is unchanged, or could not be fetched for this problem.

        Bytes of another file that are here stay for the next refresh.
        """
        self._go(KEEP)
        self.life -= 1
        self.file, self.previous, self.refreshing = self.previous, None, False
        self.problem, self.reason, self.shortage = problem, reason, None
        self.retries = self.failures = 0
        if problem is None:
            self.progress, self.flushed = None, []

    def end_verification(self, checksum, problem):
        """Take over what the file was found to be.

        `checksum` is None if that is unknown; `problem` is the Error that tells what is wrong,
        or None. The checksum that the file should have is kept beside a wrong one.
        """
        self.verifying, file = False, self.file
        self.problem, self.reason = (str(problem), reason_of(problem)) if problem else (None, None)
        if checksum is not None:
            self.verified_time = time.time()
            self.file = file._replace(checksum=checksum, known=file.known or file.checksum if problem else None)

    def deliver(self, deliveries):
        """Take the webhooks that are still to be sent."""
        self.deliveries = tuple(deliveries)

    # -- changes that the registry and the queue make ------------------------------------

    def wait_at(self, gate, delay):
        """Wait at the gate of a server, and for `delay` seconds at least."""
        self.gate, self.not_before = gate, time.monotonic() + delay if delay else 0.0

    def enter(self, registry):
        """Belong to the registry: it is told of state changes, and knows the attempt under way."""
        self._registry = registry

    def number(self, order, position):
        """Take these places in the order of age and in the queue."""
        self.order, self.position = order, position

    def mark_deleting(self, deleting):
        """Keep in mind whether its files are being deleted, for a start after a crash."""
        self.deleting = deleting

    def configure(self, settings):
        """Work out the options from what was posted and config.download."""
        self.options = options.effective(self.posted, settings, self.url)

    def note(self, level, text, most, longest=1000):
        """Put a line on top of the log, which keeps `most` of them."""
        entry = {"time": int(time.time()), "type": level, "msg": clean(text[:longest], " ")}
        self.log = [entry] + self.log[:most - 1]

    def trim_log(self, most):
        """Keep the newest lines of the log."""
        self.log = self.log[:most]

    def wake_up(self, boot):
        """Believe after another boot only what was flushed: a power cut may have taken the rest."""
        if not (self.session or "").startswith(boot):
            self.fall_back()

    def _forget(self, let_through=False):
        """Forget what was in the way."""
        self.problem = self.reason = self.waits_for = None
        self.not_before, self.let_through = 0.0, let_through

    def _go(self, event):
        before, self.state = self.state, next_state(self.state, event)
        if before in ENDED and self.state not in ENDED:
            self.life += 1
        if self._registry is not None:
            self._registry.moved(self, before)

    # -- to and from the database ----------------------------------------------------

    def changes(self):
        """Return {tid: record}, for the store."""
        return {self.tid: self.to_record()}

    def to_record(self):
        """Return plain data that `from_record` makes the same task of."""
        return SHAPE.pack(self)

    @classmethod
    def from_record(cls, stored, settings):
        """Return the stored task. Raise KeyError, TypeError or ValueError if the record is none."""
        values = SHAPE.values(stored)
        _check_codec(values["url"])
        task = cls(values.pop("url"), options.parse(values.pop("posted")), settings, values.pop("added"))
        for name, value in values.items():
            setattr(task, name, value)
        task.refreshing = task.refreshing and task.previous is not None
        return task


SHAPE = record.Shape(Task, {
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


def check_url(url):
    """Return the URL without the blanks around it. Raise InvalidValue unless it can be fetched."""
    try:
        return urls.check_url(url)
    except ValueError as error:
        raise InvalidValue("url", str(error)) from None


def _check_codec(url):
    try:
        urls.parse(url)
    except NeedsCodec:
        raise MissingModule("a task with a host name outside ASCII", "python3-codecs") from None
