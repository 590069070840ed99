"""What `add` and `get` are to fetch: URLs with their options, from the command line and from lists."""

import sys

from .. import lists
from ..errors import InvalidValue


def read_tasks(given, folder):
    """[(url, options checked), …] of a command line; `folder` is the option `dir`, or None.

    Raises InvalidValue, also for a list that cannot be read.
    """
    common = _common(given)
    if folder:
        common["dir"] = folder
    entries = [lists.Entry(url) for url in given.urls if url != "-"]
    for path in given.lists + ["-"] * ("-" in given.urls):
        entries += _read_list(path)
    if not entries:
        raise InvalidValue("URL", "none was given")
    if given.out and len(entries) > 1:
        raise InvalidValue("--out", "one name does not fit %d downloads" % len(entries))
    return [(entry.url, _options(entry, common)) for entry in entries]


def _options(entry, common):
    try:
        return entry.options(common)
    except InvalidValue as error:
        raise InvalidValue(entry.where + error.key, error.reason) from None


def _common(given):
    """The options of the command line, as text."""
    texts = {"filename": given.out, "checksum": given.checksum, "ratelimit": given.limit,
             "connections": given.connections, "headers": "\n".join(given.header),
             "mirrors": " ".join(given.mirror), "priority": getattr(given, "priority", None),
             "paused": "true" if getattr(given, "paused", False) else None}
    texts = {name: text for name, text in texts.items() if text}
    for each in given.option:
        lists.put(texts, each)
    return texts


def _read_list(path):
    try:
        if path == "-":
            return lists.read(sys.stdin.buffer.read(), "standard input", "--input")
        with open(path, "rb") as file:
            return lists.read(file.read(), path, "--input")
    except OSError as error:
        raise InvalidValue("--input", "%s cannot be read: %s" % (path, error.strerror)) from None
