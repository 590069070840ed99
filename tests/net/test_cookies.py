"""Cookies: of a cookies.txt however odd, and of servers as RFC 6265 has it."""

import re

import pytest

from dlserv import urls
from dlserv.errors import Permanent
from dlserv.net.cookies import LONGEST, MOST, Cookie, CookieFile, Jar, from_header, parse, parse_date
from harness import noise
from servers.origin import Origin, redirect, refuse

DATA = noise(100000)
NOW = 1700000000.0


def cookie_of(request):
    return request.headers.get("cookie")


class Headers:
    """The fields of a response that sets these cookies."""

    def __init__(self, *values):
        self._values = values

    def get_all(self, name):
        return self._values if name == "Set-Cookie" else ()


def sent(url, *set_at, clock=lambda: NOW):
    """The Cookie header for `url` after responses of (URL, Set-Cookie)."""
    jar = Jar(clock=clock)
    for where, text in set_at:
        jar.keep(urls.parse(where), Headers(text))
    return jar.header(urls.parse(url))


# -- over sockets -----------------------------------------------------------------------

def test_cookies_set_on_the_way_are_kept_for_their_host(origin, attempt):
    with Origin() as other:
        origin.put("/a", script=[refuse("302 Found", Location="/b", Set_Cookie="sid=1; Path=/")])
        origin.put("/b", script=[redirect(other.url("/c", host="localhost"))])
        other.put("/c", script=[redirect(origin.url("/d"))])
        origin.put("/d", DATA)
        attempt(origin.url("/a"), cookies="mine=2").run()
        assert [cookie_of(each) for each in origin.requests] == ["mine=2", "mine=2; sid=1", "mine=2; sid=1"]
        assert cookie_of(other.requests[0]) is None


@pytest.mark.parametrize("attributes, kept", [
    ("; Domain=localhost", True), ("; Domain=.LocalHost", True), ("", True), ("; Domain=", True),
    ("; domain=host", False), ("; Domain=evil", False), ("; Domain=a.localhost", False)])
def test_a_host_without_a_dot_has_cookies_too(origin, attempt, attributes, kept):
    origin.put("/a", script=[refuse("302 Found", Location="/b", Set_Cookie="sid=1" + attributes)])
    origin.put("/b", DATA)
    attempt(origin.url("/a", host="localhost")).run()
    assert cookie_of(origin.requests[1]) == ("sid=1" if kept else None)


@pytest.mark.parametrize("domain", ["localhost", ".localhost", "LOCALHOST", "localhost."])
def test_a_cookies_txt_names_a_host_without_a_dot(origin, attempt, tmp_path, domain):
    path = tmp_path / "cookies.txt"
    path.write_text("%s\tFALSE\t/\tFALSE\t0\tsid\t1\n" % domain)
    origin.put("/a", DATA)
    attempt(origin.url("/a", host="localhost"), jar=CookieFile().read(str(path))).run()
    assert cookie_of(origin.requests[0]) == "sid=1"


def test_a_cookies_txt_is_heeded_by_domain_path_and_time(origin, attempt, tmp_path):
    path = tmp_path / "cookies.txt"
    lines = [("127.0.0.1", "FALSE", "/", "FALSE", "0", "session", "a"),
             ("#HttpOnly_127.0.0.1", "FALSE", "/sub", "FALSE", "9999999999", "http", "b"),
             ("127.0.0.1", "FALSE", "/other", "FALSE", "0", "path", "c"),
             ("127.0.0.1", "FALSE", "/", "TRUE", "0", "secure", "d"),
             ("127.0.0.1", "FALSE", "/", "FALSE", "1000", "old", "e"),
             ("example.org", "TRUE", "/", "FALSE", "0", "foreign", "f")]
    path.write_text("# comment\n\n" + "".join("\t".join(line) + "\n" for line in lines))
    origin.put("/sub/a", DATA)
    attempt(origin.url("/sub/a"), jar=CookieFile().read(str(path))).run()
    assert cookie_of(origin.requests[0]) == "http=b; session=a"


def test_the_bytes_of_a_cookie_come_back_as_they_were_sent(origin, attempt):
    origin.put("/a", script=[refuse("302 Found", Location="/b", Set_Cookie="sid=ä€; Path=/")])
    origin.put("/b", DATA)
    attempt(origin.url("/a")).run()
    assert cookie_of(origin.requests[1]).encode("latin-1").decode() == "sid=ä€"


# -- cookies.txt ------------------------------------------------------------------------

@pytest.mark.parametrize("line, expected", [
    ("h\tFALSE\t/\tFALSE\t0\tn\tv", ("n", "v", "h", True, "/", False, float("inf"))),
    (".Example.org\tTRUE\t/p\tTRUE\t1800000000\tn\tv", ("n", "v", "example.org", False, "/p", True, 1.8e9)),
    (".example.org\tFALSE\t/\tFALSE\t0\tn\tv", ("n", "v", "example.org", False, "/", False, float("inf"))),
    ("example.org\ttrue\t/\tfalse\t0\tn\tv", ("n", "v", "example.org", False, "/", False, float("inf"))),
    ("h\tFALSE\t/\tFALSE\t1800000000.5\tn\tv", ("n", "v", "h", True, "/", False, 1800000000.5)),
    ("h\tFALSE\t/\tFALSE\t1.8e9\tn\tv", ("n", "v", "h", True, "/", False, 1.8e9)),
    ("h\tFALSE\t/\tFALSE\t-1\tn\tv", ("n", "v", "h", True, "/", False, float("inf"))),
    ("h\tFALSE\t/\tFALSE\t-11644473600\tn\tv", ("n", "v", "h", True, "/", False, float("inf"))),
    ("h\tFALSE\t/\tFALSE\t\tn\tv", ("n", "v", "h", True, "/", False, float("inf"))),
    ("h\tFALSE\t/\tFALSE\tn\tv", ("n", "v", "h", True, "/", False, float("inf"))),
    ("h\tFALSE\t/\tFALSE\t0\tn\t", ("n", "", "h", True, "/", False, float("inf"))),
    ("h\tFALSE\t/\tFALSE\t0\tn", ("n", "", "h", True, "/", False, float("inf"))),
    ("h\tFALSE\t/\tFALSE\t0\t\tv", ("", "v", "h", True, "/", False, float("inf"))),
    ("h\tFALSE\t\tFALSE\t0\tn\tv\t\t", ("n", "v", "h", True, "/", False, float("inf"))),
    ("h\tFALSE\t/\tFALSE\t0\tn\ta=b c\u2028d", ("n", "a=b c\u2028d", "h", True, "/", False, float("inf"))),
    ("::1\tFALSE\t/\tFALSE\t0\tn\tv", ("n", "v", "::1", True, "/", False, float("inf"))),
    ("Faß.de\tFALSE\t/\tFALSE\t0\tn\tv", ("n", "v", "xn--fa-hia.de", True, "/", False, float("inf")))])
def test_an_odd_cookie_is_still_a_cookie(line, expected):
    assert parse(line + "\r\n") == ([Cookie(*expected)], [])


@pytest.mark.parametrize("line", [
    "nonsense", "a\tb", "h\tFALSE\t/\tFALSE\tsoon\tn\tv", "h\tFALSE\t/\tFALSE\tnan\tn\tv",
    "h\tFALSE\t/\tFALSE\t0\tn\tv\tx",
    "h FALSE / FALSE 0 n v", "\tFALSE\t/\tFALSE\t0\tn\tv", "h\tMAYBE\t/\tFALSE\t0\tn\tv",
    "h\tFALSE\t/\t1\t0\tn\tv",
    "h\tFALSE\tpath\tFALSE\t0\tn\tv", "h\tFALSE\t/\tFALSE\t0\t\t", "h\tFALSE\t/\tFALSE\t0\tn\ta;b",
    "h/x\tFALSE\t/\tFALSE\t0\tn\tv",
    "h\tFALSE\t/\tFALSE\t0\tn\ta\x01b", "h\tFALSE\t/\tFALSE\t0\tn\t\udcff", "h\tFALSE\t/\tFALSE\t0x5\tn\tv"])
def test_a_line_that_is_no_cookie_is_skipped(line):
    good = "h\tFALSE\t/\tFALSE\t0\tn\tv"
    cookies, odd = parse("# a comment\n\n%s\n%s\n" % (line, good))
    assert [cookie.name for cookie in cookies] == ["n"] and odd == [3]


def test_a_cookies_txt_that_cannot_be_read_is_told(tmp_path):
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(Permanent, match="^the cookies in %s cannot be read" % re.escape(str(path))):
            CookieFile().read(str(path))


# -- what servers set -------------------------------------------------------------------

@pytest.mark.parametrize("where, domain, others", [
    ("http://nas/", "", {"http://nas/": True, "http://nas./": True, "http://a.nas/": False}),
    ("http://nas/", "nas", {"http://nas/": True, "http://a.nas/": False}),
    ("http://a.example.org/", "example.org", {"http://example.org/": True, "http://b.example.org/": True,
                                              "http://xexample.org/": False, "http://org/": False}),
    ("http://a.example.org/", "", {"http://a.example.org/": True, "http://b.a.example.org/": False}),
    ("http://a.example.org/", "b.example.org", {"http://a.example.org/": False,
                                                "http://b.example.org/": False}),
    ("http://a.example.org/", "org", {"http://a.example.org/": False}),
    ("http://example.org/", "a.example.org", {"http://a.example.org/": False}),
    ("http://127.0.0.1/", "127.0.0.1", {"http://127.0.0.1/": True}),
    ("http://127.0.0.1/", "0.0.1", {"http://127.0.0.1/": False}),
    ("http://[::1]/", "", {"http://[::1]/": True}),
    ("http://a.faß.de/", "faß.de", {"http://xn--fa-hia.de/": True, "http://fass.de/": False})])
def test_a_cookie_goes_to_the_hosts_it_is_for(where, domain, others):
    text = "n=v; Domain=" + domain
    assert {url: sent(url, (where, text)) == "n=v" for url in others} == others


@pytest.mark.parametrize("where, path, others", [
    ("http://h.de/a/b", "", {"/a": True, "/a/": True, "/a/c": True, "/ab": False, "/": False}),
    ("http://h.de/a", "", {"/": True, "/b": True}), ("http://h.de/a/b", "c", {"/a/x": True, "/c": False}),
    ("http://h.de/a", "/p/", {"/p/": True, "/p/x": True, "/p": False}),
    ("http://h.de/a", "/p", {"/p": True, "/p?q": True, "/p/x": True, "/px": False})])
def test_a_cookie_goes_to_the_paths_it_is_for(where, path, others):
    text = "n=v; Path=" + path
    assert {other: sent("http://h.de" + other, (where, text)) == "n=v" for other in others} == others


@pytest.mark.parametrize("text, kept", [
    ("n=v", True), (" n = v ;x", True), ('n="a b"', True), ("n=", True), ("nv", False), ("=v", False),
    ("", False),
    ("n=v; Max-Age=1", True), ("n=v; Max-Age=0", False), ("n=v; Max-Age=-1", False), ("n=v; Max-Age=x", True),
    ("n=v; max-age=%s" % ("9" * 5000), True), ("n=v; Expires=Wed, 09 Jun 2100 10:18:14 GMT", True),
    ("n=v; Expires=Wed, 09-Jun-99 10:18:14 GMT", False), ("n=v; Expires=whenever", True),
    ("n=v; Expires=Wed, 09 Jun 1999 10:18:14 GMT; Max-Age=5", True), ("n=v\x01", False), ("n=a\tb", True),
    ("n=" + "v" * (LONGEST - 1), True), ("n=" + "v" * LONGEST, False)])
def test_a_cookie_is_kept_or_ignored(text, kept):
    assert (sent("http://h.de/", ("http://h.de/", text)) is not None) is kept


def test_a_cookie_lasts_as_long_as_it_says():
    now = [NOW]
    jar = Jar(clock=lambda: now[0])
    url = urls.parse("http://h.de/")
    jar.keep(url, Headers("a=1; Max-Age=10", "b=2"))
    now[0] += 9
    assert jar.header(url) == "a=1; b=2"
    now[0] += 1
    assert jar.header(url) == "b=2"


def test_a_secure_cookie_is_for_https():
    set_at = ("https://h.de/", "n=v; Secure")
    assert sent("https://h.de/", set_at) == "n=v" and sent("http://h.de/", set_at) is None


def test_a_cookie_replaces_the_one_before_it_and_the_files():
    url = urls.parse("http://h.de/")
    jar = Jar([Cookie("n", "file", "h.de", True, "/", False, float("inf")),
               Cookie("m", "file", "h.de", True, "/", False, float("inf"))], clock=lambda: NOW)
    jar.keep(url, Headers("n=1", "n=2", "m=; Max-Age=0"))
    assert jar.header(url) == "n=2"


def test_longer_paths_come_first_then_older_cookies():
    assert sent("http://h.de/a/b", ("http://h.de/", "a=1; Path=/"), ("http://h.de/", "b=2; Path=/a"),
                ("http://h.de/", "c=3; Path=/")) == "b=2; a=1; c=3"


def test_a_server_sets_only_so_many():
    text = sent("http://h.de/", *[("http://h.de/", "n%d=v" % number) for number in range(MOST + 5)])
    assert text.startswith("n5=v; ") and text.count(";") == MOST - 1


@pytest.mark.parametrize("text, seconds", [
    ("Sun, 06 Nov 1994 08:49:37 GMT", 784111777), ("Sunday, 06-Nov-94 08:49:37 GMT", 784111777),
    ("Sun Nov  6 08:49:37 1994", 784111777), ("6 november 94 8:49:37", 784111777),
    ("01 Jan 69 00:00:00", 3124224000),
    ("01 Jan 70 00:00:00", 0), ("32 Jan 2000 00:00:00", None), ("1 Jan 1600 0:0:0", None),
    ("1 Jan 2000 24:00:00", None),
    ("1 Jan 2000 00:60:00", None), ("1 Foo 2000 00:00:00", None), ("", None), ("1 Jan 2000", None),
    ("1 \u017fep 2000 00:00:00", None)])
def test_a_date_is_read_as_rfc_6265_reads_it(text, seconds):
    assert parse_date(text) == seconds


def test_a_long_header_costs_nothing_more():
    import time
    url = urls.parse("http://h.de/")
    began = time.process_time()
    for piece in (";", "=", "; Expires=", "; Expires=1 Jan ", "; Domain=a.", "; Max-Age=9", ",", " ", ":", "ä"):
        from_header("n=v" + piece * 2 ** 15, url, NOW)
        from_header("n=v; Expires=" + piece * 2 ** 15, url, NOW)
        from_header("n=v; Domain=" + piece * 2 ** 15, url, NOW)
    assert time.process_time() - began < 1
