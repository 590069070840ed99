"""A web page is not taken for the file: judged by its first bytes, never by its label alone."""

import gzip
import os

import pytest

from dlserv.errors import Permanent, Temporary
from harness import noise
from servers.origin import Exchange, drop, head

DATA = noise(300000)


def dripped(exchange):
    """Answer properly, the first bytes one at a time."""
    body = exchange.begin()
    for position in range(min(8, len(body))):
        exchange.send(body[position:position + 1])
    exchange.send(body[8:])


def in_chunks(exchange):
    """Answer with chunked coding, the first bytes one at a time."""
    data = exchange.file.data
    fields = dict(exchange.validators(), **exchange.file.headers)
    exchange.head("200 OK", dict(fields, **{"Transfer-Encoding": "chunked"}))
    for piece in [data[at:at + 1] for at in range(8)] + [data[8:]]:
        exchange.send(b"%x\r\n%s\r\n" % (len(piece), piece))
    exchange.send(b"0\r\n\r\n")


@pytest.mark.parametrize("start", [
    b"<!DOCTYPE html><p>", b"<html>", b"<HTML lang=en>", b"\xef\xbb\xbf<html>", b" \r\n\t<html>",
    b"<!-- x --><p>",
    b"<?xml version='1.0'?><html>", b"<p>", b"</p>", "\ufeff<html>".encode("utf-16-le"),
    "<p>".encode("utf-16-be"),
    b" " * 1022 + b"<p>", b"", b" ", b"\n" * 5000, b" " * 1024 + b"PK\3\4", b"<"],
    ids=lambda start: repr(start[:20]))
@pytest.mark.parametrize("send", [Exchange.answer, dripped])
def test_what_begins_like_a_page_is_one(origin, attempt, folder, start, send):
    for kind in ("text/html", "application/xhtml+xml;charset=utf-8"):
        origin.put("/a.iso", start, headers={"Content-Type": kind}, script=[send])
        assert "web page (%s)" % kind.partition(";")[0] in attempt(origin.url("/a.iso")).fails(Permanent)
    assert not os.listdir(str(folder))


@pytest.mark.parametrize("start", [
    b"PK\3\4", b"\x1f\x8b\x08", b"\x7fELF", b"%PDF-1.7", b"\0\0\0\x20ftypisom", b"MZ", b"Rar!",
    b"\xff\xfb\x90",
    b"\xff\xd8\xff\xe0", b"<\1", b"<<", b"< html>", b"<\0\0", b"<3", b"x", b"Not a page", b" " * 1022 + b"x",
    b"\0" * 100 + b"x"], ids=lambda start: repr(start[:20]))
@pytest.mark.parametrize("send", [Exchange.answer, dripped, in_chunks])
def test_what_does_not_begin_like_a_page_is_the_file(origin, attempt, folder, start, send):
    data = start + DATA
    origin.put("/a.iso", data, headers={"Content-Type": "text/html"}, script=[send])
    attempt(origin.url("/a.iso")).run()
    assert (folder / "a.iso").read_bytes() == data


@pytest.mark.parametrize("data", [b"<html>log in", b"PK\3\4" + DATA])
def test_a_page_is_known_when_it_is_decoded(origin, attempt, folder, data):
    headers = {"Content-Type": "text/html", "Content-Encoding": "gzip"}
    origin.put("/a.zip", gzip.compress(data), headers=headers)
    if data.startswith(b"<"):
        assert "web page" in attempt(origin.url("/a.zip")).fails(Permanent)
    else:
        attempt(origin.url("/a.zip")).run()
        assert (folder / "a.zip").read_bytes() == data


@pytest.mark.parametrize("data", [DATA, b"<!DOCTYPE html>" + DATA])
def test_a_part_is_not_judged_by_its_label(origin, attempt, folder, data):
    """BusyBox httpd says text/html of every 206."""
    def broken(exchange):
        exchange.send(exchange.begin(Content_Type="text/html")[:100000])
        exchange.hang_up()
    origin.put("/a.iso", data, script=[drop(after=100000), broken, head(Content_Type="text/html")])
    first = attempt(origin.url("/a.iso"))
    first.fails(Temporary)
    second = attempt(origin.url("/a.iso"), kept=first.progress)
    second.fails(Temporary)
    assert second.progress.done[0][1] > 150000
    done = attempt(origin.url("/a.iso"), kept=second.progress).run()
    assert (folder / "a.iso").read_bytes() == data and done.notes == []


def test_parallel_parts_are_not_judged_by_their_label(origin, attempt, folder):
    data = noise(3000000)

    def mislabelled(exchange):
        exchange.file.script.append(mislabelled)
        body = exchange.begin(Content_Type="text/html" if exchange.wanted() else "application/x-iso")
        exchange.send(body)
    origin.put("/a.iso", data, script=[mislabelled] * 9)
    attempt(origin.url("/a.iso"), connections=4).run()
    assert (folder / "a.iso").read_bytes() == data


def test_a_page_in_place_of_the_rest_is_not_the_file(origin, attempt):
    origin.put("/a.iso", DATA, script=[drop(after=100000)])
    first = attempt(origin.url("/a.iso"))
    first.fails(Temporary)
    origin.put("/a.iso", b"<html>" + DATA[:-6], etag='"login"', headers={"Content-Type": "text/html"},
               ranges=False)
    second = attempt(origin.url("/a.iso"), kept=first.progress)
    assert "web page" in second.fails(Permanent)
    assert second.progress.done, "what was here is kept for a fresh link"
