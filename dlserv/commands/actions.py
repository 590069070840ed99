"""Commands that add, change and remove any number of tasks in few requests."""

from functools import partial

from .. import urls
from ..contract import STATES, tid_of
from ..errors import InvalidValue, Permanent, Refused
from ..units import clean
from .arguments import choose, read_changes, read_tasks, target_of

PORTION = 500       # tasks of one request, as the daemon stores them, so that each is durable soon


def add(client, options, terminals):
    """Add the URLs; return the exit code."""
    out, errors = terminals
    wanted, whole = _wanted(client, options, terminals)
    added = tids, refused, had = [], [], []
    for start in range(0, len(wanted), PORTION):
        for all_of, part in zip(added, client.add_many(wanted[start:start + PORTION])):
            all_of += part
    if options.lists or options.recursive or "-" in options.urls:
        if had and not options.quiet:
            errors.complain(f"{len(had)} had already; --repeat downloads them again")
    else:       # the daemon's sentence ends with what a program is to post
        refused += [(url, f"{reason.partition(';')[0]}; --repeat downloads it again") for url, reason in had]
    errors.complain_of(refused)
    code = 1 if refused or not whole else 0
    if out.is_terminal and not options.quiet:
        named = {tid_of(url): url for url, _ in wanted}
        out.write(*[f"{tid[:8]} {clean(named[tid])}" for tid in tids])
    else:
        out.write(*tids)
    if options.wait and tids:
        from .watch import await_all
        return max(code, await_all(client, tids, errors, options.quiet))
    return code


def _wanted(client, options, terminals):
    """Return ([(URL, options), …] to add, whether all listings could be read)."""
    given, whole = read_tasks(options, _place(options)), True
    if options.recursive:
        from . import recursive
        given, whole = recursive.find(given, options, terminals[1])
        if options.dry_run:
            terminals[0].write(*[f"{clean(url)}\t{clean(posted.get('dir', ''))}" for url, posted in given])
            return [], whole
        given = recursive.without_known(given, client, terminals[1], options.quiet)
    else:
        flags = [each.flag for each in (options.depth, options.most, *options.accept, *options.reject)
                 if each is not None] + ["--dry-run"] * options.dry_run
        if flags:
            raise InvalidValue(flags[0], "only add -r has a use for this; add -r or leave it out")
    return _with_cookies(given, options.load_cookies), whole


def _place(options):
    """Return where the file goes, as (flag, option, text)."""
    folder, name, word = target_of(options)
    if word == "-":
        raise InvalidValue(word.flag, "only get writes to standard output")
    place = [(word.flag, "filename", name)] if name else []
    return place + ([((options.dir or word).flag, "dir", folder)] if folder else [])


def _with_cookies(tasks, path):
    if not path:
        return tasks
    from ..net.cookies import CookieFile, Jar
    try:
        cookies = CookieFile().read(path)
    except Permanent as error:
        raise InvalidValue(path.flag, str(error)) from None
    return [(url, _with_cookies_for(url, posted, Jar(cookies))) for url, posted in tasks]


def _with_cookies_for(url, posted, jar):
    try:
        header = jar.header(urls.parse(url))
    except ValueError:
        return posted       # the daemon says what is wrong with the URL
    together = "; ".join(filter(None, (posted.get("cookies"), header)))
    return dict(posted, cookies=together) if together else posted


# Past participle of each act, and the states of the tasks that "all" stands for.
TOLD = {
    "pause": ("paused", ("downloading", "queued")),
    "resume": ("resumed", ("paused", "invalid")),
    "restart": ("restarted", ("finished", "invalid")),
    "refresh": ("asked to be refreshed", ("finished",)),
    "verify": ("asked to be verified", ("finished",)),
    "delete": ("removed", STATES),
}


def _act(name, client, options, terminals, **more):
    past, states = TOLD[name]
    tids = choose(client, options.tasks, states)
    failures = client.act_on_all(name, tids, **more)
    return _report(terminals, options, len(tids), failures, past)


pause, resume, restart, refresh, verify = (
    partial(_act, name) for name in ("pause", "resume", "restart", "refresh", "verify"))


def remove(client, options, terminals):
    return _act("delete", client, options, terminals, **({"del_file": True} if options.with_file else {}))


def _report(terminals, options, count, failures, past):
    out, errors = terminals
    errors.complain_of([(tid[:8], reason) for tid, reason in failures])
    done = count - len(failures)
    if out.is_terminal and not options.quiet and (done or not failures):
        out.write(f"{done} task{'' if done == 1 else 's'} {past}")
    return 1 if failures else 0


def change(client, options, terminals):
    """Change the options of the tasks, or the URL of one."""
    url, changes = read_changes(options.changes)
    tids = choose(client, [options.task])
    if url and len(tids) > 1:
        raise InvalidValue("url", f"one link does not fit {len(tids)} tasks")
    failures = []
    for tid in tids:
        try:
            client.change(tid, url, **changes)
        except Refused as refusal:
            failures.append((tid, refusal))
    return _report(terminals, options, len(tids), failures, "changed")


def move(client, options, terminals):
    for tid in choose(client, [options.task]):
        client.move(tid, options.to)
    return 0
