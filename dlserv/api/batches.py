"""Routes for many tasks in one request: all that can be done is done, the rest is listed in a 207.

A batch is handled in portions, so that the memory it takes does not grow with its length.
If the database breaks after the first portion, the later ones are listed as failed.
"""

from .. import urls
from ..errors import Archived, InvalidValue, StoreBroken
from . import bodies
from .replies import Encoded, error_reply, json_reply, with_lists

PORTION = 500           # tasks


def add_tasks(daemon, request):
    """Add each task that can be added. What the archive has is no failure; it is listed beside them."""
    repeat = request.boolean("repeat", default=False)
    entries, tids = bodies.read_list(request.json(), "tasks"), []
    failures, had = Encoded(), Encoded()
    for portion in _portions(entries):
        wanted = list(_readable(portion, repeat, failures))
        try:
            added, refused = daemon.add_all(wanted)
        except StoreBroken as error:
            if not tids:        # nothing is done yet: a plain 503
                raise
            added, refused = [], [(url, error) for url, _, _ in wanted]
        tids += added
        for url, error in refused:
            (had if isinstance(error, Archived) else failures).add_failure(_shown(url), error)
    lists = {"had_already": had} if had else {}
    if not failures:
        return with_lists(json_reply({"tids": tids}), **lists)
    sentence = f"{len(failures)} of {len(entries)} tasks were refused; the others are added"
    return with_lists(error_reply(207, sentence, tids=tids), detail=failures, **lists)


def _readable(entries, repeat, failures):
    """Yield (url, options, notes) of each entry that has the right shape; add the others to the failures."""
    for entry in entries:
        try:
            yield bodies.repeated(bodies.read_entry(entry), repeat)
        except InvalidValue as error:
            failures.add_failure(_shown(entry.get("url")) if isinstance(entry, dict) else None, error)


def _shown(url):
    return urls.shown(url) if isinstance(url, str) else None


def act_on_tasks(daemon, request):
    """Carry out the act that the last segment of the path names."""
    act = request.path.rpartition("/")[2]
    tids, _ = bodies.read_batch(request.json())
    return _act_on_each(tids, lambda portion: daemon.act_on_all(act, portion))


def delete_tasks(daemon, request):
    """Delete each task, with its files if the body says so."""
    tids, del_file = bodies.read_batch(request.json())
    return _act_on_each(tids, lambda portion: daemon.delete_all(portion, del_file)[1])


def _act_on_each(tids, act):
    """Call `act(tids)`, which returns [(tid, error), …], for each portion; return the reply."""
    tids, failures = list(dict.fromkeys(tids)), Encoded()
    for portion in _portions(tids):
        try:
            failed = act(portion)
        except StoreBroken as error:
            if portion[0] == tids[0]:
                raise
            failed = [(tid, error) for tid in portion]
        for tid, error in failed:
            failures.add_failure(tid, error)
    if not failures:
        return {}
    sentence = f"{len(failures)} of {len(tids)} tasks failed; the others are done"
    return with_lists(error_reply(207, sentence), detail=failures)


def _portions(items):
    for start in range(0, len(items), PORTION):
        yield items[start:start + PORTION]
