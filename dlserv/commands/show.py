"""list, status, info, log, stats, archive: what there is, for people and for scripts."""

import re
import time

from ..contract import tid_of
from ..errors import InvalidValue, Refused
from ..units import clean, format_seconds, format_size, safe_json
from .arguments import LEAST_DIGITS, STATE_WORDS, choose
from .rows import list_lines, plain

PAGE = 5000     # entries of the archive in one request
_BYTES = ("total_bytes", "downloaded_bytes", "total_bytes_estmt", "free_bytes")


def list_tasks(client, options, terminals):
    """Print the tasks, or those that the words name."""
    out = terminals[0]
    words = options.tasks + [options.state] * bool(options.state)
    rows = _rows(client, words)
    if options.json:
        out.write(*map(safe_json, rows))
    elif not out.is_terminal:
        out.write(*map(plain, rows))
    elif rows:
        out.write(*list_lines(out, rows))
    else:
        out.write("there are no tasks" + (" in this state" if words else ""))
    return 0


def _rows(client, words):
    if not words:
        return client.tasks()
    if all(word in STATE_WORDS for word in words):
        states = {state for word in words for state in STATE_WORDS[word]}
        return [row for row in client.tasks() if row["state"] in states]
    tids = choose(client, words)
    rows = {row["tid"]: row for row in client.tasks()}
    return [rows[tid] if tid in rows else client.task(tid) for tid in tids]    # which raises if there is none


def status(client, options, terminals):
    return _show_each(client.task, client, options, terminals[0])


def info(client, options, terminals):
    return _show_each(client.info, client, options, terminals[0])


def _show_each(ask, client, options, out):
    for number, tid in enumerate(choose(client, options.tasks)):
        detail = ask(tid)
        if options.json:
            out.write(safe_json(detail))
        else:
            detail.pop("log", None)
            out.write(*[""] * bool(number), *_lines(out, detail))
    return 0


def log(client, options, terminals):
    """Print each task's log, the latest line last."""
    out = terminals[0]
    tids = choose(client, options.tasks)
    for tid in tids:
        detail = client.task(tid)
        if options.json:
            out.write(safe_json(detail["log"]))
            continue
        if len(tids) > 1:
            out.write(out.paint(f"{tid[:8]} {clean(detail['filename'] or detail['title'])}", "bold"))
        out.write(*[f"{_date(entry['time'])} {entry['type']:7} {clean(entry['msg'])}"
                    for entry in reversed(detail["log"])])
    return 0


def stats(client, options, terminals):
    """Print the figures of the daemon, or the sums of several and each one's."""
    out, reply = terminals[0], client.stats()
    if options.json:
        out.write(safe_json(reply))
        return 0
    each = reply.pop("daemons", [])
    out.write(*_lines(out, reply))
    for figures in each:
        out.write("", out.paint(clean(figures.pop("url")), "bold"), *_lines(out, figures))
    return 0


# -- one object, a line for each key ------------------------------------------------------

def _lines(out, fields):
    longest = max(map(len, fields))
    return [f"{key.ljust(longest)}  {clean(_value(key, value, out.is_terminal))}" for key, value in fields.items()]


def _value(key, value, for_people):
    """Return the value as text; numbers are exact where a script reads them."""
    if value is None:
        return ""
    if key == "window" and for_people:
        until = _date(value["until"]) if value["until"] else "further notice"
        return "{days} {from} to {to}, until {0}".format(until, **value)
    if isinstance(value, (bool, dict, list)):
        return safe_json(value)
    if key.endswith("_time"):
        return _date(value) if value else "never"
    if not for_people or not isinstance(value, (int, float)):
        return str(value)
    if key in _BYTES:
        return format_size(value) + (f" ({value})" if value >= 1024 else "")
    if key == "speed":
        return format_size(value) + "/s"
    return format_seconds(value) if key in ("eta", "elapsed", "uptime") else str(value)


def _date(seconds):
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


# -- the archive --------------------------------------------------------------------------

def archive(client, options, terminals):
    """List or forget the entries that the words name, or all."""
    out = terminals[0]
    if options.forget:
        return _forget(client, options, out)
    known = False
    for entry in _chosen(client, options.entries):
        known = True
        out.write(safe_json(entry) if options.json else _entry_line(entry, out.is_terminal))
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
    starts = tuple(_start(word) for word in words if word != "all")
    offset, page = 0, None
    while page is None or len(page) >= PAGE:
        page = client.archive(offset, PAGE)
        yield from (entry for entry in page
                    if not words or "all" in words or entry["tid"].startswith(starts))
        offset += PAGE          # of each daemon, where there are several


def _start(word):
    """Return the beginning of a tid. Raise InvalidValue."""
    if "://" in word:
        return tid_of(word)
    if re.fullmatch("[0-9a-f]{%d,40}" % LEAST_DIGITS, word.lower()) is None:
        raise InvalidValue("ENTRY", f"{word!r} is neither a URL nor the beginning of a tid; the archive has "
                           "no names")
    return word.lower()


def _entry_line(entry, for_people):
    if not for_people:
        return f"{entry['tid']}\t{int(entry['time'])}\t{entry['size']}\t{entry['sha256'] or ''}"
    day = time.strftime("%Y-%m-%d", time.localtime(entry["time"]))
    return f"{entry['tid'][:12]}  {day}  {format_size(entry['size'])}"
