"""Shared by the tests of automation: a configuration file with its daemon process, and programs for hooks."""

import json
import os
import stat
import sys

import pytest


@pytest.fixture
def configured(process, tmp_path):
    """A function that starts a daemon process with these sections in its configuration file."""
    path = tmp_path / "config.json"

    def start(environ=None, arguments=(), **sections):
        if sections:
            path.write_text(json.dumps(dict({"download": {"retry_wait": 0.01, "retries": 0}}, **sections)))
        return process("-c", str(path), *arguments, environ=dict(os.environ, **environ or {}))

    start.path = path
    return start


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
