"""Tools of the tests: patience, noise, a client of the API, and the daemon as a process."""

import functools
import hashlib
import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

import forks

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PATIENCE = 30       # seconds until a condition that must come true has failed
LEAST_PAUSE, LONGEST_PAUSE = 0.005, 0.05    # seconds between two looks at it


def until(condition, seconds=PATIENCE):
    """Wait for `condition()` to be true; return its value.

    The pauses between two looks are longer than the looks, and grow with the time that was waited, so that
    waiting takes little of a busy machine.
    """
    first = began = time.monotonic()
    deadline = first + seconds
    while True:
        value = condition()
        if value:
            return value
        ended = time.monotonic()
        assert ended < deadline, "waited %s s in vain" % seconds
        time.sleep(min(max(LEAST_PAUSE, 5 * (ended - began), (ended - first) / 10), LONGEST_PAUSE))
        began = time.monotonic()


def adjusted(code):
    """Return the command of dlserv.py that runs this code first, in whole lines."""
    return [sys.executable, "-c", "import sys; sys.path.insert(0, %r)\nfrom dlserv import cli\n%ssys.exit(cli.main())"
            % (ROOT, code)]


def fail_once(monkeypatch, owner, name, error):
    """Let the next call of this function raise the error; return the Event that is set then."""
    real, failed = getattr(owner, name), threading.Event()

    def failing(*arguments, **options):
        if failed.is_set():
            return real(*arguments, **options)
        failed.set()
        raise error

    monkeypatch.setattr(owner, name, failing)
    return failed


@functools.lru_cache(maxsize=8)
def noise(size, seed=1):
    """`size` bytes that no compression and no accident reproduces."""
    return hashlib.shake_128(b"%d" % seed).digest(size)


def listing(folder="."):
    return sorted(os.listdir(str(folder)))


def load(store):
    """{name: record} of everything in the store that is whole."""
    return dict(store.load(lambda name, record: (name, record)))


def refill(make, records):
    """Open the store that `make` makes, write these records and close it."""
    store = make()
    store.write(records).wait()
    store.close()


def has_ended(sock):
    """Return whether the other side has closed this idle connection."""
    patience = sock.gettimeout()
    sock.settimeout(0)
    try:
        return sock.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True
    finally:
        sock.settimeout(patience)


class Answer:
    """A reply: status, headers (lower-case names), raw body, and its JSON by key."""

    def __init__(self, response):
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read()

    @property
    def json(self):
        return json.loads(self.body)

    def __getitem__(self, key):
        return self.json[key]

    def __repr__(self):
        return "<%d %r>" % (self.status, self.body[:500])


class Api:
    """A plain client of the REST interface, on one connection."""

    def __init__(self, url):
        self.url = url
        self.connection = http.client.HTTPConnection(url.partition("//")[2], timeout=PATIENCE)

    def request(self, method, path, body=None, headers=None):
        """One request; a body that is not bytes goes as JSON."""
        headers = dict(headers or {})
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            headers.setdefault("Content-Type", "application/json")
        if self.connection.sock is not None and has_ended(self.connection.sock):
            self.connection.close()        # the daemon has closed it as idle; the next request opens another
        self.connection.request(method, path, body, headers)
        return Answer(self.connection.getresponse())

    def get(self, path, **headers):
        return self.request("GET", path, headers=headers)

    def post(self, path, body=None, **headers):
        return self.request("POST", path, body, headers)

    def put(self, path, **headers):
        return self.request("PUT", path, headers=headers)

    def delete(self, path, **headers):
        return self.request("DELETE", path, headers=headers)

    def add(self, url, **options):
        """Post a task; return its tid."""
        answer = self.post("/task", {"url": url, "options": options})
        assert answer.status == 200, answer
        return answer["tid"]

    def status(self, tid):
        return self.get("/task/tid/%s/status" % tid)["detail"]

    def reach(self, tid, state):
        """Wait until the task is in the state; return its status."""
        def there():
            status = self.status(tid)
            assert status["state"] == state or status["state"] not in ("finished", "invalid"), status
            return status["state"] == state and status
        return until(there)

    def reach_error(self, tid, words):
        """Wait until the task says this in `error`; return its status."""
        def there():
            status = self.status(tid)
            return words in (status["error"] or "") and status
        return until(there)

    def close(self):
        self.connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.close()


def _link(path):
    """Return the link's target, "" if it has just gone."""
    try:
        return os.readlink(path)
    except FileNotFoundError:
        return ""


def own_environ(folder):
    """An environment in which no file of this machine's user is found, but what is below the folder."""
    kept = {name: value for name, value in os.environ.items()
            if not name.startswith(("DLSERV_", "XDG_", "STATE_DIRECTORY"))}
    return dict(kept, HOME=os.path.join(str(folder), "home"), XDG_RUNTIME_DIR=str(folder))


class Process:
    """`dlserv.py` as a stranger runs it, on a free port; with a `command`, as that is."""

    def __init__(self, arguments, command=None, environ=None):
        self._errors, self._last_words = tempfile.TemporaryFile(), None
        files = {"stdout": subprocess.PIPE, "stderr": self._errors, "stdin": subprocess.DEVNULL}
        arguments = ["--port", "0"] + arguments
        self.popen = subprocess.Popen(command + arguments, env=environ, **files) if command \
            else forks.start(arguments, environ, **files)
        self.ready = self.popen.stdout.readline().decode()
        match = re.fullmatch(r"dlserv: listening on (http://\S+)\n", self.ready)
        if match is None:
            self.stop()
            raise AssertionError("no ready line: %r %s" % (self.ready, self.log))
        self.url = match.group(1)
        self.api = Api(self.url)

    @property
    def log(self):
        """Standard error so far."""
        if self._errors.closed:
            return self._last_words
        return os.pread(self._errors.fileno(), 2 ** 24, 0).decode()

    def has_open(self, folder):
        """True while the process has a file below the folder open."""
        files = "/proc/%d/fd/" % self.popen.pid
        return any(_link(files + number).startswith(str(folder) + "/") for number in os.listdir(files))

    def kill(self):
        """kill -9, as a crash would."""
        self.popen.kill()
        self.stop()

    def stop(self):
        """Send SIGTERM; return the exit code."""
        if self.popen.poll() is None:
            self.popen.terminate()
        try:
            return self.popen.wait(PATIENCE)
        finally:
            if self.popen.poll() is None:
                self.popen.kill()
                self.popen.wait()
            self.popen.stdout.close()
            self._last_words = self.log
            self._errors.close()
            if hasattr(self, "api"):
                self.api.close()


class SharedProcess(Process):
    """A daemon for many tests: `folder` is its download directory, and `clear` makes it as new.

    Its files are below `path`. `headers` go with the requests of `clear`.
    """

    def __init__(self, path, *arguments, headers=(), **options):
        self.folder, self._headers = path / "downloads", dict(headers)
        base = ["--download-dir", str(self.folder), "--db", str(path / "state" / "dlserv.db")]
        super().__init__(base + list(arguments), **options)

    def clear(self):
        """Delete all tasks, and everything in the download directory."""
        tids = [task["tid"] for task in self.api.get("/task/list", **self._headers)["detail"]]
        assert self.api.post("/task/batch/delete", {"tids": tids}, **self._headers).status == 200
        until(lambda: not self.has_open(self.folder))
        for path in list(self.folder.iterdir()):
            shutil.rmtree(str(path)) if path.is_dir() and not path.is_symlink() else path.unlink()
