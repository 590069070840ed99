"""add -r: the files below directory listings as tasks.

Listings are read breadth first, in the process of the command; all is bounded, whatever the server sends.
"""

from collections import deque, namedtuple
from contextlib import closing
from fnmatch import fnmatchcase

from .. import urls
from ..contract import tid_of
from ..daemon import Daemon
from ..errors import InvalidValue, LocalError, Permanent, Temporary, TransferError
from ..net import ftp_listing, http
from ..net.channel import Signal
from ..net.proxy import choose
from ..net.bodies import read_whole
from ..settings import options as task_options
from .arguments import number_of, settings_of
from .listing import Bounds, links_of_folder, links_of_page

MOST_FOLDERS = 10000            # listings of one walk
MOST_SEEN = 1000000             # links of one walk
TRIES = 3                       # of each listing
MOST_TOLD = 20                  # lines about what is left out
LONGEST_WAIT = 30.0             # seconds between two tries
_PAGES = ("text/html", "application/xhtml+xml")


def find(starts, options, errors):
    """Return ([(URL, options), …], whether all went well); tell `errors` the rest."""
    wanted = Wanted(number_of(options.depth, 5, 100), number_of(options.most, 1000, 100000),
                    options.accept, options.reject)
    starts = [_start(url, posted) for url, posted in starts]
    mapping, others = settings_of(options)
    daemon = Daemon({section: mapping[section] for section in ("general", "download", "rules")
                     if section in mapping}, *others)       # never started
    daemon.configuration.check()
    found, whole = {}, True
    with closing(daemon.network.pool):
        for bounds, posted in starts:
            left = wanted._replace(most=wanted.most - len(found))
            with closing(Reader(bounds, posted, daemon)) as read:
                whole &= _collect(Walk(bounds, read, left, errors.complain), bounds, posted, found, errors)
    return list(found.items()), whole


def _start(url, posted):
    try:
        parsed = urls.parse(url)
    except ValueError as error:
        raise InvalidValue("URL", f"{urls.shown(url)} {error}") from None
    for name in ("filename", "checksum", "mirrors"):
        if posted.get(name):
            raise InvalidValue(name, "one name does not fit all files of a listing; leave it out")
    if parsed.user is not None:
        posted = dict({"user": parsed.user, "password": parsed.password or ""}, **posted)
    return Bounds(parsed), posted


def _collect(walk, bounds, posted, found, errors):
    """Add to {URL: options}; return whether all listings could be read."""
    try:
        for url, folder in walk:
            folders = [each for each in (posted.get("dir"), folder) if each]
            found.setdefault(url, dict(posted, dir="/".join(folders)) if folders else posted)
    except (TransferError, LocalError) as error:
        errors.complain_of([(bounds.page, error)])
        return False
    return not walk.failed


def without_known(tasks, client, errors, quiet):
    """Return the tasks that the daemon does not have yet; tell how many it has."""
    known = {row["tid"] for row in client.tasks()} if tasks else set()
    new = [task for task in tasks if tid_of(task[0]) not in known]
    if len(new) < len(tasks) and not quiet:
        errors.complain(f"left as they are, because they were added before: {len(tasks) - len(new)}")
    return new


# Levels of folders, number of files, patterns of names, of which those to reject win.
Wanted = namedtuple("Wanted", "depth most accept reject")


class Walk:
    """Yields the wanted files as (URL, folder below the start). Raise an error of the start itself.

    `read(URL)` returns (the URL after redirects, its Links, whether these are all), or raises
    TransferError or LocalError. `tell(text)` is called for what is left out; `failed` is true if a
    listing could not be read.
    """

    def __init__(self, bounds, read, wanted, tell):
        self._bounds, self._read, self._wanted, self._tell = bounds, read, wanted, tell
        self._waiting, self._seen = deque([bounds.link(bounds.start)._replace(url=bounds.page)]), set()
        self._count = self._deeper = self._left_out = 0
        self._refused = set()       # folders that the daemon would refuse
        self.failed = False

    def __iter__(self):
        folders = 0
        while self._waiting:
            if folders == MOST_FOLDERS or len(self._seen) > MOST_SEEN:
                self._tell(f"stopped after {folders} folders and {len(self._seen)} links")
                break
            folders += 1
            for link in self._links_of(self._waiting.popleft()):
                if link.is_folder:
                    if self._fits(link.names):
                        self._waiting.append(link)
                elif self._is_wanted(link.names[-1]) and self._fits(link.names[:-1]):
                    if self._count == self._wanted.most:
                        self._tell("there are more files than --most allows; the rest is left out")
                        return self._tell_the_rest()
                    self._count += 1
                    yield str(link.url), "/".join(link.names[:-1])
        self._tell_the_rest()

    def _links_of(self, folder):
        self._seen.add(folder.key)
        try:
            here, links, whole = self._read(folder.url)
        except (TransferError, LocalError) as error:
            if not folder.names:
                raise
            self.failed = True
            return self._leave_out(f"{folder.url}: {error}")
        if not whole:
            self._tell(f"{folder.url}: there are more links than can be read; the rest is left out")
        there = self._bounds.link(here)
        if there and there.key != folder.key and not self._is_new(there):
            return      # a redirect led to a folder that is read anyway
        yield from filter(self._is_new, links)

    def _is_new(self, link):
        is_new = link.key not in self._seen
        self._seen.add(link.key)
        return is_new

    def _is_wanted(self, name):
        def matches(patterns):
            return any(fnmatchcase(name, each) for each in patterns)
        return (not self._wanted.accept or matches(self._wanted.accept)) and not matches(self._wanted.reject)

    def _fits(self, names):
        """Return whether the folder's files are wanted and the daemon takes it; else tell."""
        folder = "/".join(names)
        if len(names) >= self._wanted.depth:
            self._deeper += 1
            return False
        if not folder or task_options.is_folder(folder):
            return True
        if folder not in self._refused:
            self._refused.add(folder)
            self._leave_out(f"{self._bounds.start}: {folder} is left out; "
                            "the daemon takes no folder so named")
        return False

    def _leave_out(self, text):
        self._left_out += 1
        if self._left_out <= MOST_TOLD:
            self._tell(text)

    def _tell_the_rest(self):
        if self._left_out > MOST_TOLD:
            self._tell(f"{self._left_out - MOST_TOLD} more were left out")
        if self._deeper:
            self._tell(f"links left out because they go below depth {self._wanted.depth}: {self._deeper}; "
                       "--depth goes further")


class Reader:
    """Reads listings with the options of the tasks."""

    def __init__(self, bounds, posted, daemon):
        download = daemon.config.download
        self._bounds, self._network, self._retry_wait = bounds, daemon.network, download.retry_wait
        self._options = task_options.effective(posted, download, str(bounds.start))
        self._stop = Signal()
        self._http = _Http(self._options, self._network, self._stop)
        self._http.bounds = bounds
        self._ftp = ftp_listing.Client(self._options, self._network, self._stop)

    def close(self):
        self._ftp.close()
        self._stop.close()

    def __call__(self, url):
        read = self._read_folder if self._speaks_ftp(url) else self._read_page
        for number in range(1, TRIES + 1):
            try:
                return read(url)
            except Temporary as error:
                if number == TRIES:
                    raise
                self._stop.sleep(min(LONGEST_WAIT, error.retry_after or self._retry_wait * number))

    def _speaks_ftp(self, url):
        """Return whether to talk FTP; an HTTP proxy turns folders of an FTP server into pages."""
        proxy = choose(url, self._options.proxy, self._network.proxies)
        return url.scheme.startswith("ftp") and not (
            url.scheme == "ftp" and proxy is not None and proxy.scheme in ("http", "https"))

    def _read_page(self, url):
        answer = self._http.open(url)
        with closing(answer.stream):
            kind = answer.resource.media_type
            if kind not in _PAGES:
                raise Permanent(f"this is no listing: the server sent {kind or 'a file'}")
            page = read_whole(answer.stream, ftp_listing.LARGEST, ftp_listing.LONGEST)
        return (answer.located, *links_of_page(self._bounds, answer.located, page))

    def _read_folder(self, url):
        entries = self._ftp.entries(url, self._bounds.start.origin)
        return url, links_of_folder(self._bounds, url, entries), len(entries) < ftp_listing.MOST


class _Http(http.Client):
    """Follows a redirect only within the `bounds`."""

    bounds = None

    def check_redirect(self, here, there):
        if self.bounds.link(there._replace(user=None, password=None)) is None:
            raise Permanent(f"the server redirects to {there}, which is not below the start",
                            word="redirects")
