"""The URL and the mirrors of a file."""

import threading
import time

from ..errors import Offline, Permanent, Temporary
from ..net import http
from ..net.netrc import Netrc
from ..net.proxy import choose as choose_proxy

# Statuses of an expired link, if a redirect led to it.
_EXPIRED = (401, 403, 404, 410)


class Opener:
    """Opens URLs of every scheme for one task; see http.Client."""

    def __init__(self, options, network, stop, extra=False, http=http.Client):
        self._arguments, self._http = (options, network, stop, extra), http
        self._clients, self._bare = {}, None

    @property
    def bare(self):
        """An Opener for hosts that the user has not named: no credentials, cookies or headers go there."""
        if self._bare is None:
            options, network, *rest = self._arguments
            options = options._replace(user=None, password=None, cookies=None, headers={}, referer=None)
            network = network._replace(netrc=Netrc(None), cookies=tuple)
            self._bare = Opener(options, network, *rest, http=_BareClient)
        return self._bare

    def open(self, url, **ask):
        kind = self._kind(url)
        if kind not in self._clients:
            self._clients[kind] = kind(*self._arguments)
        return self._clients[kind].open(url, **ask)

    def _kind(self, url):
        if url.scheme in ("http", "https"):
            return self._http
        options, network = self._arguments[:2]
        proxy = choose_proxy(url, options.proxy, network.proxies)
        if url.scheme == "ftp" and proxy is not None and proxy.scheme in ("http", "https"):
            return self._http       # an HTTP proxy fetches from the FTP server itself
        from ..net import ftp
        return ftp.Client


class _BareClient(http.Client):
    def check_redirect(self, here, there):
        if here.scheme == "https" and there.scheme != "https":
            raise Permanent("the mirror redirects from https to http", word="redirects")


class Source:
    """One URL of the file; `announced` if the server has named it.

    `resource` is its description of the file, `located` the URL after redirects; both are None
    until it has answered. Credentials belong to the origin of `main`, the task's URL.
    """

    def __init__(self, url, main, announced=False):
        self.url, self.main, self.is_main, self.announced = url, main, url == main, announced
        self.located = self._jar = self.resource = None
        self.asserts = url.scheme in ("http", "https")      # its answers state their offsets; FTP's do not
        self.proven = False         # its bytes were compared
        self.banned = None          # the reason why it is not used again
        self.single = False         # its answers differ: use one connection at a time
        self.failures = self.stalls = self.active = 0
        self.rests_until, self.speed = 0.0, None

    @property
    def endpoint(self):
        return (self.located or self.url).endpoint

    def open(self, client, **ask):
        """Open `located`, or the original URL again if that has expired."""
        client = client.bare if self.announced else client
        if self.located is not None:
            try:
                return client.open(self.located, origin=self.main.origin, jar=self._jar, **ask)
            except Permanent as refusal:
                if refusal.status not in _EXPIRED:
                    raise
                self.located = None
        answer = client.open(self.url, origin=self.main.origin, **ask)
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
        self.main = self.all[0]
        self._apart = False         # use one source at a time

    def opener(self, stop, extra=False):
        return Opener(self._options, self._network, stop, extra)

    def announce(self, mirrors):
        with self._lock:
            for url in mirrors:
                source = Source(url, self.main.url, announced=True)
                source.single = self._apart
                self.all.append(source)

    def forget_announced(self):
        with self._lock:
            for source in self.all:
                if source.announced:
                    source.banned = "its server no longer vouches for it"
            self.all = [source for source in self.all if not source.announced]

    def known_connections(self):
        """Return what an earlier download has learned, or None; see Growth."""
        return self._network.hosts.known_connections(self.all[0].endpoint) if len(self.all) == 1 else None

    def learn_connections(self, learned):
        if len(self.all) == 1:
            self._network.hosts.learn_connections(self.all[0].endpoint, learned)

    def in_order(self):
        """Return the usable sources; those that rest after a failure come last."""
        now = self._clock()
        return sorted([source for source in self.all if not source.banned],
                      key=lambda source: max(0.0, source.rests_until - now))

    def choose(self):
        """Return the source with the most speed per connection for one more, or None.

        An untried source counts as fast as the best.
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
        with self._lock:
            source.active += 1

    def ended(self, source, speed):
        """Count the end of a connection; `speed` is in bytes/s, or None."""
        with self._lock:
            source.active -= 1
            if speed is not None:
                source.speed = speed if source.speed is None else (source.speed + speed) / 2

    def let_rest(self, source, has_failed=True):
        """Let a source rest that did not deliver; one that has only stalled still counts as fresh."""
        with self._lock:
            source.failures += has_failed
            source.stalls += not has_failed
            rest = self.REST * 2.0 ** (source.failures + source.stalls - 1)
            source.rests_until = self._clock() + min(self.LONGEST_REST, rest)

    def ended_with(self, source, error):
        if isinstance(error, Permanent):
            source.banned = str(error)
        else:
            self.let_rest(source)

    def delivered(self, source):
        source.failures = source.stalls = 0

    def decides(self, source):
        """Return whether this source decides what the file is; any other is dropped if it differs."""
        return source.is_main or self.alone

    @property
    def alone(self):
        return sum(1 for source in self.all if not source.banned) < 2

    @property
    def fresh(self):
        """True if a source has not failed since it last delivered."""
        return any(not source.banned and not source.failures for source in self.all)

    def forget_proofs(self):
        for source in self.all:
            source.proven = False

    def separate(self):
        with self._lock:
            self._apart = True
            for source in self.all:
                source.single, source.proven = True, False

    def demote(self, url):
        """After a checksum failure, use one source at a time; try this URL last if it sent everything."""
        with self._lock:
            self._apart = True
            if sum(source.speed is not None for source in self.all) < 2:
                self.all.sort(key=lambda source: str(source.url) == url)


def decisive(refusals):
    """Return the exception to report if all sources failed: a Temporary one if there is any.

    Offline becomes a plain Temporary if another source has answered.
    """
    temporary = [each for each in refusals if isinstance(each, Temporary)]
    for each in temporary:
        if not isinstance(each, Offline):
            return each
    if temporary and len(temporary) < len(refusals):
        return Temporary(str(temporary[0]), word=temporary[0].word)
    return refusals[0]
