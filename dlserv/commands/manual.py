"""help and man: the commands' table as text, and as roff."""

import shutil
import textwrap

from ..errors import InvalidValue
from ..settings import options as task_options
from ..settings.config import TABLES
from ..version import __version__
from .catalogue import COMMANDS, EXAMPLES, EXIT_CODES
from .parser import GENERAL, HELP, USAGE, arguments_of, find, nearest, usage

DESCRIPTION = ("A download daemon with a web page and a REST interface, and its command line.\n"
               "Without a command it runs the daemon.")
ENVIRONMENT = (
    ("DLSERV_URL", "the daemon that the commands talk to, or several with blanks between them"),
    ("DLSERV_TOKEN", "the token: the one to send, and for the daemon the one to demand"),
    ("DLSERV_CONFIG", "the configuration file"),
    ("DLSERV_<KEY>", "any setting by its last name in upper case, such as DLSERV_PORT"),
    ("CREDENTIALS_DIRECTORY", "systemd's: its file token holds the token of the daemon, where none is named"),
    ("NO_COLOR", "no colours, if it is set and not empty"),
)
FILES = (
    ("~/.config/dlserv/config.json", "the configuration, if -c and $DLSERV_CONFIG name no other; "
                                     "for root /etc/dlserv.json"),
    ("~/.local/state/dlserv/dlserv.db", "the database; for root in /var/lib/dlserv"),
    ("$XDG_RUNTIME_DIR/dlserv.json", "where the commands find the daemon that runs"),
)


def help_(options, terminals):
    terminals[0].write(*(_overview() if options.topic is None else _help_of(options.topic)))
    return 0


def man(options, terminals):
    terminals[0].write(*_page())
    return 0


def _pairs(arguments):
    return [(_label(each), each.options["help"]) for each in arguments if not each.is_hidden]


def _label(argument):
    if argument.is_positional:
        return argument.value_name
    value = " [%s]" if argument.options.get("nargs") == "?" else " %s"
    return ", ".join(argument.flags) + (value % argument.value_name if argument.takes_value else "")


def _example(text):
    return text if "dlserv " in text else "dlserv " + text


def _sentence(text):
    return text[0].upper() + text[1:] + "."


# -- text -------------------------------------------------------------------------------------

def _help_of(name):
    command = find(name)
    if command is None:
        hint = nearest(name, [each.name for each in COMMANDS])
        raise InvalidValue("help", f"there is no command {name}{hint}")
    lines = ["usage: " + usage(command), "", _sentence(command.help)]
    for heading, is_positional in (("arguments:", True), ("options:", False)):
        pairs = _pairs(each for each in arguments_of(command) + (HELP,) if each.is_positional == is_positional)
        lines += ["", heading] + _columns(pairs) if pairs else []
    lines += ["", "examples:"] + ["  " + _example(each) for each in command.examples]
    return lines + [""] * bool(command.notes) + list(command.notes)


def _overview():
    lines = ["usage: " + USAGE, "", DESCRIPTION]
    for heading, pairs in (("commands:", [(each.name, each.help) for each in COMMANDS]), ("examples:", EXAMPLES),
                           ("options, before or after the command:", _pairs(GENERAL)),
                           ("exit codes:", EXIT_CODES)):
        lines += ["", heading] + _columns(pairs)
    return lines


def _columns(pairs):
    first = 4 + max(len(str(left)) for left, _ in pairs)
    width = max(first + 30, min(100, shutil.get_terminal_size().columns - 1))
    return [line for left, right in pairs for line in textwrap.wrap(
        right, width, initial_indent=f"  {left}".ljust(first), subsequent_indent=" " * first)]


# -- roff -----------------------------------------------------------------------------------

def _page():
    lines = [f'.TH DLSERV 1 "" "dlserv {__version__}" "User Commands"',
             ".SH NAME", r"dlserv \- a download daemon with a web page, and its command line",
             ".SH SYNOPSIS", _text(USAGE), ".SH DESCRIPTION", _text(" ".join(DESCRIPTION.split())),
             ".SH COMMANDS"]
    for command in COMMANDS:
        lines += _command(command)
    settings = [(f"{section}.{field.name}", field.doc)
                for section, table in TABLES.items() for field in table.fields.values()]
    options = [(field.name, field.doc) for field in task_options.TABLE.fields.values()]
    for heading, pairs in (
            ("OPTIONS\nThese may stand before the command or after it.", _pairs(GENERAL)),
            ("SETTINGS\nKeys of the configuration file and of the command config.", settings),
            ("TASK OPTIONS\nKeys of the command set and of \\-\\-option.", options),
            ("ENVIRONMENT", ENVIRONMENT), ("FILES", FILES), ("EXIT STATUS", EXIT_CODES), ("EXAMPLES", EXAMPLES)):
        lines += [".SH " + heading] + _listed(pairs)
    return lines


def _command(command):
    lines = [".SS " + _text(usage(command)), _text(_sentence(command.help))]
    if command.name != "serve":      # whose options are those under OPTIONS
        lines += _listed(_pairs(arguments_of(command)))
    lines += [".PP", "Examples:"] + _verbatim(["    " + _example(each) for each in command.examples])
    return lines + ([".PP"] + _verbatim(command.notes) if command.notes else [])


def _verbatim(lines):
    return [".nf"] + [_text(each) for each in lines] + [".fi"]


def _listed(pairs):
    return [line for term, meaning in pairs
            for line in (".TP", r"\fB%s\fR" % _text(str(term)), _text(meaning))]


def _text(text):
    """Return the text without what roff takes for a request or an escape."""
    text = text.replace("\\", r"\e").replace("-", r"\-").replace("'", r"\(aq").replace("`", r"\(ga")
    return r"\&" + text if text.startswith(".") else text.replace("^", r"\(ha").replace("~", r"\(ti")
