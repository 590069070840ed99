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
        return 130


def _end(number, frame):
    """SIGTERM: unwind, so that the terminal and a download are left in order."""
    sys.exit(128 + number)


def _run(command, options):
    module, _, function = command.run.partition(":")
    function = getattr(import_module("." + module, __package__), function or command.name)
    terminals = standard_terminals()
    if not command.needs_daemon:
        return function(options, terminals)
    with _connect(options, terminals[1].complain) as client:
        code = function(client, options, terminals)
        if isinstance(client, Several) and client.absent:
            raise NoDaemon(f"the result is incomplete: {len(client.absent)} of the daemons did not answer")
        return code


def _connect(options, tell):
    """Return a Client or a Several; `tell` is called for daemons that do not answer.

    The first of these counts: `--url`, `--host` and `--port`, $DLSERV_URL, the daemon that runs here,
    the address in the settings. Raise InvalidValue, or NoDaemon if the run file is a dead daemon's.
    """
    token = options.token or os.environ.get("DLSERV_TOKEN")
    if options.token_file:
        token = tokens.read(options.token_file, options.token_file.flag)
    if options.url is not None:
        return _client(options.url, token, options.url.flag, tell)
    if options.host is None and options.port is None:
        if os.environ.get("DLSERV_URL"):
            path = os.environ.get("DLSERV_TOKEN_FILE")      # a hook has both
            token = token or path and tokens.read(path, "$DLSERV_TOKEN_FILE")
            return _client(os.environ["DLSERV_URL"], token, "$DLSERV_URL", tell)
        found = _run_file(options)
        if found is not None:
            if not token and found["token_file"]:
                token = tokens.read(found["token_file"], "--token-file")
            return Client(found["url"], token)
    server = sources.gather(options, os.environ)[0].get("server", {})
    token = token or server.get("token") or server.get("token_file") and tokens.read(server["token_file"])
    return Client(_address(server), token)


def _client(text, token, source, tell):
    urls = dict.fromkeys(url.rstrip("/") for url in text.split() or [""])
    try:
        clients = [Client(url, token) for url in urls]
    except InvalidValue as error:
        raise InvalidValue(source, error.reason) from None
    return clients[0] if len(clients) == 1 else Several(clients, source, tell)


def _run_file(options):
    """Return the run file's content or None; read the settings only if its place depends on them."""
    def db_path():
        return sources.gather(options, os.environ)[0]["general"]["db_path"]
    try:
        return read_run_file(run_file_path(os.environ, db_path))
    except ProcessLookupError as error:
        raise NoDaemon(f'no daemon: {error}; "dlserv serve" starts one') from None


def _address(server):
    values = dict(TABLES["server"].defaults(), **server)
    host = ANY.get(values["host"], values["host"])
    if host.startswith("unix:"):
        return host
    scheme = "https" if values["tls_cert"] else "http"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{values['port']}{values['prefix']}"
