"""Methods that change downloads: pause, remove, move, and their options and URIs.

Each takes (door, params) and returns what aria2 would; states that do not permit it
raise RpcError with aria2's message.
"""

from ... import urls
from ...errors import Conflict, NotFound
from ...settings.options import MOST_MIRRORS
from ...tasks.states import PAUSED
from . import options, parameters
from .adding import is_url
from .gids import Removed, gid_of
from .jsonrpc import RpcError
from .results import ACTIVE, STOPPED, WAITING

OK = "OK"
PORTION = 500           # tasks of a batch that are changed at a time


def find_live(door, params, sentence):
    """Return the Task whose gid is the first parameter. Raise RpcError if it was removed."""
    found = door.gids.find(parameters.string(params, 0))
    if isinstance(found, Removed):
        raise RpcError(sentence.format(found.gid))
    return found


def _act(task, act, sentence):
    """Call `act(tid)`; return the gid, or raise RpcError with the sentence if the state forbids it."""
    gid = gid_of(task)
    try:
        act(task.tid)
    except Conflict:
        raise RpcError(sentence.format(gid)) from None
    except NotFound:
        raise RpcError(f"GID {gid} is not found") from None
    return gid


def pause(door, params):
    sentence = "GID#{} cannot be paused now"
    return _act(find_live(door, params, sentence), door.daemon.pause, sentence)


def unpause(door, params):
    """Let a paused download go on."""
    sentence = "GID#{} cannot be unpaused now"
    task = find_live(door, params, sentence)
    if task.state != PAUSED:
        raise RpcError(sentence.format(gid_of(task)))
    return _act(task, door.daemon.resume, sentence)


def pause_all(door, params):
    """Pause all downloads that wait or are active."""
    states = [state for state in ACTIVE + WAITING if state != PAUSED]
    return _in_portions([task.tid for state in states for task in door.daemon.list(state)],
                        door.daemon.pause_all)


def unpause_all(door, params):
    return _in_portions([task.tid for task in door.daemon.list(PAUSED)], door.daemon.resume_all)


def _in_portions(tids, act):
    for start in range(0, len(tids), PORTION):
        act(tids[start:start + PORTION])
    return OK


def remove(door, params):
    """Remove a download that has not stopped; what is here of its file stays."""
    sentence = "Active Download not found for GID#{}"
    task = find_live(door, params, sentence)
    if task.state in STOPPED:
        raise RpcError(sentence.format(gid_of(task)))
    removed = door.teller.removed(task)
    door.gids.bury(removed)
    try:
        return _act(task, door.daemon.delete, sentence)
    except BaseException:
        door.gids.forget(removed.gid)
        raise


def remove_result(door, params):
    """Forget a download that has stopped; its file stays."""
    found = door.gids.find(parameters.string(params, 0))
    if isinstance(found, Removed):
        door.gids.forget(found.gid)
        return OK
    sentence = "Could not remove download result of GID#{}"
    if found.state not in STOPPED:
        raise RpcError(sentence.format(gid_of(found)))
    _act(found, door.daemon.delete, sentence)
    return OK


def purge_results(door, params):
    """Forget all downloads that have stopped; their files stay."""
    door.gids.forget_all()
    return _in_portions([task.tid for state in STOPPED for task in door.daemon.list(state)],
                        door.daemon.delete_all)


def change_position(door, params):
    """Move a waiting download; return its new place in the queue, from 0 on."""
    gid, offset = parameters.string(params, 0), parameters.integer(params, 1)
    how = parameters.string(params, 2)
    sentence = "GID#{} not found in the waiting queue."
    task = find_live(door, [gid], sentence)
    if how not in ("POS_SET", "POS_CUR", "POS_END"):
        raise RpcError("Illegal argument.")
    queue = door.daemon.queue()
    if task not in queue:
        raise RpcError(sentence.format(gid_of(task)))
    base = {"POS_SET": 0, "POS_CUR": queue.index(task), "POS_END": len(queue) - 1}[how]
    place = min(max(0, base + offset), len(queue) - 1)
    _act(task, lambda tid: door.daemon.move(tid, place), sentence)
    queue = door.daemon.queue()
    return queue.index(task) if task in queue else place


def change_option(door, params):
    """Change the options that differ from what getOption tells."""
    sentence = "Cannot change option for GID#{}"
    gid, given = parameters.string(params, 0), parameters.struct(params, 1)
    task = find_live(door, [gid], sentence)
    if task.state in STOPPED:
        raise RpcError(sentence.format(gid_of(task)))
    told, real = door.options_of(task)
    given = {name: text for name, text in options.texts(given).items() if told.get(name, "") != text}
    posted = options.convert(options.unmask(given, told, real), task.url, door.root, task.options.proxy)
    posted.pop("paused", None)
    if posted:
        door.daemon.change(task.tid, posted=posted)
    return OK


def change_uri(door, params):
    """Take URIs from a download and give others to it; return how many of each."""
    sentence = "Cannot remove URIs from GID#{}"
    gid, index = parameters.string(params, 0), parameters.integer(params, 1, 1)
    gone = parameters.strings(parameters.array(params, 2))
    new = parameters.strings(parameters.array(params, 3))
    position = parameters.optional(parameters.integer, params, 4, None)
    task = find_live(door, [gid], sentence)
    if task.state in STOPPED:
        raise RpcError(sentence.format(gid_of(task)))
    if index != 1:
        raise RpcError("fileIndex is out of range")
    there = [task.url] + list(task.options.mirrors)
    left, deleted = _without(there, gone)
    wanted = [uri for uri in map(str.strip, new) if is_url(uri)]
    place = len(left) if position is None else max(0, position)
    result = left[:place] + wanted + left[place:]
    if not result:
        result, deleted = there[:1], deleted - 1
    result = result[:1 + MOST_MIRRORS]
    if result != there:
        door.daemon.change(task.tid, result[0] if result[0] != task.url else None, {"mirrors": result[1:]})
    return [deleted, len(wanted)]


def _without(there, gone):
    """Return (the URLs that stay, how many went); a URI removes the first URL that is told so."""
    left = list(there)
    for uri in gone:
        match = next((url for url in left if uri in (url, urls.shown(url))), None)
        if match is not None:
            left.remove(match)
    return left, len(there) - len(left)
