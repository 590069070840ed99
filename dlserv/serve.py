"""The daemon as a process: its settings, server and log, and the files it leaves for clients.

Only this and the commands know the environment and standard output.
"""

import errno
import importlib
import logging
import os
import socket
import sys
import threading
from functools import partial

from .settings import config, config_file, sources
from .settings import token as tokens
from .api.listener import UNIX
from .complaint import Complaint
from .errors import Error, LocalError, Unwritable
from .exhaustion import exhaustion_in
from .memory import hold_little
from .service_manager import ServiceManager
from .signals import END_SECONDS, Deadline, Signals

log = logging.getLogger("dlserv")

MOST_FILES = 2 ** 16


def serve(options):
    """Serve until SIGTERM or SIGINT, or export or import tasks; return the exit code. Raise Error."""
    if options.export or options.import_:
        return _move(options)
    hold_little()
    import_http_client()
    from .api.server import Server
    from .client.discovery import run_file, run_file_path
    from .daemon import Daemon
    mapping, remarks, path, origins, _ = sources.gather(options, os.environ)
    _allow_many_files()
    daemon = Daemon(mapping, sources.environment_proxies(), os.path.expanduser("~/.netrc"),
                    os.path.dirname(path), partial(_keep, path), origins)
    output = LogOutput(daemon.config.general)
    for level, remark in remarks:
        log.log(level, remark)
    signals, manager = Signals(), ServiceManager(os.environ)
    threading.excepthook = partial(_log_death, Complaint(log))
    try:
        server = Server(daemon)
    except OSError as error:
        raise LocalError(_address_sentence(daemon.config.server, error)) from error
    try:
        token_file, daemon.variables["DLSERV_URL"] = _token_file(options, daemon.config, server), server.url
        if token_file:
            daemon.variables["DLSERV_TOKEN_FILE"] = os.path.abspath(token_file)
        where = run_file_path(os.environ, lambda: daemon.config.general.db_path)
        with Deadline() as deadline, daemon, server, run_file(where, server.url, token_file):
            print("dlserv: listening on %s" % server.url, flush=True)
            with manager.serving(f"listening on {server.url}", server.check_alive):
                signals.wait(lambda: manager.reload(lambda: _reload(options, daemon, server, output)))
                deadline.begin()
                manager.stopping(END_SECONDS)
    except (RuntimeError, MemoryError) as error:
        _end_exhausted(error, signals)
    finally:
        server.server_close()
        manager.close()
    return 0


class LogOutput:
    """The destination of the log: standard error, or a file that may be moved away before a SIGHUP."""

    def __init__(self, general):
        self._handler = None
        self.open(general)

    def open(self, general):
        """Write to where the settings say. Raise Unwritable."""
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
            raise Unwritable(f"general.log_file: {path} cannot be written: {error.strerror}") from error


def _log_death(complaint, death):
    """Log that a thread has died, but only the first of a series for lack of memory; see threading.excepthook."""
    exhausted = exhaustion_in(death.exc_value)
    if exhausted is not None:
        complaint.tell(f"a thread has ended: {exhausted}")
        return
    log.critical("a bug ended the thread %s", death.thread.name if death.thread else "?",
                 exc_info=(death.exc_type, death.exc_value, death.exc_traceback))


def _keep(path, changes, config):
    config_file.write_back(path, changes)
    log.setLevel(config.general.log_level.upper())


def import_http_client():
    """Import http.client, for http.server, without ssl: OpenSSL takes 5 MiB, and TLS may never be used.

    HTTPSConnection is made where it is asked for.
    """
    if {"http.client", "ssl"} & set(sys.modules):
        return
    sys.modules["ssl"] = None
    try:
        import http.client
    finally:
        del sys.modules["ssl"]

    def load(name):
        if name == "HTTPSConnection":
            return vars(importlib.reload(http.client)).get(name)
        raise AttributeError(f"module 'http.client' has no attribute {name!r}")

    http.client.__getattr__ = load


def _end_exhausted(error, signals):
    """Raise Exhausted if that prevented the start; after a signal only log it."""
    exhausted = exhaustion_in(error)
    if exhausted is None:
        raise error
    if not signals.caught:
        raise exhausted from error
    log.error("%s", exhausted)


def _allow_many_files():
    """Raise the limit of open files: a download has about six, and shells often allow 256."""
    try:
        import resource
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft != resource.RLIM_INFINITY:
            most = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
    except (ImportError, ValueError, OSError):
        pass        # Windows, or the system knows better


def _move(options):
    from .tasks import export
    from .units import clean
    parsed = config.Config.parse(sources.gather(options, os.environ).mapping)
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="dlserv: %(message)s")
    if options.export:
        export.export_tasks(options.export, parsed.general, parsed.download)
        return 0
    counts = export.import_tasks(options.import_, parsed.general, parsed.download,
                                 lambda sentence: print("dlserv: %s" % clean(sentence), file=sys.stderr))
    print("%d imported, %d there already, %d left out" % counts)
    return 1 if counts[2] else 0


def _token_file(options, settings, server):
    """Return the file with the server's token, or None.

    Where others can reach the address and no token was named, make one at the first start, and print it.
    """
    if options.no_token or server.is_local or server.access.token:
        return None if settings.server.token else settings.server.token_file
    path = tokens.path_beside(settings.general.db_path)
    if not os.path.exists(path):
        print("dlserv: others can reach this address, so clients must send a token; it is kept in %s:\n"
              "    %s\n"
              "    The page asks for it. Commands on this machine find it; elsewhere set $DLSERV_TOKEN.\n"
              "    curl takes -u :TOKEN; other clients send \"Authorization: Bearer TOKEN\"."
              % (path, tokens.make(path)), file=sys.stderr, flush=True)
    server.access.token = tokens.read(path)
    return path


def _reload(options, daemon, server, output):
    """Reopen the log and read settings and certificate again (SIGHUP); return phrases about what failed."""
    failed = []
    for act, otherwise in ((lambda: output.open(daemon.config.general), "the log stays where it is"),
                           (lambda: _reload_settings(options, daemon), "the settings stay as they are"),
                           (server.reload_certificate, "the certificate stays")):
        try:
            act()
            continue
        except Error as error:
            log.error("%s: %s", otherwise, error)
        except Exception:
            log.exception("%s, because of a bug", otherwise)
        failed.append(otherwise)
    return failed


def _reload_settings(options, daemon):
    mapping, _, path, _, has_file = sources.gather(options, os.environ)
    waiting = daemon.configuration.reload(mapping)
    log.setLevel(daemon.config.general.log_level.upper())
    log.info("the settings %sare in effect", f"of {path} " if has_file else "")
    if waiting:
        log.warning("%s will take effect at the next start", ", ".join(waiting))


def _address_sentence(where, error):
    host, reason = where.host, error.strerror or error
    if isinstance(error, socket.gaierror) or error.errno in (errno.EADDRNOTAVAIL, errno.EINVAL):
        return f"server.host: {host} is not an address of this machine: {reason}"
    if host.startswith(UNIX):
        return f"server.host: {host} cannot be listened on: {reason}"
    return f"server.port: {host}:{where.port} cannot be listened on: {reason}; choose another with --port"
