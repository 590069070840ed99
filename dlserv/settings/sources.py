"""Settings from everywhere: the command line over the environment over the file over the defaults.

A token that systemd hands over in $CREDENTIALS_DIRECTORY counts where none of these names one.
"""

import logging
import os
from collections import namedtuple

from ..fs import file_system
from . import config, config_file

# The command line's options that stand for a setting.
FLAGS = {"host": ("server", "host"), "port": ("server", "port"), "db": ("general", "db_path"),
         "download_dir": ("general", "download_dir"), "log_level": ("general", "log_level"),
         "token": ("server", "token"), "token_file": ("server", "token_file")}
_TOKEN_KEYS = ("token", "token_file")
CREDENTIAL = "$CREDENTIALS_DIRECTORY/token"     # of systemd's LoadCredential=token:FILE


class Gathered(namedtuple("Gathered", "mapping remarks path origins has_file")):
    """All that is set.

    mapping   for Daemon, in the shape of the configuration file
    remarks   for the log: [(level, remark), …]
    path      the configuration file's, which exists if `has_file`
    origins   {"section.key": where it is set}: a flag, a variable or the file's path
    """

    __slots__ = ()


def gather(options, environ):
    """Return what is Gathered; `options` is the command line's Namespace, or None. Raise InvalidValue."""
    flags = vars(options) if options else {}
    path = flags.get("config") or config_path(environ, _is_root())
    from_file = config_file.read(path, required=bool(flags.get("config") or environ.get("DLSERV_CONFIG")))
    from_environment, unknown = config.from_environment(environ)
    credential = _credential(environ)
    layers = [credential, from_file or {}, from_environment, _from_flags(flags)]
    token = _token_of([] if flags.get("no_token") else layers)
    mapping = config_file.merge(*layers, {"server": token})
    _fill_paths(mapping.setdefault("general", {}), environ)
    remarks = [(logging.WARNING, f"there is no setting for the environment variable {name}") for name in unknown]
    remarks.append((logging.INFO, "no configuration file" if from_file is None else f"configuration file {path}"))
    path, names = os.path.abspath(path), config.Config.names
    origins = dict.fromkeys(names(from_file or {}), path)
    origins.update((name, "$DLSERV_" + name.partition(".")[2].upper()) for name in names(from_environment))
    origins.update((".".join(key), "--" + flag.replace("_", "-")) for flag, key in FLAGS.items()
                   if flags.get(flag) is not None)
    if token["token_file"] and token == dict(credential.get("server", {}), token=None):
        remarks.append((logging.INFO, f"the token is that of {CREDENTIAL}"))
        origins["server.token_file"] = CREDENTIAL
    return Gathered(mapping, remarks, path, origins, from_file is not None)


def _fill_paths(general, environ):
    """Set the paths that are the default on this machine; a tilde is the home folder."""
    general.setdefault("download_dir", download_dir(environ))
    general.setdefault("db_path", db_path(environ, _is_root(), general["download_dir"]))
    for key in ("download_dir", "db_path"):
        if isinstance(general[key], str):
            general[key] = os.path.expanduser(general[key])


def _token_of(sources):
    """Return the keys of the token, all from the same source."""
    for source in reversed(sources):
        given = source.get("server", {})
        if any(given.get(key) for key in _TOKEN_KEYS):
            return {key: given.get(key) for key in _TOKEN_KEYS}
    return dict.fromkeys(_TOKEN_KEYS)


def _credential(environ):
    """Return the setting that names the token which systemd hands over, {} if there is none."""
    folder = environ.get("CREDENTIALS_DIRECTORY")
    if not folder:
        return {}
    path = os.path.join(folder, "token")
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return {}       # its credentials are others
    except OSError:
        pass            # reading it tells what is wrong
    return {"server": {"token_file": path}}


def _is_root():
    return hasattr(os, "geteuid") and os.geteuid() == 0


def _from_flags(flags):
    mapping = {}
    for name, (section, key) in FLAGS.items():
        value = flags.get(name)
        if value is not None:
            parsed = config.TABLES[section].parse({key: str(value)}, text=True)
            mapping.setdefault(section, {}).update(parsed)
    return mapping


def as_typed(sentence, options):
    """Return the sentence about a setting with the flag, as typed, in the place of its name."""
    for name, key in dict(FLAGS, config=("config",)).items():
        flag, where = getattr(getattr(options, name, None), "flag", None), ".".join(key)
        if flag and sentence.startswith(where + ": "):
            return flag + sentence[len(where):]
    return sentence


def environment_proxies():
    """Return {scheme: proxy} of the environment."""
    if not any(name.lower().endswith("_proxy") for name in os.environ):
        return {}
    from urllib.request import getproxies_environment
    return getproxies_environment()


# -- default paths on this machine -------------------------------------------------------

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


def db_path(environ, root, downloads):
    """Return the path of the database: never in memory, which a power cut empties."""
    if environ.get("STATE_DIRECTORY"):
        return os.path.join(environ["STATE_DIRECTORY"].split(":")[0], "dlserv.db")
    if root and not environ.get("XDG_STATE_HOME"):
        if file_system(_nearest("/var/lib/dlserv")) not in ("tmpfs", "ramfs"):
            return "/var/lib/dlserv/dlserv.db"
        return os.path.join(downloads, ".dlserv.db")
    state = _home(environ, "XDG_STATE_HOME", os.path.join(".local", "state"))
    return os.path.join(state, "dlserv", "dlserv.db")


def _home(environ, variable, below):
    return environ.get(variable) or os.path.join(os.path.expanduser("~"), below)


def _nearest(path):
    while not os.path.exists(path):
        path = os.path.dirname(path)
    return path
