"""Serving: settings from everywhere, the daemon and its server, signals, logging.

The only room, beside the command line's, that knows the environment, standard output and
signals.
"""

import errno
import importlib
import logging
import os
import signal
import socket
import sys
import threading
import zipimport

from .settings import config, config_file
from .settings import token as tokens
from .api.listener import UNIX
from .errors import Error, LocalError, Unwritable
from .client.discovery import Note, note_path

log = logging.getLogger("dlserv")

END_SECONDS = 2.5           # that the end may take, from the signal on
MOST_FILES = 2 ** 16
LATE = (".net.ftp",)     # modules of ours that are imported when they are needed


def add_arguments(parser):
    """The daemon's own options."""
    parser.add_argument("-c", "--config", metavar="FILE", help="settings, in JSON")
    parser.add_argument("--host", metavar="H", help="address to listen on")
    parser.add_argument("--port", metavar="P", help="port to listen on; 0 takes a free one")
    parser.add_argument("--download-dir", metavar="D", help="where files go")
    parser.add_argument("--db", metavar="FILE", help="the database")
    token = parser.add_mutually_exclusive_group()
    token.add_argument("--token", metavar="T", help="what clients must send; other users may see it here, "
                                                    "so rather set $DLSERV_TOKEN")
    token.add_argument("--token-file", metavar="FILE", help="a file that holds it")
    token.add_argument("--no-token", action="store_true", help="let anybody in who can reach the address")
    parser.add_argument("--log-level", metavar="L", help="debug, info, warning or error")
    moving = parser.add_mutually_exclusive_group()
    moving.add_argument("--export", metavar="FILE", help="write all tasks, secrets included, to FILE and end")
    moving.add_argument("--import", metavar="FILE", dest="import_",
                        help="take tasks from an export or a list of URLs and end")


# -- settings -----------------------------------------------------------------------------

_FLAGS = {"host": ("server", "host"), "port": ("server", "port"), "db": ("general", "db_path"),
          "download_dir": ("general", "download_dir"), "log_level": ("general", "log_level"),
          "token": ("server", "token"), "token_file": ("server", "token_file")}
_TOKEN_KEYS = ("token", "token_file")


def settings(options, environ):
    """(mapping for Daemon, remarks for the log, path of the file) from all there is: the
    command line (None: there is none) wins over the environment, that over the file, that over
    the defaults.

    Raises InvalidValue.
    """
    flags = vars(options) if options else {}
    named = flags.get("config")
    path = named or config.default_config_path(environ, _is_root())
    from_file = config_file.read(path, required=bool(named or environ.get("DLSERV_CONFIG")))
    from_environment, unknown = config.from_environment(environ)
    sources = [from_file or {}, from_environment, _from_flags(flags)]
    mapping = config_file.merge(*sources, {"server": _token_of([] if flags.get("no_token") else sources)})
    general = mapping.setdefault("general", {})
    general.setdefault("download_dir", config.default_download_dir(environ))
    general.setdefault("db_path", config.default_db_path(environ, _is_root(), general["download_dir"]))
    for key in ("download_dir", "db_path"):
        if isinstance(general[key], str):
            general[key] = os.path.expanduser(general[key])
    remarks = [(logging.WARNING, "there is no setting for the environment variable %s" % name)
               for name in unknown]
    remarks.append((logging.INFO, "no configuration file" if from_file is None
                    else "configuration file %s" % path))
    return mapping, remarks, os.path.abspath(path)


def _token_of(sources):
    """The keys that tell the token, all from the same source."""
    for source in reversed(sources):
        given = source.get("server", {})
        if any(given.get(key) for key in _TOKEN_KEYS):
            return {key: given.get(key) for key in _TOKEN_KEYS}
    return dict.fromkeys(_TOKEN_KEYS)


def _is_root():
    return hasattr(os, "geteuid") and os.geteuid() == 0


def _from_flags(flags):
    mapping = {}
    for flag, (section, key) in _FLAGS.items():
        value = flags.get(flag)
        if value is not None:
            parsed = config.TABLES[section].parse({key: value}, text=True)
            mapping.setdefault(section, {}).update(parsed)
    return mapping


# -- serving ------------------------------------------------------------------------------

def serve(options):
    """Serve until SIGTERM or SIGINT, or move tasks if that is asked; gives the exit code. Raises Error."""
    if options.export or options.import_:
        return _move(options)
    from .api.server import Server
    from .daemon import Daemon
    mapping, remarks, path = settings(options, os.environ)

    def keep(changes, changed):
        config_file.write_back(path, changes)
        log.setLevel(changed.general.log_level.upper())

    _allow_many_files()
    daemon = Daemon(mapping, environment_proxies(), os.path.expanduser("~/.netrc"),
                    os.path.dirname(path), keep)
    output = _Output(daemon.config.general)
    for level, remark in remarks:
        log.log(level, remark)
    signals = _Signals()
    threading.excepthook = _tell_of_death
    deadline = threading.Timer(END_SECONDS, _end_now)
    deadline.daemon = True
    try:
        server = Server(daemon)
    except OSError as error:
        raise LocalError(_address_sentence(daemon.config.server, error)) from error
    try:
        token_file = _token_file(options, daemon.config, server)
        with daemon, server, Note(note_path(os.environ, lambda: daemon.config.general.db_path), server.url,
                                  token_file):
            _load_the_rest(server)
            print("dlserv: listening on %s" % server.url, flush=True)
            signals.wait(lambda: _reload(options, daemon, server, output))
            deadline.start()
    finally:
        server.server_close()
        deadline.cancel()
    return 0


def _allow_many_files():
    """A download has some six descriptors open; what a shell allows is often 256 or 1,024."""
    try:
        import resource
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft != resource.RLIM_INFINITY:
            most = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
    except (ImportError, ValueError, OSError):
        pass        # Windows, or the system knows better


def _end_now():
    """For a disk that keeps a thread: what was acknowledged is in the database, and progress as well."""
    log.warning("not everything has come to its end within %g s", END_SECONDS)
    os._exit(0)


def _tell_of_death(death):
    """threading.excepthook: no thread is to die unheard, wherever standard error goes."""
    log.critical("the thread %s has died of a bug", death.thread.name if death.thread else "?",
                 exc_info=(death.exc_type, death.exc_value, death.exc_traceback))


def _move(options):
    """What --export and --import ask for."""
    from .tasks import export
    from .units import clean
    mapping, _, _ = settings(options, os.environ)
    parsed = config.Config.parse(mapping)
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="dlserv: %(message)s")
    if options.export:
        export.export_tasks(options.export, parsed.general, parsed.download)
        return 0
    counts = export.import_tasks(options.import_, parsed.general, parsed.download,
                                 lambda sentence: print("dlserv: %s" % clean(sentence), file=sys.stderr))
    print("%d imported, %d there already, %d left out" % counts)
    return 1 if counts[2] else 0


def _token_file(options, settings, server):
    """The file with the server's token, or None; one of our own where others call and no token was named.

    That one is made at the first start, which is the only time it is told.
    """
    if options.no_token or server.is_local or server.access.token:
        return None if settings.server.token else settings.server.token_file
    path = tokens.path_beside(settings.general.db_path)
    if not os.path.exists(path):
        print("dlserv: others can reach this address, so clients must send a token; it is kept in %s:\n"
              "    %s\n"
              "    The page asks for it; commands on this machine find it, elsewhere give them $DLSERV_TOKEN;\n"
              "    curl takes -u :TOKEN, and others send \"Authorization: Bearer TOKEN\"."
              % (path, tokens.make(path)), file=sys.stderr, flush=True)
    server.access.token = tokens.read(path)
    return path


def _load_the_rest(server):
    """Load now what is otherwise loaded when it is needed: the .pyz may be replaced meanwhile."""
    if isinstance(__loader__, zipimport.zipimporter):
        server.assets.load()
        for name in LATE:
            importlib.import_module(name, __package__)


def environment_proxies():
    """{scheme: proxy} of the environment."""
    if not any(name.lower().endswith("_proxy") for name in os.environ):
        return {}
    from urllib.request import getproxies_environment
    return getproxies_environment()


def _reload(options, daemon, server, output):
    """What SIGHUP asks for: the log file, the settings and the certificate taken anew, each by itself."""
    for act, otherwise in ((lambda: output.open(daemon.config.general), "the log goes where it went"),
                           (lambda: _reload_settings(options, daemon), "the settings stay as they are"),
                           (server.reload_certificate, "the certificate stays")):
        try:
            act()
        except Error as error:
            log.error("%s: %s", otherwise, error)
        except Exception:
            log.exception("%s, for a bug", otherwise)


def _reload_settings(options, daemon):
    mapping, _, path = settings(options, os.environ)
    waiting = daemon.reload(mapping)
    log.setLevel(daemon.config.general.log_level.upper())
    log.info("the settings of %s count now", path)
    if waiting:
        log.warning("%s will count after a new start", ", ".join(waiting))


class _Output:
    """Where the log goes: standard error, or a file that may be moved away before a SIGHUP."""

    def __init__(self, general):
        self._handler = None
        self.open(general)

    def open(self, general):
        """Begin to write as the settings say. Raises Unwritable."""
        handler = self._make(general.log_file)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        root = logging.getLogger()
        root.addHandler(handler)
        if self._handler is not None:
            root.removeHandler(self._handler)
            self._handler.close()
        self._handler = handler
        log.setLevel(general.log_level.upper())

    def _make(self, path):
        if path is None:
            return logging.StreamHandler(sys.stderr)
        try:
            # A FIFO without a reader would block.
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NONBLOCK", 0)
            os.close(os.open(path, flags, 0o600))
            return logging.FileHandler(path, encoding="utf-8")
        except OSError as error:
            raise Unwritable("general.log_file: %s cannot be written: %s" % (path, error.strerror)) from error


class _Signals:
    """Waits for SIGTERM or SIGINT, of which a second one ends the process at once, and SIGHUP.

    By a descriptor that Python writes to, because the system may hand a signal to any
    thread, and a main thread that waits for a lock would not notice.
    """

    def __init__(self):
        self._reader, writer = socket.socketpair()
        writer.setblocking(False)
        self._writer = writer       # kept open as long as this is
        self._caught, self._hung_up = False, False
        signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        for name in ("SIGTERM", "SIGINT"):
            signal.signal(getattr(signal, name), self._handle)
        if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
            signal.signal(signal.SIGHUP, self._hang_up)     # else nohup wants it ignored

    def _hang_up(self, number, frame):
        self._hung_up = True

    def _handle(self, number, frame):
        if self._caught:
            os._exit(128 + number)
        self._caught = True

    def wait(self, reload):
        """Return at the end; `reload()` is called for every SIGHUP."""
        while not self._caught:
            self._reader.recv(1)
            if self._hung_up:
                self._hung_up = False
                reload()


def _address_sentence(where, error):
    if isinstance(error, socket.gaierror) or error.errno in (errno.EADDRNOTAVAIL, errno.EINVAL):
        return "server.host: %s is not an address of this machine: %s" % (
            where.host, error.strerror or error)
    if where.host.startswith(UNIX):
        return "server.host: %s cannot be listened on: %s" % (where.host, error.strerror or error)
    return "server.port: %s:%d cannot be listened on: %s; choose another with --port" % (
        where.host, where.port, error.strerror or error)
