"""add: post downloads, all that there are in as few requests as hold them."""

import json

from ..client import tid_of
from ..terminal import clean
from .act import tell_failures
from .posting import read_tasks

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
    tell_failures([(url, reason) for url, reason in refused], errors)
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
