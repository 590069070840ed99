"""Every command and its arguments, one row each, from which parser, help, manual and completion follow.

A row names the module that does the work, or "module:function" where the function has not the
name of the command; only that is loaded. It is called with (client, options, terminals), without
the client where no daemon is needed, and returns the exit code.
"""

from argparse import SUPPRESS
from functools import partial

from ..acts import PLACES
from ..contract import STATES
from .flags import SERVE, Argument, Collect, Command, TaskOption

_option = partial(Argument, action=TaskOption, default=())
_list = partial(Argument, action=Collect, default=())
_switch = partial(Argument, action="store_true")


# -- arguments that several commands have --------------------------------------------------

_A_TASK = "a tid or its first 4 or more digits, a part of the file's name, or the URL"
_TASKS_HELP = _A_TASK + "; a state; or all"
_TASKS = Argument("tasks", nargs="+", metavar="TASK", values="tasks", help=_TASKS_HELP)
_TASKS_OR_NONE = Argument("tasks", nargs="*", metavar="TASK", values="tasks", help=_TASKS_HELP)
_JSON = _switch("--json", help="print JSON, one object a line")
_QUIET = _switch("-q", "--quiet", aliases=("--silent",), help="print tids or paths only, no progress")


def _user_lines(text):
    user, colon, password = text.partition(":")
    return ["user=" + user] + ["password=" + password] * bool(colon)


def _checksum_lines(text):
    return ["checksum=" + (text if "=" in text else text.replace(":", "=", 1))]


def _mirror_lines(text):
    """Return one line; in a list, blanks stand between mirrors."""
    return ["mirrors=" + text.strip().replace(" ", "%20")]


_URLS = (
    Argument("urls", nargs="*", metavar="URL", help="what to download; - reads a list from standard input"),
    _list("-i", "--input", "-f", metavar="FILE", dest="lists", values="files", aliases=("--input-file",),
          help="read URLs from a list"),
)
_out = partial(Argument, "-o", "--out", metavar="FILE", aliases=("--output",))
_dir = partial(Argument, "-d", "--dir", "-P", metavar="DIR", aliases=("--directory-prefix", "--output-dir"))
_NAMES = (
    _list("-O", metavar="FILE", nargs="?", const="", dest="remote_names",
          aliases=("--remote-name", "--output-document"),
          help="name the file as wget does, or without FILE keep the server's name as curl does"),
    _switch("-c", "--continue", dest="continue_", help="continue a partial download, as always"),
    _switch("-L", "--location", help=SUPPRESS),
    Argument("-C", "--continue-at", choices=("-",), help=SUPPRESS),
)
_ASKING = (
    _option("-x", "--connections", metavar="N", aliases=("--split", "--max-connection-per-server"),
            help="use at most N connections"),
    _option("-H", "--header", metavar="'N: V'", help="add this request header; may be repeated"),
    _option("-U", "--user-agent", metavar="TEXT", aliases=("-A",), help="the User-Agent header"),
    _option("-e", "--referer", metavar="URL", help="the Referer header"),
    _option("-u", "--user", metavar="USER[:PW]", read=_user_lines, aliases=("--http-user", "--ftp-user"),
            help="user and password for the server; others can see them in the list of processes"),
    _option("--password", metavar="PW",
            aliases=("--http-password", "--http-passwd", "--ftp-password", "--ftp-passwd"),
            help="the password, without a user"),
    Argument("--load-cookies", metavar="FILE", values="files",
             help="send the cookies of a Netscape cookies.txt"),
    _option("--limit-rate", "--limit", metavar="RATE", option="ratelimit", aliases=("--max-download-limit",),
            help="at most RATE bytes/s, such as 512K or 2M"),
    _option("--proxy", metavar="URL", aliases=("--all-proxy",),
            help="an http, https or socks5 proxy; '' for none"),
    _option("--no-proxy", nargs=0, option="proxy", const="", help=SUPPRESS),
    _option("--checksum", metavar="SUM", read=_checksum_lines,
            help="sha-256=<hex> or sha256:<hex>; also md5, sha-1, sha-512"),
    _option("-k", "--insecure", nargs=0, option="verify_tls", const="false",
            aliases=("--no-check-certificate",), help="accept any certificate"),
    _option("--check-certificate", metavar="BOOL", help=SUPPRESS),
    _option("-t", "--tries", metavar="N", option="max-tries", aliases=("--max-tries",),
            help="try N times; 0 means without limit"),
    _option("--retries", metavar="N", aliases=("--retry",),
            help="retry N times; --tries counts the first try, too"),
    _option("--timeout", metavar="S", aliases=("-T",),
            help="give up a connection after S seconds without a byte"),
    _option("--mirror", metavar="URL", read=_mirror_lines, help="another URL of the same file"),
    _option("--option", metavar="KEY=VALUE", read=lambda text: [text], values="options",
            help="any option of a task, by its name in the REST interface"),
)
_RECURSIVE = (
    _switch("-r", "--recursive", help="the URL is a directory listing: add the files below it"),
    Argument("--depth", metavar="N", aliases=("--level",), help="with -r: read N levels of folders (5)"),
    _list("--accept", metavar="PATTERN",
          help="with -r: only files whose names match, such as '*.iso'; may be repeated"),
    _list("--reject", metavar="PATTERN",
          help="with -r: no files whose names match, whatever --accept says; may be repeated"),
    Argument("--most", metavar="N", help="with -r: add at most N files (1000)"),
    _switch("--dry-run", help="with -r: print URLs and folders, and add nothing"),
)
UNITS = ("systemd", "procd", "openrc", "launchd", "runit", "docker", "synology")
_NOTES = ("lists: one URL a line; # begins a comment; indented lines below a URL are its options:",
          "  https://example.org/debian.iso",
          "    out=debian-13.iso",
          "    checksum=sha-256=<hex>",
          "The long flags of wget, curl and aria2c for the same things are taken as well.")

COMMANDS = (
    SERVE,
    Command("add", "add downloads to the daemon", _URLS + (
        _out(help="the file's name, with folders below the download directory"),
        _dir(help="a folder in the download directory"),
        ) + _NAMES + _ASKING + (
        _option("--priority", metavar="N", help="higher goes first"),
        _option("--paused", nargs=0, const="true", help="add it without starting it"),
        _option("--repeat", nargs=0, const="true", help="add it even if the archive has it"),
        _switch("--wait", help="return when it has ended; the exit code says how"),
        ) + _RECURSIVE + (_QUIET,), "actions", (
        "add https://example.org/debian.iso",
        "add https://example.org/a.iso -o isos/b.iso --limit 2M --wait",
        "add -i list.txt --paused",
        "add -r https://example.org/pub/ --accept '*.iso' --dry-run",
        "xclip -o | dlserv add -"), notes=_NOTES),
    Command("get", "download here and now, without a daemon", _URLS + (
        _out(values="files", help="the file, with its folder; - writes it to standard output once it is whole "
                                  "(in $TMPDIR until then)"),
        _dir(values="folders", help="the folder; by default the current one"),
        ) + _NAMES + (
        Argument("-j", "--jobs", metavar="N", aliases=("--max-concurrent-downloads",),
                 help="download N files at the same time (1)"),
        _switch("--overwrite", help="replace an existing file instead of keeping it or taking another name"),
        ) + _ASKING + (_QUIET,), "get", (
        "get https://example.org/debian.iso",
        "get -x 4 -o isos/b.iso --checksum sha256:<hex> https://example.org/a.iso",
        "get -j 3 -i list.txt -d isos",
        "get -o - https://example.org/a.tar.gz | tar tz"), False, _NOTES),
    Command("list", "list the tasks", (
        _TASKS_OR_NONE, Argument("--state", choices=STATES, help=SUPPRESS), _JSON),
        "show:list_tasks", ("list downloading", "list debian", "list | grep debian | cut -f1")),
    Command("watch", "show the tasks while they change; q ends it", (_TASKS_OR_NONE, _JSON), "watch", (
        "watch downloading queued", "watch | grep finished")),
    Command("wait", "return when tasks are finished", (_TASKS_OR_NONE, _QUIET), "watch", (
        "wait 3f2a", "wait && systemctl poweroff")),
    Command("status", "show how tasks are doing", (_TASKS, _JSON), "show", (
        "status downloading --json",)),
    Command("info", "show what tasks are: URL, checksum, options", (_TASKS, _JSON), "show", (
        "info https://example.org/debian.iso",)),
    Command("log", "print the logs of tasks, the latest line last", (_TASKS, _JSON), "show", (
        "log failed",)),
    *[Command(name, text, (_TASKS, _QUIET), "actions", examples) for name, text, *examples in (
        ("pause", "stop tasks where they are", "pause debian-13.iso", "pause all"),
        ("resume", "let paused or failed tasks go on", "resume failed"),
        ("restart", "download finished or failed tasks again, from nothing", "restart failed"),
        ("refresh", "download finished files again if they have changed on their servers", "refresh finished"),
        ("verify", "compute the SHA-256 of finished files in the background; info and log show it",
         "verify all"))],
    Command("rm", "remove tasks from the list", (
        _TASKS, _switch("--with-file", help="delete their files too"), _QUIET),
        "actions:remove", ("rm finished", "rm --with-file 3f2a")),
    Command("archive", "list finished downloads that were removed, or forget them", (
        Argument("entries", nargs="*", metavar="ENTRY",
                 help="a URL, or a tid or its first 4 or more digits; or all"),
        _switch("--forget", help="let these be downloaded again"), _JSON, _QUIET),
        "show", (
        "archive https://example.org/debian.iso", "archive --forget 3f2a")),
    Command("move", "move a waiting task within the queue", (
        Argument("task", metavar="TASK", values="tasks", help=_A_TASK),
        Argument("to", choices=PLACES, help="where to")),
        "actions", ("move 3f2a top", "move debian down")),
    Command("set", "change the options of tasks, or give one a fresh link", (
        Argument("task", metavar="TASK", values="tasks", help=_TASKS_HELP),
        Argument("changes", nargs="+", metavar="KEY=VALUE", values="options",
                 help="an option of a task, or url; null sends an option back to its default"),
        _QUIET), "actions:change", (
        "set 3f2a ratelimit=2M connections=8", "set 3f2a url=https://example.org/fresh-link",
        "set downloading ratelimit=null")),
    Command("config", "show the daemon's settings, or change them", (
        Argument("settings", nargs="*", metavar="KEY[=VALUE]", values="settings",
                 help="such as download.ratelimit=2M"), _JSON),
        "show", (
        "config download.ratelimit", "config download.ratelimit=2M download.max_concurrent=3")),
    Command("stats", "show how the daemon is doing", (_JSON,), "show", ("stats --json",)),
    Command("openurl", "print the address of the web page, and open it where there is a desktop", (
        _switch("-p", "--print", dest="print_only", help="only print it"),),
        "show", ("openurl --print",)),
    Command("unit", "print a file that starts the daemon with the system", (
        Argument("kind", choices=UNITS, metavar="KIND", help=", ".join(UNITS[:-1]) + " or " + UNITS[-1]),
        _switch("--user", dest="for_user",
                help="for systemd and launchd: a service of this user, not of the system")),
        "unit", (
        "unit systemd > /etc/systemd/system/dlserv.service",
        "dlserv --host 0.0.0.0 --download-dir /mnt/usb unit procd > /etc/init.d/dlserv",
        "unit systemd --user > ~/.config/systemd/user/dlserv.service"), False),
    Command("help", "print the help of a command", (
        Argument("topic", nargs="?", metavar="COMMAND", values="commands", help="the command"),),
        "manual:help_", ("help get",), False),
    Command("man", "print the manual page, for man or groff", (), "manual", (
        "man | man -l -", "man > ~/.local/share/man/man1/dlserv.1"), False),
    Command("completion", "print the completion of these commands for a shell", (
        Argument("shell", choices=("bash", "zsh", "fish"), help="the shell"),),
        "completion", (
        'eval "$(dlserv completion bash)"',
        'dlserv completion zsh > "${fpath[1]}/_dlserv"',
        "dlserv completion fish > ~/.config/fish/completions/dlserv.fish"), False),
)

EXAMPLES = (
    ("dlserv --download-dir ~/Downloads", "run the daemon; its page is http://localhost:6880/"),
    ("dlserv add https://example.org/debian.iso", "give it something to download"),
    ("dlserv get https://example.org/debian.iso", "download it here and now, without a daemon"),
)
EXIT_CODES = ((0, "done"), (1, "something failed or was refused"), (2, "wrong usage"),
              (3, "no daemon is there"), (4, "not allowed"), (130, "Ctrl-C"))
