"""archive: what was downloaded and whose task was removed since."""

import re
import time

from ..contract import tid_of
from ..errors import InvalidValue, Refused
from ..units import format_size, safe_json
from .arguments import LEAST_DIGITS

PAGE = 5000     # entries of one request


def archive(client, options, terminals):
    """List the entries that the words name, or all, or forget them; return the exit code."""
    out, errors = terminals
    if options.forget:
        return _forget(client, options, out)
    known = False
    for entry in _chosen(client, options.entries):
        known = True
        out.write(safe_json(entry) if options.json else _line(entry, out.is_terminal))
    if not known and out.is_terminal:
        out.write("the archive has no such entry" if options.entries else "the archive is empty")
    return 0 if known or not options.entries else 1


def _forget(client, options, out):
    if not options.entries:
        raise InvalidValue("--forget", "name what to forget, or all")
    if "all" in options.entries:
        client.forget("all")
        return 0
    tids = {entry["tid"] for entry in _chosen(client, options.entries)}
    for tid in tids:
        client.forget(tid)
    if not tids:
        raise Refused("the archive has no such entry", 404)
    if out.is_terminal and not options.quiet:
        out.write(f"{len(tids)} forgotten")
    return 0


def _chosen(client, words):
    """Yield the entries that one of the words names; all of them without words."""
    starts = [_start(word) for word in words if word != "all"]
    for entry in _entries(client):
        if len(starts) < len(words) or not words or entry["tid"].startswith(tuple(starts)):
            yield entry


def _start(word):
    """Return the beginning of a tid that the word stands for. Raise InvalidValue."""
    if "://" in word:
        return tid_of(word)
    if re.fullmatch("[0-9a-f]{%d,40}" % LEAST_DIGITS, word.lower()) is None:
        raise InvalidValue("ENTRY", f"{word!r} is neither a URL nor the beginning of a tid; the archive has "
                           "no names")
    return word.lower()


def _entries(client):
    """Yield all entries, the oldest first."""
    offset = 0
    while True:
        page = client.archive(offset, PAGE)
        yield from page
        offset += PAGE          # of each daemon, where there are several
        if len(page) < PAGE:
            return


def _line(entry, for_people):
    if not for_people:
        return "\t".join([entry["tid"], "%d" % entry["time"], str(entry["size"]), entry["sha256"] or ""])
    day = time.strftime("%Y-%m-%d", time.localtime(entry["time"]))
    return f"{entry['tid'][:12]}  {day}  {format_size(entry['size'])}"
