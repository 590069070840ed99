"""The note: a small file, readable by its owner alone, that tells clients where the daemon is."""

import json
import logging
import os

from ..fs import replace_file


def note_path(environ, find_db_path):
    """In the user's run-time folder; where there is none, beside the database that is then asked for."""
    folder = environ.get("XDG_RUNTIME_DIR")
    if not folder or not os.path.isdir(folder):
        folder = os.path.dirname(os.path.abspath(find_db_path()))
    return os.path.join(folder, "dlserv.json")


class Note:
    """The running daemon's note; a context manager that writes it and takes it away."""

    def __init__(self, path, url, token_file=None):
        self._path = path
        token_file = token_file and os.path.abspath(token_file)
        self._text = json.dumps({"url": url, "pid": os.getpid(), "token_file": token_file}) + "\n"

    def __enter__(self):
        try:
            replace_file(self._path, self._text)
        except OSError as error:
            logging.getLogger("dlserv").warning("%s cannot be written: %s", self._path, error.strerror)

    def __exit__(self, *exc_info):
        try:
            with open(self._path) as file:
                if file.read() == self._text:       # else a later daemon's
                    os.unlink(self._path)
        except OSError:
            pass    # it is gone, which is what was wanted


def read_note(path):
    """What the note says, {"url", "pid", "token_file"}; None where there is none.

    Raises ProcessLookupError if the daemon that wrote it is dead.
    """
    try:
        with open(path, encoding="utf-8") as file:
            note = json.load(file)
        url, pid, token_file = note["url"], int(note["pid"]), note.get("token_file")
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    if not _is_alive(pid):
        raise ProcessLookupError("the daemon that wrote %s is gone (process %d)" % (path, pid))
    return {"url": url, "pid": pid, "token_file": token_file}


def _is_alive(pid):
    if os.name == "nt":     # where signal 0 is Ctrl-C
        return True
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (ProcessLookupError, OverflowError):
        return False
    return True
