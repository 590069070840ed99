"""get: download here and now, without a daemon that stays."""

import logging
import os
import shutil
import tempfile
from collections import deque

from .. import urls
from ..tasks.views import row
from ..daemon import Daemon
from ..errors import Error, InvalidValue
from ..settings import sources
from ..settings.config import TABLES
from ..units import clean
from .arguments import name_flags, read_tasks, target_of
from .job import Job
from .rows import reason_of, watch_lines
from .terminal import Screen

EVERY = 0.2     # seconds between two drawings
STDOUT = "-"    # the name that stands for standard output
MOST_JOBS = 64


def get(options, terminals):
    """Download every URL; return 0 if all of them arrived."""
    folder, name = target_of(options)
    if name_flags(options) != [STDOUT]:
        if name and os.path.isdir(os.path.join(folder, name)):
            folder, name = os.path.join(folder, name), None
        return _get(options, terminals, folder or options.download_dir or ".", name)
    folder = tempfile.mkdtemp(prefix="dlserv-")
    try:
        return _get(options, terminals, folder, None, to_stdout=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _get(options, terminals, folder, name, to_stdout=False):
    more = [(name_flags(options)[0].flag, "filename", name)] if name else []
    tasks = [(_checked(url), posted) for url, posted in read_tasks(options, more)]
    count = _count_of(options.jobs)
    make_daemon = _daemon_maker(options, min(count, len(tasks)))
    jobs = [Job(url, posted, folder, make_daemon, options.overwrite) for url, posted in tasks]
    kind = _Bars if terminals[1].live and not options.quiet else _Lines
    try:
        with kind(*terminals, options.quiet, to_stdout) as display:
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


def _count_of(text):
    if text is None:
        return 1
    try:
        count = int(text)
    except ValueError:
        count = 0
    if not 1 <= count <= MOST_JOBS:
        raise InvalidValue(text.flag, f"{str(text)!r} is not a whole number from 1 to {MOST_JOBS}")
    return count


def _daemon_maker(options, share):
    """Return a function that makes a job's Daemon; `share` of them divide the limits of the settings."""
    mapping, _, config_path, *_ = sources.gather(options, os.environ)
    if options.log_level:
        logging.basicConfig(level=str(options.log_level).upper(), format="%(levelname)s %(message)s")
    download, folder = dict(mapping.get("download", {})), os.path.dirname(config_path)
    if options.load_cookies:
        folder, download["cookies_file"] = os.path.split(_readable(options.load_cookies))
    values = dict(TABLES["download"].defaults(), **download)
    for key in ("max_per_host", "ratelimit"):
        if values[key] and share > 1:
            download[key] = max(1, values[key] // share)
    return lambda general: Daemon({"general": general, "download": download}, sources.environment_proxies(),
                                  os.path.expanduser("~/.netrc"), folder)


def _readable(path):
    try:
        with open(path, "rb"):
            return os.path.abspath(path)
    except OSError as error:
        raise InvalidValue(path.flag, f"{path} cannot be read: {error.strerror}") from None


def _run(jobs, count, display):
    """Run the jobs, `count` at the same time, in their order; return 1 if one of them failed."""
    waiting, running, code = deque(jobs), [], 0
    try:
        while waiting or running:
            while waiting and len(running) < count:
                running.append(waiting.popleft())
                if not _worked(running[-1].start, running[-1], display):
                    running.pop().stop()
                    code = 1
            display.show(running)
            for job in [each for each in running if each.poll(EVERY if each is running[0] else 0)]:
                if not _worked(lambda: display.tell(job), job, display):
                    code = 1
                running.remove(job)
                job.stop()
    finally:
        for job in running:
            job.stop()
    return code


def _worked(step, job, display):
    """Take the step; return whether that worked. The display says why it did not."""
    try:
        step()
        return True
    except Error as error:
        display.complain(job, error)
        return False


# -- what is shown ------------------------------------------------------------------------

class _Lines:
    """Lines: paths, or the files themselves, on standard output; all else on standard error."""

    def __init__(self, out, errors, quiet, to_stdout):
        self.out, self.errors = out, errors
        self._quiet, self._to_stdout = quiet, to_stdout
        self._told = {}         # job -> what was told last: (the problem, failures so far)

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        pass

    def show(self, jobs):
        """Tell what the jobs that do not move wait for."""
        for job in [] if self._quiet else jobs:
            reason, now = reason_of(_row(job)), (job.task.problem, job.task.failures)
            if reason and self._told.get(job) != now:
                self.errors.complain("%s: %s" % (urls.shown(job.url), reason))
                self._told[job] = now

    def tell(self, job):
        """Tell how the job has ended, and where the file is. Raise Failed."""
        path, was_here = job.result()
        if self._to_stdout:
            return _move_to(self.out.stream.buffer, path)
        if was_here and not self._quiet:
            self.errors.complain("%s is here already, and whole; --overwrite downloads it again" % path)
        self.print_path(path)

    def print_path(self, path):
        self.out.write(clean(path))

    def complain(self, job, error):
        self.errors.complain("%s: %s" % (urls.shown(job.url), error))


class _Bars(_Lines):
    """The same, with a bar for each job that runs; those of finished ones stay above them."""

    def __enter__(self):
        self._screen = Screen(self.errors).__enter__()
        return self

    def __exit__(self, *exc_info):
        self._screen.__exit__(*exc_info)

    def show(self, jobs):
        lines = [line for job in jobs for line in watch_lines(self.errors, _row(job))]
        self._screen.draw(lines[:max(1, self.errors.size[1] - 1)])

    def tell(self, job):
        path, was_here = job.result()
        last = dict(_row(job), filename=os.path.relpath(path, job.folder))
        self._screen.leave([] if was_here else watch_lines(self.errors, last))
        super().tell(job)

    def print_path(self, path):
        if not self.out.is_terminal:        # else the bar has shown it
            super().print_path(path)

    def complain(self, job, error):
        self._screen.leave([])
        super().complain(job, error)


def _row(job):
    """Return the job's row; one that has just failed may still be taken up again, and is told at its end."""
    found = row(job.task)
    return dict(found, state="queued", error=None) if found["state"] == "invalid" else found


def _move_to(stream, path):
    with open(path, "rb") as file:
        shutil.copyfileobj(file, stream)
    stream.flush()
    os.unlink(path)     # the next one may be as large
