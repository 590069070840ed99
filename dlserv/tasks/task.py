"""A task: what was asked for, how far it is, and the table of what may happen to it.

`TRANSITIONS` is the whole state machine; `Board.move` is the only one that fires it.
A Task is changed under the daemon's lock and may be read without it.
"""

import hashlib
import time

from ..settings import options
from .. import urls
from ..engine import filename
from ..engine.download import Finished, Progress
from ..engine.meter import seconds_left
from ..engine.partfile import Identity
from ..net.remote_file import Resource
from ..errors import Conflict, InvalidValue, MissingModule
from ..units import clean

QUEUED, DOWNLOADING, PAUSED = "queued", "downloading", "paused"
FINISHED, INVALID = "finished", "invalid"
STATES = (DOWNLOADING, PAUSED, FINISHED, INVALID, QUEUED)

START, PAUSE, RESUME = "start", "pause", "resume"
REQUEUE, FINISH, FAIL, RESTART = "requeue", "finish", "fail", "restart"

TRANSITIONS = {
    QUEUED: {START: DOWNLOADING, PAUSE: PAUSED},
    DOWNLOADING: {PAUSE: PAUSED, REQUEUE: QUEUED, FINISH: FINISHED, FAIL: INVALID},
    PAUSED: {RESUME: QUEUED},
    INVALID: {RESUME: QUEUED, RESTART: QUEUED},
    FINISHED: {RESTART: QUEUED},
}


def tid_of(url):
    """The task's id: SHA-1 of the URL as it was posted, in lower-case hex."""
    return hashlib.sha1(url.encode("utf-8")).hexdigest()


def next_state(state, event):
    """Where the event leads; raises Conflict, naming the state, where it is impossible."""
    try:
        return TRANSITIONS[state][event]
    except KeyError:
        raise Conflict("the task is %s; it cannot be %s" % (state, _PAST[event])) from None


_PAST = {START: "started", PAUSE: "paused", RESUME: "resumed", REQUEUE: "queued again",
         FINISH: "finished", FAIL: "failed", RESTART: "restarted"}


class Task:
    """One download as the daemon knows it. Times are epoch seconds, 0.0 for never."""

    # Plain values as they are stored, and what they are before anything has happened.
    PLAIN = {"state": QUEUED, "order": 0, "place": 0, "create_time": 0.0, "start_time": 0.0,
             "pause_time": 0.0, "finish_time": 0.0, "elapsed": 0.0, "retries": 0,
             "reached": 0, "error": None, "boot": None, "leaving": False}

    __slots__ = ("tid", "added", "url", "posted", "options", "log", "progress", "flushed", "file",
                 "previous", "run") + tuple(PLAIN)

    def __init__(self, url, posted, settings, added=None):
        self.added = added or url   # the URL as it was posted first, which the tid is of
        self.tid, self.url = tid_of(self.added), url
        self.posted = posted        # the options as they were posted
        self.configure(settings)
        self.log = []               # {"time", "type", "msg"}, newest first
        self.progress = None        # engine.download.Progress while unfinished
        self.flushed = []           # ranges of it that a power cut leaves
        self.file = None            # engine.download.Finished in the end
        self.previous = None        # the same of before a restart, until the new file is whole
        self.run = None             # the attempt that is under way
        for name, value in self.PLAIN.items():
            setattr(self, name, value)

    @classmethod
    def new(cls, url, posted, settings):
        """One that nothing has happened to. Raises InvalidValue."""
        check_url(url)
        task = cls(url, options.parse(posted), settings)
        task.create_time = time.time()
        if task.options.paused:
            task.state, task.pause_time = PAUSED, task.create_time
        return task

    def configure(self, settings):
        """Work out the options anew from what was posted and `config.download`."""
        self.options = options.effective(self.posted, settings)

    def note(self, level, text, most):
        """Put a line on top of the log, which keeps `most` of them."""
        entry = {"time": int(time.time()), "type": level, "msg": clean(text[:1000], " ")}
        self.log = [entry] + self.log[:most - 1]

    # -- what can be told about it ---------------------------------------------------

    @property
    def host(self):
        """Whose slots it takes."""
        return urls.parse(self.url).host

    @property
    def resource(self):
        """The engine's Resource, or None until a server has answered."""
        if self.file is not None:
            return self.file.resource
        run = self.run
        if run is not None and run.download.resource is not None:
            return run.download.resource
        return self.progress and self.progress.resource

    @property
    def filename(self):
        """The file's name relative to the download directory, fit to be shown; "" while unknown."""
        return self._below(self._known_name())

    def _known_name(self):
        """Return the file's name without its folder; "" if neither a server nor an option has told it."""
        name = (self.file and self.file.name) or (self.progress and self.progress.target) \
            or (self.previous and self.previous.name)
        return name or (self.options.filename and filename.sanitise(self.options.filename)) or ""

    @property
    def extension(self):
        """The extension of the file's name with its dot, "" if there is none."""
        return filename.split(self._known_name())[1]

    @property
    def tmpfilename(self):
        """The part file's name likewise; "" if there is none."""
        return self._below(self.progress.part) if self.progress else ""

    def _below(self, name):
        return clean(f"{self.options.dir}/{name}" if name and self.options.dir else name, "_")

    @property
    def title(self):
        """The file's name without its extension, or the best guess until that is known; fit to be shown."""
        name = self._known_name() or filename.sanitise(urls.file_name(self.url) or urls.parse(self.url).host)
        return clean(filename.split(name)[0], "_")

    @property
    def downloaded(self):
        """Bytes that are here."""
        if self.file is not None:
            return self.file.identity.size
        run = self.run
        if run is not None:
            return run.download.count
        return sum(end - start for start, end in self.progress.done) if self.progress else 0

    @property
    def total(self):
        """Bytes of the whole file; 0 while unknown."""
        if self.file is not None:
            return self.file.identity.size
        return (self.resource and self.resource.total) or 0

    @property
    def speed(self):
        """Bytes a second; 0 unless downloading."""
        run = self.run
        return round(run.download.speed, 1) if run is not None and self.state == DOWNLOADING else 0

    @property
    def eta(self):
        """Seconds left; 0 while that is unknown and when not downloading."""
        return seconds_left(max(0, self.total - self.downloaded), self.speed)

    @property
    def connections(self):
        run = self.run
        return run.download.connections if run is not None else 0

    @property
    def seconds(self):
        """Time spent downloading, an attempt under way included."""
        run = self.run
        return self.elapsed + (run.seconds if run is not None else 0.0)

    # -- to and from the database ----------------------------------------------------

    def to_record(self):
        """Plain data that `from_record` makes the same task of."""
        record = {name: getattr(self, name) for name in self.PLAIN}
        record.update(added=self.added, url=self.url, options=self.posted, log=self.log,
                      progress=self.progress and self.progress.to_record(),
                      flushed=[list(each) for each in self.flushed],
                      file=self.file and _file_to_record(self.file),
                      previous=self.previous and _file_to_record(self.previous))
        return record

    @classmethod
    def from_record(cls, record, settings):
        """The stored task; raises KeyError, TypeError or ValueError if the record is not one."""
        task = cls(record["url"], options.parse(record["options"]), settings, record["added"])
        _check_codec(task.url)
        for name, default in cls.PLAIN.items():
            value = record[name]
            if isinstance(default, (int, float)) and not _is_number(value):
                raise TypeError("%s is not a number" % name)
            setattr(task, name, value)
        if task.state not in STATES:
            raise ValueError("there is no state %r" % task.state)
        task.log = [dict(time=each["time"], type=each["type"], msg=each["msg"])
                    for each in record["log"]]
        task.flushed = [(start, end) for start, end in record["flushed"]]
        task.progress = record["progress"] and Progress.from_record(record["progress"])
        task.file = record["file"] and _file_from_record(record["file"])
        task.previous = record["previous"] and _file_from_record(record["previous"])
        return task


def check_url(url):
    """Raises InvalidValue unless it can be fetched."""
    try:
        urls.check_url(url)
    except ValueError as error:
        raise InvalidValue("url", str(error)) from None


def _check_codec(url):
    try:
        urls.parse(url)
    except urls.NeedsCodec:
        raise MissingModule("a task with a host name outside ASCII", "python3-codecs") from None


def _is_number(value):
    return isinstance(value, (int, float)) and value - value == 0      # neither infinite nor NaN


def _file_to_record(file):
    return {"name": file.name, "identity": list(file.identity), "checksum": file.checksum,
            "resource": file.resource._asdict()}


def _file_from_record(record):
    return Finished(record["name"], Identity(*record["identity"]), record["checksum"],
                    Resource.from_record(record["resource"]))
