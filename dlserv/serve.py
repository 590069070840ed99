"""The daemon as a process: its settings, server and log, and the files it leaves for clients.

With the commands, the only place that knows the environment and standard output.
"""

import errno
import importlib
import logging
import os
import socket
import sys
import threading

from .settings import config, config_file, sources
from .settings import token as tokens
from .api.listener import UNIX
from .errors import Error, LocalError
from .exhaustion import exhaustion_in
from .log_output import LogOutput, Obituary
from .memory import share_one_arena
from .service_manager import ServiceManager
from .signals import END_SECONDS, Deadline, Signals

log = logging.getLogger("dlserv")

MOST_FILES = 2 ** 16


def serve(options):
    """Serve until SIGTERM or SIGINT, or export or import tasks; return the exit code. Raise Error."""
    if options.export or options.import_:
        return _move(options)
    share_one_arena()
    import_http_client()
    from .api.server import Server
    from .client.discovery import RunFile, run_file_path
    from .daemon import Daemon
    file = sources.read_file(options, os.environ)
    mapping, remarks, path = sources.gather(options, os.environ, file)

    def keep(changes, changed):
        config_file.write_back(path, changes)
        log.setLevel(changed.general.log_level.upper())

    _allow_many_files()
    daemon = Daemon(mapping, sources.environment_proxies(), os.path.expanduser("~/.netrc"),
                    os.path.dirname(path), keep, sources.origins(options, os.environ, file))
    output = LogOutput(daemon.config.general)
    for level, remark in remarks:
        log.log(level, remark)
    signals, manager = Signals(), ServiceManager(os.environ)
    threading.excepthook = Obituary().tell
    server = _listen(Server, daemon)
    try:
        token_file, daemon.url = _token_file(options, daemon.config, server), server.url
        where = run_file_path(os.environ, lambda: daemon.config.general.db_path)
        with Deadline() as deadline, daemon, server, RunFile(where, server.url, token_file):
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


def _listen(make, daemon):
    """Return the Server. Raise LocalError if the address cannot be had."""
    try:
        return make(daemon)
    except OSError as error:
        raise LocalError(_address_sentence(daemon.config.server, error)) from error


def import_http_client():
    """Import http.client, which http.server needs, without ssl: OpenSSL takes 5 MiB, and TLS may never be used.

    Its HTTPSConnection is made where it is asked for first.
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
    """Raise Exhausted if a limit of the system prevented the start; after a signal only log it."""
    exhausted = exhaustion_in(error)
    if exhausted is None:
        raise error
    if not signals.caught:
        raise exhausted from error
    log.error("%s", exhausted)


def _allow_many_files():
    """Raise the limit of open files: a download has about six, and shells often allow 256 or 1,024."""
    try:
        import resource
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft != resource.RLIM_INFINITY:
            most = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
    except (ImportError, ValueError, OSError):
        pass        # Windows, or the system knows better


def _move(options):
    """Export or import tasks; return the exit code."""
    from .tasks import export
    from .units import clean
    mapping, _, _ = sources.gather(options, os.environ)
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
    """Return the file with the server's token, or None.

    Where others can reach the address and no token was named, one is made at the first start,
    which is the only time it is printed.
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
    """Reopen the log file and read the settings and the certificate again, each by itself (SIGHUP).

    Return what failed, as phrases.
    """
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
    mapping, _, path = sources.gather(options, os.environ)
    waiting = daemon.configuration.reload(mapping)
    log.setLevel(daemon.config.general.log_level.upper())
    log.info("the settings of %s are in effect", path)
    if waiting:
        log.warning("%s will take effect at the next start", ", ".join(waiting))


def _address_sentence(where, error):
    if isinstance(error, socket.gaierror) or error.errno in (errno.EADDRNOTAVAIL, errno.EINVAL):
        return "server.host: %s is not an address of this machine: %s" % (
            where.host, error.strerror or error)
    if where.host.startswith(UNIX):
        return "server.host: %s cannot be listened on: %s" % (where.host, error.strerror or error)
    return "server.port: %s:%d cannot be listened on: %s; choose another with --port" % (
        where.host, where.port, error.strerror or error)
