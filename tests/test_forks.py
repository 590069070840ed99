"""A forked dlserv.py behaves as an executed one, and is only forked where it can."""

import os
import signal
import subprocess
import sys

import pytest

import forks
from forks import DLSERV, Forked
from harness import until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing is forked")


@pytest.fixture
def environ(environ, tmp_path):
    """An environment whose starts are forked from the second on, with an interpreter's variable of its own."""
    return dict(environ, PYTHONHASHSEED=str(len(str(tmp_path))))


@pytest.mark.parametrize("arguments, code", [(["--version"], 0), (["list"], 3), (["--port", "x"], 2), (["help"], 0)])
def test_output_and_exit_code_are_the_same(environ, tmp_path, arguments, code):
    executed = subprocess.run(DLSERV + arguments, env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE)
    for _ in range(2):
        done = forks.run(arguments, env=environ, cwd=str(tmp_path))
        assert (done.returncode, done.stdout, done.stderr) == (code, executed.stdout, executed.stderr)


def test_a_daemon_has_the_files_folder_and_environment_it_is_given(process, environ, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first = process(command=DLSERV, environ=environ)
    files = set(os.listdir("/proc/%d/fd" % first.popen.pid))
    assert first.stop() == 0
    process(environ=environ).stop()
    second = process(environ=dict(environ, DLSERV_RETRIES="7"))
    assert isinstance(second.popen, Forked) and second.api.get("/config")["config"]["download"]["retries"] == 7
    assert os.readlink("/proc/%d/cwd" % second.popen.pid) == str(tmp_path)
    until(lambda: len(os.listdir("/proc/%d/fd" % second.popen.pid)) <= len(files) + 1)      # the api's connection
    second.popen.kill()
    assert second.popen.wait(10) == -signal.SIGKILL


def test_what_a_start_inherits_decides(environ, tmp_path):
    def is_forked(**variables):
        process = forks.start(["--version"], dict(environ, **variables), stdout=subprocess.DEVNULL)
        assert process.wait(30) == 0
        return isinstance(process, Forked)
    assert [is_forked(), is_forked(), is_forked(DLSERV_RETRIES="1")][1:] == [True, True]
    assert not is_forked(LC_ALL="C.UTF-8", TZ=str(tmp_path))
    before = os.umask(0o027)
    try:
        assert not is_forked()
    finally:
        os.umask(before)
    handler = signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    try:
        assert not is_forked()
    finally:
        signal.signal(signal.SIGUSR1, handler)
