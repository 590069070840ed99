"""aria2's options turned into ours, for one download.

`texts` checks the struct that a client sent and returns strings; `unmask` puts secrets
back that the client knows only as "***"; `convert` returns the options that a task is
posted with or changed by, where None resets one. What makes no difference here is
accepted, because clients send it with every download; so are names that nobody knows.
"""

import os
import re
from urllib.parse import quote

from ...errors import InvalidValue
from ...masking import MASK
from ...settings import options
from .jsonrpc import RpcError

MOST_CONNECTIONS = 16

# aria2's options that mean the same as one of ours, as text.
_SAME = {"user-agent": "user_agent", "max-download-limit": "ratelimit", "timeout": "timeout",
         "checksum": "checksum"}
_FLAGS = {"pause": "paused", "check-certificate": "verify_tls"}
_OF_HEADERS = {"cookie": "cookies", "user-agent": "user_agent", "referer": "referer"}

# Headers that browser extensions send along and that the engine must set itself.
_DROPPED = frozenset("""accept-encoding connection keep-alive te trailer upgrade proxy-connection
    content-length transfer-encoding if-match if-modified-since if-none-match if-range
    if-unmodified-since""".split())
_PROXIES = ("all", "http", "https", "ftp")
_SECRET = frozenset(["header", "referer", "http-passwd", "ftp-passwd"] + [
    f"{scheme}-proxy{ending}" for scheme in _PROXIES for ending in ("", "-passwd")])
_USED = _SECRET | set(_SAME) | set(_FLAGS) | set(
    """dir out split max-connection-per-server max-tries http-user ftp-user allow-overwrite
    parameterized-uri max-concurrent-downloads max-overall-download-limit""".split()) | {
        f"{scheme}-proxy-user" for scheme in _PROXIES}
_SEVERAL = re.compile(r"\{[^{}]*\}|\[[^\[\]]*-[^\[\]]*\]")


def texts(given):
    """Return {name: text} of the options that have a meaning here; lists are joined to lines.

    Raise RpcError for a value that is neither a string nor a number nor a boolean.
    """
    return {name: _text(name, value) for name, value in given.items() if name in _USED and value is not None}


def _text(name, value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return "\n".join(value)
    if not isinstance(value, str):
        raise wrong(name, "this is not a string")
    return value


def wrong(name, reason):
    """Return the RpcError for a value that an option cannot have."""
    return RpcError(f"The option {name[:40]}: {reason}")


# -- secrets ----------------------------------------------------------------------------

def unmask(given, told, real):
    """Return the texts with the real value wherever the client sent back what it was told.

    `told` and `real` are the options of the download that is meant, masked and not, {} if
    there is none. Raise RpcError for a mask that stands for nothing known.
    """
    result = dict(given)
    for name in _SECRET & set(given):
        if name == "header":
            result[name] = _unmask_lines(given[name], told, real)
        elif given[name] == told.get(name):
            result[name] = real[name]
        elif MASK in given[name]:
            raise masked(name)
    return result


def _unmask_lines(text, told, real):
    known = dict(zip(told.get("header", "").split("\n"), real.get("header", "").split("\n")))
    lines = [known.get(line, line) for line in text.split("\n")]
    if any(line.partition(":")[2].strip() == MASK for line in lines):
        raise masked("header")
    return "\n".join(lines)


def masked(name):
    """Return the RpcError for a mask that nothing is known for."""
    return RpcError(f"option {name}: {MASK} stands for a secret; send the value itself")


# -- conversion -------------------------------------------------------------------------

def convert(given, url, root, proxy=None):
    """Return our options for the texts of aria2's; `root` is the download directory.

    `proxy` is the URL of the proxy so far, for a change of its user alone. Raise RpcError,
    which names the option.
    """
    posted = {}
    for name, ours in _SAME.items():
        if name in given:
            posted[ours] = _parse(name, ours, given[name])
    for name, ours in _FLAGS.items():
        if given.get(name):
            posted[ours] = _parse(name, ours, given[name])
    _put_headers(posted, given)
    _put_referer(posted, given, url)
    _put_place(posted, given, root)
    _put_connections(posted, given)
    _put_tries(posted, given)
    _put_user(posted, given, url)
    _put_proxy(posted, given, url, proxy)
    if given.get("parameterized-uri") == "true" and _SEVERAL.search(url):
        raise wrong("parameterized-uri", "a URI that stands for several is not supported; add each of them")
    return posted


def _parse(name, ours, value):
    """Return our checked value, None for an empty one. Raise RpcError."""
    if value == "":
        return None
    try:
        return options.parse({ours: value}, text=isinstance(value, str))[ours]
    except InvalidValue as error:
        raise wrong(name, error.reason) from None


def _put_headers(posted, given):
    if "header" not in given:
        return
    headers, taken = {}, {"cookies": None}
    for line in filter(None, map(str.strip, given["header"].split("\n"))):
        name, colon, value = line.partition(":")
        name, value = name.strip(), value.strip()
        if not colon:
            raise wrong("header", "there is a line that is not NAME: VALUE")
        lower = name.lower()
        if lower in _OF_HEADERS:
            ours = _OF_HEADERS[lower]
            taken[ours] = f"{taken[ours]}; {value}" if lower == "cookie" and taken[ours] else value
        elif lower not in _DROPPED and (lower, value) != ("range", "bytes=0-"):
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
    for ours, value in taken.items():
        posted[ours] = _parse("header", ours, value or "")
    posted["headers"] = _parse("header", "headers", headers) if headers else None


def _put_referer(posted, given, url):
    if "referer" in given:
        value = given["referer"]
        posted["referer"] = _parse("referer", "referer", url if value == "*" else value)


def _put_place(posted, given, root):
    """Put the folder and the name of the file; `out` may have a folder below `dir`."""
    parts = [part for part in given.get("out", "").split("/") if part != "."]
    if parts[0] == "" and len(parts) > 1 or ".." in parts:
        raise wrong("out", "it must be a path below dir")
    below = "/".join(filter(None, parts[:-1]))
    if given.get("dir") or below:
        folder = _below(given.get("dir") or root, root)
        posted["dir"] = _parse("out" if below else "dir", "dir", "/".join(filter(None, [folder, below])))
    elif "dir" in given:
        posted["dir"] = None
    if "out" in given:
        posted["filename"] = _parse("out", "filename", parts[-1])


def _below(text, root):
    """Return the folder relative to the download directory. Raise RpcError if it is elsewhere."""
    path = os.path.expanduser(text) if text == "~" or text.startswith("~/") else text
    if os.path.isabs(path):
        path = os.path.normpath(path)
        for base in (root, os.path.realpath(root)):
            if path == base:
                return ""
            if path.startswith(base.rstrip("/") + "/"):
                return path[len(base.rstrip("/")) + 1:]
    raise RpcError(f"dir must be {root} or below it")


def _put_connections(posted, given):
    counts = [_number(name, given[name], 1) for name in ("split", "max-connection-per-server")
              if given.get(name)]
    if counts:
        posted["connections"] = min(counts + [MOST_CONNECTIONS])


def _put_tries(posted, given):
    if given.get("max-tries"):
        posted["retries"] = options.retries_of(_number("max-tries", given["max-tries"], 0))


def _number(name, text, least):
    if re.fullmatch("[0-9]{1,15}", text.strip()) is None or int(text) < least:
        raise wrong(name, f"this is not a whole number from {least} on")
    return int(text)


def _put_user(posted, given, url):
    kind = "ftp" if url.lower().startswith("ftp") else "http"
    for name, ours in ((kind + "-user", "user"), (kind + "-passwd", "password")):
        if name in given:
            posted[ours] = _parse(name, ours, given[name])


def _put_proxy(posted, given, url, proxy):
    """Put the URL of the proxy for the scheme of the download, with its user and password."""
    scheme = url.partition(":")[0].lower()
    kinds = [f"{scheme[:3] if scheme.startswith('ftp') else scheme}-proxy", "all-proxy"]
    values = {ending: next((given[kind + ending] for kind in kinds if given.get(kind + ending)), None)
              for ending in ("", "-user", "-passwd")}
    if not any(values.values()):
        if any(kind in given for kind in kinds):
            posted["proxy"] = None
        return
    there = values[""] or proxy
    if there:
        name = next(kind for kind in kinds + [""] if given.get(kind) or not kind) or "all-proxy"
        posted["proxy"] = _parse(name, "proxy", _with_user(there, values["-user"], values["-passwd"]))


def _with_user(proxy, user, password):
    scheme, mark, rest = proxy.rpartition("://")
    scheme = scheme if mark else "http"
    if user is None:
        return f"{scheme}://{rest}"
    return f"{scheme}://{quote(user, safe='')}:{quote(password or '', safe='')}@{rest.rpartition('@')[2]}"
