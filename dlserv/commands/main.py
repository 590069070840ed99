"""Run one command: find the daemon it is for, and end in order whatever happens."""

import os
import signal
import sys
from importlib import import_module

from ..client.discovery import read_run_file, run_file_path
from ..client.rest import Client
from ..client.several import Several
from ..errors import InvalidValue, LocalError, NoDaemon
from ..settings import sources
from ..settings import token as tokens
from ..settings.config import TABLES
from .terminal import standard_terminals

EXIT_INTERRUPTED = 130
ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}     # where a daemon that listens everywhere is reached


def run(command, options):
    """Run the command; return the exit code. Raise Error."""
    signal.signal(signal.SIGTERM, _end)
    try:
        code = _run(command, options)
        sys.stdout.flush()
        return code
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())      # drop what is still buffered
        if isinstance(error, BrokenPipeError):      # the reader has seen enough
            return 0
        raise LocalError(error.strerror or str(error)) from None
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def _run(command, options):
    module, _, function = command.run.partition(":")
    function = getattr(import_module("." + module, __package__), function)
    terminals = standard_terminals(os.environ)
    if not command.needs_daemon:
        return function(options, terminals)
    with connect(options, os.environ, terminals[1].complain) as client:
        code = function(client, options, terminals)
        if isinstance(client, Several) and client.absent:
            raise NoDaemon(f"the result is incomplete: {len(client.absent)} of the daemons did not answer")
        return code


def connect(options, environ, tell):
    """Return a Client of the daemon that the options, the environment or its run file name.

    Return a Several if they name more than one; `tell` is called for those that do not answer.

    `--url` comes first, then `--host` and `--port`, $DLSERV_URL, and the daemon that runs
    here; else the address that the settings give a daemon. Raise InvalidValue, or NoDaemon
    if the run file is a dead daemon's.
    """
    token = _token(options, environ)
    if options.url is not None:
        return _clients(options.url, token, options.url.flag, tell)
    if options.host is None and options.port is None:
        if environ.get("DLSERV_URL"):
            return _clients(environ["DLSERV_URL"], token, "$DLSERV_URL", tell)
        found = _run_file(options, environ)
        if found is not None:
            if not token and found["token_file"]:
                token = tokens.read(found["token_file"], "--token-file")
            return Client(found["url"], token)
    mapping = sources.gather(options, environ)[0]
    return Client(_address(mapping.get("server", {})), token or _token_of(mapping))


def _clients(text, token, source, tell):
    """Return the Client of the URL in the text, or the Several of those with blanks between them."""
    urls = list(dict.fromkeys(url.rstrip("/") for url in text.split()))
    if len(urls) < 2:
        return _client(text.strip(), token, source)
    return Several([_client(url, token, source) for url in urls], source, tell)


def _client(url, token, source):
    try:
        return Client(url, token)
    except InvalidValue as error:
        raise InvalidValue(source, error.reason) from None


def _token(options, environ):
    if options.token_file:
        return tokens.read(options.token_file, options.token_file.flag)
    return options.token or environ.get("DLSERV_TOKEN")


def _token_of(mapping):
    given = mapping.get("server", {})
    return given.get("token") or (tokens.read(given["token_file"]) if given.get("token_file") else None)


def _run_file(options, environ):
    """Return what the run file says, or None; the settings are read only if its place depends on them."""
    def db_path():
        return sources.gather(options, environ)[0]["general"]["db_path"]
    try:
        return read_run_file(run_file_path(environ, db_path))
    except ProcessLookupError as error:
        raise NoDaemon(f'no daemon: {error}; "dlserv serve" starts one') from None


def _address(server):
    """Return the URL at which a daemon with this section of the settings is reached from here."""
    values = dict(TABLES["server"].defaults(), **server)
    host = ANY.get(values["host"], values["host"])
    if host.startswith("unix:"):
        return host
    scheme = "https" if values["tls_cert"] else "http"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{values['port']}{values['prefix']}"


def _end(number, frame):
    """SIGTERM: unwind, so that the terminal and a download are left in order."""
    sys.exit(128 + number)
