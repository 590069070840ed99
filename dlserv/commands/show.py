"""list, status, info, log, stats: what there is, for people and for scripts."""

import json
import time

from ..client.rest import task_path
from ..units import clean, format_seconds, format_size
from .rows import list_table, plain
from .words import choose

_BYTES = ("total_bytes", "downloaded_bytes", "total_bytes_estmt", "free_bytes")


def list_tasks(client, options, terminals):
    """The tasks, as a table or as JSON."""
    out = terminals[0]
    rows = client.get("/task/list", **({"state": options.state} if options.state else {}))["detail"]
    if options.json:
        _print_json(out, rows)
    elif not out.is_terminal:
        out.write(*[plain(row) for row in rows])
    elif rows:
        table = list_table(out)
        out.write(table.heading(), *[table.line(row) for row in rows])
    else:
        out.write("there are no tasks" + (" in this state" if options.state else ""))
    return 0


def status(client, options, terminals):
    def show(detail):
        return {key: value for key, value in detail.items() if key != "log"}
    return _show_each(client, options, terminals[0], "status", show)


def info(client, options, terminals):
    return _show_each(client, options, terminals[0], "info", dict)


def _show_each(client, options, out, what, show):
    for number, tid in enumerate(choose(client, options.tasks)):
        detail = client.get(task_path(tid, what))["detail"]
        if options.json:
            _print_json(out, detail)
        else:
            out.write(*([""] if number else []) + _lines(out, show(detail)))
    return 0


def log(client, options, terminals):
    """The newest lines of one task's log."""
    out = terminals[0]
    tids = choose(client, options.tasks)
    for tid in tids:
        detail = client.get(task_path(tid, "status"))["detail"]
        if options.json:
            _print_json(out, detail["log"])
            continue
        if len(tids) > 1:
            out.write(out.paint("%s %s" % (tid[:8], clean(detail["title"])), "bold"))
        out.write(*["%s %-7s %s" % (_date(entry["time"]), entry["type"], clean(entry["msg"]))
                    for entry in reversed(detail["log"])])
    return 0


def stats(client, options, terminals):
    """How the daemon as a whole is doing."""
    reply = client.get("/stats")
    del reply["status"]
    if options.json:
        _print_json(terminals[0], reply)
    else:
        terminals[0].write(*_lines(terminals[0], reply))
    return 0


# -- one object, a line for each key ------------------------------------------------------

def _lines(out, fields):
    longest = max(map(len, fields))
    return ["%s  %s" % (key.ljust(longest), clean(_value(key, value, out.is_terminal)))
            for key, value in fields.items()]


def _value(key, value, for_people):
    """The value as text; numbers are exact where a script reads them."""
    if value is None:
        return ""
    if isinstance(value, bool) or isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False)
    if key.endswith("_time"):
        return _date(value) if value else "never"
    if for_people and isinstance(value, (int, float)):
        if key in _BYTES:
            return "%s (%d)" % (format_size(value), value) if value >= 1024 else format_size(value)
        if key == "speed":
            return format_size(value) + "/s"
        if key in ("eta", "elapsed", "uptime"):
            return format_seconds(value)
    return str(value)


def _date(seconds):
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def _print_json(out, value):
    out.write(json.dumps(value, ensure_ascii=False))
