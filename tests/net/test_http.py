"""Redirects, credentials and codings: what is sent where, and what is made of the answer."""

import base64
import gzip
import zlib

import pytest

from harness import noise
from dlserv.errors import Permanent, Temporary
from servers.origin import Origin, raw, redirect, refuse

DATA = noise(100000)
TEXT = b"".join(b"%d bottles of beer on the wall\n" % number for number in range(20000))


@pytest.fixture
def other():
    """A second origin: same host, another port."""
    with Origin() as server:
        yield server


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
def test_redirects_are_followed(origin, attempt, folder, status):
    origin.put("/start", script=[redirect("/next/../file.bin?x=1", status)])
    origin.put("/file.bin?x=1", DATA)
    done = attempt(origin.url("/start")).run()
    assert done.finished.name == "file.bin" and (folder / "file.bin").read_bytes() == DATA
    assert done.finished.resource.url == origin.url("/file.bin?x=1")


def test_ten_redirects_are_followed_and_eleven_are_not(origin, attempt):
    for number in range(11):
        origin.put("/%d" % number, script=[redirect("/%d" % (number + 1))] * 2)
    origin.put("/11", DATA)
    attempt(origin.url("/1")).run()
    assert attempt(origin.url("/0")).fails(Permanent) == "there were more than 10 redirects"


@pytest.mark.parametrize("location, reason", [
    ("file:///etc/passwd", "scheme 'file'"), ("gopher://x/", "scheme"), ("http:///nohost", "no host"),
    ("http://host:99999/", "port"), ("", "without saying where"),
    ("http://[::1/x", "to a URL that has a host that cannot")])
def test_a_redirect_to_nowhere_is_final(origin, attempt, location, reason):
    origin.put("/a", script=[redirect(location)])
    assert reason in attempt(origin.url("/a")).fails(Permanent) or location == "http:///nohost"


@pytest.mark.parametrize("answer, sentence", [
    (b"\x1b[2JHi\r\n\r\n", "the server's answer is not HTTP: [2JHi"),
    (b"HTTP/1.1 399 \x1b[2JNo\xff\r\n\r\n", "the server answered 399 [2JNo\xff"),
    (b"x" * 9000 + b"\r\n\r\n", ("the server's answer is not HTTP: " + "x" * 300)[:300])])
def test_what_a_server_says_is_told_in_one_short_line(origin, attempt, answer, sentence):
    origin.put("/a", script=[raw(answer)] * 2)
    assert attempt(origin.url("/a")).fails((Permanent, Temporary)) == sentence


def test_a_redirect_with_raw_bytes_is_encoded(origin, attempt):
    origin.put("/a", script=[redirect("/ä b")])
    origin.put("/%C3%A4%20b", DATA)
    assert attempt(origin.url("/a")).run().finished.name == "ä b"


def basic(text):
    return "Basic " + base64.b64encode(text.encode()).decode()


ASK = refuse("401 Unauthorized", WWW_Authenticate='Basic realm="x"')


def test_credentials_of_the_url_are_used_when_asked_for_and_not_kept(origin, attempt):
    origin.put("/a", DATA, script=[ASK])
    done = attempt(origin.url("/a", user="me:s%40cret")).run()
    assert "authorization" not in origin.requests[0].headers
    assert origin.requests[1].headers["authorization"] == basic("me:s@cret")
    assert "cret" not in repr(done.finished)


def test_credentials_stay_behind_when_the_origin_changes(origin, other, attempt):
    secrets = dict(user="me", password="pw", cookies="sid=1",
                   headers={"X-Api-Key": "k", "X-Wish": "w", "AUTHORIZATION": "Bearer t"})
    origin.put("/a", script=[redirect("/b")])
    origin.put("/b", script=[redirect(other.url("/c"))])
    other.put("/c", DATA)
    attempt(origin.url("/a"), **secrets).run()
    for request in origin.requests:
        assert request.headers["authorization"] == "Bearer t"
        assert request.headers["cookie"] == "sid=1" and request.headers["x-api-key"] == "k"
    (there,) = other.requests
    assert not {"authorization", "cookie", "x-api-key"} & set(there.headers)
    assert there.headers["x-wish"] == "w"


def test_the_request_says_what_the_options_say(origin, attempt):
    origin.put("/a", DATA)
    attempt(origin.url("/a"), user_agent="me/1", referer="http://r/", headers={"X-Ü".replace("Ü", "U"): "ä"}).run()
    headers = origin.requests[0].headers
    assert headers["user-agent"] == "me/1" and headers["referer"] == "http://r/"
    assert headers["x-u"].encode("latin-1").decode() == "ä"
    assert headers["accept-encoding"] == "identity"
    assert headers["host"] == "127.0.0.1:%d" % origin.server_address[1]


# -- compressed although identity was asked for ------------------------------------------------

@pytest.mark.parametrize("coding, pack", [
    ("gzip", gzip.compress), ("x-gzip", gzip.compress), ("deflate", zlib.compress)])
def test_text_that_comes_compressed_is_decoded(origin, attempt, folder, coding, pack):
    origin.put("/song.txt", pack(TEXT), headers={"Content-Encoding": coding, "Content-Type": "text/plain"})
    attempt(origin.url("/song.txt")).run()
    assert (folder / "song.txt").read_bytes() == TEXT


@pytest.mark.parametrize("path, kind", [
    ("/a.tar.gz", "application/gzip"), ("/a.gz", "text/plain"), ("/a", "application/octet-stream")])
def test_what_may_be_an_archive_is_kept_as_sent(origin, attempt, folder, path, kind):
    packed = gzip.compress(TEXT)
    origin.put(path, packed, headers={"Content-Encoding": "gzip", "Content-Type": kind})
    attempt(origin.url(path)).run()
    assert (folder / path[1:]).read_bytes() == packed


def test_compressed_text_is_whole_or_refused(origin, attempt, folder):
    packed = gzip.compress(TEXT)
    for cut in (packed[:-1], packed[:len(packed) // 2]):
        origin.put("/a.txt", cut, headers={"Content-Encoding": "gzip", "Content-Type": "text/plain"})
        assert "cut short" in attempt(origin.url("/a.txt")).fails(Temporary)
    origin.put("/b.txt", packed[:100] + b"\0" * 100 + packed[200:],
               headers={"Content-Encoding": "gzip", "Content-Type": "text/plain"})
    assert "damaged" in attempt(origin.url("/b.txt")).fails(Permanent)


def test_compressed_text_may_have_several_members(origin, attempt, folder):
    """RFC 1952, 2.2; zeros behind the last are padding."""
    origin.put("/a.txt", gzip.compress(TEXT) + gzip.compress(b"more") + bytes(9),
               headers={"Content-Encoding": "gzip", "Content-Type": "text/plain"})
    attempt(origin.url("/a.txt")).run()
    assert (folder / "a.txt").read_bytes() == TEXT + b"more"


def test_a_bomb_is_not_unpacked(origin, attempt, folder):
    from dlserv.net import bodies
    bomb = gzip.compress(bytes(bodies.Inflated.GRACE + 20 * 2 ** 20), 9)
    origin.put("/a.txt", bomb, headers={"Content-Encoding": "gzip", "Content-Type": "text/plain"})
    assert "unpacks to more than" in attempt(origin.url("/a.txt")).fails(Permanent)


def test_a_coding_nobody_knows_is_refused(origin, attempt):
    origin.put("/a", script=[refuse("200 OK", Transfer_Encoding="gzip, chunked")])
    assert "transfer coding" in attempt(origin.url("/a")).fails(Permanent)
