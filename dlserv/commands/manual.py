"""help and man: the commands' table as text, and as roff for `man` and groff."""

from argparse import SUPPRESS

from ..errors import InvalidValue
from ..settings import options as task_options
from ..settings.config import TABLES
from ..version import __version__
from .catalogue import COMMANDS, EXAMPLES, EXIT_CODES
from .helptext import DESCRIPTION, example, help_of, help_of_all, label, sentence
from .parser import ANYWHERE, HELP, USAGE, VERSION, find, nearest, usage
from .serving import CONNECTION

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
    """Print the help of the command that was named, or the overview."""
    terminals[0].write(_help(options.topic).rstrip("\n"))
    return 0


def _help(topic):
    if topic is None:
        return help_of_all()
    command = find(topic)
    if command is None:
        hint = nearest(topic, [each.name for each in COMMANDS])
        raise InvalidValue("help", f"there is no command {topic}{hint}")
    return help_of(command)


def man(options, terminals):
    """Print the manual page."""
    terminals[0].write(*_page())
    return 0


# -- roff -----------------------------------------------------------------------------------

def _page():
    lines = [f'.TH DLSERV 1 "" "dlserv {__version__}" "User Commands"',
             ".SH NAME", r"dlserv \- a download daemon with a web page, and its command line",
             ".SH SYNOPSIS", _text(USAGE), ".SH DESCRIPTION", _text(" ".join(DESCRIPTION.split())),
             ".SH COMMANDS"]
    for command in COMMANDS:
        lines += _command(command)
    lines += [".SH OPTIONS", "These may stand before the command or after it."]
    lines += _listed([(label(each), each.options["help"]) for each in ANYWHERE + (HELP, VERSION)])
    lines += [".SH SETTINGS", "Keys of the configuration file and of the command config."]
    lines += _listed([(f"{section}.{field.name}", field.doc)
                      for section, table in TABLES.items() for field in table.fields.values()])
    lines += [".SH TASK OPTIONS", "Keys of the command set and of \\-\\-option."]
    lines += _listed([(field.name, field.doc) for field in task_options.TABLE.fields.values()])
    for heading, pairs in (("ENVIRONMENT", ENVIRONMENT), ("FILES", FILES), ("EXIT STATUS", EXIT_CODES),
                           ("EXAMPLES", EXAMPLES)):
        lines += [".SH " + heading] + _listed(pairs)
    return lines


def _command(command):
    lines = [".SS " + _text(usage(command)), _text(sentence(command.help))]
    own = command.arguments if command.name != "serve" else ()      # which are those under OPTIONS
    lines += _listed([(label(each), each.options["help"]) for each in own + CONNECTION * command.needs_daemon
                      if each.options["help"] != SUPPRESS])
    lines += [".PP", "Examples:"] + _verbatim(["    " + example(each) for each in command.examples])
    return lines + ([".PP"] + _verbatim(command.notes) if command.notes else [])


def _verbatim(lines):
    """Return the lines as they stand, not filled."""
    return [".nf"] + [_text(each) for each in lines] + [".fi"]


def _listed(pairs):
    """Return a list of terms with their meanings."""
    return [line for term, meaning in pairs
            for line in (".TP", r"\fB%s\fR" % _text(str(term)), _text(meaning))]


def _text(text):
    """Return the text with nothing in it that roff would take for a request or an escape."""
    text = text.replace("\\", r"\e").replace("-", r"\-").replace("'", r"\(aq").replace("`", r"\(ga")
    return r"\&" + text if text.startswith(".") else text.replace("^", r"\(ha").replace("~", r"\(ti")
