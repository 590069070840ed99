"""Small bodies as a whole: complete, or refused when they are too large or too slow."""

import pytest

from harness import noise
from servers.origin import Gate, chunked, without_end

from dlserv import urls
from dlserv.errors import Permanent, Temporary
from dlserv.net.channel import Signal
from dlserv.net.http import Client
from dlserv.net.bodies import read_whole

HEAD = b"HTTP/1.1 200 OK\r\n\r\n"


@pytest.fixture
def read(attempt, origin):
    """A function that reads the body at a path of the origin."""
    made = attempt(origin.url("/x"))
    stop = Signal()

    def read(path, most=2 ** 20, seconds=60):
        stream = Client(made.options, made.network, stop).open(urls.parse(origin.url(path))).stream
        try:
            return read_whole(stream, most, seconds)
        finally:
            stream.close()

    yield read
    stop.close()
    made.download.close()


@pytest.mark.parametrize("size", [0, 1, 65535, 65536, 65537, 2 ** 20])
def test_a_body_comes_whole(read, origin, size):
    origin.put("/x", noise(size))
    assert read("/x") == noise(size)


def test_a_chunked_body_comes_whole(read, origin):
    origin.put("/x", script=[chunked([b"a" * 70000, b"b"])])
    assert read("/x") == b"a" * 70000 + b"b"


def test_a_larger_body_is_refused(read, origin):
    origin.put("/x", noise(2 ** 20 + 1))
    origin.put("/endless", script=[without_end(HEAD, b"x" * 4096)])
    for path in ("/x", "/endless"):
        with pytest.raises(Permanent, match="more than 1 MiB"):
            read(path)


def test_a_slow_body_is_given_up(read, origin):
    origin.put("/x", script=[without_end(HEAD, b"x")])
    with pytest.raises(Temporary, match="within 0.2 s"):
        read("/x", most=2 ** 40, seconds=0.2)


def test_a_body_that_is_cut_is_not_taken_for_whole(read, origin):
    gate = Gate(10)
    origin.put("/x", noise(1000), script=[gate])
    with pytest.raises(Temporary):
        read("/x")
