"""Text that comes compressed although identity was asked for: decoded, whole or refused."""

import functools
import gzip
import zlib

import pytest

from dlserv.errors import Permanent, Temporary
from dlserv.net.inflated import Inflated
from harness import noise
from servers.origin import chunked, drop, raw, without_end
from several import slow_until

TEXT = b"".join(b"%d bottles of beer on the wall\n" % number for number in range(20000))
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Encoding: gzip\r\n\r\n"


@pytest.mark.parametrize("coding, pack", [
    ("gzip", gzip.compress), ("x-gzip", gzip.compress), ("deflate", zlib.compress),
    ("Identity, GZip", gzip.compress),
    ("deflate", lambda data: zlib.compress(data, 9)), ("deflate", lambda data: zlib.compress(data)[2:-4]),
    ("deflate", gzip.compress)])
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


@pytest.mark.parametrize("piece", [1, 2, 1000])
@pytest.mark.parametrize("coding, pack", [
    ("gzip", gzip.compress), ("deflate", lambda data: zlib.compress(data)[2:-4])])
def test_compressed_text_may_come_in_chunks_of_any_size(origin, attempt, folder, coding, pack, piece):
    packed = pack(TEXT[:50000])
    origin.put("/a.txt", script=[chunked([packed[at:at + piece] for at in range(0, len(packed), piece)],
                                         **{"Content-Encoding": coding, "Content-Type": "text/plain"})])
    attempt(origin.url("/a.txt")).run()
    assert (folder / "a.txt").read_bytes() == TEXT[:50000]


@pytest.mark.parametrize("size", [0, 20, 511, 512, 513, len(TEXT)])
@pytest.mark.parametrize("coding", ["gzip", "x-gzip", "deflate"])
def test_text_that_only_claims_to_be_coded_is_kept_as_sent(origin, attempt, folder, coding, size):
    origin.put("/a.txt", TEXT[:size], headers={"Content-Encoding": coding, "Content-Type": "text/plain"},
               script=[drop(after=size // 2)] if size > 20 else [])
    done = attempt(origin.url("/a.txt"))
    if size > 20:
        done.fails(Temporary)
        done = attempt(origin.url("/a.txt"), kept=done.progress)
    done.run()
    assert (folder / "a.txt").read_bytes() == TEXT[:size]
    assert done.notes == [] and done.finished.resource.total == size


def test_raw_deflate_is_whole_or_refused(origin, attempt):
    packed = zlib.compress(noise(40000) + TEXT)[2:-4]
    for cut in (packed[:-1], packed[:len(packed) // 2], packed[:100]):
        origin.put("/a.txt", cut, headers={"Content-Encoding": "deflate", "Content-Type": "text/plain"})
        assert "cut short" in attempt(origin.url("/a.txt")).fails(Temporary)


@functools.lru_cache(maxsize=None)
def archive():
    return gzip.compress(noise(3000000), 1)


@pytest.mark.parametrize("coding, kind, name", [
    ("x-gzip", "application/x-gzip", "a.tar.gz"), ("aws-chunked", "text/plain", "a.txt"),
    ("br", "text/plain", "b.txt"),
    ("gzip", "application/octet-stream", "a.bin"), ("gzip", "", "a"),
    ("aws-chunked,gzip", "text/plain", "c.txt")])
def test_a_coding_that_is_kept_resumes_and_goes_parallel(origin, attempt, folder, coding, kind, name):
    data = archive()
    headers = {"Content-Encoding": coding, "Content-Type": kind}
    origin.put("/" + name, data, headers=headers, script=[drop(after=1000000)])
    first = attempt(origin.url("/" + name))
    first.fails(Temporary)
    assert first.progress.done == [(0, 1000000)]
    origin.sent = 0
    done = attempt(origin.url("/" + name), kept=first.progress).run()
    assert (folder / name).read_bytes() == data and done.notes == [] and origin.sent < 2100000
    origin.put("/2" + name, data, headers=headers, script=[slow_until(lambda: len(origin.asked("/2" + name)) > 2)] * 9)
    attempt(origin.url("/2" + name), connections=4).run()
    assert (folder / ("2" + name)).read_bytes() == data and len(origin.asked("/2" + name)) > 1


def test_compressed_text_may_have_several_members(origin, attempt, folder):
    """RFC 1952, 2.2; zeros behind the last are padding."""
    origin.put("/a.txt", gzip.compress(TEXT) + gzip.compress(b"more") + bytes(9),
               headers={"Content-Encoding": "gzip", "Content-Type": "text/plain"})
    attempt(origin.url("/a.txt")).run()
    assert (folder / "a.txt").read_bytes() == TEXT + b"more"


def test_a_bomb_is_not_unpacked(origin, attempt, monkeypatch):
    monkeypatch.setattr(Inflated, "GRACE", 2 ** 20)
    bomb = gzip.compress(bytes(Inflated.GRACE + 20 * 2 ** 20), 9)
    origin.put("/a.txt", bomb, headers={"Content-Encoding": "gzip", "Content-Type": "text/plain"})
    assert "unpacks to more than" in attempt(origin.url("/a.txt")).fails(Permanent)


@pytest.mark.parametrize("beginning, piece", [
    (b"", gzip.compress(b"")), (gzip.compress(b"text"), b"x"), (gzip.compress(b"text"), b"\0"),
    (b"\x1f\x8b\x08\x08\0\0\0\0\0\3", b"n")], ids=["empty members", "garbage", "padding", "a member's name"])
def test_compressed_text_without_end_is_refused(origin, attempt, beginning, piece):
    origin.put("/a.txt", script=[without_end(HEAD + beginning, piece * 3000)])
    assert "nearly empty" in attempt(origin.url("/a.txt")).fails(Permanent)


@pytest.mark.parametrize("count", [1, 3000])
def test_compressed_text_may_be_in_many_pieces(origin, attempt, folder, count):
    packed = gzip.compress(b"") * count + b"".join(gzip.compress(b"%d" % number) for number in range(count))
    origin.put("/a.txt", script=[raw(HEAD + packed + bytes(2 ** 19))])
    attempt(origin.url("/a.txt")).run()
    assert (folder / "a.txt").read_bytes() == b"".join(b"%d" % number for number in range(count))
