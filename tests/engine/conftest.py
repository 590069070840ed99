"""One attempt at a time: the engine without a daemon around it."""

import pytest

from dlserv import config, options, urls
from dlserv.engine.dial import Tls
from dlserv.engine.download import Download
from dlserv.engine.proxy import Network


class Attempt:
    """A Download, the observer it reports to, and what it ended with."""

    def __init__(self, url, root, kept=None, proxies=None, overwrite="rename", ca_file=None, **posted):
        posted.setdefault("timeout", 2)
        self.notes, self.plans = [], []
        settings = config.Config.parse({}).download
        self.download = Download(urls.parse(url), options.effective(options.parse(posted), settings),
                                 overwrite, str(root), Network(Tls(ca_file), proxies or {}), self, kept)

    def run(self):
        self.finished = self.download.run()
        return self

    def fails(self, kind):
        """Run into an error of this kind; gives its sentence."""
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

    def note(self, level, text):
        self.notes.append(text)


@pytest.fixture
def attempt(folder):
    """Make an Attempt to fetch a URL into the download directory."""
    def make(url, **options):
        return Attempt(url, folder, **options)
    return make
