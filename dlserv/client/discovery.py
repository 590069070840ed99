"""Finding the daemon that runs here, by a run file that its owner alone may read.

It lies in the user's run-time folder, or beside the database where there is none.
"""

import contextlib
import json
import logging
import os

from ..errors import ClientError, NoDaemon
from ..fs import replace_file

PATIENCE = 2.0      # seconds that another daemon may take to show that it is alive


def run_file_path(environ, find_db_path):
    """Return the run file's path; `find_db_path()` is called if there is no run-time folder."""
    folder = environ.get("XDG_RUNTIME_DIR")
    if not folder or not os.path.isdir(folder):
        folder = os.path.dirname(os.path.abspath(find_db_path()))
    return os.path.join(folder, "dlserv.json")


@contextlib.contextmanager
def run_file(path, url, token_file=None):
    """Write the run file of this daemon, and remove it at the end.

    That of another daemon that is alive stays: commands find the first daemon of a user.
    """
    log, token_file = logging.getLogger("dlserv"), token_file and os.path.abspath(token_file)
    text = json.dumps({"url": url, "pid": os.getpid(), "token_file": token_file}) + "\n"
    try:
        if _is_anothers(path):
            log.warning("%s belongs to another daemon that runs; name this one with --url", path)
        else:
            replace_file(path, text)
    except OSError as error:
        log.warning("%s cannot be written: %s", path, error.strerror)
    try:
        yield
    finally:
        _remove(path, text)


def _is_anothers(path):
    try:
        found = read_run_file(path)
    except ProcessLookupError:
        return False
    return found is not None and found["pid"] != os.getpid() and _answers(found["url"])


def _remove(path, text):
    try:
        with open(path) as file:
            if file.read() == text:     # else it is another daemon's
                os.unlink(path)
    except OSError:
        pass    # it is gone already


def read_run_file(path):
    """Return {"url", "pid", "token_file"}, or None. Raise ProcessLookupError if the daemon is dead."""
    try:
        with open(path, encoding="utf-8") as file:
            found = json.load(file)
        url, pid, token_file = found["url"], int(found["pid"]), found.get("token_file")
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    if not _is_alive(pid):
        raise ProcessLookupError(f"the daemon that wrote {path} is gone (process {pid})")
    return {"url": url, "pid": pid, "token_file": token_file}


def _answers(url):
    """Return whether a daemon is there: after a crash another process may have its pid."""
    if url.startswith("https:"):
        return True     # its certificate may be one that nobody here can check
    from .transport import Transport
    transport = Transport(url, timeout=PATIENCE)
    try:
        transport.request("GET", "/health")
    except NoDaemon:
        return False
    except ClientError:
        pass    # it does not let us in, but it is there
    finally:
        transport.close()
    return True


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
