"""Many connections: bounded, the idle ones given up first, and nobody held up."""

import os
import socket
import statistics
import time

import pytest

from dlserv import Daemon, Server
from harness import Api, until

GET = b"GET /task/state_coutner HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = b"POST /task HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n"


@pytest.fixture
def serve(settings):
    """A function that starts a server with settings of its own."""
    daemons, servers = [], []

    def start(host="127.0.0.1", **server):
        settings["server"] = dict(server, port=0)
        daemons.append(Daemon(settings).start())
        servers.append(Server(daemons[-1], host).start())
        return servers[-1]

    yield start
    for each in servers + daemons:
        each.stop()


def dial(server, source="127.0.0.1", data=b""):
    sock = socket.create_connection(("127.0.0.1", server.server_address[1]), 5, (source, 0))
    sock.sendall(data)
    return sock


def receive(sock):
    """What comes until the answer's end or that of the connection."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = sock.recv(65536)
        if not more:
            break
        data += more
    return data


def test_the_one_too_many_is_told_so(serve):
    server = serve(max_connections=4)
    busy = [dial(server, data=POST) for _ in range(4)]
    for each in busy:
        assert receive(each).startswith(b"HTTP/1.1 100 ")
    with dial(server) as late:
        answer = receive(late)
    assert answer.startswith(b"HTTP/1.1 503 ") and b"Retry-After: 5\r\n" in answer
    busy.pop().close()
    until(lambda: len(server.connections) == 3)
    with dial(server, data=GET) as next_one:
        assert receive(next_one).startswith(b"HTTP/1.1 200 ")
    for sock in busy:
        sock.close()


def test_whoever_has_been_idle_longest_makes_room(serve):
    server = serve(max_connections=4)
    idle = []
    for _ in range(4):
        idle.append(dial(server, data=GET))
        assert receive(idle[-1])
        time.sleep(0.01)
    with dial(server, data=GET) as newcomer:
        assert receive(newcomer).startswith(b"HTTP/1.1 200 ")
        idle[0].recv(65536)
        assert idle[0].recv(65536) == b"", "the first one is gone"
        idle[1].sendall(GET)
        assert receive(idle[1])
    for sock in idle:
        sock.close()


def test_one_address_does_not_take_the_place_of_others(serve):
    server = serve(max_connections=100)
    busy = [dial(server, "127.0.0.2", GET[:-2]) for _ in range(70)]
    with dial(server, "127.0.0.3", GET) as other:
        assert receive(other).startswith(b"HTTP/1.1 200 ")
    assert sum(guest.address == "127.0.0.2" for guest in server.crowd._guests.values()) == 64
    for sock in busy:
        sock.close()


def usage(pid):
    """(threads, descriptors, resident bytes) of a process."""
    with open("/proc/%d/statm" % pid) as file:
        resident = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return len(os.listdir("/proc/%d/task" % pid)), len(os.listdir("/proc/%d/fd" % pid)), resident


def call(port, source, data=b""):
    sock = socket.create_connection(("127.0.0.1", port), 5, (source, 0))
    sock.sendall(data)
    return sock


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs /proc")
def test_under_siege_another_client_is_answered(process):
    """200 half-open connections and 1,000 that sit idle, from a few addresses; the server by itself."""
    server = process()
    port, pid = int(server.url.rpartition(":")[2]), server.popen.pid
    server.api.get("/health")
    before = usage(pid)
    half = [call(port, "127.0.0.%d" % (2 + number % 4), GET[:number % 40 + 1]) for number in range(200)]
    idle, times = [], []
    for number in range(1000):
        idle.append(call(port, "127.0.0.%d" % (10 + number % 8)))
        if number % 20 == 0:
            began = time.monotonic()
            with call(port, "127.0.0.9", GET) as sock:
                answer = receive(sock)
            times.append((time.monotonic() - began, answer[9:12]))
    answered = [seconds for seconds, status in times if status == b"200"]
    assert len(answered) > len(times) * 0.9
    assert statistics.median(answered) < 0.1
    for sock in half + idle:
        sock.close()
    until(lambda: usage(pid)[0] <= before[0] + 1 and usage(pid)[1] <= before[1] + 1)
    assert usage(pid)[2] - before[2] < 20 * 2 ** 20


# -- ways to listen -------------------------------------------------------------------------

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
    for _ in range(2):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(path)
            sock.sendall(GET)
            assert receive(sock).startswith(b"HTTP/1.1 200 ")
    with pytest.raises(OSError, match="in use"):
        Server(server.daemon, "unix:" + path)
    server.stop()
    assert not os.path.exists(path)


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="there are no unix sockets here")
def test_a_socket_s_name_is_given_up_before_the_next_daemon_may_take_it(daemon, short, monkeypatch):
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
    with pytest.raises(OSError, match="no socket"):
        Server(daemon, "unix:" + path)
    with open(path) as file:
        assert file.read() == "mine"
