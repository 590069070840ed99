"""get: download here and now, by a daemon that lives as long as the command does.

While a file is unfinished its database lies beside its part, as `.dlserv-….db`: what the
engine needs to go on, and to prove that it may. It goes when the part has become the file.
"""

import os

from .. import serve, urls
from ..api.views import row
from ..daemon import Daemon
from ..errors import Error, Exists, InvalidValue
from ..tasks.states import FINISHED, INVALID, PAUSED
from ..tasks.task import tid_of
from ..units import clean
from .terminal import Screen
from .rows import watch_table
from .words import read_tasks

EVERY = 0.2     # seconds between two drawings


def get(options, terminals):
    """Fetch one URL after the other; 0 if all of them came."""
    out, errors = terminals
    tasks = [(_checked(url), posted) for url, posted in read_tasks(options, None)]
    shows_bar = errors.live and not options.quiet
    code = 0
    for url, posted in tasks:
        download = _Download(url, posted, options.dir)
        try:
            path = download.run(errors if shows_bar else None)
        except Error as error:
            errors.complain("%s: %s" % (urls.shown(url), error))
            code = 1
            continue
        except KeyboardInterrupt:
            if download.is_kept:
                errors.complain("stopped; the same command goes on from where it was")
            raise
        if not (shows_bar and out.is_terminal):
            out.write(clean(path))
    return code


def _checked(url):
    try:
        return urls.check_url(url)
    except ValueError as error:
        raise InvalidValue("url", str(error)) from None


class _Failed(Error):
    """The task has become invalid; the sentence says why."""


class _Download:
    """`url` into the folder, from where an earlier try has left it."""

    def __init__(self, url, posted, folder):
        self._url, self._folder = url, folder
        self._posted = {name: value for name, value in posted.items() if name not in ("paused", "priority")}
        self._tid = tid_of(url)
        self._database = os.path.join(folder, ".dlserv-%s.db" % self._tid[:12])
        self._daemon = self._make_daemon()

    def _make_daemon(self):
        mapping, _, config_path = serve.settings(None, os.environ)
        general = {"download_dir": self._folder, "db_path": self._database, "db_backend": "file"}
        return Daemon({"general": general, "download": mapping.get("download", {})},
                      serve.environment_proxies(), os.path.expanduser("~/.netrc"),
                      os.path.dirname(config_path))

    def run(self, terminal):
        """The path of the file, when it is whole; `terminal` shows how it goes. Raises Error."""
        self._daemon.start()
        try:
            self._begin()
            task = self._follow(terminal) if terminal else self._wait(lambda task: None)
        finally:
            self._end()
        if task.state != FINISHED:
            raise _Failed(task.error)
        return os.path.normpath(os.path.join(self._folder, task.filename))

    def _begin(self):
        try:
            self._daemon.add(self._url, self._posted)
        except Exists:
            self._go_on(self._daemon.get(self._tid))

    def _go_on(self, task):
        """What an earlier try has left goes on, with the options of now."""
        changes = {name: self._posted.get(name) for name in set(self._posted) | set(task.posted)
                   if self._posted.get(name) != task.posted.get(name)}
        for name in ("filename", "dir"):
            if name not in self._posted:
                changes.pop(name, None)
        if changes:
            self._daemon.change(self._tid, None, changes)
        if task.state in (INVALID, PAUSED):
            self._daemon.resume(self._tid)

    def _follow(self, terminal):
        with Screen(terminal) as screen:
            def show(task):
                screen.draw([watch_table(terminal).line(row(task))])
            task = self._wait(show)
            show(task)
        return task

    def _wait(self, show):
        while True:
            try:
                return self._daemon.wait(self._tid, EVERY)
            except TimeoutError:
                show(self._daemon.get(self._tid))

    @property
    def is_kept(self):
        """Whether there is a part, and the database to go on with."""
        return any(task.state != FINISHED for task in self._daemon.list())

    def _end(self):
        """Leave nothing behind but the file, or a part with the database that it needs."""
        try:
            for task in self._daemon.list():
                if task.state != FINISHED and not (task.downloaded and task.tmpfilename):
                    self._daemon.delete(task.tid, del_file=True)
        finally:
            self._daemon.stop()
        if not self.is_kept:
            for suffix in ("", ".lock", ".snapshot"):
                _remove(self._database + suffix)


def _remove(path):
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
