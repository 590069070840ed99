"""Where the bytes of a file come from: its URL and its mirrors, and how each has done."""

import threading
import time

from ..errors import Offline, Permanent, Temporary
from ..net import http
from ..net.proxy import choose as choose_proxy

# A link that ran out, where it was found behind a redirect.
_EXPIRED = (401, 403, 404, 410)


class Opener:
    """Opens URLs of every scheme for one task; see http.Client."""

    def __init__(self, options, network, stop, extra=False):
        self._arguments = options, network, stop, extra
        self._clients = {}

    def open(self, url, **ask):
        """The Answer for the URL."""
        kind = self._kind(url)
        if kind not in self._clients:
            self._clients[kind] = kind(*self._arguments)
        return self._clients[kind].open(url, **ask)

    def _kind(self, url):
        if url.scheme in ("http", "https"):
            return http.Client
        options, network = self._arguments[:2]
        proxy = choose_proxy(url, options.proxy, network.proxies)
        if url.scheme == "ftp" and proxy is not None and proxy.scheme in ("http", "https"):
            return http.Client      # such a proxy speaks FTP itself
        from ..net import ftp
        return ftp.Client


class Source:
    """One URL of the file.

    `resource` is what it said of the file, once it was asked; `located` where its last
    redirect led to, with the cookies of the way there. Credentials belong to the origin of the `main` one.
    """

    def __init__(self, url, main):
        self.url, self.main, self.is_main, self._origin = url, main, url == main, main.origin
        self.located, self._jar, self.resource = None, None, None
        self.asserts = url.scheme in ("http", "https")      # it says which bytes it sends; FTP does not
        self.proven = False         # it was seen to begin where it is asked to, within the same file
        self.banned = None          # why it is not asked again
        self.single = False         # its answers differ: one connection at a time
        self.failures, self.rests_until = 0, 0.0
        self.active, self.speed = 0, None

    @property
    def name(self):
        return self.url.netloc

    @property
    def endpoint(self):
        """The server that it was found at last, as "host:port"."""
        return (self.located or self.url).endpoint

    def open(self, client, **ask):
        """client.open at where it was found last; the original URL is asked again if that ran out."""
        if self.located is not None:
            try:
                return client.open(self.located, origin=self._origin, jar=self._jar, **ask)
            except Permanent as refusal:
                if refusal.status not in _EXPIRED:
                    raise
                self.located = None
        answer = client.open(self.url, origin=self._origin, **ask)
        self.located, self._jar = answer.located, answer.jar
        return answer


class Sources:
    """All URLs of one file, the task's own first."""

    REST = 1.0          # seconds after a first failure; doubles with each
    LONGEST_REST = 60.0

    def __init__(self, urls, options=None, network=None, clock=time.monotonic):
        self._options, self._network, self._clock = options, network, clock
        self._lock = threading.Lock()
        self.all = [Source(url, urls[0]) for url in dict.fromkeys(urls)]
        self._apart = False         # none is used beside another

    def opener(self, stop, extra=False):
        """Return an Opener of their URLs; `extra` is for a connection beside the first."""
        return Opener(self._options, self._network, stop, extra)

    def known_connections(self):
        """Return what downloads from the same host have taught about connections, or None; see Growth."""
        return self._network.hosts.known_connections(self.all[0].endpoint) if self._teaches else None

    def learn_connections(self, learned):
        """Remember that for the next download from the host."""
        if self._teaches:
            self._network.hosts.learn_connections(self.all[0].endpoint, learned)

    @property
    def _teaches(self):
        return len(self.all) == 1 and self._network is not None

    def find(self, url):
        """Return the Source of this URL as text, or None."""
        return next((source for source in self.all if str(source.url) == url), None)

    def in_order(self):
        """Those to be asked for a first answer: who rests comes last, else as they were named."""
        now = self._clock()
        return sorted([source for source in self.all if not source.banned],
                      key=lambda source: max(0.0, source.rests_until - now))

    def choose(self):
        """The source that one more connection goes to, or None if none can have it now.

        The one that promises most beside the connections it has; who is unknown is taken
        to be as good as the best.
        """
        with self._lock:
            now = self._clock()
            ready = [source for source in self.all if not source.banned and source.rests_until <= now
                     and not (source.single and (source.active or not source.proven))
                     and not (self._apart and not source.active)]
            best = max([source.speed or 0 for source in ready], default=0)
            return max(ready, default=None, key=lambda source: (
                (best if source.speed is None else source.speed) + 1) / (1 + source.active))

    def began(self, source):
        """A connection to it is under way."""
        with self._lock:
            source.active += 1

    def ended(self, source, speed):
        """A connection to it has ended, after moving bytes at `speed` or None."""
        with self._lock:
            source.active -= 1
            if speed is not None:
                source.speed = speed if source.speed is None else (source.speed + speed) / 2

    def failed(self, source):
        """It did not deliver; it rests for a while."""
        with self._lock:
            source.failures += 1
            rest = min(self.LONGEST_REST, self.REST * 2.0 ** (source.failures - 1))
            source.rests_until = self._clock() + rest

    def refused(self, source, error):
        """It answered with an error: a lasting one is the last word."""
        if isinstance(error, Permanent):
            source.banned = str(error)
        else:
            self.failed(source)

    def delivered(self, source):
        """It did."""
        source.failures = 0

    @property
    def alone(self):
        """Whether there is no other source left."""
        return sum(1 for source in self.all if not source.banned) < 2

    @property
    def fresh(self):
        """Whether there is one that has not failed since it delivered."""
        return any(not source.banned and not source.failures for source in self.all)

    def forget_proofs(self):
        """Let each source prove itself again: the file is another one now."""
        for source in self.all:
            source.proven = False

    def separate(self):
        """Use one connection at a time, and none beside another, from now on."""
        with self._lock:
            self._apart = True
            for source in self.all:
                source.single, source.proven = True, False

    def demote(self, url):
        """What came was wrong: let the others be asked before this URL, if it all came from there.

        If several had a share in it, nobody knows whose was wrong; so no more sharing.
        """
        with self._lock:
            self._apart = True
            if sum(source.speed is not None for source in self.all) < 2:
                self.all.sort(key=lambda source: str(source.url) == url)


def decisive(refusals):
    """Return the exception that counts of those that all sources met: one that is worth another try, if any.

    A source that cannot be reached is no sign of a missing network where another has answered.
    """
    temporary = [each for each in refusals if isinstance(each, Temporary)]
    answers = [each for each in refusals if not isinstance(each, Offline)]
    if temporary and isinstance(temporary[0], Offline) and answers:
        return next((each for each in temporary if each in answers), None) \
            or Temporary(str(temporary[0]), word=temporary[0].word)
    return temporary[0] if temporary else refusals[0]
