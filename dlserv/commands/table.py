"""The commands as a table: the parser, the help and the shells' completion follow from it.

A row names the function that does it, as "module:function" of this package, so that only
the module that is needed is loaded. It takes (client, options, terminals), without the
client where no daemon is needed, and gives the exit code.
"""

import argparse
from collections import namedtuple

from ..version import __version__
from ..client.rest import STATES

Command = namedtuple("Command", "name help arguments run needs_daemon examples")


class Argument(namedtuple("Argument", "flags options values")):
    """What argparse's add_argument takes; and `values` for the completion: words, or one of
    "tasks", "files" and "folders".
    """

    __slots__ = ()

    def __new__(cls, *flags, **options):
        values = options.pop("values", options.get("choices", ()))
        return super().__new__(cls, flags, options, values)


CONNECTION = (
    Argument("--url", metavar="URL", default=argparse.SUPPRESS,
             help="the daemon: http://H:P, https://... or unix:/path ($DLSERV_URL; else the one "
                  "that runs here)"),
    Argument("--token-file", metavar="FILE", default=argparse.SUPPRESS, values="files",
             help="a file that holds the daemon's token (or put it into $DLSERV_TOKEN)"),
)

_A_TASK = "a tid, or the first 4 or more of its digits, or the URL"
_TASKS_HELP = _A_TASK + "; or a state, or all"
_TASKS = Argument("tasks", nargs="+", metavar="TASK", values="tasks", help=_TASKS_HELP)
_TASKS_OR_NONE = Argument("tasks", nargs="*", metavar="TASK", values="tasks", help=_TASKS_HELP)
_JSON = Argument("--json", action="store_true", help="JSON, one line for each object")
_QUIET = Argument("-q", "--quiet", action="store_true", help="tids or paths only, no progress")

_URLS = (
    Argument("urls", nargs="*", metavar="URL", help="what to fetch; - reads a list from standard input"),
    Argument("-i", "-f", "--input", metavar="FILE", dest="lists", action="append", default=[], values="files",
             help="a list: a URL a line, # comments, its options indented below it (  out=name)"),
    Argument("-o", "--out", metavar="NAME", help="the file's name, instead of the server's"),
)
_OPTIONS = (
    Argument("--checksum", metavar="SUM", help="sha-256=<hex>; also md5, sha-1, sha-512"),
    Argument("--limit", metavar="RATE", help="bytes/s at most, also 512K or 2M"),
    Argument("--connections", metavar="N", help="connections at most"),
    Argument("--header", metavar="'N: V'", action="append", default=[], help="a request header"),
    Argument("--mirror", metavar="URL", action="append", default=[], help="another URL of the same file"),
    Argument("--option", metavar="KEY=VALUE", action="append", default=[],
             help="any option of a task, such as user, cookies or proxy"),
)

COMMANDS = (
    Command("add", "add downloads", _URLS + (
        Argument("-d", "--dir", metavar="DIR", help="a folder below the download directory"),
        ) + _OPTIONS + (
        Argument("--priority", metavar="N", help="higher goes first"),
        Argument("--paused", action="store_true", help="add it without starting it"),
        Argument("--wait", action="store_true", help="return when it is finished; the exit code tells"),
        _QUIET), "act:add", True, (
        "add https://example.org/debian.iso",
        "add https://example.org/a.iso -o b.iso -d isos --limit 2M --wait",
        "add -i list.txt --paused",
        "xclip -o | dlserv add -")),
    Command("list", "list the tasks", (
        Argument("--state", choices=STATES, help="only those in this state"), _JSON),
        "show:list_tasks", True, ("list", "list --state downloading", "list | grep debian | cut -f1")),
    Command("status", "tell how tasks are doing", (_TASKS, _JSON), "show:status", True, (
        "status 3f2a", "status downloading --json")),
    Command("info", "tell what tasks are", (_TASKS, _JSON), "show:info", True, (
        "info 3f2a", "info https://example.org/debian.iso")),
    Command("log", "print the logs of tasks, the latest line last", (_TASKS, _JSON), "show:log", True, (
        "log 3f2a", "log invalid")),
    Command("pause", "stop tasks where they are", (_TASKS, _QUIET), "act:pause", True, (
        "pause 3f2a", "pause all")),
    Command("resume", "let paused or failed tasks go on", (_TASKS, _QUIET), "act:resume", True, (
        "resume 3f2a", "resume invalid")),
    Command("restart", "fetch finished or failed tasks again, from nothing", (_TASKS, _QUIET),
            "act:restart", True, ("restart 3f2a", "restart invalid")),
    Command("rm", "forget tasks", (
        _TASKS, Argument("--with-file", action="store_true", help="delete their files too"), _QUIET),
        "act:remove", True, ("rm finished", "rm --with-file 3f2a")),
    Command("move", "give a waiting task another place in the queue", (
        Argument("task", metavar="TASK", values="tasks", help=_A_TASK),
        Argument("to", choices=("top", "bottom", "up", "down"), help="where to")),
        "act:move", True, ("move 3f2a top", "move 3f2a down")),
    Command("config", "show the daemon's settings, or change them", (
        Argument("settings", nargs="*", metavar="KEY[=VALUE]", help="such as download.ratelimit=2M"), _JSON),
        "settings:config", True, (
        "config", "config download.ratelimit", "config download.ratelimit=2M download.max_concurrent=3")),
    Command("stats", "tell how the daemon is doing", (_JSON,), "show:stats", True, ("stats", "stats --json")),
    Command("wait", "return when tasks are finished", (_TASKS_OR_NONE, _QUIET), "watch:wait", True, (
        "wait 3f2a", "wait && systemctl poweroff")),
    Command("watch", "show the tasks while they change; q ends it", (_TASKS_OR_NONE, _JSON),
        "watch:watch", True, (
        "watch", "watch downloading queued", "watch | grep finished")),
    Command("get", "download here and now, without a daemon", _URLS + (
        Argument("-d", "--dir", metavar="DIR", default=".", values="folders", help="the folder (this one)"),
        ) + _OPTIONS + (_QUIET,), "get:get", False, (
        "get https://example.org/debian.iso",
        "get https://example.org/a.iso -o b.iso --checksum md5=9e107d9d372bb6826bd81d3542a419d6")),
    Command("completion", "print the completion of these commands for a shell", (
        Argument("shell", choices=("bash", "zsh", "fish"), help="the shell"),),
        "completion:completion", False, (
        'eval "$(dlserv completion bash)"',
        'dlserv completion zsh > "${fpath[1]}/_dlserv"',
        "dlserv completion fish > ~/.config/fish/completions/dlserv.fish")),
)

EXIT_CODES = "exit codes: 0 done, 1 failed or refused, 2 usage, 3 no daemon, 4 not allowed, 130 Ctrl-C"


def build_parser(add_daemon_arguments):
    """The whole command line: the daemon's own arguments, and the commands."""
    parser = argparse.ArgumentParser(
        prog="dlserv", epilog=EXIT_CODES, description="A download daemon with a REST interface, and its "
        "client. Without a command it runs the daemon.")
    add_daemon_arguments(parser)
    parser.add_argument("--version", action="version", version="dlserv " + __version__)
    _add_arguments(parser, CONNECTION[:1])      # the daemon's have the other
    parsers = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command", required=True)
    add_daemon_arguments(parsers.add_parser("serve", help="run the daemon"))
    for command in COMMANDS:
        _add_command(parsers, command)
    return parser


def _add_command(parsers, command):
    examples = ["  " + ("" if "dlserv" in each else "dlserv ") + each for each in command.examples]
    parser = parsers.add_parser(
        command.name, help=command.help, description=command.help[0].upper() + command.help[1:] + ".",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="\n".join(["examples:"] + examples).replace("%", "%%"))
    _add_arguments(parser, command.arguments + (CONNECTION if command.needs_daemon else ()))
    parser.set_defaults(run=command.run, needs_daemon=command.needs_daemon)


def _add_arguments(parser, arguments):
    for argument in arguments:
        parser.add_argument(*argument.flags, **argument.options)
