"""aria2's 36 methods in one table, in aria2's order, and those that only look.

Each takes (door, params), without the token, and returns a plain value or raises RpcError.
"""

from ... import urls
from ...settings.config import TABLES
from ...version import __version__
from . import adding, control, options
from .control import OK, find, find_in
from .gids import Removed
from .jsonrpc import MULTICALL, RpcError, array, integer, optional, string, strings, struct
from .results import ACTIVE, STOPPED, WAITING, page, uris

VERSION = "1.37.0"          # of aria2; clients hide what later versions brought
NOTIFICATIONS = ("onDownloadStart", "onDownloadPause", "onDownloadStop", "onDownloadComplete",
                 "onDownloadError", "onBtDownloadComplete")

# aria2's names of the settings that can be changed.
_LIVE = {"max-concurrent-downloads": "max_concurrent", "max-overall-download-limit": "ratelimit"}

# Without "BitTorrent" and "Metalink", so that clients hide those menus.
_FEATURES = ("Async DNS", "GZip", "HTTPS", "Message Digest")


# -- one download -----------------------------------------------------------------------

def tell_status(door, params):
    gid, keys = string(params, 0), _keys(params, 1)
    return door.teller.statuses([door.gids.find(gid)], keys)[0]


def get_uris(door, params):
    return uris(find_in(control.LIVE, door, params, "No URI data is available for GID#{}"))


def get_files(door, params):
    return door.teller.statuses([find(door, params)], ["files"])[0]["files"]


def get_servers(door, params):
    """Return the server of an active download."""
    task = find_in(ACTIVE, door, params, "No active download for GID#{}")
    there = task.resource.url if task.resource else task.url
    return [{"index": "1", "servers": [{"uri": urls.shown(task.url), "currentUri": urls.shown(there),
                                        "downloadSpeed": str(int(task.speed))}]}]


def get_peers(door, params):
    find(door, params)
    return []


def get_option(door, params):
    found = find(door, params)
    task = found.task if isinstance(found, Removed) else found
    return options.of_task(task, door.teller.folder(task))[0]


def _keys(params, index):
    return strings(optional(array, params, index, []))


# -- lists ------------------------------------------------------------------------------

def tell_active(door, params):
    """Return the active downloads, the first started first."""
    keys = _keys(params, 0)
    tasks = sorted(door.daemon.list(*ACTIVE), key=lambda task: (task.start_time, task.order))
    return door.teller.statuses(tasks, keys)


def tell_waiting(door, params):
    return _tell_page(door, params, door.daemon.queue)


def tell_stopped(door, params):
    """Return the downloads that have stopped, in that order."""
    def stopped():
        ends = [(task.end_time, task) for state in STOPPED for task in door.daemon.list(state)]
        ends += [(removed.time, removed) for removed in door.gids.removed()]
        return [each for _, each in sorted(ends, key=lambda pair: pair[0])]
    return _tell_page(door, params, stopped)


def _tell_page(door, params, list_all):
    offset, count, keys = integer(params, 0), integer(params, 1, 0), _keys(params, 2)
    return door.teller.statuses(page(list_all(), offset, count), keys)


def get_global_stat(door, params):
    """Return the speed and the counts."""
    counts = door.daemon.counts()
    active, waiting, ended = (sum(counts[state] for state in states) for states in (ACTIVE, WAITING, STOPPED))
    ended = str(ended + len(door.gids.removed()))
    return {"downloadSpeed": str(int(door.daemon.stats()["speed"])), "uploadSpeed": "0", "numActive": str(active),
            "numWaiting": str(waiting), "numStopped": ended, "numStoppedTotal": ended}


# -- the daemon -------------------------------------------------------------------------

def get_version(door, params):
    return {"version": VERSION, "enabledFeatures": list(_FEATURES), "dlserv": __version__}


def get_session_info(door, params):
    return {"sessionId": door.session_id}


def get_global_option(door, params):
    return options.of_config(door.daemon.config, door.root)


def change_global_option(door, params):
    """Change what POST /config may change; accept what has no meaning here."""
    given = options.texts(struct(params, 0))
    if given.get("dir", door.root).rstrip("/") not in (door.root, ""):
        raise RpcError("dir: the download directory is set in the configuration file")
    changes = {ours: options.parse(name, ours, given[name], TABLES["download"])
               for name, ours in _LIVE.items() if given.get(name)}
    if changes:
        door.daemon.configure({"download": changes})
    return OK


def save_session(door, params):
    return OK               # the database is always written


def refuse_torrent(door, params):
    """Check the parameters as aria2 does, and refuse."""
    string(params, 0)
    optional(array, params, 1, [])
    optional(struct, params, 2, {})
    raise RpcError("dlserv downloads over HTTP, HTTPS and FTP only; torrents need a BitTorrent client")


def refuse_metalink(door, params):
    """Check the parameters as aria2 does, and refuse."""
    string(params, 0)
    optional(struct, params, 1, {})
    raise RpcError("dlserv reads no Metalink files; add the URIs that are in it")


def refuse_shutdown(door, params):
    raise RpcError("dlserv cannot be shut down over this interface; stop it where it was started")


def list_methods(door, params):
    return list(METHODS)


def list_notifications(door, params):
    return ["aria2." + name for name in NOTIFICATIONS]


METHODS = {
    "aria2.addUri": adding.add_uri,
    "aria2.addTorrent": refuse_torrent,
    "aria2.getPeers": get_peers,
    "aria2.addMetalink": refuse_metalink,
    "aria2.remove": control.remove,
    "aria2.pause": control.pause,
    "aria2.forcePause": control.pause,
    "aria2.pauseAll": control.pause_all,
    "aria2.forcePauseAll": control.pause_all,
    "aria2.unpause": control.unpause,
    "aria2.unpauseAll": control.unpause_all,
    "aria2.forceRemove": control.remove,
    "aria2.changePosition": control.change_position,
    "aria2.tellStatus": tell_status,
    "aria2.getUris": get_uris,
    "aria2.getFiles": get_files,
    "aria2.getServers": get_servers,
    "aria2.tellActive": tell_active,
    "aria2.tellWaiting": tell_waiting,
    "aria2.tellStopped": tell_stopped,
    "aria2.getOption": get_option,
    "aria2.changeUri": control.change_uri,
    "aria2.changeOption": control.change_option,
    "aria2.getGlobalOption": get_global_option,
    "aria2.changeGlobalOption": change_global_option,
    "aria2.purgeDownloadResult": control.purge_results,
    "aria2.removeDownloadResult": control.remove_result,
    "aria2.getVersion": get_version,
    "aria2.getSessionInfo": get_session_info,
    "aria2.shutdown": refuse_shutdown,
    "aria2.forceShutdown": refuse_shutdown,
    "aria2.getGlobalStat": get_global_stat,
    "aria2.saveSession": save_session,
    MULTICALL: None,            # taken apart by jsonrpc, before any method is looked up
    "system.listMethods": list_methods,
    "system.listNotifications": list_notifications,
}
