"""pause, resume, restart, rm, move: one request for however many tasks."""

from ..client import STATES, task_path
from .choosing import choose


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
    tell_failures([(tid[:8], reason) for tid, reason in failures], errors)
    done = len(tids) - len(failures)
    if out.is_terminal and not options.quiet and (done or not failures):
        out.write("%d task%s %s" % (done, "" if done == 1 else "s", past))
    return 1 if failures else 0


def move(client, options, terminals):
    for tid in choose(client, [options.task]):
        client.put(task_path(tid), act="move", to=options.to)
    return 0


def tell_failures(failures, errors):
    """A line on standard error for each (what, reason)."""
    for what, reason in failures:
        errors.complain("%s: %s" % (what, reason))
