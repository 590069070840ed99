"""Settings from everywhere: the command line over the environment over the file over the defaults.

A token that systemd hands over in $CREDENTIALS_DIRECTORY counts where none of these names one.
"""

import logging
import os

from . import config, config_file, default_paths

# The command line's options that stand for a setting.
FLAGS = {"host": ("server", "host"), "port": ("server", "port"), "db": ("general", "db_path"),
         "download_dir": ("general", "download_dir"), "log_level": ("general", "log_level"),
         "token": ("server", "token"), "token_file": ("server", "token_file")}
_TOKEN_KEYS = ("token", "token_file")
CREDENTIAL = "$CREDENTIALS_DIRECTORY/token"     # of systemd's LoadCredential=token:FILE


def read_file(options, environ):
    """Return (path, mapping or None) of the configuration file. Raise InvalidValue.

    `options` is the command line's Namespace, or None.
    """
    named = vars(options).get("config") if options else None
    path = named or default_paths.config_path(environ, _is_root())
    return path, config_file.read(path, required=bool(named or environ.get("DLSERV_CONFIG")))


def gather(options, environ, file=None):
    """Return (a mapping for Daemon, [(log level, remark), …], the path of the configuration file).

    `file` is what `read_file` returned, if it has been read already: a pipe is read only
    once. Raise InvalidValue.
    """
    flags = vars(options) if options else {}
    path, from_file = file or read_file(options, environ)
    from_environment, unknown = config.from_environment(environ)
    sources = [_credential(environ), from_file or {}, from_environment, _from_flags(flags)]
    token = _token_of([] if flags.get("no_token") else sources)
    mapping = config_file.merge(*sources, {"server": token})
    _fill_paths(mapping.setdefault("general", {}), environ)
    remarks = [(logging.WARNING, f"there is no setting for the environment variable {name}")
               for name in unknown]
    remarks.append((logging.INFO, "no configuration file" if from_file is None
                    else f"configuration file {path}"))
    if _is_credential(token, environ):
        remarks.append((logging.INFO, f"the token is that of {CREDENTIAL}"))
    return mapping, remarks, os.path.abspath(path)


def origins(options, environ, file):
    """Return {"section.key": where it is set}: a flag, a variable or the file's path. Raise InvalidValue."""
    flags, names = vars(options), config.Config.names
    path, from_file = file
    from_environment, _ = config.from_environment(environ)
    found = dict.fromkeys(names(from_file or {}), os.path.abspath(path))
    found.update((name, "$DLSERV_" + name.partition(".")[2].upper()) for name in names(from_environment))
    found.update((".".join(key), "--" + flag.replace("_", "-")) for flag, key in FLAGS.items()
                 if flags.get(flag) is not None)
    sources = [_credential(environ), from_file or {}, from_environment, _from_flags(flags)]
    if not flags.get("no_token") and _is_credential(_token_of(sources), environ):
        found["server.token_file"] = CREDENTIAL
    return found


def _fill_paths(general, environ):
    """Put in the paths that are the default on this machine; a tilde is the home folder."""
    general.setdefault("download_dir", default_paths.download_dir(environ))
    general.setdefault("db_path", default_paths.db_path(environ, _is_root(), general["download_dir"]))
    for key in ("download_dir", "db_path"):
        if isinstance(general[key], str):
            general[key] = os.path.expanduser(general[key])


def _token_of(sources):
    """Return the keys that tell the token, all from the same source."""
    for source in reversed(sources):
        given = source.get("server", {})
        if any(given.get(key) for key in _TOKEN_KEYS):
            return {key: given.get(key) for key in _TOKEN_KEYS}
    return dict.fromkeys(_TOKEN_KEYS)


def _credential(environ):
    """Return the setting that names the token which systemd hands over, {} if there is none."""
    folder = environ.get("CREDENTIALS_DIRECTORY")
    path = folder and os.path.join(folder, "token")
    try:
        return {"server": {"token_file": path}} if path and os.stat(path) else {}
    except (FileNotFoundError, NotADirectoryError):
        return {}       # its credentials are others
    except OSError:
        return {"server": {"token_file": path}}     # reading it tells what is wrong


def _is_credential(token, environ):
    """Return whether the token is the one that systemd hands over."""
    return bool(token["token_file"]) and token == dict(_credential(environ).get("server", {}), token=None)


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
    """Return the sentence about a setting with the flag in its place that set it, as it was typed."""
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
