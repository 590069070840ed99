"""Default paths of the configuration file, the downloads and the database, on this machine."""

import os

from ..fs import file_system


def config_path(environ, root):
    """Return the path of the configuration file, which need not exist."""
    if environ.get("DLSERV_CONFIG"):
        return environ["DLSERV_CONFIG"]
    path = os.path.join(_home(environ, "XDG_CONFIG_HOME", ".config"), "dlserv", "config.json")
    return "/etc/dlserv.json" if root and not os.path.exists(path) else path


def download_dir(environ):
    """Return $XDG_DOWNLOAD_DIR, from the environment or user-dirs.dirs, else ~/Downloads."""
    home = os.path.expanduser("~")
    return environ.get("XDG_DOWNLOAD_DIR") or _user_dir(environ, home) \
        or os.path.join(home, "Downloads")


def _user_dir(environ, home):
    path = os.path.join(_home(environ, "XDG_CONFIG_HOME", ".config"), "user-dirs.dirs")
    try:
        with open(path, encoding="utf-8") as lines:
            for line in lines:
                key, _, value = line.strip().partition("=")
                if key == "XDG_DOWNLOAD_DIR":
                    return value.strip('"').replace("$HOME", home)
    except (OSError, UnicodeDecodeError):
        pass
    return None


def db_path(environ, root, download_dir):
    """Return the path of the database: never in memory, which a power cut empties."""
    if environ.get("STATE_DIRECTORY"):
        return os.path.join(environ["STATE_DIRECTORY"].split(":")[0], "dlserv.db")
    if root and not environ.get("XDG_STATE_HOME"):
        if file_system(_nearest("/var/lib/dlserv")) not in ("tmpfs", "ramfs"):
            return "/var/lib/dlserv/dlserv.db"
        return os.path.join(download_dir, ".dlserv.db")
    state = _home(environ, "XDG_STATE_HOME", os.path.join(".local", "state"))
    return os.path.join(state, "dlserv", "dlserv.db")


def _home(environ, variable, below):
    return environ.get(variable) or os.path.join(os.path.expanduser("~"), below)


def _nearest(path):
    while not os.path.exists(path):
        path = os.path.dirname(path)
    return path
