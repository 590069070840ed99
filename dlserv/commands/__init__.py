"""The commands that are not the daemon: clients of one that runs, and `get`."""

import os
import signal
import sys
from importlib import import_module

from .. import serve
from ..settings import token as tokens
from ..client.rest import Client
from ..settings.config import TABLES
from ..errors import LocalError, NoDaemon
from ..client.discovery import note_path, read_note
from .terminal import standard_terminals
from .table import build_parser

EXIT_INTERRUPTED = 130


def main(arguments):
    """Run a command; gives the exit code. Raises Error."""
    options = build_parser(serve.add_arguments).parse_args(arguments)
    if options.command == "serve":
        return serve.serve(options)
    signal.signal(signal.SIGTERM, _end)
    try:
        code = _run(options)
        sys.stdout.flush()
        return code
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())      # the rest is not to be flushed
        if isinstance(error, BrokenPipeError):      # whoever reads has had enough
            return 0
        raise LocalError(error.strerror or str(error)) from None
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def _run(options):
    module, _, function = options.run.partition(":")
    function = getattr(import_module("." + module, __name__), function)
    terminals = standard_terminals(os.environ)
    if not options.needs_daemon:
        return function(options, terminals)
    with find(getattr(options, "url", None), getattr(options, "token_file", None), os.environ) as client:
        return function(client, options, terminals)


def find(url, token_file, environ):
    """A Client of the daemon at `url`, else at $DLSERV_URL, else of the one whose note is found.

    Raises InvalidValue, or NoDaemon if the note is a dead one's.
    """
    url = url or environ.get("DLSERV_URL")
    token = tokens.read(token_file, "token-file") if token_file else environ.get("DLSERV_TOKEN")
    if not url:
        note = _note(environ)
        url = note["url"]
        if not token and note["token_file"]:
            token = tokens.read(note["token_file"], "token-file")
    return Client(url, token)


def _note(environ):
    path = note_path(environ, lambda: serve.settings(None, environ)[0]["general"]["db_path"])
    try:
        note = read_note(path)
    except ProcessLookupError as error:
        raise NoDaemon("no daemon: %s" % error) from None
    return note or {"url": "http://127.0.0.1:%d" % TABLES["server"].fields["port"].default,
                    "token_file": None}


def _end(number, frame):
    """SIGTERM: unwind, so that the terminal and a download are left in order."""
    sys.exit(128 + number)
