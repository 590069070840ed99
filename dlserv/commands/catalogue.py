"""Every command and its arguments, one row each.

The parser, the help, the manual, the shells' completion and README's table all follow from
these rows. A row names the function that does the work as "module:function" of this
package, so that only the module that is needed is loaded. The function is called with
(client, options, terminals), without the client where no daemon is needed, and returns the
exit code.
"""

import argparse

from ..contract import PLACES, STATES
from .flags import (Argument, Collect, Remember, TaskOption, read_checksum, read_mirror, read_option,
                    read_tries, read_user)
from .serving import SERVE, Command

def _option(*flags, **more):
    return Argument(*flags, action=TaskOption, **more)


# -- arguments that several commands have --------------------------------------------------

_A_TASK = "a tid or its first 4 or more digits, a part of the file's name, or the URL"
_TASKS_HELP = _A_TASK + "; a state; or all"
_TASKS = Argument("tasks", nargs="+", metavar="TASK", values="tasks", help=_TASKS_HELP)
_TASKS_OR_NONE = Argument("tasks", nargs="*", metavar="TASK", values="tasks", help=_TASKS_HELP)
_JSON = Argument("--json", action="store_true", help="print JSON, one object a line")
_QUIET = Argument("-q", "--quiet", action="store_true", aliases=("--silent",),
                  help="print tids or paths only, no progress")

_URLS = (
    Argument("urls", nargs="*", metavar="URL", help="what to download; - reads a list from standard input"),
    Argument("-i", "--input", "-f", metavar="FILE", dest="lists", action=Collect, values="files",
             aliases=("--input-file",), help="read URLs from a list"),
)
_NAMES = (
    Argument("-O", metavar="FILE", nargs="?", const="", dest="remote_names", action=Collect,
             aliases=("--remote-name", "--output-document"),
             help="name the file as wget does, or without FILE keep the server's name as curl does"),
    Argument("-c", "--continue", action="store_true", dest="continue_",
             help="continue a partial download, which is always done"),
    Argument("-L", "--location", action="store_true", help=argparse.SUPPRESS),
    Argument("-C", "--continue-at", choices=("-",), help=argparse.SUPPRESS),
)
_ASKING = (
    _option("-x", "--connections", metavar="N", option="connections",
            aliases=("--split", "--max-connection-per-server"), help="use at most N connections"),
    _option("-H", "--header", metavar="'N: V'", option="headers",
            help="add this request header; may be repeated"),
    _option("-U", "--user-agent", metavar="TEXT", option="user_agent", aliases=("-A",),
            help="the User-Agent header"),
    _option("-e", "--referer", metavar="URL", option="referer", help="the Referer header"),
    _option("-u", "--user", metavar="USER[:PW]", read=read_user, aliases=("--http-user", "--ftp-user"),
            help="user and password for the server; other users can see them in the list of processes"),
    _option("--password", metavar="PW", option="password",
            aliases=("--http-password", "--http-passwd", "--ftp-password", "--ftp-passwd"),
            help="the password, without a user"),
    Argument("--load-cookies", metavar="FILE", action=Remember, values="files",
             help="send the cookies of a Netscape cookies.txt"),
    _option("--limit-rate", "--limit", metavar="RATE", option="ratelimit",
            aliases=("--max-download-limit",), help="at most RATE bytes/s, such as 512K or 2M"),
    _option("--proxy", metavar="URL", option="proxy", aliases=("--all-proxy",),
            help="an http, https or socks5 proxy; '' for none"),
    _option("--no-proxy", nargs=0, option="proxy", fixed="", help=argparse.SUPPRESS),
    _option("--checksum", metavar="SUM", read=read_checksum,
            help="sha-256=<hex> or sha256:<hex>; also md5, sha-1, sha-512"),
    _option("-k", "--insecure", nargs=0, option="verify_tls", fixed="false",
            aliases=("--no-check-certificate",), help="accept any certificate"),
    _option("--check-certificate", metavar="BOOL", option="verify_tls", help=argparse.SUPPRESS),
    _option("-t", "--tries", metavar="N", read=read_tries, aliases=("--max-tries",),
            help="try N times; 0 means without limit"),
    _option("--retries", metavar="N", option="retries", aliases=("--retry",),
            help="retry N times; --tries counts the first try, too"),
    _option("--timeout", metavar="S", option="timeout", aliases=("-T",),
            help="give up a connection after S seconds without a byte"),
    _option("--mirror", metavar="URL", read=read_mirror, help="another URL of the same file"),
    _option("--option", metavar="KEY=VALUE", read=read_option, values="options",
            help="any option of a task, by its name in the REST interface"),
)
_RECURSIVE = (
    Argument("-r", "--recursive", action="store_true",
             help="the URL is a directory listing: add the files below it"),
    Argument("--depth", metavar="N", action=Remember, aliases=("--level",),
             help="with -r: read N levels of folders (5)"),
    Argument("--accept", metavar="PATTERN", action=Collect,
             help="with -r: only files whose names match, such as '*.iso'; may be repeated"),
    Argument("--reject", metavar="PATTERN", action=Collect,
             help="with -r: no files whose names match, whatever --accept says; may be repeated"),
    Argument("--most", metavar="N", action=Remember, help="with -r: add at most N files (1000)"),
    Argument("--dry-run", action="store_true", help="with -r: print URLs and folders, and add nothing"),
)
UNITS = ("systemd", "procd", "openrc", "launchd", "runit", "docker", "synology")
_LISTS = ("lists: one URL a line; # begins a comment; indented lines below a URL are its options:",
          "  https://example.org/debian.iso",
          "    out=debian-13.iso",
          "    checksum=sha-256=<hex>")
_ALIASES = ("The long flags of wget, curl and aria2c for the same things are taken as well.",)

COMMANDS = (
    SERVE,
    Command("add", "add downloads to the daemon", _URLS + (
        Argument("-o", "--out", metavar="FILE", action=Remember, aliases=("--output",),
                 help="the file's name, with folders below the download directory"),
        Argument("-d", "--dir", "-P", metavar="DIR", action=Remember,
                 aliases=("--directory-prefix", "--output-dir"), help="a folder in the download directory"),
        ) + _NAMES + _ASKING + (
        _option("--priority", metavar="N", option="priority", help="higher goes first"),
        _option("--paused", nargs=0, option="paused", fixed="true", help="add it without starting it"),
        _option("--repeat", nargs=0, option="repeat", fixed="true", help="add it even if the archive has it"),
        Argument("--wait", action="store_true", help="return when it has ended; the exit code says how"),
        ) + _RECURSIVE + (_QUIET,), "actions:add", True, (
        "add https://example.org/debian.iso",
        "add https://example.org/a.iso -o isos/b.iso --limit 2M --wait",
        "add -i list.txt --paused",
        "add -r https://example.org/pub/ --accept '*.iso' --dry-run",
        "xclip -o | dlserv add -"), _LISTS + _ALIASES),
    Command("get", "download here and now, without a daemon", _URLS + (
        Argument("-o", "--out", metavar="FILE", action=Remember, values="files", aliases=("--output",),
                 help="the file, with its folder; - writes it to standard output once it is whole "
                      "(it is in $TMPDIR until then)"),
        Argument("-d", "--dir", "-P", metavar="DIR", action=Remember, values="folders",
                 aliases=("--directory-prefix", "--output-dir"),
                 help="the folder; by default the current one"),
        ) + _NAMES + (
        Argument("-j", "--jobs", metavar="N", action=Remember, aliases=("--max-concurrent-downloads",),
                 help="download N files at the same time (1)"),
        Argument("--overwrite", action="store_true",
                 help="replace an existing file instead of keeping it or taking another name"),
        ) + _ASKING + (_QUIET,), "get:get", False, (
        "get https://example.org/debian.iso",
        "get -x 4 -o isos/b.iso --checksum sha256:<hex> https://example.org/a.iso",
        "get -j 3 -i list.txt -d isos",
        "get -o - https://example.org/a.tar.gz | tar tz"), _LISTS + _ALIASES),
    Command("list", "list the tasks", (
        _TASKS_OR_NONE, Argument("--state", choices=STATES, help=argparse.SUPPRESS), _JSON),
        "show:list_tasks", True, ("list", "list downloading", "list debian", "list | grep debian | cut -f1")),
    Command("watch", "show the tasks while they change; q ends it", (_TASKS_OR_NONE, _JSON),
            "watch:watch", True, ("watch", "watch downloading queued", "watch | grep finished")),
    Command("wait", "return when tasks are finished", (_TASKS_OR_NONE, _QUIET), "watch:wait", True, (
        "wait 3f2a", "wait && systemctl poweroff")),
    Command("status", "show how tasks are doing", (_TASKS, _JSON), "show:status", True, (
        "status 3f2a", "status downloading --json")),
    Command("info", "show what tasks are: URL, checksum, options", (_TASKS, _JSON), "show:info", True, (
        "info 3f2a", "info https://example.org/debian.iso")),
    Command("log", "print the logs of tasks, the latest line last", (_TASKS, _JSON), "show:log", True, (
        "log 3f2a", "log failed")),
    Command("pause", "stop tasks where they are", (_TASKS, _QUIET), "actions:pause", True, (
        "pause debian-13.iso", "pause all")),
    Command("resume", "let paused or failed tasks go on", (_TASKS, _QUIET), "actions:resume", True, (
        "resume 3f2a", "resume failed")),
    Command("restart", "download finished or failed tasks again, from nothing", (_TASKS, _QUIET),
            "actions:restart", True, ("restart 3f2a", "restart failed")),
    Command("refresh", "download finished files again if they have changed on their servers",
            (_TASKS, _QUIET), "actions:refresh", True, ("refresh 3f2a", "refresh finished")),
    Command("verify", "compute the SHA-256 of finished files in the background; info and log show it",
            (_TASKS, _QUIET), "actions:verify", True, ("verify 3f2a", "verify all")),
    Command("rm", "remove tasks from the list", (
        _TASKS, Argument("--with-file", action="store_true", help="delete their files too"), _QUIET),
        "actions:remove", True, ("rm finished", "rm --with-file 3f2a")),
    Command("archive", "list finished downloads that were removed, or forget them", (
        Argument("entries", nargs="*", metavar="ENTRY",
                 help="a URL, or a tid or its first 4 or more digits; or all"),
        Argument("--forget", action="store_true", help="let these be downloaded again"), _JSON, _QUIET),
        "archive:archive", True, (
        "archive", "archive https://example.org/debian.iso", "archive --forget 3f2a",
        "archive --forget all")),
    Command("move", "move a waiting task within the queue", (
        Argument("task", metavar="TASK", values="tasks", help=_A_TASK),
        Argument("to", choices=PLACES, help="where to")),
        "actions:move", True, ("move 3f2a top", "move debian down")),
    Command("set", "change the options of tasks, or give one a fresh link", (
        Argument("task", metavar="TASK", values="tasks", help=_TASKS_HELP),
        Argument("changes", nargs="+", metavar="KEY=VALUE", values="options",
                 help="an option of a task, or url; null sends an option back to its default"),
        _QUIET), "actions:change", True, (
        "set 3f2a ratelimit=2M connections=8", "set 3f2a url=https://example.org/fresh-link",
        "set downloading ratelimit=null")),
    Command("config", "show the daemon's settings, or change them", (
        Argument("settings", nargs="*", metavar="KEY[=VALUE]", values="settings",
                 help="such as download.ratelimit=2M"), _JSON),
        "settings:config", True, (
        "config", "config download.ratelimit", "config download.ratelimit=2M download.max_concurrent=3")),
    Command("stats", "show how the daemon is doing", (_JSON,), "show:stats", True, ("stats", "stats --json")),
    Command("openurl", "print the address of the web page, and open it where there is a desktop", (
        Argument("-p", "--print", action="store_true", dest="print_only", help="only print it"),),
        "page:openurl", True, ("openurl", "openurl --print")),
    Command("unit", "print a file that starts the daemon with the system", (
        Argument("kind", choices=UNITS, metavar="KIND", help=", ".join(UNITS[:-1]) + " or " + UNITS[-1]),
        Argument("--user", action="store_true", dest="for_user",
                 help="for systemd and launchd: a service of this user, not of the system")),
        "unit:unit", False, (
        "unit systemd > /etc/systemd/system/dlserv.service",
        "dlserv --host 0.0.0.0 --download-dir /mnt/usb unit procd > /etc/init.d/dlserv",
        "unit systemd --user > ~/.config/systemd/user/dlserv.service")),
    Command("help", "print the help of a command", (
        Argument("topic", nargs="?", metavar="COMMAND", values="commands", help="the command"),),
        "manual:help_", False, ("help", "help get")),
    Command("man", "print the manual page, for man or groff", (), "manual:man", False, (
        "man | man -l -", "man > ~/.local/share/man/man1/dlserv.1")),
    Command("completion", "print the completion of these commands for a shell", (
        Argument("shell", choices=("bash", "zsh", "fish"), help="the shell"),),
        "completion:completion", False, (
        'eval "$(dlserv completion bash)"',
        'dlserv completion zsh > "${fpath[1]}/_dlserv"',
        "dlserv completion fish > ~/.config/fish/completions/dlserv.fish")),
)

EXAMPLES = (
    ("dlserv --download-dir ~/Downloads", "run the daemon; its page is http://localhost:6880/"),
    ("dlserv add https://example.org/debian.iso", "give it something to download"),
    ("dlserv get https://example.org/debian.iso", "download it here and now, without a daemon"),
)
EXIT_CODES = ((0, "done"), (1, "something failed or was refused"), (2, "wrong usage"),
              (3, "no daemon is there"), (4, "not allowed"), (130, "Ctrl-C"))
