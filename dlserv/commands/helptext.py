"""The help of the commands, from the rows of the catalogue."""

import argparse
import shutil
import textwrap

from .catalogue import COMMANDS, EXAMPLES, EXIT_CODES
from .parser import ANYWHERE, HELP, USAGE, VERSION, arguments_of, usage

DESCRIPTION = ("A download daemon with a web page and a REST interface, and its command line.\n"
               "Without a command it runs the daemon.")


def example(text):
    """Return an example as it is typed."""
    return text if "dlserv " in text else "dlserv " + text


def help_of(command):
    """Return the help of one command."""
    visible = [each for each in arguments_of(command) if each.options["help"] != argparse.SUPPRESS]
    lines = ["usage: " + usage(command), "", sentence(command.help)]
    for heading, is_positional in (("arguments:", True), ("options:", False)):
        pairs = [(label(each), each.options["help"]) for each in visible + [HELP]
                 if each.is_positional == is_positional]
        lines += ["", heading] + _columns(pairs) if pairs else []
    lines += ["", "examples:"] + ["  " + example(each) for each in command.examples]
    return "\n".join(lines + [""] * bool(command.notes) + list(command.notes)) + "\n"


def help_of_all():
    """Return the overview: the commands, three examples, and the options that may stand anywhere."""
    lines = ["usage: " + USAGE, "", DESCRIPTION, "", "commands:"]
    lines += _columns([(each.name, each.help) for each in COMMANDS])
    lines += ["", "examples:"] + _columns(EXAMPLES)
    lines += ["", "options, before or after the command:"]
    lines += _columns([(label(each), each.options["help"]) for each in ANYWHERE + (HELP, VERSION)])
    lines += ["", "exit codes:"] + _columns([(str(code), meaning) for code, meaning in EXIT_CODES])
    return "\n".join(lines) + "\n"


def sentence(text):
    """Return the text as a sentence."""
    return text[0].upper() + text[1:] + "."


def label(argument):
    """Return the argument's name, or its flags, as the help lists them."""
    name = argument.options.get("metavar") or "|".join(argument.options.get("choices", ()))
    if argument.is_positional:
        return name
    value = " [%s]" if argument.options.get("nargs") == "?" else " %s"
    return ", ".join(argument.flags) + (value % name if argument.takes_value else "")


def _columns(pairs):
    """Return the lines of two columns; what does not fit into either goes on below."""
    longest = max(len(left) for left, _ in pairs)
    first = 4 + (longest if longest < 44 else max(len(left) for left, _ in pairs if len(left) < 28))
    width = max(30, min(100, shutil.get_terminal_size().columns - 1) - first)
    lines = []
    for left, right in pairs:
        rest = textwrap.wrap(right, width)
        if len(left) > first - 4:
            lines.append("  " + left)
            left = ""
        lines += [("" if number else "  " + left).ljust(first) + line for number, line in enumerate(rest)]
    return [line.rstrip() for line in lines]
