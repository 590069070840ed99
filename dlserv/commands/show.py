"""list, status, info, log, stats, archive, config, openurl: what there is, for people and for scripts."""

import json
import os
import re
import socket
import sys
import time
from urllib.parse import urlsplit, urlunsplit

from ..contract import tid_of
from ..errors import InvalidValue, LocalError, Refused
from ..settings.config import AUTOMATION, TABLES
from ..units import clean, format_seconds, format_size, safe_json
from .arguments import LEAST_DIGITS, STATE_WORDS, choose
from .parser import nearest
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
    """Print the figures of the daemon, or of several."""
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
    """Return the value as text, exact where a script reads it."""
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


# -- the settings -------------------------------------------------------------------------

def config(client, options, terminals):
    """Change the settings that have values, then print those that are only named, or all."""
    out = terminals[0]
    asked, changes = [], {}     # asked: [(section, key), …], where the key is None in a section without keys
    for word in options.settings:
        name, mark, value = word.partition("=")
        if name in AUTOMATION:
            if mark:
                raise InvalidValue(name, "can be set in the daemon's configuration file only")
            asked.append((name, None))
        elif name in TABLES and not mark:
            asked += [(name, key) for key in TABLES[name].fields]
        elif mark:
            section, key = _find(name.strip())
            changes.setdefault(section, {}).update(_parse(TABLES[section], key, value.strip()))
        else:
            asked.append(_find(name.strip()))
    shown = client.config(changes)
    if asked or not options.settings:
        _print(out, shown, asked, options.json)
    return 0


def _parse(table, key, text):
    if text == "null":
        return table.parse({key: None})
    return table.parse({key: text}, text=True)


def _find(name):
    """Return (section, key) of "section.key", or of a key that only one section has."""
    section, _, key = name.rpartition(".")
    found = [(each, key) for each, table in TABLES.items() if section in ("", each) and key in table.fields]
    if not found:
        names = {each: f"{where}.{each}" for where, table in TABLES.items() for each in table.fields}
        raise InvalidValue(name or "config", "there is no such setting" + nearest(key, names))
    if len(found) > 1:
        raise InvalidValue(name, f"give its section too: {' or '.join(map('.'.join, found))}")
    return found[0]


def _print(out, shown, asked, as_json):
    if len(asked) == 1 and asked[0][1] and not as_json:
        section, key = asked[0]
        return out.write(_text(shown[section][key]))
    chosen = {} if asked else shown
    for section, key in asked:
        if key is None:
            chosen[section] = shown[section]
        else:
            chosen.setdefault(section, {})[key] = shown[section][key]
    if as_json:
        return out.write(safe_json(chosen))
    for section, values in chosen.items():
        if section in TABLES:
            out.write(*[f"{section}.{key}={_text(value)}" for key, value in values.items()])
        else:
            out.write(f"{section}={safe_json(values)}")


def _text(value):
    value = " ".join(value) if isinstance(value, list) else value
    return clean(value) if isinstance(value, str) else json.dumps(value)


# -- the page -----------------------------------------------------------------------------

def openurl(client, options, terminals):
    """Print the page's address; with a terminal and a desktop, open it too."""
    if not client.url.startswith(("http://", "https://")):
        raise LocalError(f"the daemon listens on {client.url}, which no browser can open; "
                         "put a reverse proxy in front of it or let it listen on a port")
    try:
        client.get("/health")
    except Refused:
        pass        # it is there, and the page says what ails it
    address = _by_name(client.url).rstrip("/") + "/"
    terminals[0].write(address)
    if terminals[0].is_terminal and not options.print_only:
        _open(address)
    return 0


def _by_name(url):
    """Put this machine's name in the place of an address that means every address."""
    parts = urlsplit(url)
    if parts.hostname not in ("0.0.0.0", "::"):
        return url
    return urlunsplit(parts._replace(netloc=f"{socket.gethostname()}:{parts.port}"))


def _open(address):
    """Hand the address to the desktop, if there is one; do not wait for the browser."""
    import shutil
    import subprocess
    if hasattr(os, "startfile"):        # Windows
        os.startfile(address)
        return
    has_desktop = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    opener = shutil.which("open" if sys.platform == "darwin" else "xdg-open" if has_desktop else "")
    if opener:
        subprocess.Popen([opener, address], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                         stderr=subprocess.DEVNULL, start_new_session=True)
