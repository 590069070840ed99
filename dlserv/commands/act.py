"""add, pause, resume, restart, rm, move: however many tasks, in as few requests as hold them."""

import json

from ..client.rest import STATES, task_path, tid_of
from ..units import clean
from .words import choose, read_tasks

LARGEST = 2 ** 19       # bytes of one request; the daemon takes twice as many


def add(client, options, terminals):
    """Add the URLs that were named; gives the exit code."""
    out, errors = terminals
    tids, refused = [], []
    given = read_tasks(options, options.dir)
    for tasks in _batches(given):
        reply = client.post("/task/batch/add", {"tasks": tasks})
        tids += reply["tids"]
        refused += reply.get("detail", [])
    errors.complain_of(refused)
    if out.is_terminal and not options.quiet:
        urls = {tid_of(url): url for url, _ in given}
        out.write(*["%s %s" % (tid[:8], clean(urls[tid])) for tid in tids])
    else:
        out.write(*tids)
    code = 1 if refused else 0
    if options.wait and tids:
        from .watch import await_all
        code = max(code, await_all(client, tids, errors, options.quiet))
    return code


def _batches(tasks):
    """The tasks as the API takes them, in lists that each fit a request."""
    batch, size = [], 0
    for url, posted in tasks:
        task = {"url": url, "options": posted}
        size += len(json.dumps(task)) + 2
        if size > LARGEST and batch:
            yield batch
            batch, size = [], len(json.dumps(task)) + 2
        batch.append(task)
    yield batch


def pause(client, options, terminals):
    return _act("pause", "paused", ("downloading", "queued"), client, options, terminals)


def resume(client, options, terminals):
    return _act("resume", "resumed", ("paused", "invalid"), client, options, terminals)


def restart(client, options, terminals):
    return _act("restart", "restarted", ("finished", "invalid"), client, options, terminals)


def remove(client, options, terminals):
    return _act("delete", "removed", STATES, client, options, terminals,
                **({"del_file": True} if options.with_file else {}))


def _act(act, past, all_of, client, options, terminals, **more):
    """POST the batch; gives 1 if a task refused. A person is told how many were done."""
    out, errors = terminals
    tids = choose(client, options.tasks, all_of)
    failures = client.post("/task/batch/" + act, dict(more, tids=tids)).get("detail", [])
    errors.complain_of((tid[:8], reason) for tid, reason in failures)
    done = len(tids) - len(failures)
    if out.is_terminal and not options.quiet and (done or not failures):
        out.write("%d task%s %s" % (done, "" if done == 1 else "s", past))
    return 1 if failures else 0


def move(client, options, terminals):
    for tid in choose(client, [options.task]):
        client.put(task_path(tid), act="move", to=options.to)
    return 0
