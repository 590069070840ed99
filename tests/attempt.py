"""One attempt at a time: the engine without a daemon around it, as fixtures."""

import errno
import os
import threading

import pytest

from dlserv.settings import config, options
from dlserv.settings.current import Settings
from dlserv import urls
from dlserv.engine.download import Download, Environment
from dlserv.net.pool import Pool
from dlserv.net.network import Network


class Attempt:
    """A Download, the observer it reports to, and what it ended with.

    `settings` are those of config.download; other options are the task's.
    """

    def __init__(self, url, root, pool, kept=None, proxies=None, netrc=None, jar=(), settings=None,
                 **posted):
        posted = dict({"timeout": 2, "connections": 1}, **posted)
        self.notes, self.plans = [], []
        current = Settings(config.Config.parse({"download": settings or {}}))
        settings = current.download
        self.network = Network.of(current, proxies or {}, netrc, lambda: jar)._replace(pool=pool)
        self.options = options.effective(options.parse(posted), settings)
        self.download = Download(urls.parse(url), self.options,
                                 Environment(settings, str(root), self.network), self, kept)

    def run(self):
        self.finished = self.download.run()
        return self

    def begin(self):
        """Run in a thread; return the thread."""
        thread = threading.Thread(target=self.run)
        thread.start()
        return thread

    def fails(self, kind):
        """Run into an error of this kind; return its sentence."""
        with pytest.raises(kind) as caught:
            self.download.run()
        return str(caught.value)

    @property
    def progress(self):
        return self.download.progress()

    # the observer

    def planned(self, progress, durable):
        self.plans.append((progress, durable))

    def publishing(self, progress):
        self.plans.append((progress, True))
        return lambda: None

    def beginning(self):
        pass

    def note(self, level, text):
        self.notes.append(text)


@pytest.fixture
def attempt(folder):
    """Make an Attempt to fetch a URL into the download directory.

    Attempts of the same settings share their idle connections, as those of a daemon do.
    """
    pools = {}

    def make(url, settings=None, **options):
        pool = pools.setdefault(repr(settings), Pool())
        return Attempt(url, folder, pool, settings=settings, **options)

    yield make
    for pool in pools.values():
        pool.close()


@pytest.fixture
def without_links(monkeypatch):
    """The file system has no hard links."""
    def refuse(*arguments, **options):
        raise PermissionError(errno.EPERM, "Operation not permitted")
    monkeypatch.setattr(os, "link", refuse)
