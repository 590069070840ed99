"""Many connections: bounded, those that wait for their client evicted first, and nobody held up."""

import contextlib
import os
import socket
import statistics
import time

import pytest

from forks import DLSERV
from harness import noise, until
from raw import receive

from dlserv.api.connection_limit import BUSY, IDLE, UNFINISHED, UNREAD, ConnectionLimit

GET = b"GET /task/state_coutner HTTP/1.1\r\nHost: localhost\r\n\r\n"
PAGE = b"GET /app.js HTTP/1.1\r\nHost: localhost\r\n\r\n"
EVENTS = GET.replace(b"task/state_coutner", b"events")
BODY = b"POST /task HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{"
CHUNK = BODY.replace(b"Content-Length: 9", b"Transfer-Encoding: chunked")[:-1] + b"9\r\n{"


def dial(server, source="127.0.0.1", data=b""):
    sock = socket.create_connection(("127.0.0.1", server.server_address[1]), 15, (source, 0))
    sock.sendall(data)
    return sock


def is_open(sock):
    """Return whether the server still has the connection; read what it sends meanwhile."""
    sock.settimeout(0.01)
    try:
        while sock.recv(65536):
            pass
        return False
    except socket.timeout:
        return True
    except ConnectionError:
        return False


def close(socks):
    for each in socks:
        each.close()


def test_the_one_too_many_is_told_so(serve):
    """Readers of the events wait for the daemon, not it for them: none of them is evicted."""
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
    close(busy)


def test_whoever_has_been_idle_longest_makes_room(serve):
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
    close(idle)


@pytest.mark.parametrize("data", [b"", b"G", GET[:30], GET[:-2], BODY, CHUNK],
                         ids=["nothing", "a byte", "half a head", "all but its end", "half a body", "half a chunk"])
def test_an_unfinished_request_makes_room_the_oldest_first(serve, data):
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
    close(unfinished)


def test_newcomers_do_not_displace_each_other(serve):
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
    close(unfinished + newcomers)


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


def refused(server):
    """Return whether a new connection is refused."""
    with dial(server, data=GET) as newcomer:
        try:
            return not receive(newcomer).startswith(b"HTTP/1.1 200 ")
        except ConnectionError:
            return True


def dial_slowly(server):
    """A connection with so small a buffer that much waits at the server."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.settimeout(15)
    sock.connect(("127.0.0.1", server.server_address[1]))
    return sock


def stuck(server):
    """A connection that asks for far more than its buffers hold, and reads nothing."""
    sock = dial_slowly(server)
    sock.setblocking(False)
    try:
        for _ in range(2000):
            sock.send(PAGE)
    except BlockingIOError:
        pass
    return sock


def test_a_reply_that_is_not_read_makes_room(serve):
    server = serve(max_connections=4)
    unread = [stuck(server) for _ in range(4)]
    until(lambda: not refused(server))
    close(unread)


def add_long_urls(daemon, folder, count):
    daemon.add_all([("http://127.0.0.1:1/%s/%d%s" % (folder, number, 300 * "x"), {"paused": True}, ())
                    for number in range(count)])


def read_until_silent(sock, seconds):
    """Return how many bytes come until none has come for so long."""
    sock.settimeout(seconds)
    count = 0
    with contextlib.suppress(socket.timeout):
        while True:
            data = sock.recv(65536)
            assert data, "the stream ended"
            count += len(data)
    return count


def test_events_that_are_no_longer_read_make_room(serve):
    """Nor does it count that the reader was slow before: the snapshot did not fit into its socket."""
    server = serve(max_connections=4)
    add_long_urls(server.daemon, "before", 4000)
    readers = [dial_slowly(server) for _ in range(4)]
    for each in readers:
        each.sendall(EVENTS)
    time.sleep(0.3)         # so that each is stuck within its snapshot
    for each in readers:
        assert read_until_silent(each, 1.5) > 10 ** 6
    for number in range(16):
        add_long_urls(server.daemon, str(number), 500)      # fewer at once than make a snapshot
        time.sleep(0.1)
    until(lambda: not refused(server), 15)
    close(readers)


def test_a_file_that_is_not_read_makes_room(serve, origin):
    server = serve(max_connections=4)
    origin.put("/a", noise(2 ** 24))
    tid = server.daemon.add(origin.url("/a"))
    assert server.daemon.wait(tid, 15).state == "finished"
    path = b"GET /task/tid/%s/file HTTP/1.1\r\nHost: localhost\r\n\r\n" % tid.encode()
    unread = [dial(server, data=path) for _ in range(4)]
    until(lambda: not refused(server))
    close(unread)


def test_a_client_has_64_connections_of_all(serve):
    server = serve(max_connections=100)
    owner = dial(server, "127.0.0.3", GET)
    assert receive(owner).startswith(b"HTTP/1.1 200 ")
    busy = []
    for _ in range(70):
        busy.append(dial(server, "127.0.0.2", GET[:-2]))
        time.sleep(0.001)
    until(lambda: not any(map(is_open, busy[:6])))
    assert all(map(is_open, busy[6:])) and is_open(owner), "it displaces itself and nobody else"
    close(busy + [owner])


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


def test_many_networks_share_the_bound_for_all(serve):
    """256 connections of four addresses that finish nothing; a fifth one is answered at once."""
    server = serve()
    busy = [dial(server, "127.0.0.%d" % (2 + number % 4), GET[:20]) for number in range(256)]
    until(lambda: len(server.connections) == 256)
    with dial(server, "127.0.0.9", GET) as owner:
        assert receive(owner).startswith(b"HTTP/1.1 200 ")
    close(busy)


def usage(pid):
    """(threads, descriptors, resident bytes) of a process."""
    with open("/proc/%d/statm" % pid) as file:
        resident = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return len(os.listdir("/proc/%d/task" % pid)), len(os.listdir("/proc/%d/fd" % pid)), resident


def call(port, source, data=b""):
    sock = socket.create_connection(("127.0.0.1", port), 15, (source, 0))
    sock.sendall(data)
    return sock


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs /proc")
def test_under_siege_another_client_is_answered(process):
    """200 half-open connections and 1,000 that sit idle, from a few addresses; the server by itself."""
    server = process(command=DLSERV)
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
