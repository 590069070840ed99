"""get: download here and now, without a daemon that stays."""

import contextlib
import logging
import os
import shutil
import tempfile
from collections import deque

from .. import urls
from ..tasks.views import row
from ..daemon import Daemon
from ..errors import Error, InvalidValue
from ..settings.config import TABLES
from ..units import clean
from .arguments import number_of, read_tasks, settings_of, target_of
from .job import Job
from .rows import reason_of, watch_lines
from .terminal import Screen

EVERY = 0.2     # seconds between two drawings


def get(options, terminals):
    """Download every URL; return 0 if all of them arrived."""
    folder, name, word = target_of(options)
    if word == "-":
        folder = tempfile.mkdtemp(prefix="dlserv-")
        try:
            return _get(options, terminals, folder, [], to_stdout=True)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    if name and os.path.isdir(os.path.join(folder, name)):
        folder, name = os.path.join(folder, name), None
    more = [(word.flag, "filename", name)] if name else []
    return _get(options, terminals, folder or options.download_dir or ".", more)


def _get(options, terminals, folder, more, to_stdout=False):
    tasks = [(_checked(url), posted) for url, posted in read_tasks(options, more)]
    count = number_of(options.jobs, 1, 64)
    make_daemon = _daemon_maker(options, min(count, len(tasks)))
    jobs = [Job(url, posted, folder, make_daemon, options.overwrite) for url, posted in tasks]
    kind = _Bars if terminals[1].live and not options.quiet else _Lines
    display = kind(*terminals, options.quiet, to_stdout)
    try:
        with display.screen:
            return _run(jobs, count, display)
    except KeyboardInterrupt:
        if any(job.is_kept for job in jobs):
            terminals[1].complain("stopped; the same command goes on from where it was")
        raise


def _checked(url):
    try:
        return urls.check_url(url)
    except ValueError as error:
        hint = f"; did you mean https://{url}?" if "://" not in url and "." in url else ""
        raise InvalidValue("URL", f"{error}{hint}") from None


def _daemon_maker(options, share):
    """Return a function that makes a Daemon; `share` of them divide the limits of the settings."""
    mapping, others = settings_of(options)
    if options.log_level:
        logging.basicConfig(level=str(options.log_level).upper(), format="%(levelname)s %(message)s")
    download = dict(mapping.get("download", {}))
    values = dict(TABLES["download"].defaults(), **download)
    for key in ("max_per_host", "ratelimit"):
        if values[key] and share > 1:
            download[key] = max(1, values[key] // share)
    return lambda general: Daemon({"general": general, "download": download}, *others)


def _run(jobs, count, display):
    """Run `count` jobs at the same time; return 1 if one of them failed."""
    waiting, running, code = deque(jobs), [], 0
    try:
        while waiting or running:
            while waiting and len(running) < count:
                running.append(waiting.popleft())
                try:
                    running[-1].start()
                except Error as error:
                    display.complain(running[-1], error)
                    running.pop().stop()
                    code = 1
            display.show(running)
            for job in [each for each in running if each.poll(EVERY if each is running[0] else 0)]:
                try:
                    display.tell(job, *job.result())
                except Error as error:
                    display.complain(job, error)
                    code = 1
                running.remove(job)
                job.stop()
    finally:
        for job in running:
            job.stop()
    return code


# -- what is shown ------------------------------------------------------------------------

class _Lines:
    """Shows paths, or the files themselves, on standard output; all else on standard error."""

    screen = contextlib.nullcontext()

    def __init__(self, out, errors, quiet, to_stdout):
        self.out, self.errors = out, errors
        self._quiet, self._to_stdout = quiet, to_stdout
        self._told = {}         # job -> what was told last: (the problem, failures so far)

    def show(self, jobs):
        """Tell what the jobs wait for."""
        for job in [] if self._quiet else jobs:
            reason, now = reason_of(_row(job)), (job.task.problem, job.task.failures)
            if reason and self._told.get(job) != now:
                self.complain(job, reason)
                self._told[job] = now

    def tell(self, job, path, was_here):
        if self._to_stdout:
            with open(path, "rb") as file:
                shutil.copyfileobj(file, self.out.stream.buffer)
            self.out.stream.buffer.flush()
            return os.unlink(path)     # the next one may be as large
        if was_here and not self._quiet:
            self.errors.complain(f"{path} is here already, and whole; --overwrite downloads it again")
        self.print_path(path)

    def print_path(self, path):
        self.out.write(clean(path))

    def complain(self, job, reason):
        self.errors.complain(f"{urls.shown(job.url)}: {reason}")


class _Bars(_Lines):
    """Shows a bar for each job that runs; those of finished ones stay above them."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.screen = Screen(self.errors)

    def show(self, jobs):
        lines = [line for job in jobs for line in watch_lines(self.errors, _row(job))]
        self.screen.draw(lines[:max(1, self.errors.size[1] - 1)])

    def tell(self, job, path, was_here):
        last = dict(_row(job), filename=os.path.relpath(path, job.folder))
        self.screen.leave([] if was_here else watch_lines(self.errors, last))
        super().tell(job, path, was_here)

    def print_path(self, path):
        if not self.out.is_terminal:        # else the bar has shown it
            super().print_path(path)

    def complain(self, job, reason):
        self.screen.leave([])
        super().complain(job, reason)


def _row(job):
    """Return the job's row; one that has just failed may still be taken up again."""
    found = row(job.task)
    return dict(found, state="queued", error=None) if found["state"] == "invalid" else found
