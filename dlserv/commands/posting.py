"""What `add` and `get` are to fetch: URLs with their options, from the command line and from lists.

A list has a URL a line; lines that begin with # are comments; indented lines below a URL
are options of it, `name=value`, by our names or aria2's. Several URLs on one line, with
tabs between them, are mirrors of one file, as aria2 has it.
"""

import sys

from .. import options
from ..errors import InvalidValue

# aria2's names for what we have, as they stand in its lists.
_ARIA2 = {"out": "filename", "header": "headers", "max_download_limit": "ratelimit", "split": "connections",
          "max_connection_per_server": "connections", "max_tries": "retries", "pause": "paused",
          "http_user": "user", "http_passwd": "password", "ftp_user": "user", "ftp_passwd": "password",
          "all_proxy": "proxy", "check_certificate": "verify_tls"}
_BETWEEN = {"headers": "\n", "mirrors": " "}        # what may be said more than once


def read_tasks(given, folder):
    """[(url, options checked), …] of a command line; `folder` is the option `dir`, or None.

    Raises InvalidValue, also for a list that cannot be read.
    """
    common = _common(given)
    if folder:
        common["dir"] = folder
    entries = [(url, {}, "") for url in given.urls if url != "-"]
    for path in given.lists + ["-"] * ("-" in given.urls):
        entries += _read_list(path)
    if not entries:
        raise InvalidValue("URL", "none was given")
    if given.out and len(entries) > 1:
        raise InvalidValue("--out", "one name does not fit %d downloads" % len(entries))
    return [(url, _parse(common, own, where)) for url, own, where in entries]


def _common(given):
    """The options of the command line, as text."""
    texts = {"filename": given.out, "checksum": given.checksum, "ratelimit": given.limit,
             "connections": given.connections, "headers": "\n".join(given.header),
             "mirrors": " ".join(given.mirror), "priority": getattr(given, "priority", None),
             "paused": "true" if getattr(given, "paused", False) else None}
    texts = {name: text for name, text in texts.items() if text}
    for each in given.option:
        _put(texts, each)
    return texts


def _put(texts, text):
    name, mark, value = text.partition("=")
    name = name.strip().replace("-", "_")
    if not mark:
        raise InvalidValue("option", "%r is not name=value" % text)
    name = _ARIA2.get(name, name)
    texts[name] = _BETWEEN[name].join([texts[name], value.strip()]) if name in _BETWEEN and name in texts \
        else value.strip()


def _parse(common, own, where):
    try:
        return options.parse(dict(common, **own), text=True)
    except InvalidValue as error:
        raise InvalidValue(where + error.key, error.reason) from None


def _read_list(path):
    """[(url, {option: text}, where it stands), …]"""
    entries = []
    for number, line in enumerate(_lines(path), 1):
        where = "%s, line %d: " % ("standard input" if path == "-" else path, number)
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if line[0] not in " \t":
            url, *mirrors = line.split("\t")
            entries.append((url.strip(), {"mirrors": " ".join(mirrors)} if mirrors else {}, where))
        elif not entries:
            raise InvalidValue(where + "option", "there is no URL above it")
        else:
            _put(entries[-1][1], line.strip())
    return entries


def _lines(path):
    try:
        if path == "-":
            data = sys.stdin.buffer.read()
        else:
            with open(path, "rb") as file:
                data = file.read()
        return data.decode("utf-8-sig").splitlines()
    except OSError as error:
        raise InvalidValue("--input", "%s cannot be read: %s" % (path, error.strerror)) from None
    except UnicodeDecodeError:
        raise InvalidValue("--input", "%s is not text in UTF-8" % path) from None
