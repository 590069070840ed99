"""The commands that are not the daemon: clients of one that runs, and `get`."""

import os
import signal
import sys
from importlib import import_module

from .. import serve
from ..errors import LocalError
from ..terminal import standard_terminals
from .finding import find
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


def _end(number, frame):
    """SIGTERM: unwind, so that the terminal and a download are left in order."""
    sys.exit(128 + number)
