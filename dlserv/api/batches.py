"""Routes for many tasks in one request: all that can be done is done, the rest is listed in a 207.

Portions keep the memory small. Once the database breaks, all later ones have failed.
"""

from .. import urls
from ..errors import Archived, InvalidValue, StoreBroken
from .large import joined
from .replies import error_reply, json_reply, to_json
from .requests import read_batch, read_list, read_task, repeated

PORTION = 500           # tasks


class _Failures:
    """[name, reason] of each that failed, encoded: so many objects would leave the heap in pieces for good."""

    def __init__(self):
        self.json, self._count = bytearray(), 0

    def add(self, name, error):
        self.json += (b", " if self.json else b"") + to_json([name, str(error)])
        self._count += 1

    def __len__(self):
        return self._count


def _with_lists(reply, **lists):
    pieces = [reply.body[:reply.body.rindex(b"}")]]
    for name, failures in lists.items():
        if failures:
            pieces += [b', "%s": [' % name.encode(), failures.json, b"]"]
    return reply._replace(body=joined(pieces + [b"}\n"]))


def add_tasks(daemon, request):
    """Add each task that can be added; what the archive has is no failure."""
    repeat = request.boolean("repeat")
    entries, tids = read_list(request.json()), []
    failures, had = _Failures(), _Failures()
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
            (had if isinstance(error, Archived) else failures).add(_shown(url), error)
    if not failures:
        return _with_lists(json_reply({"tids": tids}), had_already=had)
    sentence = f"{len(failures)} of {len(entries)} tasks were refused; the others are added"
    return _with_lists(error_reply(207, sentence, tids=tids), detail=failures, had_already=had)


def _readable(entries, repeat, failures):
    for entry in entries:
        try:
            task = read_task({"url": entry} if isinstance(entry, str) else entry)
        except InvalidValue as error:
            failures.add(_shown(entry.get("url")) if isinstance(entry, dict) else None, error)
        else:
            yield repeated(task, repeat)


def _shown(url):
    return urls.shown(url) if isinstance(url, str) else None


def act_on_tasks(daemon, request):
    act, (tids, _) = request.path.rpartition("/")[2], read_batch(request.json())
    return _act_on_each(tids, lambda portion: daemon.act_on_all(act, portion))


def delete_tasks(daemon, request):
    tids, del_file = read_batch(request.json())
    return _act_on_each(tids, lambda portion: daemon.delete_all(portion, del_file)[1])


def _act_on_each(tids, act):
    """Call `act(tids)`, which returns [(tid, error), …], for each portion."""
    tids, failures = list(dict.fromkeys(tids)), _Failures()
    for portion in _portions(tids):
        try:
            failed = act(portion)
        except StoreBroken as error:
            if portion[0] == tids[0]:
                raise
            failed = [(tid, error) for tid in portion]
        for tid, error in failed:
            failures.add(tid, error)
    if not failures:
        return {}
    sentence = f"{len(failures)} of {len(tids)} tasks failed; the others are done"
    return _with_lists(error_reply(207, sentence), detail=failures)


def _portions(items):
    for start in range(0, len(items), PORTION):
        yield items[start:start + PORTION]
