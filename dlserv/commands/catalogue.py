"""Every command and its arguments, one row each, from which parser, help, manual and completion follow.

A row names the module that does the work, or "module:function" where the function has not the
name of the command; only that is loaded. It is called with (client, options, terminals), without
the client where no daemon is needed, and returns the exit code.
"""

from argparse import SUPPRESS
from functools import partial

from ..contract import PLACES, STATES
from .flags import SERVE, Argument, Collect, Command, TaskOption, switch

_option = partial(Argument, action=TaskOption, default=())
_list = partial(Argument, action=Collect, default=())


# -- arguments that several commands have --------------------------------------------------

_A_TASK = "a tid or its first 4 or more digits, a part of the file's name, or the URL"
_TASKS_HELP = _A_TASK + "; a state; or all"
_TASKS = Argument("tasks", "TASK", _TASKS_HELP, "tasks", nargs="+")
_TASKS_OR_NONE = Argument("tasks", "TASK", _TASKS_HELP, "tasks", nargs="*")
_JSON = switch("--json", "print JSON, one object a line")
_QUIET = switch("-q --quiet", "print tids or paths only, no progress", aliases="--silent")


def _user_lines(text):
    user, colon, password = text.partition(":")
    return ["user=" + user] + ["password=" + password] * bool(colon)


def _checksum_lines(text):
    return ["checksum=" + (text if "=" in text else text.replace(":", "=", 1))]


def _mirror_lines(text):
    """Return one line; in a list, blanks stand between mirrors."""
    return ["mirrors=" + text.strip().replace(" ", "%20")]


_URLS = (
    Argument("urls", "URL", "what to download; - reads a list from standard input", nargs="*"),
    _list("-i --input -f", "FILE", "read URLs from a list", "files", "--input-file", dest="lists"),
)
_out = partial(Argument, "-o --out", "FILE", aliases="--output")
_dir = partial(Argument, "-d --dir -P", "DIR", aliases="--directory-prefix --output-dir")
_NAMES = (
    _list("-O", "FILE", "name the file as wget does, or without FILE keep the server's name as curl does",
          aliases="--remote-name --output-document", nargs="?", const="", dest="remote_names"),
    switch("-c --continue", "continue a partial download, as always", dest="continue_"),
    switch("-L --location", SUPPRESS),
    Argument("-C --continue-at", None, SUPPRESS, choices=("-",)),
)
_ASKING = (
    _option("-x --connections", "N", "use at most N connections", aliases="--split --max-connection-per-server"),
    _option("-H --header", "'N: V'", "add this request header; may be repeated"),
    _option("-U --user-agent", "TEXT", "the User-Agent header", aliases="-A"),
    _option("-e --referer", "URL", "the Referer header"),
    _option("-u --user", "USER[:PW]",
            "user and password for the server; others can see them in the list of processes",
            aliases="--http-user --ftp-user", read=_user_lines),
    _option("--password", "PW", "the password, without a user",
            aliases="--http-password --http-passwd --ftp-password --ftp-passwd"),
    Argument("--load-cookies", "FILE", "send the cookies of a Netscape cookies.txt", "files"),
    _option("--limit-rate --limit", "RATE", "at most RATE bytes/s, such as 512K or 2M",
            aliases="--max-download-limit", option="ratelimit"),
    _option("--proxy", "URL", "an http, https or socks5 proxy; '' for none", aliases="--all-proxy"),
    _option("--no-proxy", None, SUPPRESS, nargs=0, option="proxy", const=""),
    _option("--checksum", "SUM", "sha-256=<hex> or sha256:<hex>; also md5, sha-1, sha-512", read=_checksum_lines),
    _option("-k --insecure", None, "accept any certificate", aliases="--no-check-certificate", nargs=0,
            option="verify_tls", const="false"),
    _option("--check-certificate", "BOOL", SUPPRESS),
    _option("-t --tries", "N", "try N times; 0 means without limit", aliases="--max-tries", option="max-tries"),
    _option("--retries", "N", "retry N times; --tries counts the first try, too", aliases="--retry"),
    _option("--timeout", "S", "give up a connection after S seconds without a byte", aliases="-T"),
    _option("--mirror", "URL", "another URL of the same file", read=_mirror_lines),
    _option("--option", "KEY=VALUE", "any option of a task, by its name in the REST interface", "options",
            read=lambda text: [text]),
)
_RECURSIVE = (
    switch("-r --recursive", "the URL is a directory listing: add the files below it"),
    Argument("--depth", "N", "with -r: read N levels of folders (5)", aliases="--level"),
    _list("--accept", "PATTERN", "with -r: only files whose names match, such as '*.iso'; may be repeated"),
    _list("--reject", "PATTERN", "with -r: no files whose names match, whatever --accept says; may be repeated"),
    Argument("--most", "N", "with -r: add at most N files (1000)"),
    switch("--dry-run", "with -r: print URLs and folders, and add nothing"),
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
        _out("the file's name, with folders below the download directory"),
        _dir("a folder in the download directory"),
        ) + _NAMES + _ASKING + (
        _option("--priority", "N", "higher goes first"),
        _option("--paused", None, "add it without starting it", nargs=0, const="true"),
        _option("--repeat", None, "add it even if the archive has it", nargs=0, const="true"),
        switch("--wait", "return when it has ended; the exit code says how"),
        ) + _RECURSIVE + (_QUIET,), "actions", (
        "add https://example.org/debian.iso",
        "add https://example.org/a.iso -o isos/b.iso --limit 2M --wait",
        "add -i list.txt --paused",
        "add -r https://example.org/pub/ --accept '*.iso' --dry-run",
        "xclip -o | dlserv add -"), notes=_NOTES),
    Command("get", "download here and now, without a daemon", _URLS + (
        _out("the file, with its folder; - writes it to standard output once it is whole (in $TMPDIR until then)",
             "files"),
        _dir("the folder; by default the current one", "folders"),
        ) + _NAMES + (
        Argument("-j --jobs", "N", "download N files at the same time (1)", aliases="--max-concurrent-downloads"),
        switch("--overwrite", "replace an existing file instead of keeping it or taking another name"),
        ) + _ASKING + (_QUIET,), "get", (
        "get https://example.org/debian.iso",
        "get -x 4 -o isos/b.iso --checksum sha256:<hex> https://example.org/a.iso",
        "get -j 3 -i list.txt -d isos",
        "get -o - https://example.org/a.tar.gz | tar tz"), False, _NOTES),
    Command("list", "list the tasks", (
        _TASKS_OR_NONE, Argument("--state", None, SUPPRESS, choices=STATES), _JSON),
        "show:list_tasks", ("list downloading", "list debian", "list | grep debian | cut -f1")),
    Command("watch", "show the tasks while they change; q ends it", (_TASKS_OR_NONE, _JSON), "watch", (
        "watch downloading queued", "watch | grep finished")),
    Command("wait", "return when tasks are finished", (_TASKS_OR_NONE, _QUIET), "watch", (
        "wait 3f2a", "wait && systemctl poweroff")),
    Command("status", "show how tasks are doing", (_TASKS, _JSON), "show", (
        "status 3f2a", "status downloading --json")),
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
        _TASKS, switch("--with-file", "delete their files too"), _QUIET),
        "actions:remove", ("rm finished", "rm --with-file 3f2a")),
    Command("archive", "list finished downloads that were removed, or forget them", (
        Argument("entries", "ENTRY", "a URL, or a tid or its first 4 or more digits; or all", nargs="*"),
        switch("--forget", "let these be downloaded again"), _JSON, _QUIET),
        "show", (
        "archive https://example.org/debian.iso", "archive --forget 3f2a", "archive --forget all")),
    Command("move", "move a waiting task within the queue", (
        Argument("task", "TASK", _A_TASK, "tasks"), Argument("to", None, "where to", choices=PLACES)),
        "actions", ("move 3f2a top", "move debian down")),
    Command("set", "change the options of tasks, or give one a fresh link", (
        Argument("task", "TASK", _TASKS_HELP, "tasks"),
        Argument("changes", "KEY=VALUE", "an option of a task, or url; null sends an option back to its default",
                 "options", nargs="+"),
        _QUIET), "actions:change", (
        "set 3f2a ratelimit=2M connections=8", "set 3f2a url=https://example.org/fresh-link",
        "set downloading ratelimit=null")),
    Command("config", "show the daemon's settings, or change them", (
        Argument("settings", "KEY[=VALUE]", "such as download.ratelimit=2M", "settings", nargs="*"), _JSON),
        "show", (
        "config", "config download.ratelimit", "config download.ratelimit=2M download.max_concurrent=3")),
    Command("stats", "show how the daemon is doing", (_JSON,), "show", ("stats --json",)),
    Command("openurl", "print the address of the web page, and open it where there is a desktop", (
        switch("-p --print", "only print it", dest="print_only"),),
        "show", ("openurl --print",)),
    Command("unit", "print a file that starts the daemon with the system", (
        Argument("kind", "KIND", ", ".join(UNITS[:-1]) + " or " + UNITS[-1], choices=UNITS),
        switch("--user", "for systemd and launchd: a service of this user, not of the system", dest="for_user")),
        "unit", (
        "unit systemd > /etc/systemd/system/dlserv.service",
        "dlserv --host 0.0.0.0 --download-dir /mnt/usb unit procd > /etc/init.d/dlserv",
        "unit systemd --user > ~/.config/systemd/user/dlserv.service"), False),
    Command("help", "print the help of a command", (
        Argument("topic", "COMMAND", "the command", "commands", nargs="?"),),
        "manual:help_", ("help get",), False),
    Command("man", "print the manual page, for man or groff", (), "manual", (
        "man | man -l -", "man > ~/.local/share/man/man1/dlserv.1"), False),
    Command("completion", "print the completion of these commands for a shell", (
        Argument("shell", None, "the shell", choices=("bash", "zsh", "fish")),),
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
