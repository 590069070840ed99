"""Shared by the tests: a misbehaving origin, daemons in and out of process, both databases."""

import contextlib
import gc
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
for path in (HERE, os.path.dirname(HERE)):
    if path not in sys.path:
        sys.path.insert(0, path)

from attempt import attempt, without_links  # noqa: E402, F401
from disks import faulty, faulty_disk, faulty_disk_library  # noqa: E402, F401
from harness import ROOT, Api, Process, own_environ, until  # noqa: E402
from servers.origin import Origin  # noqa: E402

from dlserv import Daemon, Server  # noqa: E402
from dlserv.state.store import Store  # noqa: E402

# Daemons inherit what is ignored, as below nohup or in the background of a script; signals are their subject.
for name, usual in (("SIGINT", signal.default_int_handler), ("SIGHUP", signal.SIG_DFL)):
    if hasattr(signal, name) and signal.getsignal(getattr(signal, name)) == signal.SIG_IGN:
        signal.signal(getattr(signal, name), usual)


def pytest_collection_finish(session):
    """Spare the tests most searches for garbage, and those among themselves."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10000, 20, 20)


@pytest.fixture(autouse=True)
def no_thread_is_left():
    """Fail a test that leaves a thread behind."""
    before = set(threading.enumerate())
    yield
    until(lambda: not [thread for thread in threading.enumerate()
                       if thread not in before and thread.name.startswith("dlserv")])


@pytest.fixture
def origin():
    with Origin() as server:
        yield server


@pytest.fixture
def other():
    """A second origin: same host, another port."""
    with Origin() as server:
        yield server


@pytest.fixture
def full_port():
    """A port whose backlog is full, so that a connect to it hangs."""
    with contextlib.ExitStack() as sockets:
        listener = sockets.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            filler = sockets.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


@pytest.fixture
def folder(tmp_path):
    """The download directory."""
    path = tmp_path / "downloads"
    path.mkdir()
    return path


@pytest.fixture(params=["sqlite", "file"])
def backend(request):
    """Each kind of database in turn."""
    if request.param == "sqlite":
        pytest.importorskip("sqlite3")
    return request.param


@pytest.fixture
def settings(tmp_path, folder):
    """Settings of a daemon that retries at once."""
    return {"general": {"download_dir": str(folder), "db_path": str(tmp_path / "state" / "dlserv.db")},
            "server": {"port": 0},
            "download": {"retry_wait": 0.01, "timeout": 5}}


@pytest.fixture
def daemon(settings):
    with Daemon(settings) as running:
        yield running


@pytest.fixture
def api(daemon):
    """The REST interface of an in-process daemon."""
    with Server(daemon, "127.0.0.1", 0) as server:
        with Api(server.url) as client:
            yield client


@pytest.fixture
def start_daemon(settings):
    """A function that starts a daemon with these settings of `download`."""
    running = []

    def start(**download):
        settings["download"].update(download)
        running.append(Daemon(settings).start())
        return running[-1]

    yield start
    for each in running:
        each.stop()


@pytest.fixture(scope="module")
def quiet(tmp_path_factory):
    """The API of one daemon for the whole file, for requests that change nothing."""
    folder = tmp_path_factory.mktemp("quiet")
    general = {"download_dir": str(folder / "downloads"), "db_path": str(folder / "state.db")}
    with Daemon({"general": general}) as daemon, Server(daemon, "127.0.0.1", 0) as server:
        with Api(server.url) as client:
            client.get("/config")       # so that its thread is there before any test
            yield client


class OpenedStore(Store):
    """A Store that tells whether it is still open."""

    is_open = True

    def close(self):
        self.is_open = False
        super().close()


@pytest.fixture
def open_store():
    """A function that opens a Store; what is still open is closed in the end."""
    opened = []

    def open_store(*arguments):
        opened.append(OpenedStore(*arguments))
        return opened[-1]

    yield open_store
    for each in opened:
        if each.is_open:
            each.close()


@pytest.fixture
def environ(tmp_path):
    """An environment in which no file of this machine's user is found."""
    return own_environ(tmp_path)


@pytest.fixture
def process(tmp_path, folder):
    """A function that starts a daemon process; all are ended afterwards."""
    started = []

    def start(*arguments, **options):
        base = ["--download-dir", str(folder), "--db", str(tmp_path / "state" / "dlserv.db")]
        started.append(Process(base + list(arguments), **options))
        return started[-1]

    yield start
    for each in started:
        each.stop()


@pytest.fixture
def start_process(process, environ):
    """A function that starts a daemon process with these variables beside those of `environ`."""
    def start(*arguments, command=None, **variables):
        return process(*arguments, command=command, environ=dict(environ, **variables))
    return start


@pytest.fixture(scope="module")
def common(tmp_path_factory):
    """A function that returns the one SharedProcess of this class and these arguments, as new at each call."""
    started = {}

    def cleared(kind, *arguments):
        if (kind, arguments) not in started:
            started[kind, arguments] = kind(tmp_path_factory.mktemp("common"), *arguments)
        started[kind, arguments].clear()
        return started[kind, arguments]

    yield cleared
    for each in started.values():
        each.stop()


@pytest.fixture
def pyz():
    """The program in one file, as `make` built it."""
    path = os.path.join(ROOT, "dlserv.pyz")
    if not os.path.exists(path):
        make = shutil.which("make") or pytest.fail("there is no dlserv.pyz; run make")
        subprocess.run([make, "-C", ROOT, "pyz", "PYTHON=" + sys.executable], check=True,
                       stdout=subprocess.DEVNULL)
    return path
