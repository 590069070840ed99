"""Hooks: commands that run when a download is finished, has failed, or when nothing is left to do.

A hook runs once for each transition, never for a state that was loaded at a start. It gets the
task as JSON on standard input and in DLSERV_TASK_… variables; the end of its output and its exit
code go into the task's log.
"""

import json
import logging
import os
import shutil
import threading
from collections import namedtuple

from .. import urls
from ..errors import InvalidValue
from ..settings.automation import HOOK_EVENTS
from ..threads import Flag, begin, join, persist
from ..units import clean
from . import process

SECRETS = ("DLSERV_TOKEN",)         # variables that a hook does not get
JOIN_SECONDS = 1.0

log = logging.getLogger(__name__)


def check(hooks):
    """Raise InvalidValue, naming the key, for a program that cannot be run; `hooks` is the section."""
    for event in HOOK_EVENTS:
        argv = getattr(hooks, event)
        if argv and shutil.which(argv[0]) is None:
            raise InvalidValue("hooks." + event, "%s does not exist or cannot be executed" % argv[0])


_Job = namedtuple("_Job", "event argv task given variables")       # task: None for "idle"; given: the JSON


class Hooks:
    """Runs the hooks, with these environment variables, in threads that exist while there are some."""

    def __init__(self, settings, registry, variables):
        self._settings, self._registry, self._variables = settings, registry, variables
        self._lock, self._stop = threading.Lock(), Flag()
        self._jobs, self._threads, self._running = [], [], 0

    def wants(self, event):
        return bool(getattr(self._settings.config.hooks, event))

    def put(self, event, task=None, detail=None):
        """Run the hook for an event; the registry's lock may be held."""
        argv = getattr(self._settings.config.hooks, event)
        given = dict({"event": event}, **detail or {})
        variables = dict(self._variables, DLSERV_EVENT=event, **self._variables_of(task) if task else {})
        with self._lock:
            self._jobs.append(_Job(event, argv, task, json.dumps(given).encode() + b"\n", variables))
            self._threads = [each for each in self._threads if each.is_alive()]
            if len(self._threads) < self._settings.config.hooks.parallel:
                thread = begin(persist, "dlserv-hook", (self._work, lambda error: log.exception(
                    "a hook met a bug")))
                self._threads += [thread] if thread else []
            if not self._threads:
                log.error("the hook %s waits: the system lets this program have no more threads", event)

    def stop(self):
        """Kill the hooks that run, and log those that wait as not run."""
        self._stop.set()
        for thread in list(self._threads):
            join(thread, JOIN_SECONDS)
        for job in self._jobs:
            self._tell(job, "warning", "was not run: the daemon is shutting down")

    def _variables_of(self, task):
        checksum = task.file.checksum if task.file else None
        path = os.path.join(self._settings.general.download_dir, task.filename)
        values = {"tid": task.tid, "url": urls.shown(task.url), "file": os.path.abspath(path) if task.file else "",
                  "name": task.name, "size": task.total,
                  "sha256": checksum.partition("=")[2] if (checksum or "").startswith("sha-256=") else "",
                  "type": task.resource.media_type if task.resource else "", "error": task.problem or "",
                  "reason": task.reason or ""}
        return {"DLSERV_TASK_" + name.upper(): str(value) for name, value in values.items()}

    # -- its threads -------------------------------------------------------------------

    def _work(self):
        while True:
            with self._lock:
                job = None if self._stop.is_set() else self._next()
                if job is None:
                    self._threads = [each for each in self._threads if each is not threading.current_thread()]
                    return
                self._running += 1
            try:
                self._run(job)
            finally:
                self._lock.acquire()    # `with` takes memory
                self._running -= 1
                self._lock.release()

    def _next(self):
        """Take out the job to run next, or return None; "idle" comes last, and when no other runs."""
        jobs = [each for each in self._jobs if each.task] or ([] if self._running else self._jobs)
        job = jobs[0] if jobs else None
        if job is not None:
            self._jobs.remove(job)
        return job

    def _may_begin(self, job):
        """Return whether an "idle" hook may run now; it is put back while others run."""
        with self._registry.lock:       # held until a task that ends has put its hook
            idle = self._registry.is_idle
        with self._lock:
            early = idle and (self._running > 1 or any(each.task for each in self._jobs))
            self._jobs += [job] if early else []
        return idle and not early

    def _run(self, job):
        if job.task is None and not self._may_begin(job):
            return
        if job.task is not None:
            self._registry.settle(job.task)
        environment = {name: value for name, value in os.environ.items() if name not in SECRETS}
        environment.update(job.variables)
        folder, seconds = self._settings.general.download_dir, self._settings.config.hooks.timeout
        try:
            folder = folder if os.path.isdir(folder) else os.sep
            result = process.run(job.argv, job.given, environment, folder, seconds, self._stop)
        except (OSError, ValueError) as error:
            self._tell(job, "error", "could not be run: %s" % error)
            return
        level = "warning" if result.code or result.killed else "info"
        ending = "as the daemon is shutting down" if self._stop.is_set() else "after %g s" % seconds
        self._tell(job, level, _sentence(result, ending))

    def _tell(self, job, level, sentence):
        log.log(logging.INFO if level == "info" else logging.WARNING, "%s: hook %s %s",
                job.task.tid[:8] if job.task else "-", job.event, clean(sentence))
        if job.task is not None:
            self._registry.record(job.task, level, "hook %s %s" % (job.event, sentence), process.TAIL + 200)


def _sentence(result, ending):
    code = result.code
    if code < 0 and not result.killed:
        sentence = "was ended by signal %d" % -code
    else:
        sentence = "exited with %d" % code if code >= 0 else "did not end"
    if result.killed:
        sentence += "; what was left of it was killed " + ending
    lines = [clean(line) for line in result.output.decode("utf-8", "replace").strip().splitlines()]
    return sentence + (": " + " | ".join(lines)[-process.TAIL:] if lines else "")
