"""Methods that change downloads; states that do not permit it raise RpcError with aria2's message."""

from ... import urls
from ...errors import Conflict, NotFound
from ...settings.options import MOST_MIRRORS
from ...tasks.states import PAUSED
from . import options
from .adding import is_url
from .gids import Removed, gid_of
from .jsonrpc import RpcError, array, integer, optional, string, strings, struct
from .results import ACTIVE, STOPPED, WAITING

OK = "OK"
LIVE = ACTIVE + WAITING
PORTION = 500           # tasks of a batch that are changed at a time


def find(door, params):
    """Return the Task or Removed whose gid is the first parameter. Raise RpcError."""
    return door.gids.find(string(params, 0))


def find_in(states, door, params, sentence):
    """Return the Task of the gid. Raise RpcError with the sentence if it is in none of the states."""
    found = find(door, params)
    if isinstance(found, Removed):
        raise RpcError(sentence.format(found.gid))
    if found.state not in states:
        raise RpcError(sentence.format(gid_of(found)))
    return found


def _act(task, sentence, act, *arguments):
    """Call `act(tid, …)`; return the gid. Raise RpcError with the sentence if the state forbids it."""
    gid = gid_of(task)
    try:
        act(task.tid, *arguments)
    except Conflict:
        raise RpcError(sentence.format(gid)) from None
    except NotFound:
        raise RpcError(f"GID {gid} is not found") from None
    return gid


def pause(door, params):
    sentence = "GID#{} cannot be paused now"
    return _act(find_in(LIVE, door, params, sentence), sentence, door.daemon.pause)


def unpause(door, params):
    sentence = "GID#{} cannot be unpaused now"
    return _act(find_in((PAUSED,), door, params, sentence), sentence, door.daemon.resume)


def pause_all(door, params):
    return _in_portions(door, [state for state in LIVE if state != PAUSED], door.daemon.pause_all)


def unpause_all(door, params):
    return _in_portions(door, [PAUSED], door.daemon.resume_all)


def _in_portions(door, states, act):
    tids = [task.tid for state in states for task in door.daemon.list(state)]
    for start in range(0, len(tids), PORTION):
        act(tids[start:start + PORTION])
    return OK


def remove(door, params):
    """Remove a download that has not stopped; what is here of its file stays."""
    sentence = "Active Download not found for GID#{}"
    task = find_in(LIVE, door, params, sentence)
    removed = door.teller.removed(task)
    door.gids.bury(removed)
    try:
        return _act(task, sentence, door.daemon.delete, False, LIVE)
    except BaseException:
        door.gids.forget(removed.gid)
        raise


def remove_result(door, params):
    """Forget a download that has stopped; its file stays."""
    found = find(door, params)
    if isinstance(found, Removed):
        door.gids.forget(found.gid)
    else:
        sentence = "Could not remove download result of GID#{}"
        _act(find_in(STOPPED, door, params, sentence), sentence, door.daemon.delete, False, STOPPED)
    return OK


def purge_results(door, params):
    """Forget all downloads that have stopped; their files stay."""
    door.gids.forget_all()
    return _in_portions(door, STOPPED, lambda tids: door.daemon.delete_all(tids, False, STOPPED))


def change_position(door, params):
    """Move a waiting download; return its new place in the queue, from 0 on."""
    string(params, 0)
    offset, how = integer(params, 1), string(params, 2)
    sentence = "GID#{} not found in the waiting queue."
    task = find_in(LIVE + STOPPED, door, params, sentence)
    if how not in ("POS_SET", "POS_CUR", "POS_END"):
        raise RpcError("Illegal argument.")
    queue = door.daemon.queue()
    if task not in queue:
        raise RpcError(sentence.format(gid_of(task)))
    base = {"POS_SET": 0, "POS_CUR": queue.index(task), "POS_END": len(queue) - 1}[how]
    place = min(max(0, base + offset), len(queue) - 1)
    _act(task, sentence, door.daemon.move, place)
    queue = door.daemon.queue()
    return queue.index(task) if task in queue else place


def change_option(door, params):
    """Change the options that differ from what getOption tells."""
    string(params, 0)
    given = struct(params, 1)
    task = find_in(LIVE, door, params, "Cannot change option for GID#{}")
    told = options.of_task(task, door.teller.folder(task))
    given = {name: text for name, text in options.texts(given).items() if told[0].get(name, "") != text}
    posted = options.convert(given, task.url, door.root, told, task.options.proxy)
    posted.pop("paused", None)
    if posted:
        door.daemon.change(task.tid, posted=posted)
    return OK


def change_uri(door, params):
    """Take URIs from a download, add others; return how many of each."""
    string(params, 0)
    index = integer(params, 1, 1)
    gone, new = strings(array(params, 2)), strings(array(params, 3))
    position = optional(integer, params, 4, None)
    task = find_in(LIVE, door, params, "Cannot remove URIs from GID#{}")
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
    """Return (the URLs that stay, how many went); a URI removes the first that is told so."""
    left = list(there)
    for uri in gone:
        match = next((url for url in left if uri in (url, urls.shown(url))), None)
        if match is not None:
            left.remove(match)
    return left, len(there) - len(left)
