"""Walk the directory listings below a URL, breadth first, and yield the files.

Everything here runs in the process of the command, with its settings, proxies and netrc; the
daemon is not asked. A walk ends: each folder is read once, and folders, links, bytes and
seconds are bounded, whatever the server sends.
"""

from collections import deque, namedtuple
from fnmatch import fnmatchcase

from ..errors import LocalError, Permanent, Temporary, TransferError
from ..net import ftp_listing, http
from ..net.channel import Signal
from ..net.proxy import choose
from ..net.bodies import read_whole
from ..settings import options as task_options
from .listing import links_of_folder, links_of_page

LARGEST = 16 * 2 ** 20          # bytes of one listing
LONGEST = 300.0                 # seconds that one listing may take
MOST_FOLDERS = 10000            # listings of one walk
MOST_SEEN = 1000000             # links of one walk
TRIES = 3                       # of each listing
MOST_TOLD = 20                  # lines about what is left out
LONGEST_WAIT = 30.0             # seconds between two tries
_PAGES = ("text/html", "application/xhtml+xml")


class Wanted(namedtuple("Wanted", "depth most accept reject")):
    """The files that are wanted: levels of folders, number of files, patterns of names; reject wins."""

    __slots__ = ()

    def has(self, name):
        """Return whether a file of this name is wanted."""
        return (not self.accept or any(fnmatchcase(name, each) for each in self.accept)) \
            and not any(fnmatchcase(name, each) for each in self.reject)


class Walk:
    """The wanted files below a start, as (URL, folder below the start).

    `read(URL)` returns (the URL after redirects, its Links, whether these are all), and raises
    TransferError or LocalError. `tell(text)` is called for each thing that was left out;
    `failed` is true if a listing could not be read.
    """

    def __init__(self, bounds, read, wanted, tell):
        self._bounds, self._read, self._wanted, self._tell = bounds, read, wanted, tell
        self._waiting, self._seen = deque([bounds.link(bounds.start)._replace(url=bounds.page)]), set()
        self._count = self._deeper = self._left_out = 0
        self._refused = set()       # folders that the daemon would refuse
        self.failed = False

    def __iter__(self):
        """Yield the files. Raise the error if the start itself cannot be read."""
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
                elif self._wanted.has(link.names[-1]) and self._fits(link.names[:-1]):
                    if self._count == self._wanted.most:
                        self._tell("there are more files than --most allows; the rest is left out")
                        return self._tell_the_rest()
                    self._count += 1
                    yield str(link.url), "/".join(link.names[:-1])
        self._tell_the_rest()

    def _links_of(self, folder):
        """Yield the folder's links that were not seen before."""
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
        if self._is_repeated(folder, here):
            return
        for link in links:
            if link.key not in self._seen:
                self._seen.add(link.key)
                yield link

    def _is_repeated(self, folder, here):
        """Return whether a redirect led to a folder that is read anyway."""
        there = self._bounds.link(here)
        if there is None or there.key == folder.key:
            return False
        is_known = there.key in self._seen
        self._seen.add(there.key)
        return is_known

    def _fits(self, names):
        """Return whether files in this folder are wanted and the daemon takes it; else tell."""
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
        """Tell what is left out, in MOST_TOLD lines at most."""
        self._left_out += 1
        if self._left_out <= MOST_TOLD:
            self._tell(text)

    def _tell_the_rest(self):
        if self._left_out > MOST_TOLD:
            self._tell(f"{self._left_out - MOST_TOLD} more were left out")
        if self._deeper:
            self._tell(f"links left out because they go below depth {self._wanted.depth}: {self._deeper}; "
                       "--depth goes further")


# -- reading -----------------------------------------------------------------------------------

class Reader:
    """Reads the listings of one walk; a context manager.

    `options` are the effective ones of the tasks, `network` is a net.network.Network. Raise
    TransferError or LocalError.
    """

    def __init__(self, bounds, options, network, retry_wait):
        self._bounds, self._options, self._network, self._retry_wait = bounds, options, network, retry_wait
        self._stop = Signal()
        self._http = _Http(bounds, options, network, self._stop)
        self._ftp = ftp_listing.Client(options, network, self._stop)

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self._ftp.close()
        self._stop.close()

    def __call__(self, url):
        """Return (the URL after redirects, its Links, whether these are all)."""
        read = self._read_folder if self._speaks_ftp(url) else self._read_page
        for number in range(1, TRIES + 1):
            try:
                return read(url)
            except Temporary as error:
                if number == TRIES:
                    raise
                self._stop.sleep(min(LONGEST_WAIT, error.retry_after or self._retry_wait * number))

    def _speaks_ftp(self, url):
        """Return whether the server is talked to in FTP; an HTTP proxy turns its folders into pages."""
        proxy = choose(url, self._options.proxy, self._network.proxies)
        return url.scheme.startswith("ftp") and not (
            url.scheme == "ftp" and proxy is not None and proxy.scheme in ("http", "https"))

    def _read_page(self, url):
        answer = self._http.open(url)
        try:
            if answer.resource.media_type not in _PAGES:
                found = answer.resource.media_type or "a file"
                raise Permanent(f"this is no listing: the server sent {found}")
            page = read_whole(answer.stream, LARGEST, LONGEST)
        finally:
            answer.stream.close()
        return (answer.located, *links_of_page(self._bounds, answer.located, page))

    def _read_folder(self, url):
        entries = self._ftp.entries(url, self._bounds.start.origin)
        return url, links_of_folder(self._bounds, url, entries), len(entries) < ftp_listing.MOST


class _Http(http.Client):
    """Follows a redirect only within the bounds."""

    def __init__(self, bounds, *arguments):
        super().__init__(*arguments)
        self._bounds = bounds

    def check_redirect(self, here, there):
        link = self._bounds.link(there._replace(user=None, password=None))
        if link is None:
            raise Permanent(f"the server redirects to {there}, which is not below the start",
                            word="redirects")
