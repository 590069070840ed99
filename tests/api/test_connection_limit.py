"""Many connections: bounded, those that wait for their client evicted first, and nobody held up."""

import os
import select
import socket
import statistics
import time

import pytest

from forks import DLSERV
from harness import PATIENCE, noise, until
from raw import receive

from dlserv.api import sse
from dlserv.api.connection_limit import BUSY, IDLE, UNFINISHED, UNREAD, ConnectionLimit
from dlserv.api.wire import WRITE_SECONDS

GET = b"GET /task/state_coutner HTTP/1.1\r\nHost: localhost\r\n\r\n"
PAGE = b"GET /app.js HTTP/1.1\r\nHost: localhost\r\n\r\n"
EVENTS = GET.replace(b"task/state_coutner", b"events")
LITTLE = 4096       # bytes of a receive buffer with which much waits at the server
BODY = b"POST /task HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{"
CHUNK = BODY.replace(b"Content-Length: 9", b"Transfer-Encoding: chunked")[:-1] + b"9\r\n{"


@pytest.fixture
def call():
    """A function that opens a connection to a port and sends; all are closed afterwards."""
    opened = []

    def call(port, source="127.0.0.1", data=b"", buffer=None):
        opened.append(socket.socket())
        opened[-1].settimeout(PATIENCE)
        if buffer:
            opened[-1].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        opened[-1].bind((source, 0))
        opened[-1].connect(("127.0.0.1", port))
        opened[-1].sendall(data)
        return opened[-1]

    yield call
    close(opened)


@pytest.fixture
def dial(call):
    """A function that opens a connection to a server of this process."""
    return lambda server, *arguments, **more: call(server.server_address[1], *arguments, **more)


def is_open(sock):
    """Return whether the server still has the connection; read what it sends meanwhile."""
    sock.settimeout(0)
    try:
        while sock.recv(65536):
            pass
        return False
    except BlockingIOError:
        return True
    except ConnectionError:
        return False


def close(socks):
    for each in socks:
        each.close()


def test_the_one_too_many_is_told_so(serve, dial, monkeypatch):
    """Readers of the events wait for the daemon, not it for them: none of them is evicted."""
    monkeypatch.setattr(sse, "LOOK", 0.05)
    server = serve(max_connections=4)
    busy = [dial(server, data=EVENTS) for _ in range(4)]
    for each in busy:
        assert receive(each).startswith(b"HTTP/1.1 200 ")
    with dial(server) as late:
        answer = receive(late)
    assert answer.startswith(b"HTTP/1.1 503 ") and b"Retry-After: 5\r\n" in answer
    assert b'"code": "unavailable"' in answer
    assert all(map(is_open, busy))
    busy.pop().close()
    until(lambda: len(server.connections) == 3)
    with dial(server, data=GET) as next_one:
        assert receive(next_one).startswith(b"HTTP/1.1 200 ")


def test_whoever_has_been_idle_longest_makes_room(serve, dial):
    server = serve(max_connections=4)
    idle = []
    for _ in range(4):
        idle.append(dial(server, data=GET))
        assert receive(idle[-1])
        time.sleep(0.01)
    with dial(server, data=GET) as newcomer:
        assert receive(newcomer).startswith(b"HTTP/1.1 200 ")
        until(lambda: not is_open(idle[0]))
        assert all(map(is_open, idle[1:]))
        idle[1].settimeout(5)
        idle[1].sendall(GET)
        assert receive(idle[1])


@pytest.mark.parametrize("data", [b"", b"G", GET[:30], GET[:-2], BODY, CHUNK],
                         ids=["nothing", "a byte", "half a head", "all but its end", "half a body", "half a chunk"])
def test_an_unfinished_request_makes_room_the_oldest_first(serve, data, dial):
    server = serve(max_connections=64)
    unfinished = []
    for _ in range(64):
        unfinished.append(dial(server, data=data))
        time.sleep(0.001)
    until(lambda: len(server.connections) == 64)
    with dial(server, data=GET) as newcomer:
        assert receive(newcomer).startswith(b"HTTP/1.1 200 ")
    until(lambda: not is_open(unfinished[0]))
    assert [is_open(each) for each in unfinished].count(False) == 1


def test_newcomers_do_not_displace_each_other(serve, dial):
    """The oldest goes, not the latest whose request has not been read yet."""
    server = serve(max_connections=16)
    unfinished = [dial(server, data=GET[:20]) for _ in range(16)]
    until(lambda: len(server.connections) == 16)
    newcomers = [dial(server) for _ in range(8)]
    until(lambda: not any(map(is_open, unfinished[:8])))
    for each in newcomers:
        each.settimeout(15)
        each.sendall(GET)
        assert receive(each).startswith(b"HTTP/1.1 200 ")
    assert all(map(is_open, unfinished[8:]))


@pytest.fixture
def limited():
    """A ConnectionLimit of 4, and a function that opens a connection in it, if it is admitted."""
    limit, pairs = ConnectionLimit(4, most_of_one=3), []

    def admit(address=None):
        pairs.append(socket.socketpair())
        return pairs[-1][0] if limit.admit(pairs[-1][0], address, None) else None

    yield limit, admit
    for pair in pairs:
        close(pair)


def test_idle_connections_go_first_then_the_longest_unfinished(limited):
    limit, admit = limited
    new, busy, unread, idle = [admit() for _ in range(4)]
    for sock in (busy, unread, idle):
        limit.enter(sock, BUSY)
    limit.enter(unread, UNREAD)
    limit.enter(idle, IDLE)
    for evicted in (idle, new):
        limit.enter(admit(), BUSY)
        for state in (IDLE, UNFINISHED, UNREAD, BUSY):
            with pytest.raises(ConnectionError):
                limit.enter(evicted, state)
    assert admit() is None, "the reply may be under way"
    until(lambda: admit() is not None)
    with pytest.raises(ConnectionError):
        limit.enter(unread, UNREAD)
    limit.enter(busy, BUSY)


def test_a_request_after_the_first_is_as_old_as_its_first_byte(limited):
    limit, admit = limited
    first, second = admit(), admit()
    for sock in (first, second):
        limit.enter(sock, BUSY)
        limit.enter(sock, IDLE)
    limit.enter(second, UNFINISHED)
    limit.enter(first, UNFINISHED)
    for _ in range(3):
        limit.enter(admit(), BUSY)
    with pytest.raises(ConnectionError):
        limit.enter(second, BUSY)
    limit.enter(first, BUSY)


def test_a_client_at_its_bound_displaces_only_itself(limited):
    limit, admit = limited
    for sock in [admit("192.0.2.1") for _ in range(3)]:
        limit.enter(sock, BUSY)
    other = admit("192.0.2.2")
    assert admit("192.0.2.1") is None and len(limit) == 4
    limit.enter(other, BUSY)
    assert admit("192.0.2.2") is None, "nobody may go"


def refused(dial, server):
    """Return whether a new connection is refused."""
    with dial(server, data=GET) as newcomer:
        try:
            return not receive(newcomer).startswith(b"HTTP/1.1 200 ")
        except ConnectionError:
            return True


def stuck(dial, server):
    """Open a connection that asks for far more than its buffers hold, and reads nothing."""
    sock = dial(server, buffer=LITTLE)
    sock.setblocking(False)
    try:
        for _ in range(2000):
            sock.send(PAGE)
    except BlockingIOError:
        pass


def test_a_reply_that_is_not_read_makes_room(serve, dial):
    server = serve(max_connections=4)
    for _ in range(4):
        stuck(dial, server)
    until(lambda: not refused(dial, server))


def add_long_urls(daemon, folder, count):
    daemon.add_all([("http://127.0.0.1:1/%s/%d%s" % (folder, number, 300 * "x"), {"paused": True}, ())
                    for number in range(count)])


def read_snapshot(sock):
    """Read to the end of the first event."""
    data = b""
    while not data.endswith(b"\n\n") or len(data) < 10 ** 5:
        more = sock.recv(65536)
        assert more, "the stream ended"
        data += more


def test_events_that_are_no_longer_read_make_room(serve, dial, monkeypatch):
    """Nor does it count that the reader was slow before: the snapshot did not fit into its socket."""
    server = serve(max_connections=4)
    server.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 ** 17)
    monkeypatch.setattr(sse, "EVERY", 0.005)
    add_long_urls(server.daemon, "before", 1000)
    readers = [dial(server, data=EVENTS, buffer=LITTLE) for _ in range(4)]
    until(lambda: len(select.select(readers, [], [], 0)[0]) == 4)       # each is stuck within its snapshot
    for each in readers:
        read_snapshot(each)
    for number in range(20):
        add_long_urls(server.daemon, str(number), 30)       # fewer at once than fill the socket
        time.sleep(0.02)
    until(lambda: not refused(dial, server), WRITE_SECONDS / 2)


def test_a_file_that_is_not_read_makes_room(serve, origin, dial):
    server = serve(max_connections=4)
    origin.put("/a", noise(2 ** 24))
    tid = server.daemon.add(origin.url("/a"))
    assert server.daemon.wait(tid, 15).state == "finished"
    path = b"GET /task/tid/%s/file HTTP/1.1\r\nHost: localhost\r\n\r\n" % tid.encode()
    for _ in range(4):
        dial(server, data=path)
    until(lambda: not refused(dial, server))


def test_a_client_has_64_connections_of_all(serve, dial):
    server = serve(max_connections=100)
    owner = dial(server, "127.0.0.3", GET)
    assert receive(owner).startswith(b"HTTP/1.1 200 ")
    busy = []
    for _ in range(70):
        busy.append(dial(server, "127.0.0.2", GET[:-2]))
        time.sleep(0.001)
    until(lambda: not any(map(is_open, busy[:6])))
    assert all(map(is_open, busy[6:])) and is_open(owner), "it displaces itself and nobody else"


def test_an_ipv6_network_is_one_client():
    limit = ConnectionLimit(100, most_of_one=2)
    pairs = [socket.socketpair() for _ in range(6)]
    socks = [ours for ours, _ in pairs]
    addresses = ["2001:db8::1", "2001:db8::ffff:1", "2001:db8:0:1::1", "192.0.2.1", None]
    assert all(limit.admit(sock, address, None) for sock, address in zip(socks, addresses))
    for sock in socks[:5]:
        limit.enter(sock, BUSY)
    assert not limit.admit(socks[5], "2001:db8::2", None)
    assert limit.admit(socks[5], "2001:db8:0:1::2", None) and len(limit) == 6
    for pair in pairs:
        close(pair)


def test_many_networks_share_the_bound_for_all(serve, dial):
    """256 connections of four addresses that finish nothing; a fifth one is answered at once."""
    server = serve()
    for number in range(256):
        dial(server, "127.0.0.%d" % (2 + number % 4), GET[:20])
    until(lambda: len(server.connections) == 256)
    with dial(server, "127.0.0.9", GET) as owner:
        assert receive(owner).startswith(b"HTTP/1.1 200 ")


def usage(pid):
    """(threads, descriptors, resident bytes) of a process."""
    with open("/proc/%d/statm" % pid) as file:
        resident = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return len(os.listdir("/proc/%d/task" % pid)), len(os.listdir("/proc/%d/fd" % pid)), resident


def crowd(call, port, count):
    """Connections that sit idle, from a few addresses."""
    return [call(port, "127.0.0.%d" % (10 + number % 8)) for number in range(count)]


def seconds_until_answered(call, port):
    """Return how long a new client waits for its answer, None if it is refused."""
    began = time.monotonic()
    with call(port, "127.0.0.9", GET) as sock:
        answer = receive(sock)
    return time.monotonic() - began if answer.startswith(b"HTTP/1.1 200 ") else None


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs /proc")
def test_under_siege_another_client_is_answered(process, tmp_path, call):
    """200 half-open connections and 1,000 that sit idle, against a daemon whose crowds always leave again."""
    server, calm = process(command=DLSERV), process("--db", str(tmp_path / "calm.db"), command=DLSERV)
    (port, calm_port), pid = [int(each.url.rpartition(":")[2]) for each in (server, calm)], server.popen.pid
    server.api.get("/health")
    before = usage(pid)
    half = [call(port, "127.0.0.%d" % (2 + number % 4), GET[:number % 40 + 1]) for number in range(200)]
    idle, times = [], []
    for _ in range(50):
        idle += crowd(call, port, 20)
        besieged = seconds_until_answered(call, port)
        leaving = crowd(call, calm_port, 20)
        times.append((besieged, seconds_until_answered(call, calm_port)))
        close(leaving)
    answered = [pair for pair in times if None not in pair]
    assert len(answered) > len(times) * 0.9
    besieged, at_rest = map(statistics.median, zip(*answered))
    assert besieged < 5 * at_rest
    close(half + idle)
    until(lambda: usage(pid)[0] <= before[0] + 1 and usage(pid)[1] <= before[1] + 1)
    assert usage(pid)[2] - before[2] < 20 * 2 ** 20
