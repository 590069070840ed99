"""One request and its response on a connection, which is kept or closed after it."""

import contextlib

import pytest

from dlserv.errors import Temporary
from dlserv.net.channel import Signal
from harness import noise

DATA = noise(300000)
HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize("answer, is_kept", [
    (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", True),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", True),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello!", False),
    (HEAD + b"5\r\nhello\r\n0\r\n\r\n", True),
    (HEAD + b"5\nhello\n0\n\n", True),
    (HEAD + b"5\r\nhello\r\n0\r\nX: y\r\n\r\n", False),
    (HEAD + b"5\r\nhello\r\n0\r\n\r\n!", False)])
def test_a_connection_is_kept_if_it_is_at_its_end(origin, attempt, answer, is_kept):
    origin.put("/a", script=[lambda exchange: exchange.send(answer)])
    origin.put("/b", DATA)
    for path in ("/a", "/b"):
        attempt(origin.url(path)).run()
    assert origin.connections == (1 if is_kept else 2)


def test_a_redirect_that_makes_no_sense_frees_its_slot(origin, attempt):
    origin.put("/a", script=[lambda exchange: exchange.send(
        b"HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: x\r\n\r\n")])
    failed = attempt(origin.url("/a"), settings={"max_per_host": 1})
    assert "makes no sense" in failed.fails(Temporary)
    with contextlib.closing(Signal()) as stop:
        failed.network.hosts.acquire(origin.url("/")[7:-1], stop, extra=True).release()


def test_a_connection_is_kept_where_the_head_lets_it(origin, attempt):
    kept = b"HTTP/1.1 200 OK\r\n%sContent-Length: 1\r\n\r\na"
    closed = b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na"
    for path, answer, connections in [
            ("/1", kept % b"", 1), ("/2", kept % b"Connection: x\r\nConnection: y, Close\r\n", 1),
            ("/3", kept % b"Connection: keep-alive\r\n", 2), ("/4", closed, 2), ("/5", kept % b"", 3)]:
        origin.put(path, script=[lambda exchange, answer=answer: exchange.send(answer)])
        attempt(origin.url(path)).run()
        assert origin.connections == connections, path
