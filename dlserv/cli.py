"""The command line: which half is meant, errors as one sentence, exit codes.

`serve`, or no command, is the daemon (serve.py); every other command is a client of it
(commands/), which is loaded only when it is asked for.
"""

import argparse
import os
import sys

from .version import __version__
from .errors import Error, InvalidValue, NoDaemon, NotAllowed

EXIT_OK, EXIT_FAILED, EXIT_USAGE, EXIT_NO_DAEMON, EXIT_NOT_ALLOWED = range(5)

# The first class that matches decides.
EXIT_CODES = ((InvalidValue, EXIT_USAGE), (NoDaemon, EXIT_NO_DAEMON), (NotAllowed, EXIT_NOT_ALLOWED),
              (Error, EXIT_FAILED))


def main(arguments=None):
    """Run the command; gives the exit code."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    for name in ("stdout", "stderr"):       # None where whoever started us has closed them
        setattr(sys, name, getattr(sys, name) or open(os.devnull, "w"))
    try:
        if arguments[:1] == ["serve"]:
            return _serve(arguments[1:])
        return (_command if _is_a_client_s(arguments) else _serve)(arguments)
    except Error as error:
        from .units import clean
        print("dlserv: %s" % clean(str(error)), file=sys.stderr)
        return next(code for kind, code in EXIT_CODES if isinstance(error, kind))


def _is_a_client_s(arguments):
    """Whether they are for the commands, as the first of them tells; else they are the daemon's."""
    first, equals, _ = arguments[0].partition("=") if arguments else ("-", "", "")
    if first == "--token-file":     # which both have
        return len(arguments) > 2 - len(equals) and _is_a_client_s(arguments[2 - len(equals):])
    return not first.startswith("-") or first in ("-h", "--help", "--url")


def _command(arguments):
    from . import commands
    return commands.main(arguments)


def _serve(arguments):
    from . import serve
    parser = argparse.ArgumentParser(prog="dlserv", description="A download daemon with a REST interface.")
    serve.add_arguments(parser)
    parser.add_argument("--version", action="version", version="dlserv " + __version__)
    return serve.serve(parser.parse_args(arguments))
