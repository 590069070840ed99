"""Shared by the tests of automation: daemons in a process of their own and in ours, and programs for hooks."""

import contextlib
import json
import os
import stat
import sys

import pytest

from harness import Api, adjusted

from dlserv import Daemon, Server

# The command of a daemon that looks at its folders ten times a second, and at its clock twice.
EAGER = adjusted("from dlserv.automation.schedule import Schedule\n"
                 "from dlserv.automation.watch import Watch\n"
                 "Schedule.LOOK, Watch.EVERY = 0.5, 0.1\n")


@pytest.fixture
def configured(process, tmp_path):
    """A function that starts a daemon process with these sections in its configuration file."""
    path = tmp_path / "config.json"

    def start(environ=None, arguments=(), command=None, **sections):
        if sections:
            path.write_text(json.dumps(dict({"download": {"retry_wait": 0.01, "retries": 0}}, **sections)))
        return process("-c", str(path), *arguments, command=command, environ=dict(os.environ, **environ or {}))

    start.path = path
    return start


@pytest.fixture
def embedded(settings):
    """A function that starts a daemon with these sections in this process, and returns a client of its API."""
    with contextlib.ExitStack() as running:
        def start(**sections):
            settings["download"]["retries"] = 0
            daemon = running.enter_context(Daemon(dict(settings, **sections)))
            return running.enter_context(Api(running.enter_context(Server(daemon, "127.0.0.1", 0)).url))
        yield start


@pytest.fixture
def program(tmp_path):
    """A function that writes a Python program, whose folder is `here`, and returns its path."""
    def write(code, name="hook"):
        path = tmp_path / name
        path.write_text("#!%s\nimport json, os, sys, time, subprocess\nhere = %r\n%s\n"
                        % (sys.executable, str(tmp_path), code))
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return str(path)
    return write


@pytest.fixture
def serve(origin):
    """A function that serves bytes under a path and returns the URL."""
    def put(path, data, **options):
        origin.put(path, data, **options)
        return origin.url(path)
    return put
