"""Words of the command line as tasks that are there, as URLs with their options, and as settings."""

import os
import re
import sys
from functools import lru_cache

from ..contract import STATES, tid_of
from ..errors import InvalidValue, Refused
from ..fs import check_file
from ..settings import inputfile, options, sources
from ..units import clean
from .flags import Typed
from .parser import nearest
from .rows import name_of

LEAST_DIGITS = 4
STATE_WORDS = dict({state: (state,) for state in STATES}, failed=("invalid",))


# -- tasks ----------------------------------------------------------------------------------

def choose(client, words, all_of=STATES):
    """Return the tids of the tasks that the words name, each once.

    A word is a tid or its first digits, a URL, a part of one file's name, a state, or "all",
    for the states `all_of`. Raise Refused where one names no task, or more than one but is no state.
    """
    @lru_cache(maxsize=None)
    def rows():
        return {row["tid"]: row for row in client.tasks()}

    return list(dict.fromkeys(tid for word in words for tid in _tids(word, rows, all_of)))


def _tids(word, rows, all_of):
    if not word.strip():        # an unset variable of a script; it is a part of every name
        raise InvalidValue("task", "an empty word names no task")
    states = all_of if word == "all" else STATE_WORDS.get(word)
    if states:
        return [tid for tid, row in rows().items() if row["state"] in states]
    if "://" in word:
        return [tid_of(word)]
    if re.fullmatch("[0-9a-f]{40}", word.lower()):
        return [word.lower()]
    return _by_digits(word.lower(), rows()) or _by_name(word, rows())


def _by_digits(prefix, rows):
    if re.fullmatch("[0-9a-f]{%d,}" % LEAST_DIGITS, prefix) is None:
        return []
    found = [tid for tid in rows if tid.startswith(prefix)]
    if len(found) > 1:
        raise Refused(f"{len(found)} tasks begin with {prefix}; give more digits of "
                      + _some([tid[:12] for tid in found]), 409)
    return found


def _by_name(word, rows):
    names = {tid: name_of(row) for tid, row in rows.items()}
    exact = [tid for tid, name in names.items() if word in (name, name.rpartition("/")[2])]
    found = exact or [tid for tid, name in names.items() if word.casefold() in name.casefold()]
    if not found:
        raise Refused(f"there is no task {word}: no tid begins with it, and no file's name contains it"
                      + nearest(word, ["all", *STATE_WORDS]), 404)
    if len(found) > 1:
        shared = [f"{names[tid]} ({tid[:8]})" for tid in found]
        raise Refused(f"{len(found)} tasks have {word} in their names; give more of {_some(shared)}", 409)
    return found


def _some(words):
    return " or ".join(words[:3]) + (", …" if len(words) > 3 else "")


# -- URLs, with their options ---------------------------------------------------------------

def target_of(given):
    """Return (the folder or "", the file's name or None, the word of -o or -O or None); see -d, too."""
    named = [given.out] if given.out else []
    named += [each for each in given.remote_names if each and "://" not in each]     # behind -O may be a URL
    for each in (given.out, given.dir):
        if each == "":
            raise InvalidValue(each.flag, "must not be empty")
    if len(named) > 1:
        raise InvalidValue(named[1].flag, f"the file already has the name {named[0]}; name it once")
    folder, name = os.path.split(named[0] if named else "")
    folders = [each for each in (given.dir, folder) if each]
    return os.path.join(*folders) if folders else "", name or None, named[0] if named else None


def read_tasks(given, more):
    """Return [(url, options checked), …]; `more` are further (flag, option, text). Raise InvalidValue."""
    common, flags = _common([*given.given, *more])
    urls = given.urls + [each for each in given.remote_names if "://" in each]
    entries = [inputfile.Entry(url) for url in urls if url != "-"]
    for path in [*given.lists, *[Typed("-", "-")] * ("-" in given.urls)]:
        entries += _read_list(path)
    if not entries:
        raise InvalidValue("URL", "none was given; name one, or a list with -i")
    if "filename" in common and len(entries) > 1:
        raise InvalidValue(flags["filename"], f"one name does not fit {len(entries)} downloads")
    return [(entry.url, _options(entry, common)) for entry in entries]


def _common(given):
    """Return ({option: text}, {option: its flag as typed}). Raise InvalidValue, naming the flag."""
    texts, flags = {}, {}
    for flag, name, text in given:
        inputfile.put(texts, f"{name}={text}")
        flags[name] = f"{flag} {name}" if flag == "--option" else flag
    try:
        options.parse(texts, text=True)
    except InvalidValue as error:
        raise InvalidValue(flags.get(error.key.rpartition(".")[2], error.key), error.reason) from None
    return texts, flags


def _options(entry, common):
    try:
        return entry.options(common)
    except InvalidValue as error:
        raise InvalidValue(entry.where + error.key, error.reason) from None


def _read_list(path):
    try:
        if path == "-":
            return inputfile.read(sys.stdin.buffer.read(), "standard input", path.flag)
        with open(path, "rb") as file:
            return inputfile.read(file.read(), path, path.flag)
    except OSError as error:
        raise InvalidValue(path.flag, f"{path} cannot be read: {error.strerror}") from None


def read_changes(words):
    """Return (a fresh URL or None, {option: value, None for the default}). Raise InvalidValue."""
    texts, url = {}, None
    for word in words:
        key, mark, value = word.partition("=")
        if key.strip() == "url" and mark:
            url = value.strip()
        else:
            inputfile.put(texts, word)
    texts = {key: None if text == "null" else text for key, text in texts.items()}
    try:
        return url, dict(texts, **options.parse(texts, text=True))
    except InvalidValue as error:
        raise InvalidValue(error.key.rpartition(".")[2], error.reason) from None


# -- for commands that download or read listings themselves ---------------------------------

def settings_of(given):
    """Return (the mapping for a Daemon in this process, its other arguments)."""
    mapping, _, config_path = sources.gather(given, os.environ)[:3]
    folder, path = os.path.dirname(config_path), given.load_cookies
    if path:
        try:
            check_file(path)
        except OSError as error:
            raise InvalidValue(path.flag, f"{path} cannot be read: {error.strerror}") from None
        folder, name = os.path.split(os.path.abspath(path))
        mapping["download"] = dict(mapping.get("download", {}), cookies_file=name)
    return mapping, (sources.environment_proxies(), os.path.expanduser("~/.netrc"), folder)


def number_of(text, default, most):
    """Return the flag's number, from 1 to `most`. Raise InvalidValue."""
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= most):
        raise InvalidValue(text.flag, f"{clean(text)!r} is not a whole number from 1 to {most}")
    return int(text)
