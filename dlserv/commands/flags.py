"""Arguments of commands as rows; those of the daemon, which may stand before any command."""

import argparse
from collections import namedtuple

from ..errors import InvalidValue


class Argument(namedtuple("Argument", "flags options values aliases")):
    """Flags, or the name of words without one; a name for the value or None; the help; options of argparse.

    values   for the completion: words, or one of "tasks", "files", "folders", "settings", "options"
    aliases  flags that are taken as well, but not listed in the help
    """

    __slots__ = ()

    def __new__(cls, flags, metavar, text, values=(), aliases="", **options):
        flags = tuple(flags.split())
        if flags[0].startswith("-"):
            options.setdefault("action", Remember)
        if metavar:
            options["metavar"] = metavar
        return super().__new__(cls, flags, dict(options, help=text), values or options.get("choices", ()),
                               tuple(aliases.split()))

    @property
    def is_positional(self):
        return not self.flags[0].startswith("-")

    @property
    def is_hidden(self):
        return self.options["help"] == argparse.SUPPRESS

    @property
    def takes_value(self):
        return self.options.get("action") not in ("store_true", "version") and self.options.get("nargs") != 0

    @property
    def value_name(self):
        return self.options.get("metavar") or "|".join(self.options.get("choices", ()))


class Typed(str):
    """The value of a flag, with the `flag` as it was typed."""

    def __new__(cls, text, flag):
        typed = super().__new__(cls, text)
        typed.flag = flag
        return typed


class Remember(argparse.Action):
    def __call__(self, parser, namespace, value, flag=None):
        setattr(namespace, self.dest, Typed(value, flag))


class Collect(argparse.Action):
    def __call__(self, parser, namespace, value, flag=None):
        setattr(namespace, self.dest, [*getattr(namespace, self.dest), Typed(value, flag)])


class TaskOption(argparse.Action):
    """Append (flag as typed, option of a task, its text) to `given`.

    `option`, ours or aria2's, is by default the flag's name; `read` returns lines `name=value`
    instead. A flag that takes no value has the `const`.
    """

    def __init__(self, option_strings, dest, option=None, read=None, **more):
        super().__init__(option_strings, "given", **more)
        self._option, self._read = option or dest, read

    def __call__(self, parser, namespace, value, flag=None):
        from ..settings import inputfile
        value = self.const if self.nargs == 0 else value
        texts = {}
        try:
            for line in self._read(value) if self._read else [f"{self._option}={value}"]:
                inputfile.put(texts, line)
        except InvalidValue as error:
            raise InvalidValue(flag, error.reason) from None
        namespace.given = [*namespace.given, *((flag, name, text) for name, text in texts.items())]


def switch(flags, text, **options):
    """Return the row of a flag that takes no value."""
    return Argument(flags, None, text, action="store_true", **options)


# -- the daemon's own command, and the options that may stand before any ----------------------

Command = namedtuple("Command", "name help arguments run examples needs_daemon notes", defaults=(True, ()))

_SERVING = (
    Argument("-c --config", "FILE", "the settings, in JSON", "files"),
    Argument("--host", "H", "the address to listen on"),
    Argument("--port", "P", "the port to listen on; 0 takes a free one"),
    Argument("--download-dir", "D", "where files go", "folders"),
    Argument("--db", "FILE", "the database", "files"),
    Argument("--token", "T", "the token that clients must send; others can see it in the list of processes, "
                             "so prefer $DLSERV_TOKEN"),
    Argument("--token-file", "FILE", "a file that holds the token", "files"),
    switch("--no-token", "let in everybody who can reach the address"),
    Argument("--log-level", "L", "debug, info, warning or error", ("debug", "info", "warning", "error")),
    Argument("--export", "FILE", "write all tasks, secrets included, to FILE and exit", "files"),
    Argument("--import", "FILE", "add the tasks of an export or of a list of URLs and exit", "files",
             dest="import_"),
)
_URL = Argument("--url", "URL", "the daemon to talk to: http://H:P, https://... or unix:/path, or several of "
                                "these with blanks between them ($DLSERV_URL; by default the one that runs here)")
ANYWHERE = _SERVING + (_URL,)
CONNECTION = (_URL, Argument("--token-file", "FILE", "a file that holds the daemon's token (or set $DLSERV_TOKEN)",
                             "files"))

SERVE = Command(
    "serve", "run the daemon, as dlserv does without a command", _SERVING, "serve:serve", (
        "serve --download-dir /srv/downloads",
        "serve -c /etc/dlserv.json --log-level debug",
        "serve --export tasks.json"), False)
