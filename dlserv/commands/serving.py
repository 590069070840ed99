"""The daemon's own command, and the options that may stand before any command: all that `serve` needs."""

from collections import namedtuple

from .flags import Argument, Remember

Command = namedtuple("Command", "name help arguments run needs_daemon examples notes", defaults=((),))

SERVING = (
    Argument("-c", "--config", metavar="FILE", action=Remember, values="files",
             help="the settings, in JSON"),
    Argument("--host", metavar="H", action=Remember, help="the address to listen on"),
    Argument("--port", metavar="P", action=Remember, help="the port to listen on; 0 takes a free one"),
    Argument("--download-dir", metavar="D", action=Remember, values="folders", help="where files go"),
    Argument("--db", metavar="FILE", action=Remember, values="files", help="the database"),
    Argument("--token", metavar="T", action=Remember,
             help="the token that clients must send; others can see it in the list of processes, "
                  "so prefer $DLSERV_TOKEN"),
    Argument("--token-file", metavar="FILE", action=Remember, values="files",
             help="a file that holds the token"),
    Argument("--no-token", action="store_true", help="let in everybody who can reach the address"),
    Argument("--log-level", metavar="L", action=Remember, values=("debug", "info", "warning", "error"),
             help="debug, info, warning or error"),
)
EXPORTING = (
    Argument("--export", metavar="FILE", action=Remember, values="files",
             help="write all tasks, secrets included, to FILE and exit"),
    Argument("--import", metavar="FILE", dest="import_", action=Remember, values="files",
             help="add the tasks of an export or of a list of URLs and exit"),
)
URL = Argument("--url", metavar="URL", action=Remember,
               help="the daemon to talk to: http://H:P, https://... or unix:/path, or several of these with "
                    "blanks between them ($DLSERV_URL; by default the one that runs here)")
CONNECTION = (URL, Argument(
    "--token-file", metavar="FILE", action=Remember, values="files",
    help="a file that holds the daemon's token (or set $DLSERV_TOKEN)"))

SERVE = Command(
    "serve", "run the daemon, as dlserv does without a command", SERVING + EXPORTING, "serve:serve", False, (
        "serve --download-dir /srv/downloads",
        "serve -c /etc/dlserv.json --log-level debug",
        "serve --export tasks.json"))
