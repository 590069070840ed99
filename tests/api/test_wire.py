"""The socket of a client: deadlines, and replies that are not read at once."""

import io
import select
import socket
import time

import pytest

from raw import GET, long_reply

from dlserv import Server
from dlserv.api import wire as wire_module
from dlserv.api.connection_limit import ConnectionLimit
from dlserv.api.replies import FilePart
from dlserv.api.wire import Wire, has_hung_up


@pytest.fixture
def ends():
    """A Wire over one end of a pair of sockets, and the other end."""
    ours, theirs = socket.socketpair()
    limit = ConnectionLimit(1)
    assert limit.admit(ours, None, None)
    yield Wire(ours, limit), theirs
    ours.close()
    theirs.close()


@pytest.mark.parametrize("waits", ["in the kernel", "in Python"])
def test_a_read_ends_at_its_deadline(ends, waits):
    wire, theirs = ends
    if waits == "in Python":        # as a write that had to wait leaves it
        wire.sock.settimeout(60)
    reader = io.BufferedReader(wire)
    theirs.sendall(b"abc")
    wire.deadline = time.monotonic() + 15
    assert reader.read(2) == b"ab"
    wire.deadline = began = time.monotonic()
    assert reader.read(1) == b"c", "it is buffered"
    wire.deadline = began + 0.2
    with pytest.raises(socket.timeout):
        reader.read(1)
    assert time.monotonic() - began < 5
    theirs.sendall(b"d")
    wire.deadline = time.monotonic() - 1
    with pytest.raises(socket.timeout):
        reader.read(1)


def test_a_file_that_ends_too_early_is_told(ends, tmp_path):
    wire, theirs = ends
    (tmp_path / "a").write_bytes(b"0123456789")
    for count, is_whole in ((8, True), (9, False)):
        with open(str(tmp_path / "a"), "rb") as file:
            assert wire.send_file(FilePart(file, 2, count)) is is_whole
        assert theirs.recv(100) == b"23456789"


@pytest.mark.skipif(not hasattr(select, "POLLRDHUP"), reason="only Linux tells")
def test_a_hang_up_is_noticed_before_what_was_sent_is_read(ends):
    wire, theirs = ends
    theirs.sendall(b"last words")
    assert not has_hung_up(wire.sock)
    theirs.close()
    assert has_hung_up(wire.sock)


@pytest.mark.parametrize("waits", ["in the kernel", "in Python"])
def test_a_client_that_reads_slowly_gets_everything(daemon, connect, monkeypatch, waits):
    if waits == "in Python":        # as where the kernel does not take the options
        monkeypatch.delattr(socket, "MSG_DONTWAIT")
    monkeypatch.setattr(wire_module, "WRITE_SECONDS", 1)
    with Server(daemon, "127.0.0.1", 0) as server:
        wire = long_reply(daemon, connect, server)
        wire.send(GET.replace(b"Host", b"Connection: close\r\nHost"))
        reply = b""
        for _ in range(8):      # takes longer in all, but is never idle for so long
            time.sleep(0.15)
            reply += wire.reader.read(2 ** 20)
        reply += wire.reader.read()
        assert reply.count(b'"status": "success"') == 2
