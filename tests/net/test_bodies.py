"""Bodies: whole, cut, or framed wrongly, and the connections that outlive them."""

import random

import pytest

from dlserv.errors import Changed, Permanent, Temporary
from dlserv import urls
from dlserv.net.bodies import LONGEST_SIZE_LINE, read_whole
from dlserv.net.channel import Signal
from dlserv.net.http import Client
from harness import noise, until
from servers.origin import Gate, chunked, dripped, drop, raw, without_end

DATA = noise(300000)
HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def fetched(origin, attempt, folder, answer, path="/a"):
    """The bytes that come of this answer."""
    origin.put(path, script=[raw(answer)])
    attempt(origin.url(path)).run()
    return (folder / path[1:]).read_bytes()


# -- chunks -----------------------------------------------------------------------------------

@pytest.mark.parametrize("body, expected", [
    (b"5\r\nhello\r\n0\r\n\r\n", b"hello"),
    (b"5\nhello\n0\n\n", b"hello"),
    (b"5\r\nhello\r\n3\nabc\n0\r\n\n", b"helloabc"),
    (b"a\r\n0123456789\r\n0\r\n\r\n", b"0123456789"),
    (b"A\r\n0123456789\r\n0\r\n\r\n", b"0123456789"),
    (b"0000000000000000000005\r\nhello\r\n0\r\n\r\n", b"hello"),
    (b"5\r\nhello\r\n00000\r\n\r\n", b"hello"),
    (b"5 \t\r\nhello\r\n0  \r\n\r\n", b"hello"),
    (b"5;name=value\r\nhello\r\n0;last\r\n\r\n", b"hello"),
    (b"5 ; name=\"a;b\"\r\nhello\r\n0\r\n\r\n", b"hello"),
    (b"5;" + b"x" * (LONGEST_SIZE_LINE - 4) + b"\r\nhello\r\n0\r\n\r\n", b"hello"),
    (b"5\r\n0\r\n\r\n\r\n0\r\n\r\n", b"0\r\n\r\n"),
    (b"0\r\n\r\n", b""),
    (b"5\r\nhello\r\n0\r\n", b"hello"),
    (b"5\r\nhello\r\n0\r\nDigest: x\r\nno trailer\r\n\r\n", b"hello"),
    (b"5\r\nhello\r\n0\r\n\r\n5\r\nhello\r\n0\r\n\r\n", b"hello")])
def test_chunks_are_read(origin, attempt, folder, body, expected):
    assert fetched(origin, attempt, folder, HEAD + body) == expected
    assert fetched(origin, attempt, folder, HEAD.replace(b"1.1", b"1.0") + body, "/b") == expected


@pytest.mark.parametrize("body", [
    b"+5\r\nhello\r\n0\r\n\r\n", b"-5\r\nhello\r\n0\r\n\r\n", b"0x5\r\nhello\r\n0\r\n\r\n", b"-0\r\n\r\n",
    b"+0\r\n\r\n",
    b"0x0\r\n\r\n", b"1_0\r\n0123456789abcdef\r\n0\r\n\r\n", b"0_0\r\n\r\n", b" 5\r\nhello\r\n0\r\n\r\n",
    b"\r\n5\r\nhello\r\n0\r\n\r\n", b"\r\n", b"\n", b";x\r\n", b"5.\r\nhello\r\n0\r\n\r\n",
    b"5,5\r\nhello\r\n0\r\n\r\n",
    b"5h\r\nhello\r\n0\r\n\r\n", b"0h\r\n\r\n", b"5 5\r\nhello\r\n0\r\n\r\n", b"5\rhello\r\n0\r\n\r\n",
    b"5\r\r\nhello\r\n0\r\n\r\n", b"5;a\rb\r\nhello\r\n0\r\n\r\n", b"5\0\r\nhello\r\n0\r\n\r\n",
    b"\xb2\r\nab\r\n0\r\n\r\n",
    "٥\r\nhello\r\n0\r\n\r\n".encode(), b"5\x0b\r\nhello\r\n0\r\n\r\n", b"<html>\r\n",
    b"5\r\nhelloXX0\r\n\r\n", b"5\r\nhello0\r\n\r\n", b"5\r\nhello\r0\r\n\r\n", b"5\r\nhello \r\n0\r\n\r\n",
    b"5\r\nhello\r\r\n0\r\n\r\n", b"5\r\nhello\n\n0\r\n\r\n", b"5\r\nhello\r\n\r\n0\r\n\r\n",
    b"4\r\nhello\r\n0\r\n\r\n",
    b"3\r\nhello\r\n0\r\n\r\n", b"5\r\nhello\r\n\r\n", b"5\r\nhello\r\nzz\r\n",
    b"10000000000000000\r\nhello\r\n0\r\n\r\n", b"F" * 16 + b"\r\nhello\r\n0\r\n\r\n",
    b"5;" + b"x" * (LONGEST_SIZE_LINE - 3) + b"\r\nhello\r\n0\r\n\r\n", b"0" * 5000 + b"\r\n\r\n",
    b"6\r\nhello\r\n0\r\n\r\n", b"5\nhello\r\n0\r\n\r\n", b"5\r\nhello\n0\r\n\r\n"])
def test_chunks_that_are_framed_wrongly_are_refused(origin, attempt, folder, body):
    origin.put("/a", script=[raw(HEAD + body)])
    assert "chunked answer is malformed" in attempt(origin.url("/a")).fails(Temporary)
    assert not (folder / "a").exists()


@pytest.mark.parametrize("body", [
    b"", b"5", b"5\r", b"5\r\n", b"5\r\nhel", b"5\r\nhello", b"5\r\nhello\r", b"5\r\nhello\r\n",
    b"5\r\nhello\r\n0",
    b"5\r\nhello\r\n0\r", b"5\r\nhello\r\n000000", b"5\r\nhello\r\n0;x", b"00000000",
    b"40\nhello\n0\n\n", b"FFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n", b"5;x", b"+"])
def test_chunks_that_are_cut_are_temporary(origin, attempt, folder, body):
    origin.put("/a", script=[raw(HEAD + body)])
    assert "in the middle of a chunked answer" in attempt(origin.url("/a")).fails(Temporary)
    assert not (folder / "a").exists()


@pytest.mark.parametrize("line_end", [b"\r\n", b"\n"])
def test_chunks_may_come_in_any_pieces(origin, attempt, folder, line_end):
    body = b"".join(line_end.join([b"%x;a=b" % len(piece), piece, b""]) for piece in (b"hello",
    b"\r\n" * 9)) \
        + b"0" + line_end * 2
    origin.put("/x", script=[dripped([HEAD] + [bytes([byte]) for byte in body])])
    attempt(origin.url("/x")).run()
    assert (folder / "x").read_bytes() == b"hello" + b"\r\n" * 9
    for place in range(len(body)):
        origin.put("/%d" % place, script=[dripped([HEAD + body[:place], body[place:]])])
        attempt(origin.url("/%d" % place)).run()
        assert (folder / str(place)).read_bytes() == b"hello" + b"\r\n" * 9


def test_chunks_of_all_sizes_are_put_together(origin, attempt, folder):
    chance = random.Random(3)
    for number in range(8):
        pieces, left = [], DATA
        while left:
            size = chance.choice([1, 2, 15, 16, 4096, 65535, 65536, 65537, 100000])
            pieces, left = pieces + [left[:size]], left[size:]
        origin.put("/%d" % number, script=[chunked(pieces)])
        attempt(origin.url("/%d" % number)).run()
        assert (folder / str(number)).read_bytes() == DATA


def decoded(body):
    """Return a chunked body as a strict reader decodes it; None if it is not whole (RFC 9112, 7.1)."""
    data = b""
    while True:
        line, mark, body = body.partition(b"\n")
        digits, end = (line[:-1], b"\r\n") if line.endswith(b"\r") else (line, b"\n")
        digits = digits.partition(b";")[0].rstrip(b" \t") if b"\r" not in digits else b"?"
        if not mark or not digits or not set(digits) <= set(b"0123456789abcdefABCDEF"):
            return None
        size = int(digits, 16)
        if not size:
            return data
        data, body = data + body[:size], body[size:]
        if not body.startswith(end):
            return None
        body = body[len(end):]


def test_what_is_finished_is_what_a_strict_reader_reads(origin, attempt, folder):
    chance = random.Random(11)
    good = b"5\r\nhello\r\n00a;x=y\r\n0123456789\r\n1\nz\n0\r\nT: x\r\n\r\n"
    outcomes = set()
    for number in range(250):
        body = bytearray(good)
        for _ in range(chance.randrange(1, 3)):
            place = chance.randrange(len(body))
            body[place:place + chance.randrange(2)] = bytes([chance.choice(b"\r\n0159afFx+- ;_\0\xff")])
        body = bytes(body[:chance.choice([len(body), chance.randrange(len(body))])])
        origin.put("/%d" % number, script=[raw(HEAD + body)])
        running = attempt(origin.url("/%d" % number))
        try:
            running.run()
            found = (folder / str(number)).read_bytes()
        except Temporary:
            found = None
        assert found == decoded(body), body
        outcomes.add(found is None)
    assert outcomes == {True, False}


@pytest.mark.parametrize("piece", [b"X: y\r\n", b"x", b"\r", b"0\r\n"])
def test_trailers_without_end_hold_up_nothing(origin, attempt, folder, piece):
    origin.put("/a", script=[without_end(HEAD + b"5\r\nhello\r\n0\r\n", piece * 1000)])
    attempt(origin.url("/a")).run()
    assert (folder / "a").read_bytes() == b"hello"


@pytest.mark.parametrize("beginning", [b"5;", b"5\r\nhello\r\n5;", b"5\r\nhello\r\n"])
def test_the_size_of_a_chunk_may_not_drip(origin, attempt, beginning):
    origin.put("/a", script=[dripped([HEAD + beginning] + [b"0"] * (LONGEST_SIZE_LINE - 10))])
    assert "did not complete its response" in attempt(origin.url("/a"), timeout=0.2).fails(Temporary)


# -- codings and lengths ----------------------------------------------------------------------

@pytest.mark.parametrize("fields", [
    b"Transfer-Encoding: identity\r\n", b"Transfer-Encoding:\r\n", b"Transfer-Encoding: , Identity ,\r\n"])
def test_no_transfer_coding_leaves_the_length(origin, attempt, folder, fields):
    answer = b"HTTP/1.1 200 OK\r\n%sContent-Length: 5\r\n\r\nhello" % fields
    assert fetched(origin, attempt, folder, answer) == b"hello"
    origin.put("/b", script=[raw(answer[:-1])])
    assert "closed after 4 B of 5 B" in attempt(origin.url("/b")).fails(Temporary)


@pytest.mark.parametrize("fields", [
    b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n",
    b"Content-Length: 3\r\nTransfer-Encoding: Chunked\r\n",
    b"Transfer-Encoding: identity, chunked\r\n",
    b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n"])
def test_chunks_come_before_a_length(origin, attempt, folder, fields):
    answer = b"HTTP/1.1 200 OK\r\n%s\r\n5\r\nhello\r\n0\r\n\r\n" % fields
    assert fetched(origin, attempt, folder, answer) == b"hello"


@pytest.mark.parametrize("fields", [
    b"Transfer-Encoding: gzip, chunked\r\n", b"Transfer-Encoding: chunked, chunked\r\n",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n", b"Transfer-Encoding: chunked; x=y\r\n",
    b"Transfer-Encoding: xchunked\r\n", b"Transfer-Encoding: \"chunked\"\r\n"])
def test_other_transfer_codings_are_refused(origin, attempt, fields):
    origin.put("/a", script=[raw(b"HTTP/1.1 200 OK\r\n%s\r\n5\r\nhello\r\n0\r\n\r\n" % fields)])
    assert "transfer coding that was not asked for" in attempt(origin.url("/a")).fails(Permanent)


def test_what_follows_a_short_range_is_not_waited_for(origin, attempt, folder):
    """A range that ends before it was asked to, and bytes of nothing behind it."""
    data = noise(2 ** 20)

    def short(exchange):
        start, _ = exchange.wanted()
        body = exchange.begin(length=10, Content_Range="bytes %d-%d/%d" % (start, start + 9, len(data)))
        exchange.send(body[:10] + b"!" * 1000)
        exchange.hang_up()
    origin.put("/a", data, script=[drop(after=1000), short])
    first = attempt(origin.url("/a"))
    first.fails(Temporary)
    with pytest.raises((Temporary, Changed, Permanent)):
        attempt(origin.url("/a"), kept=first.progress).run()
    last = attempt(origin.url("/a"), kept=first.progress).run()
    assert (folder / last.finished.name).read_bytes() == data


@pytest.mark.parametrize("size", [1, 20000, 100000])
def test_a_chunk_counts_before_the_next_one_comes(origin, attempt, size):
    """The server waits between its chunks until each was seen to have arrived."""
    pieces, seen = [noise(size, seed) for seed in range(4)], []

    def slowly(exchange):
        exchange.head("200 OK", {"Transfer-Encoding": "chunked"})
        for number, piece in enumerate(pieces, 1):
            exchange.send(b"%x\r\n%s\r\n" % (len(piece), piece))
            seen.append(until(lambda: running.download.count == number * size))
        exchange.send(b"0\r\n\r\n")
    origin.put("/a", script=[slowly])
    running = attempt(origin.url("/a"), timeout=20)
    running.run()
    assert seen == [True] * 4


def test_what_a_server_sends_beyond_its_length_is_not_the_file(origin, attempt, folder):
    origin.put("/a", script=[raw(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcdef")])
    attempt(origin.url("/a")).run()
    assert (folder / "a").read_bytes() == b"abc"


# -- a small body as a whole --------------------------------------------------------------------

PLAIN = b"HTTP/1.1 200 OK\r\n\r\n"


@pytest.fixture
def read(attempt, origin):
    """A function that reads the body at a path of the origin."""
    made = attempt(origin.url("/x"))
    stop = Signal()

    def read(path, most=2 ** 20, seconds=60, timeout=2):
        stream = Client(made.options._replace(timeout=timeout), made.network, stop).open(urls.parse(origin.url(path))).stream
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
    origin.put("/endless", script=[without_end(PLAIN, b"x" * 4096)])
    for path in ("/x", "/endless"):
        with pytest.raises(Permanent, match="more than 1 MiB"):
            read(path)


def test_a_slow_body_is_given_up(read, origin):
    origin.put("/x", script=[without_end(PLAIN, b"x")])
    with pytest.raises(Temporary, match="within 0.2 s"):
        read("/x", most=2 ** 40, seconds=0.2)


def test_a_body_that_is_cut_is_not_taken_for_whole(read, origin):
    gate = Gate(10)
    origin.put("/x", noise(1000), script=[gate])
    with pytest.raises(Temporary):
        read("/x", timeout=0.2)
