"""The command line's grammar: `dlserv [OPTION]... [COMMAND [ARGUMENT]...]`.

The daemon's options and `--url` may stand before the command or after it, where a command's own
flags come first. Only the parsers that are needed are made.
"""

import argparse
import sys

from ..errors import InvalidValue
from ..units import clean
from ..version import __version__
from .flags import ANYWHERE, CONNECTION, SERVE, Argument

USAGE = "dlserv [OPTION]... [COMMAND [ARGUMENT]...]"
EXCLUSIVE = (("token", "token_file", "no_token"), ("export", "import_"))
ONLY = {("serve",): ("export", "import_"), ("serve", "unit"): ("no_token",),
        ("serve", "get", "unit"): ("download_dir",)}


def parse(arguments):
    """Return (the Command, its options as a Namespace); `--help` makes it the command `help`.

    Exit after printing the version, and with 2 after a wrong usage; raise InvalidValue for a bad value.
    """
    try:
        return _parse(arguments)
    except _HelpWanted as wanted:
        command, = wanted.args
        return find("help"), argparse.Namespace(topic=command and command.name)


def _parse(arguments):
    before, name, behind = _split(arguments)
    overview = Parser(None)
    options = overview.parse_more(before, argparse.Namespace())
    command = find(name)
    if command is None:
        overview.error(f"there is no command {name}" + nearest(name, [each.name for each in _commands()]))
    options = Parser(command).parse_more(behind, options)
    _check(command, options)
    return command, options


def find(name):
    """Return the Command of that name, or None. The daemon starts without the other commands."""
    if name == SERVE.name:
        return SERVE
    return next((each for each in _commands() if each.name == name), None)


def _commands():
    from .catalogue import COMMANDS
    return COMMANDS


def _split(arguments):
    valued = {flag for each in ANYWHERE if each.takes_value for flag in each.flags}
    index = 0
    while index < len(arguments) and arguments[index].startswith("-"):
        index += 2 if arguments[index] in valued else 1
    name = arguments[index] if index < len(arguments) else SERVE.name
    return arguments[:index], name, arguments[index + 1:]


def _check(command, options):
    def given(names):
        return ["--" + each.rstrip("_").replace("_", "-") for each in names if getattr(options, each, None)]
    for group in EXCLUSIVE:
        first, *others = given(group) or [None]
        if others:
            raise InvalidValue(others[0], f"this cannot be combined with {first}")
    for names, others in ONLY.items():
        if given(others) and command.name not in names:
            raise InvalidValue(given(others)[0], f"this is for {' and '.join(names)}, not for {command.name}")
    if command is SERVE and options.url is not None:
        raise InvalidValue(options.url.flag, "this is for commands that talk to a daemon; "
                           "a daemon takes --host and --port")


def nearest(word, words):
    """Return "; did you mean …?" with the nearest of the words, or its text in a dict, or ""."""
    import difflib
    longer = [each for each in words if each.startswith(word)] if len(word.strip("-")) > 1 else []
    near = longer or difflib.get_close_matches(word, words, 1)
    if not near:
        return ""
    return f"; did you mean {words[near[0]] if isinstance(words, dict) else near[0]}?"


class _HelpWanted(Exception):
    """With the Command that `--help` stands behind, or None."""


class _Help(argparse.Action):
    def __call__(self, parser, namespace, value, flag=None):
        raise _HelpWanted(parser.command)


HELP = Argument("-h --help", None, "print this help", action=_Help, nargs=0)
VERSION = Argument("--version", None, "print the version", action="version", version="dlserv " + __version__)
GENERAL = ANYWHERE + (HELP, VERSION)


def arguments_of(command):
    if command is None:
        return (VERSION,)
    return command.arguments + (CONNECTION if command.needs_daemon else ())


class Parser(argparse.ArgumentParser):
    """The parser of one command; with None, of what may stand before it."""

    def __init__(self, command):
        self.command = command
        super().__init__(prog="dlserv", usage=usage(command) if command else USAGE, allow_abbrev=False,
                         add_help=False)
        self._flags = []
        for argument in (HELP,) + arguments_of(command) + ANYWHERE:
            self._add(argument)

    def _add(self, argument):
        flags = [flag for flag in argument.flags + argument.aliases if flag not in self._flags]
        if flags:
            self.add_argument(*flags, **argument.options)
        if not argument.is_positional:
            self._flags += flags

    def parse_more(self, arguments, namespace):
        """Add to the namespace; the words may stand in any order."""
        _, rest = self.parse_known_args(arguments, namespace)
        words = self._words_of(rest)
        if words:
            places = [each for each in arguments_of(self.command) if each.options.get("nargs") in ("*", "+")]
            if not places:
                self.error(f"{words[0]!r} is one argument too many")
            getattr(namespace, places[-1].flags[0]).extend(words)
        return namespace

    def _words_of(self, rest):
        """Return the words that argparse left over because options stood between them."""
        words, plain = [], False
        for each in rest:
            if plain or not each.startswith("-") or each == "-":
                words.append(each)
            elif each == "--":
                plain = True
            else:
                flag = each.partition("=")[0]
                self.error(f"there is no option {flag}" + nearest(flag, self._flags))
        return words

    def error(self, message):
        self.print_usage(sys.stderr)
        where = f"dlserv {self.command.name}" if self.command else "dlserv"
        self.exit(2, f"{where}: {clean(message)}\n")


def usage(command):
    """Return the line that shows how the command is called."""
    parts = ["dlserv " + command.name]
    if command.needs_daemon or any(not each.is_positional for each in command.arguments):
        parts.append("[OPTION]...")
    forms = {"?": "[%s]", "*": "[%s]...", "+": "%s..."}
    return " ".join(parts + [forms.get(each.options.get("nargs"), "%s") % each.value_name
                             for each in command.arguments if each.is_positional])
