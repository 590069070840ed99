"""Text of servers and clients at its worst: the time is linear and short, the meaning right.

Every parser gets 64 KiB of each delimiter and of what has been its worst, and is measured
in CPU time, so that a loaded machine does not fail it.
"""

import functools
import random
import re
import socket
import time
from base64 import b64encode
from datetime import datetime, timezone
from itertools import takewhile

import pytest

from dlserv import units, urls
from dlserv.api import files, requests
from dlserv.engine import filename
from dlserv.errors import Changed, Error, Temporary
from dlserv.net import remote_file
from dlserv.net.auth import Credentials
from dlserv.net.channel import Channel, Signal
from dlserv.net.cookies import Jar
from dlserv.net.head import Fields, read_head
from dlserv.net.reader import Reader
from dlserv.settings import options
from cost import is_cheap
from harness import noise
from net.test_head import ODD

SIZE = 65536
LONGEST_LINE = 15000        # of a request to the API
HERE = urls.parse("http://host.example/folder/file")
FORM = "application/x-www-form-urlencoded"

# What is repeated: every delimiter of HTTP, then what makes patterns look again.
DELIMITERS = list("a1 \t;=,\"\\/?@:%'*(<>[]{}&-.+_#!~^`|$\x0b\x7f\xff€")
WORST = [
    "%4", "%41", "%FF", "%C3", "a=", "a=,", "a,", "a;", "a=b;", ",Digest \"", ",Digest \\\"", "Digest ",
    "Basic,",
    "Digest a=b,", "=?", "=?a?q?", "=?a?q?x", "=?utf-8?q?a?= ", "=?utf-8?b?YQ==?=", "\\\"", "\"a\" ",
    "\"a\",", "\"\\",
    "a=\"", "a=\\\"", "a=\"\\", "; a", "; a=", "; filename*0=a", "bytes ", "bytes=", "0-", "1-1/", "W/\"",
    "\"a\", ",
    "/.", "/..", "/a/..", "./", "//", "a/", "0x", "9e", "1.", "[1,", "{\"a\":", "gzip,", "gzip ;", ",gzip ",
    ";q=0.",
    "Mon, ", "01 Jan ", "00:", "+0000 ", "(()", "token=", "key", "key.", " key", "sid1", "?a=", "==", "%3D",
    "://",
    "a@", "a:@", "sha-256=A,", "md5=AAAAAAAAAAAAAAAAAAAAAA==,", "stale=", "a.", "xn--", "é.", "\r\n x",
    "=A0", "''"]


def heedless(parse):
    """A parser that takes its refusals for done."""
    def parsed(text):
        try:
            parse(text)
        except (Error, ValueError):
            pass
    return parsed


@functools.lru_cache(maxsize=1)
def repeated(size):
    """Return texts of `size` characters: each unit repeated."""
    return [(unit * (size // len(unit) + 1))[:size - 1] + "!" for unit in DELIMITERS + WORST]


def texts(size, chance):
    """Yield texts of `size` characters: each unit repeated, then mixtures."""
    yield from repeated(size)
    for _ in range(10):
        some = chance.sample(DELIMITERS + WORST, 4)
        mixture = "".join(chance.choices(some, k=size // 8))
        yield (mixture * 8)[:size]


def field(name, parse, before=""):
    """A parser of one field's value."""
    return lambda text: parse(Fields([(name, before + text)]))


def described(name, status=200):
    return field(name, lambda fields: remote_file.from_response(status, fields, HERE))


def digests(name, before=""):
    return field(name, lambda fields: remote_file.strongest_digest(fields, whole=True), before)


def challenged(before=""):
    return lambda text: Credentials("me", "pw").answer([before + text], "GET", "/")


def posted(body, kind="application/json"):
    return requests.Request("POST", "/task", {}, {"content-type": kind}, body.encode("utf-8", "replace"))


PARSERS = {
    "a challenge": challenged(), "a Digest": challenged("Digest nonce="),
    "a quoted nonce": challenged('Digest nonce="'),
    "a qop": challenged('Digest nonce=n, qop="auth,'),
    "Repr-Digest": digests("Repr-Digest"), "Content-Digest": digests("Content-Digest", "sha-256=:"),
    "Digest": digests("Digest", "SHA-256="), "Content-MD5": digests("Content-MD5"),
    "Content-Length": field("Content-Length", remote_file.content_length),
    "Content-Range": field("Content-Range", remote_file.content_range),
    "a range's start": field("Content-Range", remote_file.content_range, "bytes "),
    "a range's end": field("Content-Range", remote_file.content_range, "bytes 0-"),
    "a range's total": field("Content-Range", remote_file.content_range, "bytes 0-1/"),
    "ETag": described("ETag"), "Last-Modified": described("Last-Modified"),
    "Content-Type": described("Content-Type"),
    "Content-Encoding": described("Content-Encoding"), "Accept-Ranges": described("Accept-Ranges"),
    "Transfer-Encoding": field("Transfer-Encoding", lambda fields: fields.tokens("Transfer-Encoding")),
    "a date": units.parse_http_date, "Retry-After": units.parse_retry_after,
    "Content-Disposition": filename.from_disposition,
    "a name": lambda text: filename.from_disposition("attachment; filename=" + text),
    "a quoted name": lambda text: filename.from_disposition('attachment; filename="' + text),
    "an extended name": lambda text: filename.from_disposition("attachment; filename*=UTF-8''" + text),
    "an encoded name": lambda text: filename.from_disposition('a; filename="=?utf-8?q?' + text),
    "a name in pieces": lambda text: filename.from_disposition("a; filename*0*=punycode''" + text),
    "a safe name": lambda text: filename.choose(None, None, text, "h", ""),
    "a name of a URL": lambda text: urls.file_name("http://h/" + text),
    "Set-Cookie": field("Set-Cookie", lambda fields: Jar().keep(HERE, fields)),
    "a cookie's date": field("Set-Cookie", lambda fields: Jar().keep(HERE, fields), "a=b; expires="),
    "Location": lambda text: urls.follow(HERE, text),
    "a Location's host": lambda text: urls.follow(HERE, "http://" + text),
    "a Location's path": lambda text: urls.follow(HERE, "/" + text),
    "a URL": urls.parse, "a URL that is shown": lambda text: urls.shown("http://h/?" + text),
    "a URL that is refused": urls.check_url,
    "a query": requests.parse_query, "a form": lambda text: posted(text, FORM).form(),
    "a type": lambda text: posted("{}", text).json(),
    "a charset": lambda text: posted("{}", "application/json; charset=" + text).json(),
    "JSON": lambda text: posted(text).json(), "a JSON string": lambda text: posted('{"a": "' + text).json(),
    "a JSON list": lambda text: posted("[" + text).json(),
    "a JSON number": lambda text: posted("1" + text).json(),
    "an entity tag": lambda text: files.names_tag(text, '"a"'),
    "a header option": lambda text: options.parse({"headers": {"X": text}}),
    "a header's name": lambda text: options.parse({"headers": {text: "x"}}),
    "headers as text": lambda text: options.parse({"headers": text}, text=True),
    "other options": lambda text: [options.parse({name: text}) for name in ("filename", "dir")],
    "a checksum": lambda text: options.parse({"checksum": text}),
    "a rate": lambda text: options.parse({"ratelimit": text}),
    "a proxy": lambda text: options.parse({"proxy": text}),
    "a mirror": lambda text: options.parse({"mirrors": [text]}),
}


@pytest.mark.parametrize("name", list(PARSERS))
def test_the_worst_text_takes_a_parser_little_time(name):
    for text in texts(SIZE, random.Random(name)):
        assert is_cheap(heedless(PARSERS[name]), text), text[:40]


@pytest.fixture
def reading():
    """A function that lets bytes arrive on a real socket and calls `read` with their Reader."""
    stop = Signal()

    def call(data, read):
        near, far = socket.socketpair()
        near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 ** 22)
        with near, far:
            far.setblocking(False)
            near.setblocking(False)
            data = data[near.send(data):]
            assert not data, "the socket's buffer is too small for this test"
            near.shutdown(socket.SHUT_WR)
            channel = Channel(far, stop, 5)
            try:
                return read(Reader(channel))
            finally:
                channel.detach()
    yield call
    stop.close()


@pytest.mark.parametrize("before", [
    "", "HTTP/1.1 200 ", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nX: ",
    "HTTP/1.1 200 OK\r\nContent-Length: "])
def test_the_worst_head_takes_little_time(reading, before):
    lines = ["\n", "\r", "\r\n ", "a\n", "a:\n", "a:b\r\n", " \n", ":\n", "\0", "a\r", "a\0\n", "Content-",
    "a \n",
             "HTTP/1.1 100 \n\n", "HTTP/1.1 100 \r\n\r\n", "\nHTTP/1.1 100 \n\n", "\rcontent-lengt",
             "a:\r \n"]
    for unit in lines + DELIMITERS:
        data = (before + unit * (SIZE // len(unit)) + "\r\n\r\n").encode("utf-8")
        assert is_cheap(heedless(lambda data: reading(data, read_head)), data), unit


# -- the API's own, over the wire ---------------------------------------------------------------

HEADERS = (
    "Range If-Range If-None-Match If-Match If-Modified-Since If-Unmodified-Since Authorization "
    "Accept-Encoding Origin Cookie Connection Content-Type Last-Event-ID Expect Sec-Fetch-Site "
    "X-Requested-With").split()


@pytest.fixture
def finished(api, origin):
    """The path of a finished file of 100,000 bytes in the API."""
    origin.put("/a.bin", DATA)
    tid = api.add(origin.url("/a.bin"))
    api.reach(tid, "finished")
    return "/task/tid/%s/file" % tid


DATA = noise(100000)


def answering(ask):
    """A function that makes a request with a text; any answer will do but a 500."""
    def answered(text):
        assert ask(text).status != 500
    return answered


@pytest.mark.parametrize("name", HEADERS)
def test_the_worst_header_takes_the_api_little_time(api, finished, name):
    for text in texts(LONGEST_LINE, random.Random(name)):
        if re.search("[\r\n\x0b\x7f€é]", text) is None:
            assert is_cheap(answering(lambda text: api.get(finished, **{name: text})), text,
                            time.process_time), text[:40]


@pytest.mark.parametrize("path, kind", [
    ("/task", "application/json"), ("/task", "application/x-www-form-urlencoded"), ("/config",
    "application/json"),
    ("/task/batch/add", "application/json"), ("/task/batch/pause", "application/json")])
def test_the_worst_body_takes_the_api_little_time(api, path, kind):
    for text in texts(SIZE // 2, random.Random(path + kind)):
        assert is_cheap(answering(lambda body: api.post(path, body, **{"Content-Type": kind})), text.encode("utf-8"),
                        time.process_time), text[:40]


# -- and means what it says ---------------------------------------------------------------------

def fields_of(lines):
    """Read well-formed fields plainly."""
    pairs = [line.decode("latin-1").partition(":") for line in lines]
    return [(name, value.strip(" \t\r\n")) for name, _, value in pairs]


def test_heads_keep_every_field_among_odd_lines(reading):
    chance = random.Random(1)
    odd = [line for line in list(ODD.values())[:-1] if not line.startswith(b" ")]
    for _ in range(400):
        values = [chance.choice([b"", b"value", b"a: b", b"\xc3\xa4\xff", b"x" * 5000])
                  for _ in range(chance.randrange(1, 8))]
        good = [b"F%d:%s%s\r\n" % (number, chance.choice([b"", b" ", b"\t "]), value)
                for number, value in enumerate(values)]
        mixed = [line for each in good for line in (chance.choice(odd) if chance.randrange(2) else b"", each)]
        head = reading(b"HTTP/1.1 200 OK\r\n" + b"".join(mixed) + b"\r\nbody", read_head)
        for name, value in fields_of(good):
            assert head.fields.get_all(name) == [value], mixed


def test_no_bytes_hide_a_length(reading):
    """A head with a line that says Content-Length is understood so, or refused."""
    chance, outcomes = random.Random(2), set()
    pieces = [b"Content-Length", b"X", b":", b" ", b"\t", b"5", b"\r", b"\0", b"\xff", b"\n", b"\r\n"]
    for _ in range(3000):
        data = b"".join(chance.choice(pieces) for _ in range(chance.randrange(1, 16)))
        try:
            head = reading(b"HTTP/1.1 200 OK\r\n" + data + b"\r\n\r\n", read_head)
        except Temporary:
            outcomes.add("refused")
            continue
        has_length = any(re.match(rb"[^\w \t][^\w]*Content-Length\b(?!-)|Content-Length\b(?!-)", line)
                         for line in takewhile(lambda line: line.strip(b"\r"), data.split(b"\n")))
        assert not has_length or head.fields.get("Content-Length") is not None, data
        outcomes.add(bool(has_length))
    assert outcomes == {"refused", True, False}


def test_digests_are_read_however_they_are_written():
    chance = random.Random(3)
    for _ in range(300):
        told = {name: bytes(chance.randrange(256) for _ in range(size))
                for name, size in (("sha-512", 64), ("sha-256", 32), ("md5", 16)) if chance.randrange(2)}
        members = [chance.choice([name, name.upper()]) + chance.choice(["=", "=:"])
                   + b64encode(digest).decode() for name, digest in told.items()]
        members = [member + ":" if "=:" in member else member for member in members]
        members += chance.sample(["", "a", "crc32=abc", "sha-256=", "md5=:AAAA:", "unixsum=1", " , "], 2)
        chance.shuffle(members)
        value = chance.choice([",", " , "]).join(members)
        found = remote_file.strongest_digest({"Repr-Digest": value}, whole=False)
        assert found == next(("%s=%s" % (name, digest.hex()) for name, digest in told.items()), None), members


def test_content_ranges_are_read_or_refused():
    chance = random.Random(4)
    for _ in range(500):
        start, end, total = (chance.choice([0, 1, 9, 10 ** 12, 10 ** 18 - 1]) for _ in range(3))
        told = chance.choice([str(total), "*"])
        text = "bytes %d-%d/%s" % (start, end, told)
        expected = (start, end + 1, None if told == "*" else total)
        if end < start or told != "*" and end >= total:
            with pytest.raises(Changed):
                remote_file.content_range(Fields([("Content-Range", text)]))
        else:
            assert remote_file.content_range(Fields([("Content-Range", text)])) == expected


def test_dates_are_read_in_their_three_forms():
    chance = random.Random(5)
    for _ in range(300):
        moment = datetime.fromtimestamp(chance.randrange(2 ** 31), timezone.utc)
        text = moment.strftime(chance.choice([
            "%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %d %H:%M:%S %Y"]))
        assert units.parse_http_date(text) == moment.timestamp()
        assert units.parse_retry_after(text, now=0) == moment.timestamp()
        broken = list(text)
        for _ in range(chance.randrange(1, 9)):
            broken[chance.randrange(len(broken))] = chance.choice("0 9:-+,()Zé\\\"\0")
        found = units.parse_http_date("".join(broken))
        assert found is None or isinstance(found, int)


def test_a_range_brings_the_bytes_that_it_names(api, finished):
    chance = random.Random(6)
    for _ in range(150):
        first, last = (chance.choice(["", "0", "1", "00", "99999", "100000", "5", "9" * 30, "-1", "+1", "a",
        " "])
                       for _ in range(2))
        text = chance.choice(["bytes=", "Bytes=", "bytes= ", "bytes", "items="]) + first + "-" + last
        answer = api.get(finished, Range=text)
        expected = sliced(text)
        if expected is None:
            assert answer.status == 200 and answer.body == DATA, text
        elif not expected:
            assert answer.status == 416, text
        else:
            assert answer.status == 206 and answer.body == expected, text


def sliced(text):
    """The bytes of DATA that a Range names, b"" beyond its end, None if it names none (RFC 9110, 14.1.2)."""
    unit, mark, rest = text.partition("=")
    first, _, last = rest.strip(" ").partition("-")
    if not mark or unit.lower() != "bytes" or not all(re.fullmatch("[0-9]*", each) for each in (first, last)):
        return None
    if not first:
        return (DATA[-int(last):] if int(last) else b"") if last else None
    if last and int(last) < int(first):
        return None
    return DATA[int(first):int(last) + 1] if last else DATA[int(first):]
