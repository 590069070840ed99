"""A channel read through a buffer of any size: blocks of lines, then the rest."""

import re
import socket

import pytest

from dlserv.net.channel import Channel, Signal
from dlserv.net.reader import Reader

HEAD = b"HTTP/1.1 200 OK\r\na: 1\r\nb: 2\n\r\n"


@pytest.fixture
def pair():
    """The far end of a connection, and a Channel at the near end."""
    near, far = socket.socketpair()
    near.setblocking(False)
    stop = Signal()
    channel = Channel(near, stop, 5)
    yield far, channel
    far.close()
    channel.close()
    stop.close()


@pytest.mark.parametrize("size", range(1, len(HEAD) + 8))
def test_a_block_ends_at_the_empty_line_in_any_pieces(pair, size):
    far, channel = pair
    far.sendall(HEAD + b"body\n\n")
    far.shutdown(socket.SHUT_WR)
    reader = Reader(channel, size)
    assert reader.read_block(1000) == HEAD
    rest = reader.rest()
    assert rest + channel.recv(100) == b"body\n\n" and not reader.buffered


def test_bytes_that_are_put_back_come_first(pair):
    far, channel = pair
    far.sendall(b"d\nef")
    channel.put_back(b"ab\nc")
    assert channel.recv(1) == b"a" and channel.recv_exactly(1) == b"b"
    reader = Reader(channel, 2)
    assert [reader.read_line(9) for _ in range(2)] == [b"\n", b"cd\n"]
    assert reader.read_line(2) == b"ef"


@pytest.mark.parametrize("most", [1, 10, len(HEAD) - 1])
def test_a_block_and_a_line_are_bounded(pair, most):
    far, channel = pair
    far.sendall(HEAD + b"x" * 50)
    reader = Reader(channel, 7)
    assert reader.read_block(most) == HEAD[:most]
    assert reader.read_line(3) == HEAD[most:most + 3][:HEAD[most:].find(b"\n") + 1 or 3]


def test_the_end_of_the_connection_ends_every_read(pair):
    far, channel = pair
    far.sendall(b"a\nb")
    far.shutdown(socket.SHUT_WR)
    reader = Reader(channel)
    assert reader.read_line(10) == b"a\n" and reader.read_line(10) == b"b"
    assert reader.read_block(10) == b"" and reader.fill() == 0
    assert reader.read_into(memoryview(bytearray(5))) == 0


def test_a_match_takes_what_has_arrived_and_does_not_wait(pair):
    far, channel = pair
    far.sendall(b"5\r\nhello")
    reader, pattern = Reader(channel), re.compile(rb"([0-9]+)\r\n")
    assert reader.take_match(pattern) is None, "nothing has been read yet"
    assert reader.fill() == 8
    assert reader.take_match(pattern).group(1) == b"5" and reader.take_match(pattern) is None
    view = memoryview(bytearray(3))
    assert reader.read_into(view) == 3 and bytes(view) == b"hel" and reader.buffered == 2
