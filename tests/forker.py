"""A process that has modules of dlserv loaded and forks for each start of dlserv.py: see forks.py.

    python tests/forker.py DESCRIPTOR MODULE[:FUNCTION]…

Each message at the Unix socket DESCRIPTOR is a request, JSON of the arguments of `_become`. With it come
the child's standard input, output and error, its folder and a pipe for the lines of the report: its
pid, and how it ended.
"""

import array
import atexit
import contextlib
import fcntl
import gc
import importlib
import io
import json
import os
import runpy
import signal
import socket
import sys
import termios

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LARGEST = 2 ** 17       # bytes of a request


def main(descriptor, *modules):
    codes = []
    atexit.register(_leave, codes)      # before the modules register theirs, and so run after those
    sys.path[0] = ROOT
    for each in modules:
        name, _, function = each.partition(":")
        module = importlib.import_module(name)
        getattr(module, function)() if function else None
    gc.collect()
    gc.freeze()         # or the children would copy all of it to look for garbage
    if _fork_for_each(socket.socket(fileno=int(descriptor))):
        _run(codes)


def _run(codes):
    """Run dlserv.py; put the code that it exits with into the list."""
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
    except SystemExit as error:
        if error.code is None or isinstance(error.code, int):
            codes.append(error.code or 0)
        raise


def _leave(codes):
    """Exit without taking the modules apart, for which a child would copy most of their memory."""
    with contextlib.suppress(OSError, ValueError):      # of which the interpreter's own end tells
        sys.stdout.flush()
        sys.stderr.flush()
        for code in codes:
            os._exit(code & 255)


def _fork_for_each(control):
    """Return True in a child, and False at the end of the requests."""
    reports = {}

    def reap(*_):
        with contextlib.suppress(ChildProcessError):
            for pid, status in iter(lambda: os.waitpid(-1, os.WNOHANG), (0, 0)):
                code = -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
                with contextlib.suppress(BrokenPipeError), open(reports.pop(pid), "wb", buffering=0) as report:
                    report.write(b"%d\n" % code)

    signal.signal(signal.SIGCHLD, reap)
    while True:
        files = array.array("i")
        request, rights, _, _ = control.recvmsg(LARGEST, socket.CMSG_SPACE(5 * files.itemsize))
        if not request:
            return False
        files.frombytes(rights[0][2])
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
        pid = os.fork()
        if not pid:
            control.close()
            _close(reports.values())
            _become(files, **json.loads(request))
            return True
        reports[pid] = files.pop()
        os.write(reports[pid], b"%d\n" % pid)
        _close(files)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])


def _become(files, argv, env, new_session):
    """Make this process what an executed one would be."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])
    for number in range(3):
        os.dup2(files[number], number)
    os.fchdir(files[3])
    _close(files)
    if new_session:
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        stream = _stream(number, getattr(sys, name))
        setattr(sys, name, stream)
        setattr(sys, "__%s__" % name, stream)
    os.environ.clear()
    os.environ.update(env)
    sys.argv = argv


def _stream(number, like):
    """Return the standard stream that the interpreter makes of the descriptor."""
    file = open(number, like.mode + "b", 0 if isinstance(like.buffer, io.RawIOBase) else -1, closefd=False)
    return io.TextIOWrapper(file, like.encoding, like.errors, "\n" if number else None,
                            like.line_buffering or file.isatty(), like.write_through)


def _close(files):
    for each in files:
        os.close(each)


if __name__ == "__main__":
    main(*sys.argv[1:])
