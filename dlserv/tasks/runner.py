"""Attempts: which task downloads, what becomes of it, and when it is tried again.

Between the board, which knows what the tasks are, and the engine, which knows none.
"""

import errno
import logging
import os
import threading
import time
from collections import Counter

from .. import urls
from ..fs import free_bytes
from ..engine.download import Download, Environment, Finished
from ..engine.retry import Policy
from ..errors import Error, Exhausted, NameTaken, NoSpace, StoreBroken, Temporary, Unavailable
from .attempt import Checkpointer, Run
from .scheduler import Scheduler
from .task import DOWNLOADING, FAIL, FINISH, QUEUED, REQUEUE, START
from ..units import format_seconds, format_size

WAIT_FOR_DISK = 5.0         # seconds until a task that found no room or no folder looks again
WAIT_FOR_RUNS = 1.5         # seconds that a stop gives the attempts to end

# What ends an attempt without being the task's fault or the remote's.
_WAITS = {NoSpace: "waiting for room", Unavailable: "waiting for the disk",
          StoreBroken: "waiting for the database", Exhausted: "waiting for other tasks"}
_EXHAUSTION = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

log = logging.getLogger(__name__)


class Attempts:
    """Runs the board's queued tasks. `config()` gives the settings of now.

    network  engine.route.Network
    bucket   the TokenBucket of all tasks together
    boot     the id of this boot
    place    the Place that downloads go to
    """

    def __init__(self, board, config, network, bucket, boot, place):
        self._board, self._config, self._place = board, config, place
        self._network, self._bucket, self._boot = network, bucket, boot
        self._scheduler = Scheduler(
            board.lock, self._start, lambda: self._config().download.max_concurrent,
            network.hosts.limit, network.hosts.closed_for)
        self._checkpointer = Checkpointer(self.runs, self._store_progress, self._guard)
        self._running = {}          # tid -> the Run under way; changed with the board's lock held
        self._received = 0          # bytes that ended runs have brought
        self.outcomes = Counter()   # "finished", "failed", "retried": how many since the start

    def start(self):
        """Begin with what is queued."""
        with self._board.lock:
            for task in self._board.tasks.values():
                if task.state == QUEUED:
                    self.enqueue(task)
        self._scheduler.start()
        self._checkpointer.start()

    def stop(self):
        """Stop every attempt where it is, and all threads."""
        self._scheduler.stop()
        runs = self.runs()
        for run in runs:
            run.cancel()
        join(runs)
        self._checkpointer.stop()

    def is_alive(self):
        """Return whether queued tasks are still started."""
        return self._scheduler.is_alive()

    def runs(self):
        """The Runs under way, the oldest first."""
        with self._board.lock:
            return list(self._running.values())

    def totals(self):
        """(bytes received since the start, bytes/s now, open connections)."""
        with self._board.lock:
            downloads = [run.download for run in self._running.values()]
            received = self._received + sum(download.received for download in downloads)
        return (received, sum(download.speed for download in downloads),
                sum(download.connections for download in downloads))

    def wake(self):
        """The limits have changed."""
        with self._board.lock:
            self._send_back(len(self._running) - self._config().download.max_concurrent)
            self._scheduler.wake()

    def _send_back(self, count):
        """Queue so many of those that run again: the last in the order, and only who can go on later."""
        tasks = [self._board.tasks[tid] for tid in self._running if tid in self._board.tasks]
        able = [task for task in tasks if task.state == DOWNLOADING and task.resource and task.resource.resumable]
        able.sort(key=lambda task: (task.options.priority, -task.place))
        for task in able[:max(0, count)]:
            self._board.move(task, REQUEUE)
            self.take_back(task)

    # -- with the board's lock held ----------------------------------------------------

    def enqueue(self, task, delay=0):
        """Let a queued task wait for a slot, at least `delay` seconds."""
        if task.run is None:    # else it is enqueued when the old attempt has ended
            self._scheduler.add(task.tid, task.host, task.options.priority, task.place, delay)

    def take_back(self, task):
        """Stop the task's attempt and free its slot, or take it out of the queue."""
        self._scheduler.remove(task.tid)
        if task.run is not None:
            task.run.cancel()
            self._scheduler.ended(task.tid)

    def take_on(self, tasks):
        """Tasks were off the board for a moment, where the end of an attempt passes unnoticed."""
        for task in tasks:
            if task.run is not None and self._running.get(task.tid) is not task.run:
                self._settle(task, task.run, None)
            elif task.state == QUEUED:
                self.enqueue(task)

    def adjust(self, task, anew):
        """Heed the task's changed options; `anew` begins a new attempt if one is under way."""
        if task.state == DOWNLOADING and anew:
            self._board.move(task, REQUEUE)
            self.take_back(task)
        elif task.run is not None:
            task.run.download.adjust(task.options)
        if task.state == QUEUED:
            self.enqueue(task)

    def _start(self, tid):
        """Called by the scheduler, which has given the task a slot."""
        run = self._begin(tid)
        if run is None:
            return
        try:
            threading.Thread(target=self._work, args=(run,), name="dlserv-" + tid[:8], daemon=True).start()
        except RuntimeError:        # the system has no thread left
            run.download.close()
            task = self._board.tasks[tid]
            task.run = None
            del self._running[tid]
            self._scheduler.ended(tid)
            self._board.move(task, REQUEUE)
            self.enqueue(task, WAIT_FOR_DISK)
            raise

    def _begin(self, tid):
        """The Run of a task that was given a slot, or None if a bug of ours was in the way.

        Nothing is stored: before the first checkpoint, a task that began is as good as queued.
        """
        task = self._board.tasks[tid]
        self._board.move(task, START)
        self._board.events.publish("changed", tid)
        try:
            task.run = Run(tid, lambda run: self._make_download(task, run), self._keep, self._note,
                           self._admit, self._place.check)
        except Exception as bug:
            self._scheduler.ended(tid)
            if _is_exhaustion(bug):
                self._wait_out(task, Exhausted())
            else:
                self._internal_error(task, bug)
            self._board.save(task, lazy=True)
            return None
        self._running[tid] = task.run
        self._checkpointer.wake()
        return task.run

    def _work(self, run):
        """A thread's life: one attempt after the other, as long as a slot falls to it."""
        while run is not None:
            outcome, following = run.perform(), None
            try:
                following = self._end(run, outcome)
            except Exception:
                log.exception("%s: its end could not be noted", run.tid[:8])
            run.over()
            run = following

    def _make_download(self, task, observer):
        config = self._config()
        environment = Environment(config.download, config.general.download_dir, self._network, self._bucket)
        return Download(urls.parse(task.url), task.options, environment, observer, task.progress,
                        task.previous)

    # -- what runs report; called by their threads -------------------------------------

    def _task_of(self, run):
        """The run's task, or None if it is gone or has moved on to another run."""
        task = self._board.tasks.get(run.tid)
        return task if task is not None and task.run is run else None

    def _keep(self, run, progress, durable):
        """Store what a run has planned; its Ticket, or None if the task is gone."""
        with self._board.lock:
            task = self._task_of(run)
            if task is None:
                return None
            if progress is not None and progress.publishing is None and self._is_anothers(task, progress.part):
                raise NameTaken("%s is another task's" % progress.part)
            run.kept += 1
            task.progress, task.boot = progress, self._boot
            if durable and not progress.publishing:
                task.flushed = []       # every byte on disk is about to be given up
            return self._board.save(task, durable)

    def _is_anothers(self, task, part):
        """Whether another task is to go on with that part file, be it there or not."""
        return any(each.progress is not None and each.progress.part == part and each is not task
                   and each.options.dir == task.options.dir for each in self._board.tasks.values())

    def _store_progress(self, progress_by_run, flushed):
        """Store the progress of all runs in one transaction; its Ticket."""
        changes = {}
        with self._board.lock:
            for run, (kept, progress) in progress_by_run.items():
                task = self._task_of(run)
                if progress is None or task is None or kept != run.kept:
                    continue        # a flush may take long, and what it saw may be given up by now
                task.progress, task.boot = progress, self._boot
                if flushed:
                    task.flushed = progress.done
                changes[run.tid] = task.to_record()
            return self._board.store.write(changes, durable=flushed) if changes else None

    def _admit(self, run):
        """Raises NoSpace if the disk has no room for this run beside the others."""
        config = self._config()
        short = self._lacking([each for each in self.runs() if each is not run] + [run])
        if short:
            raise NoSpace("there is not enough room: %s more must be free in %s (the reserve is %s)"
                          % (format_size(short), os.path.abspath(config.general.download_dir),
                             format_size(config.download.reserve)))

    def _guard(self, runs):
        """Interrupt the youngest runs when the disk fills up from elsewhere."""
        while runs and self._lacking(runs):
            runs[-1].interrupt(NoSpace("the disk has filled up"))
            runs = runs[:-1]

    def _lacking(self, runs):
        """Bytes that are missing on the disk for these runs to end well, 0 if there is enough."""
        config = self._config()
        free = free_bytes(config.general.download_dir)
        needed = sum(run.download.missing for run in runs) + config.download.reserve
        return 0 if free is None else max(0, needed - free)

    def _note(self, run, level, text):
        with self._board.lock:
            task = self._task_of(run)
            if task is not None:
                self._board.note(task, level, text)
        log.log(logging.DEBUG if level == "debug" else logging.WARNING, "%s: %s", run.tid[:8], text)

    def _end(self, run, outcome):
        """Take note of what became of the run; gives the Run that has its slot now, or None."""
        with self._board.lock:
            self._received += run.download.received
            if self._running.get(run.tid) is run:
                del self._running[run.tid]
            task = self._task_of(run)
            if task is not None:
                try:
                    self._settle(task, run, outcome)
                except Exception as bug:
                    self._give_up(task, bug)
            if run.cancelled:       # then its slot was free at once
                return None
            tid = self._scheduler.follow(run.tid)
            return None if tid is None else self._begin(tid)

    def _settle(self, task, run, outcome):
        """Write the run's end into its task."""
        task.run = None
        task.elapsed += run.seconds
        progress = run.download.progress()
        if progress is not None:        # its last bytes may not be on the disk yet
            task.progress, task.boot = progress, self._boot
        if not run.cancelled:
            self._conclude(task, run, outcome)
        elif task.state == QUEUED:
            self.enqueue(task)
        self._board.save(task, lazy=True)
        self._board.events.publish("changed", run.tid)

    def _conclude(self, task, run, outcome):
        """Move the task to where the attempt's outcome leads."""
        if _is_exhaustion(outcome):
            outcome = Exhausted()
        if isinstance(outcome, Finished):
            task.file, task.progress, task.flushed, task.previous = outcome, None, [], None
            self._board.move(task, FINISH)
            self.outcomes["finished"] += 1
            log.info("%s: finished %s", task.tid[:8], task.filename)
        elif isinstance(outcome, tuple(_WAITS)):
            self._count_anew(task, run)
            self._wait_out(task, outcome)
        elif isinstance(outcome, Temporary):
            self._count_anew(task, run)
            self._retry(task, outcome)
        elif isinstance(outcome, Error):
            self._fail(task, "error", str(outcome))
        else:
            self._internal_error(task, outcome)

    def _give_up(self, task, bug):
        """A bug of ours was in the way when the run's end was to be noted."""
        task.run = None
        if task.state == DOWNLOADING:
            self._internal_error(task, bug)
            self._board.events.publish("changed", task.tid)
        else:
            log.error("%s: its end could not be noted", task.tid[:8], exc_info=bug)

    def _internal_error(self, task, bug):
        log.error("%s: internal error", task.tid[:8], exc_info=bug)
        self._fail(task, "fatal", "internal error: %s" % type(bug).__name__)

    def _count_anew(self, task, run):
        """A new farthest byte starts the count of tries anew."""
        count = run.download.count
        if count > max(task.reached, run.before):
            task.retries = 0
        task.reached = max(task.reached, count)

    def _retry(self, task, error):
        """Queue the task again, later."""
        task.retries += 1
        self.outcomes["retried"] += 1
        policy = Policy(task.options.retries, self._config().download.retry_wait)
        delay = policy.delay(task.retries, error.retry_after)
        if delay is None:
            self._fail(task, "error", str(error))
            return
        self._board.move(task, REQUEUE)
        task.error = "%s; the next try is in %s" % (error, format_seconds(delay))
        self._board.note(task, "warning", task.error)
        self.enqueue(task, delay)

    def _wait_out(self, task, error):
        """Queue the task until this machine is fit again; that counts as no try."""
        self._board.move(task, REQUEUE)
        what = next(words for kind, words in _WAITS.items() if isinstance(error, kind))
        task.error = "%s: %s" % (what, error)
        if not task.log or task.log[0]["msg"].partition(":")[0] != what:
            self._board.note(task, "warning", task.error)
        self.enqueue(task, WAIT_FOR_DISK)

    def _fail(self, task, level, sentence):
        self._board.move(task, FAIL)
        self.outcomes["failed"] += 1
        task.error = sentence
        self._board.note(task, level, sentence)
        log.warning("%s: invalid: %s", task.tid[:8], sentence)


def _is_exhaustion(outcome):
    """Whether it was the system's limits, wherever they were met and whatever that was taken for."""
    while isinstance(outcome, Exception):
        if isinstance(outcome, OSError) and outcome.errno in _EXHAUSTION:
            return True
        outcome = outcome.__cause__
    return False


def join(runs):
    """Wait for the runs' ends, WAIT_FOR_RUNS seconds for all of them together."""
    deadline = time.monotonic() + WAIT_FOR_RUNS
    for run in runs:
        run.wait(max(0, deadline - time.monotonic()))
