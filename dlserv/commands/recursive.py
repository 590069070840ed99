"""add -r: the files below directory listings as tasks."""

import os

from .. import urls
from ..errors import InvalidValue, LocalError, TransferError
from ..net.named_files import NamedFiles
from ..settings import options as task_options
from ..settings import sources
from ..settings.config import Config
from ..settings.current import Settings
from ..units import clean
from .crawl import Reader, Walk, Wanted, make_network
from .listing import Bounds

DEPTH, MOST = 5, 1000
DEEPEST, LARGEST = 100, 100000
NOT_FOR_MANY = ("filename", "checksum", "mirrors")      # options of a task that fit one file only


def find(starts, options, errors):
    """Return ([(URL, options), …] of the files below the starts, whether all went well).

    `errors` is the Terminal for what is left out. Raise InvalidValue.
    """
    wanted = Wanted(_number(options.depth, DEPTH, DEEPEST), _number(options.most, MOST, LARGEST),
                    options.accept or (), options.reject or ())
    starts = [_start(url, posted) for url, posted in starts]
    settings, network = _environment(options)
    found, failed = {}, False
    try:
        for bounds, posted in starts:
            effective = task_options.effective(posted, settings.download, str(bounds.start))
            left = wanted._replace(most=wanted.most - len(found))
            with Reader(bounds, effective, network, settings.download.retry_wait) as read:
                walk = Walk(bounds, read, left, errors.complain)
                failed |= not _collect(walk, bounds, posted, found, errors)
    finally:
        network.pool.close()
    return list(found.items()), not failed


def _collect(walk, bounds, posted, found, errors):
    """Add the walk's files to {URL: options}; return whether all its listings could be read."""
    try:
        for url, folder in walk:
            folders = [each for each in (posted.get("dir"), folder) if each]
            found.setdefault(url, dict(posted, dir="/".join(folders)) if folders else posted)
    except (TransferError, LocalError) as error:
        errors.complain_of([(str(bounds.page), str(error))])
        return False
    return not walk.failed


def _start(url, posted):
    """Return (Bounds, the options of the tasks, with the login in the URL)."""
    try:
        parsed = urls.parse(url)
    except ValueError as error:
        raise InvalidValue("URL", f"{urls.shown(url)} {error}") from None
    for name in NOT_FOR_MANY:
        if posted.get(name):
            raise InvalidValue(name, "one name does not fit all files of a listing; leave it out")
    if parsed.user is not None:
        posted = dict({"user": parsed.user, "password": parsed.password or ""}, **posted)
    return Bounds(parsed), posted


def _number(text, default, most):
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= most):
        raise InvalidValue(text.flag, f"{clean(text)!r} is not a whole number from 1 to {most}")
    return int(text)


def _environment(options):
    """Return (the Settings that this machine has for downloads, a Network with them). Raise InvalidValue."""
    mapping, _, config_path, *_ = sources.gather(options, os.environ)
    folder = os.path.dirname(config_path)
    if options.load_cookies:
        folder, name = os.path.split(os.path.abspath(options.load_cookies))
        mapping["download"] = dict(mapping.get("download", {}), cookies_file=name)
    settings = Settings(Config.parse(mapping))
    files = NamedFiles(settings, folder)
    try:
        files.check(settings.download)
    except InvalidValue as error:
        if options.load_cookies and error.key == "download.cookies_file":
            raise InvalidValue(options.load_cookies.flag, error.reason) from None
        raise
    netrc = os.path.expanduser("~/.netrc")
    return settings, make_network(settings, sources.environment_proxies(), netrc, files.cookies)


# -- what is done with them --------------------------------------------------------------------

def show(tasks, out):
    """Print the URL and the folder of each task, tab-separated."""
    out.write(*[f"{clean(url)}\t{clean(posted.get('dir', ''))}" for url, posted in tasks])


def without_known(tasks, client, errors, quiet):
    """Return the tasks that the daemon does not have yet; tell how many it has."""
    from ..contract import tid_of
    known = {row["tid"] for row in client.tasks()} if tasks else set()
    new = [task for task in tasks if tid_of(task[0]) not in known]
    if len(new) < len(tasks) and not quiet:
        errors.complain("left as they are, because they were added before: %d" % (len(tasks) - len(new)))
    return new
