"""The facts about this machine that a start-up file needs."""

import os
import sys

from ..api.listener import UNIX
from ..errors import InvalidValue
from ..settings import sources
from ..settings.config import Config
from ..settings.values import check_text

PORT = 6880             # of a container, where the settings take a free port


class Machine:
    """The facts for a daemon with these options. Every path is absolute and without control characters.

    start     the words that start it, without `--token-file`, which has the path token_file or None
    program   dlserv.pyz or dlserv.py; None if the package is installed as a module
    folder    where the package lies; None for dlserv.pyz
    writable  the folders that the daemon writes to; `missing` are those that do not exist
    readable  other files and folders that it reads
    remarks   sentences for the user

    Raise InvalidValue, also for a path that no file can hold.
    """

    def __init__(self, options):
        if options.token:
            raise InvalidValue(options.token.flag,
                               "others could read it in the file that is printed; name a file with --token-file")
        if not sys.executable:
            raise InvalidValue("unit", "the path of this Python is unknown; run it by its absolute path")
        mapping, _, config_path, origins, has_config = sources.gather(options, os.environ)
        config = Config.parse(mapping)
        config_path = config_path if has_config else None
        self.for_user, self.port = options.for_user, config.server.port or PORT
        self.download_dir = os.path.abspath(config.general.download_dir)
        self.state_dir = os.path.dirname(os.path.abspath(config.general.db_path))
        self.program, self.folder = _program()
        self.python = os.path.abspath(sys.executable)
        self.start = [self.python] + ([self.program] if self.program else ["-m", "dlserv"])
        self.start += ["-c", config_path] if config_path else []
        self.remarks = []
        self._pass_on(options, mapping, origins)
        self.user, self.uid, self.gid = _user(self.download_dir)
        self.writable = _writable(config, config_path)
        self.missing = [path for path in self.writable if not os.path.isdir(path)]
        self.readable = _readable(config, config_path) + [self.folder or self.program]
        self._check()

    @property
    def command(self):
        return self.start + (["--token-file", self.token_file] if self.token_file else [])

    def _pass_on(self, options, mapping, origins):
        """Add the flags that were said here; remark on other variables."""
        for flag, (section, key) in sources.FLAGS.items():
            if flag == "token":
                continue
            origin, value = origins.pop(f"{section}.{key}", ""), mapping.get(section, {}).get(key)
            is_said = value is not None and origin.startswith(("--", "$DLSERV_"))
            name = "--" + flag.replace("_", "-")
            if flag in ("db", "download_dir"):
                self.start += [name, os.path.abspath(value)]
            elif flag == "token_file":
                self.token_file = os.path.abspath(value) if is_said else None
            elif is_said:
                self.start += [name, str(value)]
        self.start += ["--no-token"] * options.no_token
        for name, origin in sorted(origins.items()):
            if origin.startswith("$DLSERV_"):
                instead = "a file that --token-file names" if name == "server.token" else "the configuration file"
                self.remarks.append(f"{origin} is not passed on by this file; put it into {instead}")

    def _check(self):
        for path in self.command + self.writable + self.readable:
            try:
                check_text(path)
            except ValueError as error:
                raise InvalidValue("unit", f"{error}; no start-up file can hold such a path") from None
        if not self.uid or not hasattr(os, "geteuid") or self.uid == os.geteuid():
            return
        self.remarks += [f"{path} is in root's home, where {self.user} cannot read; put it elsewhere"
                         for path in self.start[:2] if path.startswith(os.path.expanduser("~root") + os.sep)]
        self.remarks += [f"{path} does not belong to {self.user}, the user that the daemon will run as; "
                         "give it to that user with chown" for path in self.writable
                         if os.path.isdir(path) and os.stat(path).st_uid != self.uid]


def _program():
    folder = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
    script = os.path.join(folder, "dlserv.py")
    return (folder, None) if os.path.isfile(folder) else (script if os.path.isfile(script) else None, folder)


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
