"""aria2's options turned into ours, for one download, and ours under aria2's names.

Options that make no difference here, or that nobody knows, are accepted, because clients
send them with every download.
"""

import os
import re
from urllib.parse import quote

from ... import urls
from ...errors import InvalidValue
from ...masking import MASK, hide, mask_headers
from ...settings import options
from .jsonrpc import RpcError
from .results import PIECE

# aria2's options that mean the same as one of ours, as text.
_SAME = {"user-agent": "user_agent", "max-download-limit": "ratelimit", "timeout": "timeout",
         "checksum": "checksum"}
_FLAGS = {"pause": "paused", "check-certificate": "verify_tls"}
_OF_HEADERS = {"cookie": "cookies", "user-agent": "user_agent", "referer": "referer"}

# Headers that browser extensions send along and that the engine must set itself.
_DROPPED = frozenset("""accept-encoding connection keep-alive te trailer upgrade proxy-connection
    content-length transfer-encoding if-match if-modified-since if-none-match if-range
    if-unmodified-since""".split())
_PROXIES = "all-proxy", "http-proxy", "https-proxy", "ftp-proxy"
_SECRET = {"header", "referer", "http-passwd", "ftp-passwd", *_PROXIES, *(name + "-passwd" for name in _PROXIES)}
_USED = {*_SECRET, *_SAME, *_FLAGS, *(name + "-user" for name in _PROXIES), *"""dir out split
    max-connection-per-server max-tries http-user ftp-user allow-overwrite parameterized-uri
    max-concurrent-downloads max-overall-download-limit""".split()}
_SEVERAL = re.compile(r"\{[^{}]*\}|\[[^\[\]]*-[^\[\]]*\]")


def texts(given):
    """Return {name: text} of the options that have a meaning here; lists become lines. Raise RpcError."""
    return {name: _text(name, value) for name, value in given.items() if name in _USED and value is not None}


def _text(name, value):
    if isinstance(value, bool):
        return _flag(value)
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return "\n".join(value)
    if not isinstance(value, str):
        raise wrong(name, "this is not a string")
    return value


def _flag(value):
    return "true" if value else "false"


def wrong(name, reason):
    return RpcError(f"The option {name[:40]}: {reason}")


# -- ours for aria2's -------------------------------------------------------------------

def convert(given, url, root, told=({}, {}), proxy=None):
    """Return our options for the texts of aria2's; None resets one. Raise RpcError.

    root    the download directory
    told    what `of_task` returns for the download that is meant: secrets that the client
            knows only as "***" are taken from there
    proxy   the URL of the proxy so far, for a change of its user alone
    """
    given, posted, kind = _unmask(given, *told), {}, _kind(url)
    for name, ours in dict(_SAME, **{kind + "-user": "user", kind + "-passwd": "password"}).items():
        if name in given:
            posted[ours] = parse(name, ours, given[name])
    for name, ours in _FLAGS.items():
        if given.get(name):
            posted[ours] = parse(name, ours, given[name])
    _put_headers(posted, given)
    if "referer" in given:
        posted["referer"] = parse("referer", "referer", url if given["referer"] == "*" else given["referer"])
    _put_place(posted, given, root)
    _put_counts(posted, given)
    _put_proxy(posted, given, url, proxy)
    if given.get("parameterized-uri") == "true" and _SEVERAL.search(url):
        raise wrong("parameterized-uri", "a URI that stands for several is not supported; add each of them")
    return posted


def _unmask(given, told, real):
    """Put the real value wherever the client sent back what it was told."""
    result = dict(given)
    for name in _SECRET & set(given):
        if name == "header":
            result[name] = _unmask_lines(given[name], told, real)
        elif given[name] == told.get(name):
            result[name] = real[name]
        elif MASK in given[name]:
            raise _masked(name)
    return result


def _unmask_lines(text, told, real):
    known = dict(zip(told.get("header", "").split("\n"), real.get("header", "").split("\n")))
    lines = [known.get(line, line) for line in text.split("\n")]
    if any(line.partition(":")[2].strip() == MASK for line in lines):
        raise _masked("header")
    return "\n".join(lines)


def _masked(name):
    return RpcError(f"option {name}: {MASK} stands for a secret; send the value itself")


def _kind(url):
    return "ftp" if url.lower().startswith("ftp") else "http"


def parse(name, ours, value, table=options.TABLE):
    """Return our checked value, None for an empty one. Raise RpcError."""
    if value == "":
        return None
    try:
        return table.parse({ours: value}, text=isinstance(value, str))[ours]
    except InvalidValue as error:
        raise wrong(name, error.reason) from None


def _put_headers(posted, given):
    if "header" not in given:
        return
    headers, taken = {}, {"cookies": ""}
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
        posted[ours] = parse("header", ours, value)
    posted["headers"] = parse("header", "headers", headers or "")


def _put_place(posted, given, root):
    """Put the folder and the name; `out` may have a folder below `dir`."""
    parts = [part for part in given.get("out", "").split("/") if part != "."]
    if parts[0] == "" and len(parts) > 1 or ".." in parts:
        raise wrong("out", "it must be a path below dir")
    below = "/".join(filter(None, parts[:-1]))
    if given.get("dir") or below:
        folder = _below(given.get("dir") or root, root)
        posted["dir"] = parse("out" if below else "dir", "dir", "/".join(filter(None, [folder, below])))
    elif "dir" in given:
        posted["dir"] = None
    if "out" in given:
        posted["filename"] = parse("out", "filename", parts[-1])


def _below(text, root):
    """Return the folder relative to `root`. Raise RpcError if it is elsewhere."""
    path = os.path.expanduser(text) if text == "~" or text.startswith("~/") else text
    if os.path.isabs(path):
        path = os.path.join(os.path.normpath(path), "")
        for base in (root, os.path.realpath(root)):
            base = os.path.join(base, "")
            if path.startswith(base):
                return path[len(base):-1]
    raise RpcError(f"dir must be {root} or below it")


def _put_counts(posted, given):
    counts = [_number(name, given, 1) for name in ("split", "max-connection-per-server") if given.get(name)]
    if counts:
        posted["connections"] = min(counts + [options.MOST_CONNECTIONS])
    if given.get("max-tries"):
        posted["retries"] = options.retries_of(_number("max-tries", given, 0))


def _number(name, given, least):
    text = given[name].strip()
    if re.fullmatch("[0-9]{1,15}", text) is None or int(text) < least:
        raise wrong(name, f"this is not a whole number from {least} on")
    return int(text)


def _put_proxy(posted, given, url, proxy):
    scheme = url.partition(":")[0].lower()
    kinds = [("ftp" if scheme == "ftps" else scheme) + "-proxy", "all-proxy"]
    there, user, password = (next(filter(None, (given.get(kind + ending) for kind in kinds)), None)
                             for ending in ("", "-user", "-passwd"))
    if there or proxy and (user or password):
        name = next(filter(given.get, kinds), "all-proxy")
        posted["proxy"] = parse(name, "proxy", _with_user(there or proxy, user, password))
    elif not (user or password) and any(kind in given for kind in kinds):
        posted["proxy"] = None


def _with_user(proxy, user, password):
    scheme, mark, rest = proxy.rpartition("://")
    if user is not None:
        rest = f"{quote(user, safe='')}:{quote(password or '', safe='')}@{rest.rpartition('@')[2]}"
    return f"{scheme if mark else 'http'}://{rest}"


# -- aria2's for ours -------------------------------------------------------------------

# Options that do not vary here; clients show "undefined" or "??" for names that are missing.
_FIXED = {
    "allow-overwrite": "false", "always-resume": "true", "auto-file-renaming": "true",
    "check-integrity": "false", "conditional-get": "false", "continue": "true",
    "file-allocation": "none", "force-save": "false", "lowest-speed-limit": "0",
    "max-file-not-found": "0", "max-upload-limit": "0", "min-split-size": "1048576", "no-netrc": "false",
    "parameterized-uri": "false", "pause": "false", "piece-length": str(PIECE), "remote-time": "true",
    "remove-control-file": "false", "retry-wait": "0", "reuse-uri": "true", "seed-ratio": "0.0",
    "seed-time": "0", "stream-piece-selector": "default", "uri-selector": "feedback", "use-head": "false"}
_FIXED_GLOBALS = {
    "bt-max-peers": "0", "bt-remove-unselected-file": "false", "disk-cache": "0", "enable-dht": "false",
    "enable-dht6": "false", "enable-rpc": "true", "follow-torrent": "false", "listen-port": "", "log": "",
    "log-level": "notice", "max-overall-upload-limit": "0", "save-session-interval": "0"}


def of_task(task, folder):
    """Return (the options told of a task, the same without masks, which never leave the daemon).

    Both are {aria2's name: text}; `folder` is its absolute path.
    """
    ours, kind = task.options, _kind(task.url)
    password = kind + "-passwd"
    real = dict(_common(ours, ours.connections, folder, ours.ratelimit, ours.verify_tls), **{
        "out": ours.filename or "", "header": _lines(ours.headers, ours.cookies), "referer": ours.referer,
        "all-proxy": ours.proxy, "checksum": ours.checksum, kind + "-user": ours.user,
        password: ours.password})
    real = {name: value for name, value in real.items() if value or name == "out"}
    masked = {name: urls.shown(real[name]) for name in ("referer", "all-proxy") if name in real}
    masked.update({"header": _lines(mask_headers(ours.headers), hide(ours.cookies)), password: MASK})
    told = {name: masked.get(name, value) for name, value in real.items()}
    return told, real


def of_config(config, root):
    """Return the daemon's settings, {aria2's name: text}; `root` is the download directory."""
    download = config.download
    told = dict(_common(download, options.TABLE.fields["connections"].default, root, 0, True), **_FIXED_GLOBALS)
    told.update({"max-concurrent-downloads": str(download.max_concurrent),
                 "max-overall-download-limit": str(download.ratelimit)})
    if download.proxy:
        told["all-proxy"] = urls.shown(download.proxy)
    return told


def _common(values, connections, folder, limit, verify_tls):
    timeout, connections = f"{values.timeout:g}", str(connections)
    return dict(_FIXED, dir=folder, timeout=timeout, split=connections, **{
        "user-agent": values.user_agent, "max-connection-per-server": connections,
        "max-tries": str(values.retries + 1), "connect-timeout": timeout,
        "max-download-limit": str(limit), "check-certificate": _flag(verify_tls)})


def _lines(headers, cookies):
    lines = [f"{name}: {value}" for name, value in headers.items()]
    return "\n".join(lines + [f"Cookie: {cookies}"] if cookies else lines)
