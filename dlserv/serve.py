"""The daemon as a process: its server, signals, logging, and the files it leaves for clients.

With the commands, the only place that knows the environment, standard output and signals.
"""

import errno
import importlib
import logging
import os
import select
import signal
import socket
import sys
import threading
import time

from .settings import config, config_file, sources
from .settings import token as tokens
from .api.listener import UNIX
from .complaint import Complaint
from .errors import Error, LocalError, Unwritable, exhaustion_in
from .sockets import Waker
from .threads import Thread, join

log = logging.getLogger("dlserv")

END_SECONDS = 2.5           # that the end may take, from the signal on
MOST_FILES = 2 ** 16


def serve(options):
    """Serve until SIGTERM or SIGINT, or export or import tasks; return the exit code. Raises Error."""
    if options.export or options.import_:
        return _move(options)
    _import_http_client()
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
    output = _Output(daemon.config.general)
    for level, remark in remarks:
        log.log(level, remark)
    signals = _Signals()
    threading.excepthook = _Obituary().tell
    try:
        server = Server(daemon)
    except OSError as error:
        raise LocalError(_address_sentence(daemon.config.server, error)) from error
    try:
        token_file, daemon.url = _token_file(options, daemon.config, server), server.url
        where = run_file_path(os.environ, lambda: daemon.config.general.db_path)
        with _Deadline() as deadline, daemon, server, RunFile(where, server.url, token_file):
            print("dlserv: listening on %s" % server.url, flush=True)
            signals.wait(lambda: _reload(options, daemon, server, output))
            deadline.begin()
    except (RuntimeError, MemoryError) as error:
        _end_exhausted(error, signals)
    finally:
        server.server_close()
    return 0


def _import_http_client():
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


class _Deadline:
    """Context manager: exits the process if the shutdown takes longer than END_SECONDS.

    Its thread begins with it, because there may be none to be had at the end.
    """

    def __init__(self):
        self._begun, self._over = threading.Event(), threading.Event()
        self._thread = Thread(self._wait, "dlserv-deadline")

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exc_info):
        self._over.set()
        self._begun.set()
        join(self._thread)

    def begin(self):
        """Begin to count the time of the end."""
        self._begun.set()

    def _wait(self):
        self._begun.wait()
        if not self._over.wait(END_SECONDS):
            _end_now()


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


def _end_now():
    """Exit though a disk still blocks a thread: acknowledged changes and progress are in the database."""
    log.warning("shutdown timed out after %g s; exiting", END_SECONDS)
    os._exit(0)


class _Obituary:
    """No thread is to die unheard, wherever standard error goes; one without memory is told once."""

    def __init__(self):
        self._complaint = Complaint(log)

    def tell(self, death):
        """Log the death, as threading.excepthook."""
        if exhaustion_in(death.exc_value) is not None:
            self._complaint.tell(f"a thread has ended: {exhaustion_in(death.exc_value)}")
            return
        log.critical("a bug ended the thread %s", death.thread.name if death.thread else "?",
                     exc_info=(death.exc_type, death.exc_value, death.exc_traceback))


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
    """Reopen the log file and read the settings and the certificate again, each by itself (SIGHUP)."""
    for act, otherwise in ((lambda: output.open(daemon.config.general), "the log goes where it went"),
                           (lambda: _reload_settings(options, daemon), "the settings stay as they are"),
                           (server.reload_certificate, "the certificate stays")):
        try:
            act()
        except Error as error:
            log.error("%s: %s", otherwise, error)
        except Exception:
            log.exception("%s, because of a bug", otherwise)


def _reload_settings(options, daemon):
    mapping, _, path = sources.gather(options, os.environ)
    waiting = daemon.configuration.reload(mapping)
    log.setLevel(daemon.config.general.log_level.upper())
    log.info("the settings of %s count now", path)
    if waiting:
        log.warning("%s will count from the next start", ", ".join(waiting))


class _Output:
    """The destination of the log: standard error, or a file that may be moved away before a SIGHUP."""

    def __init__(self, general):
        self._handler = None
        self.open(general)

    def open(self, general):
        """Write to where the settings say from now on. Raises Unwritable."""
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

    Python writes to a Waker when a signal arrives: the system may hand it to any thread, and
    a main thread that waits for a lock would not notice.
    """

    def __init__(self):
        self._waker = Waker()
        self.caught, self._hung_up = False, False
        signal.set_wakeup_fd(self._waker.writing_end, warn_on_full_buffer=False)
        for name in ("SIGTERM", "SIGINT"):
            signal.signal(getattr(signal, name), self._handle)
        if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
            signal.signal(signal.SIGHUP, self._hang_up)     # ignored means that nohup wants it so

    def _hang_up(self, number, frame):
        self._hung_up = True

    def _handle(self, number, frame):
        if self.caught:
            os._exit(128 + number)
        self.caught = True

    def wait(self, reload):
        """Return at the end; `reload()` is called for every SIGHUP."""
        while not self.caught:
            try:
                select.select([self._waker], [], [])
                self._waker.clear()
                if self._hung_up:
                    self._hung_up = False
                    reload()
            except MemoryError:
                time.sleep(1)       # what it was for may be done when there is some


def _address_sentence(where, error):
    if isinstance(error, socket.gaierror) or error.errno in (errno.EADDRNOTAVAIL, errno.EINVAL):
        return "server.host: %s is not an address of this machine: %s" % (
            where.host, error.strerror or error)
    if where.host.startswith(UNIX):
        return "server.host: %s cannot be listened on: %s" % (where.host, error.strerror or error)
    return "server.port: %s:%d cannot be listened on: %s; choose another with --port" % (
        where.host, where.port, error.strerror or error)
