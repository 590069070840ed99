"""Our options and settings under aria2's names, for getOption and getGlobalOption.

All values are strings. Secrets are masked; `of_task(…, plain=True)` is for comparing only
and never leaves the daemon.
"""

from ... import urls
from ...masking import mask_headers, hide
from ...settings import options
from .results import PIECE

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


def of_task(task, folder, plain=False):
    """Return the options of a task, {aria2's name: text}; `folder` is its absolute folder."""
    ours = task.options
    told = dict(_FIXED, dir=folder, out=ours.filename or "", **_common(ours, ours.connections))
    told["max-download-limit"] = str(ours.ratelimit)
    told["check-certificate"] = _flag(ours.verify_tls)
    show = (lambda value: value) if plain else urls.shown
    told.update({
        "header": "\n".join(_header_lines(ours, plain)), "referer": ours.referer and show(ours.referer),
        "all-proxy": ours.proxy and show(ours.proxy), "checksum": ours.checksum})
    kind = "ftp" if task.url.lower().startswith("ftp") else "http"
    told[kind + "-user"], told[kind + "-passwd"] = ours.user, ours.password if plain else hide(ours.password)
    return {name: value for name, value in told.items() if value or name == "out"}


def of_config(config, root):
    """Return the settings of the daemon, {aria2's name: text}; `root` is the download directory."""
    download = config.download
    told = dict(_FIXED, **_FIXED_GLOBALS)
    told.update(_common(download, options.TABLE.fields["connections"].default))
    told.update({"dir": root, "max-download-limit": "0", "check-certificate": "true",
                 "max-concurrent-downloads": str(download.max_concurrent),
                 "max-overall-download-limit": str(download.ratelimit)})
    if download.proxy:
        told["all-proxy"] = urls.shown(download.proxy)
    return told


def _common(values, connections):
    """Return what tasks and settings have in common."""
    timeout = f"{values.timeout:g}"
    return {"user-agent": values.user_agent, "split": str(connections),
            "max-connection-per-server": str(connections), "max-tries": str(values.retries + 1),
            "timeout": timeout, "connect-timeout": timeout}


def _header_lines(ours, plain):
    """Return the lines "Name: value" of all headers, the cookies last."""
    headers = ours.headers if plain else mask_headers(ours.headers)
    lines = [f"{name}: {value}" for name, value in headers.items()]
    return lines + [f"Cookie: {ours.cookies if plain else hide(ours.cookies)}"] if ours.cookies else lines


def _flag(value):
    return "true" if value else "false"
