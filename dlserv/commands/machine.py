"""The facts about this machine that a start-up file needs: the program, its paths and its user."""

import os
import sys
from collections import namedtuple

from ..api.listener import UNIX
from ..errors import InvalidValue
from ..settings import sources
from ..settings.config import Config
from ..settings.values import check_text

PORT = 6880             # of a container, where the settings take a free port


class Machine(namedtuple("Machine", "python program folder arguments download_dir db token_file writable"
                                    " readable user uid gid port")):
    """The facts. Every path is absolute and without control characters.

    python      the interpreter
    program     dlserv.pyz or dlserv.py; None if the package is installed as a module
    folder      where the checkout or the package lies; None for dlserv.pyz
    arguments   the daemon's own, such as ["-c", "/etc/dlserv.json"]
    token_file  the file named with --token-file, or None
    writable    the folders that the daemon writes to; they need not exist
    readable    other files and folders that it reads
    user        the login name that it runs as; uid, gid: its numbers
    """

    __slots__ = ()

    @property
    def command(self):
        """The whole command as a list of words."""
        return [self.python] + ([self.program] if self.program else ["-m", "dlserv"]) + self.arguments

    @property
    def state_dir(self):
        """The folder of the database."""
        return os.path.dirname(self.db)

    @property
    def missing(self):
        """The folders to write to that do not exist."""
        return [path for path in self.writable if not os.path.isdir(path)]


def machine(options, environ):
    """Return (the Machine for a daemon with these options, remarks about what it leaves out).

    Raise InvalidValue for a setting that is wrong, and for a path that no file can hold.
    """
    if options.token:
        raise InvalidValue(options.token.flag,
                           "others could read it in the file that is printed; name a file with --token-file")
    mapping, _, config_path, origins, has_config = sources.gather(options, environ)
    config = Config.parse(mapping)
    flags, remarks = _flags(options, mapping, origins)
    python, (program, folder) = _python(), _program()
    user = _user(config.general.download_dir)
    found = Machine(
        python, program, folder, (["-c", config_path] if has_config else []) + flags,
        os.path.abspath(config.general.download_dir), os.path.abspath(config.general.db_path),
        flags[flags.index("--token-file") + 1] if "--token-file" in flags else None,
        _writable(config, config_path if has_config else None),
        _readable(config, has_config and config_path) + [program if folder is None else folder],
        *user, config.server.port or PORT)
    for path in found.command + found.writable + found.readable:
        _check(path)
    return found, remarks + _obstacles(found)


def _flags(options, mapping, origins):
    """Return (the flags that a daemon needs to run as it would from here, remarks)."""
    general, words, remarks = mapping["general"], [], []
    for flag, (section, key) in sources.FLAGS.items():
        origin, name = origins.get(f"{section}.{key}") or "", "--" + flag.replace("_", "-")
        if section == "general" and key in ("download_dir", "db_path"):
            words += [name, os.path.abspath(general[key])]
        elif key != "token" and origin.startswith(("--", "$DLSERV_")):
            value = str(mapping[section][key])
            words += [name, os.path.abspath(value) if flag == "token_file" else value]
    known = [f"{section}.{key}" for section, key in sources.FLAGS.values() if key != "token"]
    for name, origin in sorted(origins.items()):
        if origin.startswith("$DLSERV_") and name not in known:
            instead = "a file that --token-file names" if name == "server.token" else "the configuration file"
            remarks.append(f"{origin} is not passed on by this file; put it into {instead}")
    return words + ["--no-token"] * options.no_token, remarks


def _python():
    if not sys.executable:
        raise InvalidValue("unit", "the path of this Python is unknown; run it by its absolute path")
    return os.path.abspath(sys.executable)


def _program():
    """Return (the path of what runs, the folder of the modules or None)."""
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    folder = os.path.dirname(package)
    if os.path.isfile(folder):
        return folder, None
    script = os.path.join(folder, "dlserv.py")
    return (script, folder) if os.path.isfile(script) else (None, package)


def _user(download_dir):
    """Return (name, uid, gid) of who runs this; for root, of who owns the downloads."""
    try:
        import pwd
    except ImportError:         # Windows
        return os.environ.get("USERNAME", "dlserv"), 1000, 1000
    uid, gid = os.geteuid(), os.getegid()
    if uid == 0 and os.path.isdir(download_dir):
        status = os.stat(download_dir)
        uid, gid = status.st_uid, status.st_gid
    try:
        return pwd.getpwuid(uid).pw_name, uid, gid
    except KeyError:
        return str(uid), uid, gid


def _writable(config, config_path):
    """Return the folders, each once."""
    files = [config.general.db_path, config.general.log_file, config_path]
    if config.server.host.startswith(UNIX):
        files.append(config.server.host[len(UNIX):])
    folders = [config.general.download_dir] + [row["dir"] for row in config.watch]
    folders += [os.path.dirname(os.path.abspath(each)) for each in files if each]
    found = dict.fromkeys(map(os.path.abspath, folders))
    return [each for each in found if each not in ("/", "/etc")]      # where only the configuration lies


def _readable(config, config_path):
    server, download = config.server, config.download
    files = (config_path, server.tls_cert, server.tls_key, server.token_file, download.ca_file,
             download.client_cert, os.path.expanduser("~/.netrc"), sys.executable, sys.prefix,
             sys.base_prefix)
    return [os.path.abspath(each) for each in files if each and os.path.exists(each)]


def _obstacles(machine):
    """Return remarks about files that the daemon's user cannot use, where root prints the file."""
    if not machine.uid or not hasattr(os, "geteuid") or machine.uid == os.geteuid():
        return []
    return [f"{path} is in root's home, where {machine.user} cannot read; put it elsewhere"
            for path in machine.command[:2] if path.startswith(os.path.expanduser("~root") + os.sep)] + [
        f"{path} does not belong to {machine.user}, the user that the daemon will run as; "
        f"give it to that user with chown" for path in machine.writable
        if os.path.isdir(path) and os.stat(path).st_uid != machine.uid]


def _check(path):
    try:
        check_text(path)
    except ValueError as error:
        raise InvalidValue("unit", f"{error}; no start-up file can hold such a path") from None
