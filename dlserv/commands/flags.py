"""Arguments of commands as rows; those of the daemon, which may stand before any command."""

import argparse
from collections import namedtuple

from ..errors import InvalidValue


class Argument(namedtuple("Argument", "flags options values aliases")):
    """The parameters of argparse's add_argument, and two more.

    values   for the completion: words, or one of "tasks", "files", "folders", "settings", "options"
    aliases  flags that are taken as well, but not listed in the help
    """

    __slots__ = ()

    def __new__(cls, *flags, values=(), aliases=(), **options):
        if flags[0].startswith("-"):
            options.setdefault("action", Remember)
        return super().__new__(cls, flags, options, values or options.get("choices", ()), aliases)

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


# -- the daemon's own command, and the options that may stand before any ----------------------

Command = namedtuple("Command", "name help arguments run examples needs_daemon notes", defaults=(True, ()))

_SERVING = (
    Argument("-c", "--config", metavar="FILE", values="files", help="the settings, in JSON"),
    Argument("--host", metavar="H", help="the address to listen on"),
    Argument("--port", metavar="P", help="the port to listen on; 0 takes a free one"),
    Argument("--download-dir", metavar="D", values="folders", help="where files go"),
    Argument("--db", metavar="FILE", values="files", help="the database"),
    Argument("--token", metavar="T", help="the token that clients must send; others can see it in the list of "
                                          "processes, so prefer $DLSERV_TOKEN"),
    Argument("--token-file", metavar="FILE", values="files", help="a file that holds the token"),
    Argument("--no-token", action="store_true", help="let in everybody who can reach the address"),
    Argument("--log-level", metavar="L", values=("debug", "info", "warning", "error"),
             help="debug, info, warning or error"),
    Argument("--export", metavar="FILE", values="files",
             help="write all tasks, secrets included, to FILE and exit"),
    Argument("--import", metavar="FILE", dest="import_", values="files",
             help="add the tasks of an export or of a list of URLs and exit"),
)
_URL = Argument("--url", metavar="URL",
                help="the daemon to talk to: http://H:P, https://... or unix:/path, or several of these with "
                     "blanks between them ($DLSERV_URL; by default the one that runs here)")
ANYWHERE = _SERVING + (_URL,)
CONNECTION = (_URL, Argument("--token-file", metavar="FILE", values="files",
                             help="a file that holds the daemon's token (or set $DLSERV_TOKEN)"))

SERVE = Command(
    "serve", "run the daemon, as dlserv does without a command", _SERVING, "serve:serve", (
        "serve --download-dir /srv/downloads",
        "serve -c /etc/dlserv.json --log-level debug",
        "serve --export tasks.json"), False)
