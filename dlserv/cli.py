"""The command line's entrance: the daemon or a command, errors as one sentence, exit codes."""

import os
import sys

from .commands import parser
from .errors import Error, InvalidValue, NoDaemon, NotAllowed
from .settings import sources
from .units import clean

EXIT_OK, EXIT_FAILED, EXIT_USAGE, EXIT_NO_DAEMON, EXIT_NOT_ALLOWED = range(5)

# The first class that matches decides.
EXIT_CODES = ((InvalidValue, EXIT_USAGE), (NoDaemon, EXIT_NO_DAEMON), (NotAllowed, EXIT_NOT_ALLOWED),
              (Error, EXIT_FAILED))


def main(arguments=None):
    """Run the daemon or a command; return the exit code."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    for name in ("stdout", "stderr"):       # None where they were closed before we began
        setattr(sys, name, getattr(sys, name) or open(os.devnull, "w"))
    options = None
    try:
        command, options = parser.parse(arguments)
        if command.name == "serve":
            from . import serve
            return serve.serve(options)
        from .commands.main import run      # the daemon does not need it
        return run(command, options)
    except Error as error:
        print(f"dlserv: {clean(sources.as_typed(str(error), options))}", file=sys.stderr)
        return next(code for kind, code in EXIT_CODES if isinstance(error, kind))
