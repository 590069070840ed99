"""aria2.addUri: a new task, or the one that is there already.

A URL has one task here, while aria2 adds it as often as it is asked to. So a URL that is
waiting, downloading or paused answers with its gid, one that failed is tried again under a
new gid, and one that finished is fetched again only with allow-overwrite.
"""

import re

from ... import urls
from ...contract import tid_of
from ...errors import Archived, Conflict, Exists, NotFound
from ...masking import MASK
from ...settings.options import MOST_MIRRORS
from ...tasks.states import FINISHED, INVALID, RESTART, RESUME
from . import options
from .gids import Removed, gid_of
from .jsonrpc import RpcError, array, integer, optional, strings, struct
from .results import WAITING

_FIXED = ("filename", "dir")
_OTHER_KINDS = re.compile(r"(?:magnet|ed2k|thunder|torrent):", re.IGNORECASE)


def add_uri(door, params):
    """Add the first URI with the others as its mirrors; return the gid."""
    uris = strings(array(params, 0))
    given = options.texts(optional(struct, params, 1, {}))
    position = optional(integer, params, 2, None)
    if position is not None and position < 0:
        raise RpcError("Position must be greater than or equal to 0.")
    uris = list(dict.fromkeys(uri.strip() for uri in uris))
    if not uris:
        raise RpcError("URI is not provided.")
    for uri in uris:
        if _OTHER_KINDS.match(uri):
            raise RpcError("dlserv downloads over HTTP, HTTPS and FTP only; "
                           f"{uri.partition(':')[0].lower()} links need another client")
    task = _add(door, list(filter(is_url, uris)) or uris[:1], given)
    counts = door.daemon.counts()
    if position is not None and position < sum(counts[state] for state in WAITING) - 1:
        try:
            door.daemon.move(task.tid, position)
        except (Conflict, NotFound):
            pass        # it has started, ended or gone meanwhile
    return gid_of(task)


def is_url(uri):
    """Return whether the URI can be fetched here."""
    try:
        urls.check_url(uri)
    except ValueError:
        return False
    return True


def _add(door, uris, given):
    meant = _meant(door, uris[0])
    known = meant.task if isinstance(meant, Removed) else meant
    url = known.url if known is not None else uris[0]
    if known is None and f"={MASK}" in url:
        raise RpcError(f"uri: {MASK} stands for a secret; send the URL itself")
    told = options.of_task(known, door.teller.folder(known)) if known is not None else ({}, {})
    posted = options.convert(given, url, door.root, told)
    mirrors = _mirrors(uris[1:], known)
    if mirrors:
        posted["mirrors"] = mirrors
    overwrite = given.get("allow-overwrite") == "true"
    if known is not None and known is meant:
        return _again(door.daemon, known, posted, overwrite)
    try:
        return door.daemon.get(door.daemon.add(url, posted))
    except Archived:
        if not overwrite:
            raise
        return door.daemon.get(door.daemon.add(url, dict(posted, repeat=True)))
    except Exists as error:
        return _again(door.daemon, door.daemon.get(error.tid), posted, overwrite)


def _mirrors(uris, known):
    """Return the mirrors; those that are told masked are the known task's own."""
    real = {urls.shown(url): url for url in known.options.mirrors} if known is not None else {}
    return [real.get(uri, uri) for uri in uris][:MOST_MIRRORS]


def _meant(door, url):
    """Return the Task or Removed that is told with this URL, None unless it is exactly one."""
    try:
        return door.daemon.get(tid_of(url))
    except NotFound:
        pass
    start = url.partition(MASK)[0]
    found = {task.url: task for task in door.daemon.list()
             if ("@" in task.url or task.url.startswith(start)) and urls.shown(task.url) == url}
    if not found:
        found = {each.task.url: each for each in door.gids.removed() if urls.shown(each.task.url) == url}
    return next(iter(found.values())) if len(found) == 1 else None


def _again(daemon, task, posted, overwrite):
    """Fetch a task that is there again if it failed or may be overwritten; return it."""
    act = {INVALID: RESUME, FINISHED: RESTART if overwrite else None}.get(task.state)
    if act is None:
        return task
    changes = {name: value for name, value in posted.items() if value is not None}
    paused = changes.pop("paused", False)
    try:
        daemon.change(task.tid, None, changes, act, paused)
    except Conflict:        # its file has begun and keeps its name, or its state has changed meanwhile
        posted = {name: value for name, value in posted.items() if name not in _FIXED}
        return _again(daemon, task, posted, overwrite)
    return task
