"""Addresses to listen at: both families, a prefix, a unix socket, and those that cannot be had."""

import os
import re
import socket
import sys

import pytest

from harness import Api
from raw import GET, receive

from dlserv import Server


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
        return True
    except OSError:
        return False


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no ::1")
def test_ipv6_works_and_shows_in_the_url(daemon, connect):
    with Server(daemon, "::1", 0) as server:
        assert re.fullmatch(r"http://\[::1\]:[1-9][0-9]*", server.url)
        assert connect(server.url).send(GET).reply().status == 200


@pytest.mark.parametrize("host", ["no-such-host.invalid", "256.256.256.256", "a..b", "x" * 64, "192.0.2.1"])
def test_an_address_that_cannot_be_had_is_an_oserror(daemon, host):
    with pytest.raises(OSError):
        Server(daemon, host, 0)


def test_a_port_that_is_taken_is_an_oserror(daemon):
    with Server(daemon, "127.0.0.1", 0) as server:
        with pytest.raises(OSError):
            Server(daemon, "127.0.0.1", server.server_address[1])


def test_both_families_at_once(serve):
    if not socket.has_ipv6:
        pytest.skip("there is no IPv6 here")
    server = serve("::")
    for host in ("127.0.0.1", "[::1]"):
        with Api("http://%s:%d" % (host, server.server_address[1])) as api:
            assert api.get("/health").status == 200


def test_a_prefix(serve):
    server = serve(prefix="/a/dlserv")
    assert server.url.endswith("/a/dlserv")
    with Api(server.url.partition("/a/")[0]) as api:
        assert api.get("/a/dlserv/task/list").status == 200
        for path in ("/task/list", "/a/dlservtask/list", "/a"):
            assert api.get(path).status == 404
            assert "no path" in api.get(path)["errmsg"]
        answer = api.get("/a/dlserv")
        assert answer.status == 308 and answer.headers["location"] == "/a/dlserv/"
        assert api.get("/a/dlserv?add=http://h/dl").headers["location"] == "/a/dlserv/?add=http://h/dl"
        assert api.get("/a/dlserv/").status == 200


@pytest.fixture
def short(tmp_path_factory):
    """A folder whose path is short enough for a unix socket."""
    import tempfile
    with tempfile.TemporaryDirectory() as path:
        yield path


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="there are no unix sockets here")
@pytest.mark.parametrize("prefix", ["", "/for/the/proxy"])
def test_a_unix_socket(serve, short, prefix):
    path = os.path.join(short, "s")
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(path)
    stale.close()
    server = serve("unix:" + path, prefix=prefix)
    assert server.url == "unix:" + path and os.stat(path).st_mode & 0o777 == 0o660
    for name in None, os.path.join(short, "c"), b"\0dlserv-%d" % os.getpid() if sys.platform == "linux" else None:
        with socket.socket(socket.AF_UNIX) as sock:
            if name is not None:
                sock.bind(name)     # as some clients do
            sock.connect(path)
            sock.sendall(GET)
            assert receive(sock).startswith(b"HTTP/1.1 200 ")
    with pytest.raises(OSError, match="in use"):
        Server(server.daemon, "unix:" + path)
    server.stop()
    assert not os.path.exists(path)


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="there are no unix sockets here")
def test_a_socket_is_unlinked_before_the_next_daemon_binds(daemon, short, monkeypatch):
    def unlink(path):
        with socket.socket(socket.AF_UNIX) as probe:
            answers.append(probe.connect_ex(path))

    answers, server = [], Server(daemon, "unix:" + os.path.join(short, "s"))
    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", unlink)
        server.server_close()
    assert answers == [0], "one that nobody listens at would be taken for stale"


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="there are no unix sockets here")
def test_a_file_in_the_socket_s_place_is_left_alone(daemon, short):
    path = os.path.join(short, "s")
    with open(path, "w") as file:
        file.write("mine")
    with pytest.raises(OSError, match="not a socket"):
        Server(daemon, "unix:" + path)
    with open(path) as file:
        assert file.read() == "mine"
