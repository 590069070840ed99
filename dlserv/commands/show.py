"""list, status, info, log, stats: what there is, for people and for scripts."""

import time

from ..units import clean, format_seconds, format_size, safe_json
from .arguments import STATE_WORDS, choose
from .rows import list_lines, plain

_BYTES = ("total_bytes", "downloaded_bytes", "total_bytes_estmt", "free_bytes")


def list_tasks(client, options, terminals):
    """Print the tasks, or those that the words name: as a table, in columns for scripts, or as JSON."""
    out = terminals[0]
    words = options.tasks + [options.state] * bool(options.state)
    rows = _rows(client, words)
    if options.json:
        _print_json(out, *rows)
    elif not out.is_terminal:
        out.write(*[plain(row) for row in rows])
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
    def shown(detail):
        return {key: value for key, value in detail.items() if key != "log"}
    return _show_each(client, options, terminals[0], client.task, shown)


def info(client, options, terminals):
    return _show_each(client, options, terminals[0], client.info, dict)


def _show_each(client, options, out, ask, shown):
    for number, tid in enumerate(choose(client, options.tasks)):
        detail = ask(tid)
        if options.json:
            _print_json(out, detail)
        else:
            out.write(*([""] if number else []) + _lines(out, shown(detail)))
    return 0


def log(client, options, terminals):
    """Print the newest lines of each task's log."""
    out = terminals[0]
    tids = choose(client, options.tasks)
    for tid in tids:
        detail = client.task(tid)
        if options.json:
            _print_json(out, detail["log"])
            continue
        if len(tids) > 1:
            name = detail["filename"] or detail["title"]
            out.write(out.paint("%s %s" % (tid[:8], clean(name)), "bold"))
        out.write(*["%s %-7s %s" % (_date(entry["time"]), entry["type"], clean(entry["msg"]))
                    for entry in reversed(detail["log"])])
    return 0


def stats(client, options, terminals):
    """Print how the daemon as a whole is doing, or several together and each of them."""
    out, reply = terminals[0], client.stats()
    if options.json:
        _print_json(out, reply)
        return 0
    each = reply.pop("daemons", [])
    out.write(*_lines(out, reply))
    for figures in each:
        out.write("", out.paint(clean(figures.pop("url")), "bold"), *_lines(out, figures))
    return 0


# -- one object, a line for each key ------------------------------------------------------

def _lines(out, fields):
    longest = max(map(len, fields))
    return ["%s  %s" % (key.ljust(longest), clean(_value(key, value, out.is_terminal)))
            for key, value in fields.items()]


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
    if for_people and isinstance(value, (int, float)):
        return _for_people(key, value)
    return str(value)


def _for_people(key, value):
    if key in _BYTES:
        return "%s (%d)" % (format_size(value), value) if value >= 1024 else format_size(value)
    if key == "speed":
        return format_size(value) + "/s"
    return format_seconds(value) if key in ("eta", "elapsed", "uptime") else str(value)


def _date(seconds):
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def _print_json(out, *values):
    """Print each value as a line of JSON."""
    out.write(*map(safe_json, values))
