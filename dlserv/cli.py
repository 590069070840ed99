"""The command line: which half is meant, errors as one sentence, exit codes.

`serve`, or no command, is the daemon (serve.py); every other command is a client of it
(commands/), which is loaded only when it is asked for.
"""

import argparse
import sys

from . import __version__
from .errors import Error, InvalidValue

EXIT_OK, EXIT_FAILED, EXIT_USAGE = 0, 1, 2


def main(arguments=None):
    """Run the command; gives the exit code."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    if arguments[:1] == ["serve"]:
        del arguments[0]
    return _guarded(_serve, arguments)


def _serve(arguments):
    from . import serve
    parser = argparse.ArgumentParser(prog="dlserv", description="A download daemon with a REST interface.")
    serve.add_arguments(parser)
    parser.add_argument("--version", action="version", version="dlserv " + __version__)
    return serve.serve(parser.parse_args(arguments))


def _guarded(function, arguments):
    try:
        return function(arguments)
    except InvalidValue as error:
        return _complain(error, EXIT_USAGE)
    except Error as error:
        return _complain(error, EXIT_FAILED)


def _complain(sentence, code):
    print("dlserv: %s" % sentence, file=sys.stderr)
    return code
