"""Starts of dlserv.py without the interpreter's start and the imports, which cost more than the rest of it.

A process that has the modules loaded, forker.py, forks for each start. The child is a process like any
other, with arguments, environment, folder and files of its own; all else that it inherits must be what
the forker has inherited. If it is not, and at the first start of a kind, dlserv.py is executed. It is also
executed where a test names DLSERV as the command: those of memory do, which a child shares with the forker.
"""

import array
import atexit
import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
DLSERV = [sys.executable, os.path.join(os.path.dirname(HERE), "dlserv.py")]
SERVE = ("dlserv.serve:import_http_client", "dlserv.api.server", "dlserv.client.discovery", "dlserv.daemon",
         "dlserv.state.sqlite", "dlserv.engine.download", "dlserv.net.http")
COMMAND = ("dlserv.commands.main",)
# Variables that begin so are read by the running program alone; others may be read while the interpreter starts.
OURS = ("DLSERV_", "XDG_", "PYTEST_", "FAULTY_DISK", "HOME", "STATE_DIRECTORY", "CREDENTIALS_DIRECTORY",
        "NOTIFY_SOCKET", "WATCHDOG_", "NO_COLOR", "TERM", "COLUMNS", "LINES", "DISPLAY", "WAYLAND_DISPLAY",
        "http_proxy", "https_proxy", "no_proxy")

_forkers = {}           # by what is inherited; None after one start, which was executed


def share():
    """Make the forkers of this environment, for this process and those that it forks."""
    if sys.platform == "linux":
        for modules in (SERVE, COMMAND):
            _forkers[modules, _inherited(os.environ)] = _Forker(modules, os.environ)


def start(arguments, env=None, cwd=".", stdin=None, stdout=None, stderr=None, new_session=False):
    """Start dlserv.py; return a subprocess.Popen or the like.

    In a new session, `stdin` is the controlling terminal.
    """
    argv, env = [DLSERV[1]] + [os.fsdecode(each) for each in arguments], dict(os.environ if env is None else env)
    modules = COMMAND if argv[1:] and not argv[1].startswith("-") else SERVE
    inherited = (modules, _inherited(env)) if sys.platform == "linux" else None
    if inherited not in _forkers:
        if inherited:
            _forkers[inherited] = None
        return subprocess.Popen(DLSERV[:1] + argv, env=env, cwd=cwd, stdin=stdin, stdout=stdout, stderr=stderr,
                                start_new_session=new_session, preexec_fn=take_terminal if new_session else None)
    if _forkers[inherited] is None:
        _forkers[inherited] = _Forker(modules, env)
    request = {"argv": argv, "env": env, "new_session": new_session}
    return _forkers[inherited].fork(request, cwd, stdin, stdout, stderr)


def run(arguments, input=b"", timeout=60, **options):
    """Run dlserv.py to its end; return a subprocess.CompletedProcess."""
    with contextlib.ExitStack() as opened:
        files = [opened.enter_context(tempfile.TemporaryFile()) for _ in range(3)]
        files[0].write(input)
        files[0].seek(0)
        process = start(arguments, stdin=files[0], stdout=files[1], stderr=files[2], **options)
        try:
            process.wait(timeout)
        finally:
            process.kill()
        return subprocess.CompletedProcess(arguments, process.returncode,
                                           *[os.pread(each.fileno(), 2 ** 24, 0) for each in files[1:]])


def take_terminal():
    """Make standard input the controlling terminal."""
    import fcntl
    import termios
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _inherited(env):
    """Return as text what a process inherits but for its arguments, files, folder and the variables of ours."""
    import resource
    limits = [resource.getrlimit(getattr(resource, name)) for name in dir(resource) if name.startswith("RLIMIT_")]
    with open("/proc/self/status") as file:
        status = [line for line in file if line.startswith(("Umask:", "Uid:", "Gid:", "SigBlk:", "SigIgn:"))]
    return repr((sorted(_not_ours(env).items()), limits, status))


def _not_ours(env):
    return {name: value for name, value in env.items() if not name.startswith(OURS)}


class _Forker:
    """A process that has loaded these modules."""

    def __init__(self, modules, env):
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            command = [sys.executable, os.path.join(HERE, "forker.py"), str(theirs.fileno()), *modules]
            self._popen = subprocess.Popen(command, pass_fds=[theirs.fileno()], env=_not_ours(env),
                                           stdin=subprocess.DEVNULL)
        atexit.register(self._end)

    def _end(self):
        self._control.close()
        self._popen.wait()

    def fork(self, request, cwd, *files):
        """Start a process; return it as a Forked."""
        report, reported = os.pipe()
        opened = [_opened(file, number) for number, file in enumerate(files)]
        sent = [theirs for theirs, _ in opened] + [os.open(cwd, os.O_RDONLY), reported]
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", sent))
        self._control.sendmsg([json.dumps(request).encode()], [rights])
        for each in sent:
            os.close(each)
        return Forked(report, *[ours for _, ours in opened[1:]])


def _opened(file, number):
    """Return (a descriptor for the child, a file that reads from it or None)."""
    if file == subprocess.PIPE:
        reading, writing = os.pipe()
        return writing, open(reading, "rb")
    if file == subprocess.DEVNULL:
        return os.open(os.devnull, os.O_RDWR), None
    return os.dup(number if file is None else file if isinstance(file, int) else file.fileno()), None


class Forked:
    """A process that was forked, as subprocess.Popen has it."""

    def __init__(self, report, stdout, stderr):
        self._report, self.stdout, self.stderr, self.returncode = open(report, "rb", buffering=0), stdout, stderr, None
        self.pid = int(self._report.readline())

    def wait(self, timeout=None):
        if self._ended(timeout) is None:
            raise subprocess.TimeoutExpired(DLSERV, timeout)
        return self.returncode

    def poll(self):
        return self._ended(0)

    def _ended(self, seconds):
        if self.returncode is None and select.select([self._report], [], [], seconds)[0]:
            self.returncode = int(self._report.readline())
            self._report.close()
        return self.returncode

    def send_signal(self, number):
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self):
        self.send_signal(signal.SIGTERM)

    def kill(self):
        self.send_signal(signal.SIGKILL)
