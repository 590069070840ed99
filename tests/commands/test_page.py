"""openurl: the address of the page."""

import os
import socket

import pytest

from dlserv import Daemon, Server


def test_the_address_of_the_page_is_printed(here, run):
    for arguments in (["openurl"], ["openurl", "--print"], ["openurl", "-p"]):
        assert run(*arguments) == (0, os.environ["DLSERV_URL"] + "/\n", "")


def test_a_daemon_on_every_address_has_the_machine_s_name(settings, run, monkeypatch):
    with Daemon(settings) as daemon, Server(daemon, "0.0.0.0", 0) as server:
        port = server.server_address[1]
        monkeypatch.setenv("DLSERV_URL", "http://0.0.0.0:%d" % port)
        assert run("openurl") == (0, "http://%s:%d/\n" % (socket.gethostname(), port), "")


def test_nobody_there_is_told(run, monkeypatch):
    monkeypatch.setenv("DLSERV_URL", "http://127.0.0.1:1")
    code, out, err = run("openurl")
    assert (code, out) == (3, "") and "starts one" in err


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no sockets in the file system here")
def test_a_unix_socket_has_no_page(settings, run, tmp_path, monkeypatch):
    host = "unix:%s" % (tmp_path / "s.sock")
    monkeypatch.setenv("DLSERV_URL", host)
    with Daemon(settings) as daemon, Server(daemon, host, 0):
        code, out, err = run("openurl")
    assert (code, out) == (1, "") and "no browser" in err
