"""Heads that are odd, long or endless: read whole as RFC 9112 says, or refused whole."""

import random

import pytest

from dlserv.errors import Permanent, Temporary
from dlserv.net.head import LONGEST_FIELD, LONGEST_HEADS, MOST_JUNK, read_head
from cost import least_seconds
from harness import noise
from net.test_tls import CA, context
from servers.canned import Canned
from servers.origin import dripped, drop, odd, Origin, raw, refuse, without_end
from servers.proxies import HttpProxy

DATA = noise(300000)

# Lines that http.client takes for the end of the head, and more of their kind.
ODD = {
    "no colon": b"this is no field\r\n",
    "no colon, bare LF": b"this is no field\n",
    "a PHP warning": b"<br />\n<b>Warning</b>:  Cannot modify header information in <b>/x.php</b>\n",
    "a word": b"x\r\n",
    "a colon alone": b":\r\n",
    "no name": b": value\r\n",
    "blank before the colon": b"X-Note : a\r\n",
    "tab before the colon": b"X-Note\t: a\r\n",
    "blank in the name": b"X Note: a\r\n",
    "byte above 127 in the name": b"X-N\xf6te: a\r\n",
    "UTF-8 in the name": "X-Nöte: a\r\n".encode(),
    "control in the name": b"X-\x01: a\r\n",
    "NUL in the name": b"X-\0: a\r\n",
    "brackets in the name": b"[X]: a\r\n",
    "NUL in the value": b"X: a\0b\r\n",
    "bare CR in the value": b"X: a\rb\r\n",
    "bare CR in a line that is no field": b"no\rfield\r\n",
    "CR CR LF": b"X: a\r\r\n",
    "many CRs": b"X: a" + b"\r" * 100 + b"\n",
    "CR CR LF without colon": b"no field\r\r\n",
    "folded": b"X: a\r\n b: c\r\n\td\r\n",
    "folded nothing": b"X: a\r\n  \r\n",
    "folded first line": b" X: a\r\n",
    "folded behind no field": b"nothing\r\n Y: a\r\n",
    "bare LFs": b"X: a\nY: b\n",
    "form feed, vertical tab, NEL": b"X: a\x0cb\x0bc\x85d\x1ce\r\n",
    "a status line": b"HTTP/1.1 404 Not Found\r\n",
    "an empty name with blanks": b"  :\r\n",
    "many of them": b"no field\r\n" * MOST_JUNK,
}
every_odd_line = pytest.mark.parametrize("line", list(ODD.values()), ids=list(ODD))

# Lines behind which another length or coding may be meant than is understood.
HIDING = {
    "length without colon": b"Content-Length 5\r\n",
    "length with another mark": b"Content-Length=5\r\n",
    "quoted name": b'"Content-Length": 5\r\n',
    "byte before the name": b"\xffContent-Length: 5\r\n",
    "NUL before the name": b"\0Content-Length: 5\r\n",
    "byte behind the name": b"content-length\xa0: 5\r\n",
    "behind a bare CR": b"X: a\rContent-Length: 5\r\n",
    "behind a bare CR and a blank": b"X: a\r Transfer-Encoding: chunked\r\n",
    "coding without colon": b"Transfer-Encoding chunked\r\n",
    "range without colon": b"CONTENT-RANGE bytes 0-1/2\r\n",
    "content coding without colon": b"Content-Encoding gzip\r\n",
    "folded first line": b" Content-Length: 5\r\n",
    "folded behind no field": b"nothing\r\n\tContent-Length: 5\r\n",
    "a line begins with CR": b"\rX: a\r\n",
    "a line begins with NUL": b"\0X: a\r\n",
    "LF CR": b"X: a\n\rY: b\n\r",
    "too many that are no field": b"no field\r\n" * (MOST_JUNK + 1),
}


# -- lines that are no field ------------------------------------------------------------------

@every_odd_line
def test_a_length_behind_an_odd_line_counts(origin, attempt, folder, line):
    origin.put("/a", DATA, script=[odd(line, drop(after=1000)), odd(line)])
    first = attempt(origin.url("/a"))
    assert "closed after 1000 B of 293 KiB" in first.fails(Temporary)
    attempt(origin.url("/a"), kept=first.progress).run()
    assert (folder / "a").read_bytes() == DATA


@every_odd_line
def test_chunks_behind_an_odd_line_are_decoded(origin, attempt, folder, line):
    body = b"HTTP/1.1 200 OK\r\n%sTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n" % line
    origin.put("/a", script=[raw(body)])
    attempt(origin.url("/a")).run()
    assert (folder / "a").read_bytes() == b"abc"


@every_odd_line
def test_names_and_validators_behind_an_odd_line_count(origin, attempt, folder, line):
    origin.put("/a", DATA, script=[odd(line, drop(after=100000)), odd(line)],
               headers={"Content-Disposition": "attachment; filename=b.bin"})
    first = attempt(origin.url("/a"))
    first.fails(Temporary)
    second = attempt(origin.url("/a"), kept=first.progress).run()
    assert origin.requests[1].headers["if-range"] == '"v1"'
    assert second.finished.name == "b.bin" and (folder / "b.bin").read_bytes() == DATA


@every_odd_line
def test_redirects_and_cookies_behind_an_odd_line_count(origin, attempt, folder, line):
    origin.put("/a", script=[odd(line, refuse("302 Found", Set_Cookie="sid=1; Path=/", Location="/b"))])
    origin.put("/b", DATA)
    attempt(origin.url("/a")).run()
    assert (folder / "b").read_bytes() == DATA and origin.requests[1].headers["cookie"] == "sid=1"


@every_odd_line
def test_a_challenge_behind_an_odd_line_is_answered(origin, attempt, folder, line):
    origin.put("/a", DATA, script=[odd(line, refuse("401 Unauthorized", WWW_Authenticate="Basic"))])
    attempt(origin.url("/a"), user="me", password="pw").run()
    assert (folder / "a").read_bytes() == DATA and "authorization" in origin.requests[1].headers


@every_odd_line
def test_a_wait_behind_an_odd_line_is_heeded(origin, attempt, line):
    origin.put("/a", script=[odd(line, refuse("503 Service Unavailable", Retry_After="7"))])
    with pytest.raises(Temporary) as caught:
        attempt(origin.url("/a")).run()
    assert caught.value.retry_after == 7


@every_odd_line
def test_odd_lines_in_interim_answers_harm_nothing(origin, attempt, folder, line):
    interim = b"HTTP/1.1 103 Early Hints\r\n%sLink: </x>\r\n\r\n" % line
    origin.put("/a", script=[raw(interim + b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc")])
    assert "closed after 3 B of 5 B" in attempt(origin.url("/a")).fails(Temporary)


@every_odd_line
def test_odd_lines_through_proxies_harm_nothing(origin, attempt, folder, line):
    origin.put("/a", DATA, script=[odd(line)])
    with HttpProxy() as proxy:
        attempt(origin.url("/a"), proxy=proxy.url()).run()
    assert (folder / "a").read_bytes() == DATA


@every_odd_line
def test_odd_lines_of_a_tunnels_proxy_harm_nothing(attempt, folder, line):
    with Origin(context()) as secure, HttpProxy(greeting=line) as proxy:
        secure.put("/a", DATA)
        attempt(secure.url("/a"), proxy=proxy.url(), settings={"ca_file": CA}).run()
        assert len(proxy.seen) == 1
    assert (folder / "a").read_bytes() == DATA


@pytest.mark.parametrize("line", list(HIDING.values()), ids=list(HIDING))
def test_a_line_that_may_hide_the_framing_is_refused(origin, attempt, folder, line):
    origin.put("/a", script=[raw(b"HTTP/1.1 200 OK\r\n%sX: y\r\n\r\nabc" % line)])
    assert "not HTTP" in attempt(origin.url("/a")).fails(Temporary)
    assert not list(folder.iterdir())


@pytest.mark.parametrize("line", list(HIDING.values()), ids=list(HIDING))
def test_the_same_line_behind_a_field_is_refused_too(origin, attempt, folder, line):
    origin.put("/a", script=[raw(b"HTTP/1.1 200 OK\r\nX: y\r\n%s\r\nabc" % line)])
    assert "not HTTP" in attempt(origin.url("/a")).fails(Temporary)
    assert not list(folder.iterdir())


@pytest.mark.parametrize("field", [
    b"Content-Length : 5", b"content-LENGTH\t:\t5", b"Content-Length:5\r", b"Content-Length:\r\n 5",
    b"Content-Length: 5\r\r\r", b"Content-Length: \r5", b"Content-Length:\0 5", b"Content-Length\0: 5",
    b"Content-Length: 5,5"])
def test_a_length_that_is_written_oddly_counts(origin, attempt, folder, field):
    origin.put("/a", script=[raw(b"HTTP/1.1 200 OK\r\n%s\r\n\r\nabc" % field)])
    assert "closed after 3 B of 5 B" in attempt(origin.url("/a")).fails(Temporary)


@pytest.mark.parametrize("status", [
    b"HTTP/1.1 200 OK", b"HTTP/1.1 200", b"HTTP/1.1 200 ", b"HTTP/1.0 200 OK", b"HTTP/1.1  200  OK",
    b"HTTP/1.1\t200",
    b"HTTP/1.1 200 OK\r", b"HTTP/1.1 200 a\0b\rc\xff", b"\r\nHTTP/1.1 200 OK", b"\nHTTP/1.1 200 OK"])
def test_a_status_line_may_be_written_oddly(origin, attempt, folder, status):
    origin.put("/a", script=[raw(status + b"\r\nContent-Length: 3\r\n\r\nabcdef")])
    attempt(origin.url("/a")).run()
    assert (folder / "a").read_bytes() == b"abc"


@pytest.mark.parametrize("status", [
    b"", b"ICY 200 OK", b"HTTP/2 200", b"HTTP/2.0 200 OK", b"HTTP 200 OK", b"HTTP/1.1 2000 OK",
    b"HTTP/1.1 20 OK",
    b"HTTP/1.1 +20 OK", b"HTTP/1.1 OK", b"HTTP/1.1 099 OK", b"\r\n\r\nHTTP/1.1 200 OK",
    b"HTTP/1.1 \xb2\xb200",
    b"<html>", b"abc"])
def test_what_has_no_status_is_refused(origin, attempt, folder, status):
    origin.put("/a", script=[raw(status + b"\r\nContent-Length: 3\r\n\r\nabc")])
    assert "not HTTP" in attempt(origin.url("/a")).fails(Temporary)


def test_a_head_may_come_in_any_pieces(origin, attempt, folder):
    answer = b"HTTP/1.1 103 Hints\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\nX: y\r\r\nno\r\nContent-Length: 3\r\n\r\n"
    origin.put("/a", script=[dripped([bytes([byte]) for byte in answer] + [b"abc"])])
    attempt(origin.url("/a")).run()
    assert (folder / "a").read_bytes() == b"abc"
    for place in range(0, len(answer), 5):
        origin.put("/%d" % place, script=[dripped([answer[:place], answer[place:] + b"ab", b"c"])])
        attempt(origin.url("/%d" % place)).run()
        assert (folder / str(place)).read_bytes() == b"abc"


@pytest.mark.parametrize("answer", [
    b"HTTP/1.1 200", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 1",
    b"HTTP/1.1 200 OK\r\nX: y\r\n",
    b"HTTP/1.1 200 OK\r\nX: y\r\n\r", b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"])
def test_a_head_that_is_cut_is_refused(origin, attempt, answer):
    origin.put("/a", script=[raw(answer)])
    assert "middle of its answer" in attempt(origin.url("/a")).fails(Temporary)


def test_a_validator_outside_ascii_is_sent_back_as_it_came(origin, attempt):
    origin.put("/a", DATA, etag='"ä€"', script=[drop(after=100000)])
    first = attempt(origin.url("/a"))
    first.fails(Temporary)
    attempt(origin.url("/a"), kept=first.progress).run()
    assert origin.requests[1].headers["if-range"].encode("latin-1") == '"ä€"'.encode()


# -- bounds ------------------------------------------------------------------------------------

def fields(size, length=100):
    """`size` bytes of fields, each of so many."""
    lines = [b"X-%d: " % number for number in range(size // length)]
    data = b"".join(line + b"y" * (length - len(line) - 2) + b"\r\n" for line in lines)
    return data + b"Z" * (size - len(data) - 3) + b":\r\n"


def answer_of(size):
    """A response whose head has so many bytes."""
    before, after = b"HTTP/1.1 200 OK\r\n", b"Content-Length: 5\r\n\r\n"
    return before + fields(size - len(before) - len(after)) + after + b"abc"


@pytest.mark.parametrize("count", [100, 101, 3000])
def test_the_number_of_fields_is_not_bounded(origin, attempt, folder, count):
    origin.put("/a", DATA, script=[odd(b"".join(b"X-%d: y\r\n" % number for number in range(count)))])
    attempt(origin.url("/a")).run()
    assert (folder / "a").read_bytes() == DATA


def test_the_bytes_of_a_head_are_bounded(origin, attempt):
    origin.put("/a", script=[raw(answer_of(LONGEST_HEADS - 1))])
    assert "closed after 3 B of 5 B" in attempt(origin.url("/a")).fails(Temporary)
    origin.put("/a", script=[raw(answer_of(LONGEST_HEADS))])
    assert "heads of more than 256 KiB" in attempt(origin.url("/a")).fails(Permanent)


@pytest.mark.parametrize("line", [b"X: y\r\n", b"x", b"\r", b"\0", b" ", b"X: y\r\n folded\r\n"])
def test_a_head_without_end_is_refused(origin, attempt, line):
    origin.put("/a", script=[without_end(b"HTTP/1.1 200 OK\r\nX: y", line * 1000)])
    assert "heads of more than 256 KiB" in attempt(origin.url("/a")).fails((Permanent, Temporary))


def test_a_head_that_drips_is_given_up(origin, attempt):
    origin.put("/a", script=[dripped([b"HTTP/1.1 200 OK\r\n"] + [b"X: y\r\n"] * 20000)])
    assert "did not complete its response" in attempt(origin.url("/a"), timeout=1).fails(Temporary)


def interim(count):
    return b"HTTP/1.1 100 Continue\r\n\r\n" * count


def test_interim_answers_are_bounded_in_bytes(origin, attempt, folder):
    final = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n"
    most = (LONGEST_HEADS - len(final) - 1) // len(interim(1))
    origin.put("/a", script=[raw(interim(most) + final + b"abc")])
    attempt(origin.url("/a")).run()
    assert (folder / "a").read_bytes() == b"abc"
    origin.put("/a", script=[raw(interim(most + 1) + final + b"abc")])
    assert "heads of more than 256 KiB" in attempt(origin.url("/a")).fails(Permanent)


@pytest.mark.parametrize("piece", [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 102 P\r\nA: b\r\n\r\n",
                                   b"\r\nHTTP/1.1 199 \n\n", b"HTTP/1.1 100 " + b"x" * 5000 + b"\r\n\r\n"])
def test_interim_answers_without_end_are_refused(origin, attempt, piece):
    origin.put("/a", script=[without_end(b"", piece * (1 + 10000 // len(piece)))])
    assert "heads of more than 256 KiB" in attempt(origin.url("/a")).fails(Permanent)


@pytest.mark.parametrize("name", [
    "ETag", "Content-Disposition", "Set-Cookie", "Repr-Digest", "Last-Modified"])
def test_a_field_that_is_too_long_is_as_if_it_were_not_there(origin, attempt, folder, name):
    value = ('"%s"' % ("a" * LONGEST_FIELD)).encode()
    origin.put("/a", DATA, script=[odd(name.encode() + b": " + value + b"\r\n")], etag=None, modified=None)
    attempt(origin.url("/a")).run()
    assert (folder / "a").read_bytes() == DATA


@pytest.mark.parametrize("name", [
    "Content-Length", "Transfer-Encoding", "Content-Range", "Content-Encoding", "Location"])
def test_a_field_that_decides_is_refused_if_it_is_too_long(origin, attempt, folder, name):
    field = b"%s: %s\r\n" % (name.encode(), b"1" * (LONGEST_FIELD + 1))
    origin.put("/a", script=[raw(b"HTTP/1.1 200 OK\r\n%s\r\nabc" % field)])
    sentence = attempt(origin.url("/a")).fails(Permanent)
    assert sentence == "the server's %s field is longer than %d bytes" % (name, LONGEST_FIELD)


def test_a_field_of_the_greatest_length_is_read(origin, attempt, folder):
    lengths = b", ".join([b"300000"] * (LONGEST_FIELD // 8)) + b", "[:LONGEST_FIELD % 8]
    name = b"attachment; filename=b; x="
    origin.put("/a", DATA, script=[odd(b"Content-Length: %s\r\nContent-Disposition: %s\r\n" % (
        lengths, name.ljust(LONGEST_FIELD // 2, b"x")))])
    assert attempt(origin.url("/a")).run().finished.name == "b"
    assert (folder / "b").read_bytes() == DATA


def test_a_proxys_head_is_bounded(origin, attempt):
    with HttpProxy(greeting=fields(LONGEST_HEADS)) as proxy:
        sentence = attempt(origin.url("/a").replace("http", "https"), proxy=proxy.url()).fails(Permanent)
        assert sentence == "the proxy sent heads of more than 256 KiB"


def test_a_tunnels_head_is_read_as_cheaply_as_any(attempt):
    with Canned(b"HTTP/1.1 200 OK\r\n" + fields(LONGEST_HEADS)) as proxy:
        tunnelled, forwarded = (
            least_seconds(lambda scheme: attempt(scheme + "://h.example/", proxy=proxy.url).fails(Permanent), each,
                          enough=0)
            for each in ("https", "http"))
    assert tunnelled < 5 * forwarded


def test_a_proxy_may_send_interim_answers(attempt, folder):
    with Origin(context()) as secure, HttpProxy(greeting=b"\r\nHTTP/1.1 200 OK\r\n",
    status="100 Wait") as proxy:
        secure.put("/a", DATA)
        attempt(secure.url("/a"), proxy=proxy.url(), settings={"ca_file": CA}).run()
    assert (folder / "a").read_bytes() == DATA


def test_a_proxy_that_is_none_is_told(attempt):
    with HttpProxy(refuse="\r\n") as proxy:
        assert "the proxy" in attempt("https://127.0.0.1:1/a",
        proxy=proxy.url()).fails((Permanent, Temporary))


# -- at random ---------------------------------------------------------------------------------

def test_no_field_is_lost_behind_any_mixture_of_lines(origin, attempt):
    chance = random.Random(5)
    lines = list(ODD.values())[:-1]
    for number in range(60):
        mixed = b"".join(chance.choice(lines) for _ in range(chance.randrange(1, 12)))
        origin.put("/%d" % number, script=[odd(mixed, drop(after=10))], data=DATA)
        assert "closed after 10 B of 293 KiB" in attempt(origin.url("/%d" % number)).fails(Temporary), mixed


def test_interim_answers_are_skipped(origin, attempt, folder):
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
    origin.put("/a", DATA, script=[raw(interim + b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc")])
    attempt(origin.url("/a")).run()
    assert (folder / "a").read_bytes() == b"abc"


# -- the usual form, which one pattern reads, and the same fields line by line ----------------

class Bytes:
    """What a Reader is to read_head, over bytes that are all here."""

    def __init__(self, data):
        self._data = data

    def read_block(self, most):
        block, self._data = self._data[:most], b""
        return block


@pytest.mark.parametrize("start", [b"HTTP/1.1 200 OK", b"HTTP/1.0 404 ", b"HTTP/1.1 206", b"HTTP/1.1 200  a \t"])
@pytest.mark.parametrize("fields", [
    [], [b"A: b"], [b"A:b", b"a: c", b"B: d:e"], [b"A:\t b \t"], [b"A:", b"B::"], [b"A: \xe9\x85\x0b"],
    [b"Content-Length: 10", b"X: " + b"y" * (LONGEST_FIELD - 3)], [b"X: " + b"y" * (LONGEST_FIELD + 1), b"A: b"]])
def test_crlf_and_lf_alone_make_the_same_head(start, fields):
    usual, plain = [read_head(Bytes(end.join([start] + fields + [b"", b""]))) for end in (b"\r\n", b"\n")]
    assert usual[:3] == plain[:3]
    for name in ("A", "B", "X", "Content-Length"):
        assert usual.fields.get_all(name) == plain.fields.get_all(name)
