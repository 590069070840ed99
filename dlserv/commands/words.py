"""What the words on the command line mean: tasks that are there, or URLs to be fetched."""

import re
import sys

from ..settings import inputfile
from ..client.rest import STATES, tid_of
from ..errors import InvalidValue, Refused

LEAST_DIGITS = 4


# -- tasks ----------------------------------------------------------------------------------

def choose(client, words, all_of=STATES):
    """The tids of what the words name, each once: tids, prefixes of some, URLs, states, "all".

    "all" is every task in one of the states `all_of`. Raises InvalidValue for a word that
    is none of these, Refused where no task or more than one begins with a prefix.
    """
    known = {}      # the rows of the daemon's list, once they are needed

    def rows():
        if not known:
            known.update((row["tid"], row) for row in client.get("/task/list")["detail"])
        return known

    return list(dict.fromkeys(tid for word in words for tid in _tids(word, rows, all_of)))


def _tids(word, rows, all_of):
    if word == "all" or word in STATES:
        states = all_of if word == "all" else (word,)
        return [tid for tid, row in rows().items() if row["state"] in states]
    if "://" in word:
        return [tid_of(word)]
    prefix = word.lower()
    if re.fullmatch("[0-9a-f]{40}", prefix):
        return [prefix]
    if re.fullmatch("[0-9a-f]{%d,}" % LEAST_DIGITS, prefix) is None:
        raise InvalidValue("task", "%r is not a tid or its first %d or more digits, a URL, a state or \"all\""
                           % (word, LEAST_DIGITS))
    return [_only(prefix, [tid for tid in rows() if tid.startswith(prefix)])]


def _only(prefix, found):
    if not found:
        raise Refused("there is no task %s" % prefix, 404)
    if len(found) > 1:
        raise Refused("%d tasks begin with %s; give more digits of %s"
                      % (len(found), prefix, " or ".join(tid[:12] for tid in found[:3])), 409)
    return found[0]


# -- URLs, with their options ---------------------------------------------------------------

def read_tasks(given, folder):
    """[(url, options checked), …] of a command line; `folder` is the option `dir`, or None.

    Raises InvalidValue, also for a list that cannot be read.
    """
    common = _common(given)
    if folder:
        common["dir"] = folder
    entries = [inputfile.Entry(url) for url in given.urls if url != "-"]
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
             "mirrors": " ".join(each.strip().replace(" ", "%20") for each in given.mirror),
             "priority": getattr(given, "priority", None),
             "paused": "true" if getattr(given, "paused", False) else None}
    texts = {name: text for name, text in texts.items() if text}
    for each in given.option:
        inputfile.put(texts, each)
    return texts


def _read_list(path):
    try:
        if path == "-":
            return inputfile.read(sys.stdin.buffer.read(), "standard input", "--input")
        with open(path, "rb") as file:
            return inputfile.read(file.read(), path, "--input")
    except OSError as error:
        raise InvalidValue("--input", "%s cannot be read: %s" % (path, error.strerror)) from None
