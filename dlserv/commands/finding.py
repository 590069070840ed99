"""Which daemon is meant, and the token it wants."""

from .. import tokens
from ..client import Client
from ..config import TABLES
from ..errors import NoDaemon
from ..note import note_path, read_note
from ..serve import settings


def find(url, token_file, environ):
    """A Client of the daemon at `url`, else at $DLSERV_URL, else of the one whose note is found.

    Raises InvalidValue, or NoDaemon if the note is a dead one's.
    """
    url = url or environ.get("DLSERV_URL")
    token = tokens.read(token_file, "token-file") if token_file else environ.get("DLSERV_TOKEN")
    if not url:
        note = _note(environ)
        url = note["url"]
        if not token and note["token_file"]:
            token = tokens.read(note["token_file"], "token-file")
    return Client(url, token)


def _note(environ):
    path = note_path(environ, lambda: settings(None, environ)[0]["general"]["db_path"])
    try:
        note = read_note(path)
    except ProcessLookupError as error:
        raise NoDaemon("no daemon: %s" % error) from None
    return note or {"url": "http://127.0.0.1:%d" % TABLES["server"].fields["port"].default,
                    "token_file": None}
