"""The facts about a file in the head of a response."""

import base64
import gzip
import hashlib
import os

import pytest

from dlserv.errors import Changed, Permanent, Temporary
from dlserv.net.head import Fields
from dlserv.net.remote_file import content_length, content_md5, content_range, from_response, strongest_digest
from harness import noise
from servers.origin import Exchange

DATA = noise(300000)


OLD, DATE = "Mon, 01 Jan 2024 00:00:00 GMT", "Tue, 02 Jan 2024 00:00:00 GMT"


def head(**fields):
    return Fields((name.replace("_", "-"), each) for name, value in fields.items()
                  for each in (value if isinstance(value, list) else [value]))


def resource(status=200, **fields):
    return from_response(status, head(**fields), "http://h/x")


@pytest.mark.parametrize("fields, validator", [
    (dict(ETag='"a"', Last_Modified=OLD, Date=DATE), '"a"'),
    (dict(ETag='W/"a"', Last_Modified=OLD, Date=DATE), OLD),
    (dict(ETag='W/"a"'), None),
    (dict(ETag="unquoted", Last_Modified=OLD, Date=DATE), OLD),
    (dict(ETag='"a" "b"'), None),
    (dict(Last_Modified=OLD), OLD),
    (dict(Last_Modified=OLD, Date=OLD), None),
    (dict(Last_Modified=DATE, Date=OLD), None),
    (dict(Last_Modified="yesterday", Date=DATE), None),
    ({}, None)])
def test_only_strong_validators_are_sent_back(fields, validator):
    assert resource(**fields).validator == validator


@pytest.mark.parametrize("status, fields, expected", [
    (200, dict(Accept_Ranges="bytes", ETag='"a"', Content_Length="5"), True),
    (200, dict(Accept_Ranges="none", ETag='"a"', Content_Length="5"), False),
    (200, dict(ETag='"a"', Content_Length="5"), False),
    (200, dict(Accept_Ranges="bytes", Content_Length="5"), False),
    (200, dict(Accept_Ranges="bytes", ETag='W/"a"', Content_Length="5"), True),
    (200, dict(Accept_Ranges="bytes", ETag="unquoted", Content_Length="5"), True),
    (200, dict(Accept_Ranges="bytes", ETag='"a"'), False),
    (200, dict(Accept_Ranges="bytes", ETag='"a"', Content_Length="5", Content_Encoding="gzip"), False),
    (206, dict(ETag='"a"', Content_Range="bytes 0-1/5"), True)])
def test_resumable_needs_ranges_a_validator_and_a_size(status, fields, expected):
    assert resource(status, **fields).resumable is expected


@pytest.mark.parametrize("value, expected", [
    ("bytes 0-9/10", (0, 10, 10)), ("bytes 5-9/*", (5, 10, None)), ("BYTES  5-5/6", (5, 6, 6))])
def test_a_content_range_is_read(value, expected):
    assert content_range(head(Content_Range=value)) == expected


@pytest.mark.parametrize("value", ["", "bytes */10", "bytes 9-5/10", "bytes 0-10/10", "items 0-1/2",
                                   "bytes 0-1", "bytes -1-2/3", "bytes 0-1/" + "9" * 5000])
def test_a_content_range_that_proves_nothing_is_refused(value):
    with pytest.raises(Changed):
        content_range(head(Content_Range=value))


@pytest.mark.parametrize("fields, expected", [
    (dict(Content_Length="10"), 10), (dict(Content_Length=["10", "10"]), 10),
    (dict(Content_Length="10, 10"), 10), ({}, None),
    (dict(Content_Length="10", Transfer_Encoding="chunked"), None),
    (dict(Content_Length="10", Transfer_Encoding=["", "Identity"]), 10),
    (dict(Content_Length="10", Transfer_Encoding=["identity", "chunked"]), None)])
def test_a_length_is_read(fields, expected):
    assert content_length(head(**fields)) == expected


@pytest.mark.parametrize("value", ["-1", "+5", "1e3", "0x10", "", ["10", "11"], "9" * 30])
def test_a_length_that_makes_no_sense_is_refused(value):
    with pytest.raises(Temporary):
        content_length(head(Content_Length=value))


def test_the_date_of_the_file_is_read_in_any_of_its_forms():
    for text in (OLD, "Monday, 01-Jan-24 00:00:00 GMT", "Mon Jan  1 00:00:00 2024"):
        assert resource(Last_Modified=text).modified == 1704067200
    for text in ("", "nonsense", "Mon, 99 Jan 2024 00:00:00 GMT", "Mon, 01 Jan 99999999999 00:00:00 GMT"):
        assert resource(Last_Modified=text).modified is None


PAGE = {"Content-Type": "text/html; charset=utf-8"}


@pytest.mark.parametrize("name", ["a.iso", "a.zip", "a.tar.gz", "a.mp4", "a.PDF"])
def test_a_login_page_is_not_the_file(origin, attempt, folder, name):
    origin.put("/" + name, b"<html>log in", headers=PAGE)
    assert "web page" in attempt(origin.url("/" + name)).fails(Permanent)
    assert not os.listdir(str(folder))


@pytest.mark.parametrize("name", ["index.html", "page", "a.htm"])
def test_a_page_that_was_asked_for_is(origin, attempt, folder, name):
    origin.put("/" + name, b"<html>", headers=PAGE)
    assert attempt(origin.url("/" + name)).run().finished.resource.media_type == "text/html"


def test_a_page_that_is_meant_to_be_saved_is(origin, attempt):
    headers = dict(PAGE, **{"Content-Disposition": "attachment; filename=a.iso"})
    origin.put("/a.iso", b"<html>", headers=headers)
    attempt(origin.url("/a.iso")).run()


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


# -- digests ----------------------------------------------------------------------------------

def hexed(name, data=DATA):
    return "%s=%s" % (name, hashlib.new(name.replace("-", ""), data).hexdigest())


def based(name, data=DATA):
    return base64.b64encode(hashlib.new(name.replace("-", ""), data).digest()).decode()


@pytest.mark.parametrize("value", ["sha-256=:AAAA:", "crc32=AAAA", "sha-256", "sha-256=" + "A" * 44, "=,;", ""])
def test_a_digest_that_says_nothing_is_no_digest(value):
    assert strongest_digest({"Repr-Digest": value}, whole=True) is None
    assert content_md5({"Content-MD5": value}) is None


def test_the_strongest_digest_counts():
    headers = {"Digest": "md5=%s,SHA=%s" % (based("md5"), based("sha-1"))}
    assert strongest_digest(headers, whole=False) == hexed("sha-1")


def test_the_digest_of_a_part_is_not_that_of_the_file():
    headers = {"Content-Digest": "sha-256=:%s:" % based("sha-256"), "Content-MD5": based("md5")}
    assert strongest_digest(headers, whole=False) is None
