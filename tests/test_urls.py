"""URLs: what people post, what servers redirect to, and what may be shown of either."""

import time

import pytest

from dlserv.urls import URL, check_proxy, check_url, file_name, follow, parse, shown


@pytest.mark.parametrize("text, expected", [
    ("http://h", URL("http", None, None, "h", 80, "/")),
    ("HTTPS://Example.ORG/A", URL("https", None, None, "example.org", 443, "/A")),
    ("http://h:8080/a?b=c&d#e?f", URL("http", None, None, "h", 8080, "/a?b=c&d")),
    ("http://h?q", URL("http", None, None, "h", 80, "/?q")),
    ("http://h#f", URL("http", None, None, "h", 80, "/")),
    ("http://h:/", URL("http", None, None, "h", 80, "/")),
    ("http://h:080/", URL("http", None, None, "h", 80, "/")),
    ("http://h:0000080/", URL("http", None, None, "h", 80, "/")),
    ("http://h:65535/", URL("http", None, None, "h", 65535, "/")),
    ("http://me:p%40ss:w@h/", URL("http", "me", "p@ss:w", "h", 80, "/")),
    ("http://me@h/", URL("http", "me", "", "h", 80, "/")), ("http://@h/", URL("http", "", "", "h", 80, "/")),
    ("http://a@b:c@h/", URL("http", "a@b", "c", "h", 80, "/")),
    ("http://h/a@b:c", URL("http", None, None, "h", 80, "/a@b:c")),
    ("http://[::1]:81/a", URL("http", None, None, "::1", 81, "/a")),
    ("http://[2001:DB8::1]/", URL("http", None, None, "2001:db8::1", 80, "/")),
    ("http://[fe80::1%25eth0]/", URL("http", None, None, "fe80::1%eth0", 80, "/")),
    ("http://h_1.example./", URL("http", None, None, "h_1.example.", 80, "/")),
    ("http://h/ä?ö=€", URL("http", None, None, "h", 80, "/%C3%A4?%C3%B6=%E2%82%AC")),
    ("http://bücher.example/", URL("http", None, None, "xn--bcher-kva.example", 80, "/")),
    ("http://BÜCHER。example/", URL("http", None, None, "xn--bcher-kva.example", 80, "/")),
    ("http://h/a%20b%2fc%zz", URL("http", None, None, "h", 80, "/a%20b%2fc%zz")),
    ("http://h/<a>\"{b}|c^`", URL("http", None, None, "h", 80, "/%3Ca%3E%22%7Bb%7D%7Cc%5E%60")),
    ("http://h/a//b/../c/./", URL("http", None, None, "h", 80, "/a//b/../c/./")),
    (" \t\r\nhttp://h/a\u3000\x85\n", URL("http", None, None, "h", 80, "/a")),
    ("http://h/a b  c?d e#f g", URL("http", None, None, "h", 80, "/a%20b%20%20c?d%20e")),
    ("http://h/a\xa0b\u3000c", URL("http", None, None, "h", 80, "/a%C2%A0b%E3%80%80c")),
    ("http://m e:p w@h/", URL("http", "m e", "p w", "h", 80, "/"))])
def test_a_url_is_split_and_encoded(text, expected):
    assert parse(text) == expected


@pytest.mark.parametrize("text, reason", [
    (None, "missing"), ("", "missing"), (5, "string"), (["http://h/"], "string"), (b"http://h/", "string"),
    ("h/a", "absolute"), ("//h/a", "absolute"), ("http:h", "absolute"), ("http:/h", "absolute"),
    ("://h", "absolute"),
    ("mailto:a@b", "absolute"), ("file:///etc", "file"), ("ws://h/", "ws"),
    ("http://", "host"), ("http:///a", "host"), ("http://:80/", "host"), ("http://me@/", "host"),
    ("http://?", "host"),
    ("http://-a/", "host"), ("http://a..b/", "host"), ("http://a,b/", "host"), ("http://a%20b/", "host"),
    ("http://%61/", "host"), ("http://" + "a" * 255, "host"), ("http://a]/", "host"),
    ("http://[::1]x/", "host"),
    ("http://[::1/", "host"), ("http://[]/", "host"), ("http://[1.2.3.4]/", "IPv6"),
    ("http://[:::]/", "IPv6"),
    ("http://[fe80::1%25a b]/", "zone"), ("http://[fe80::1%25a%20b]/", "zone"),
    ("http://ä..b/", "host"), ("http://" + "ä" * 80 + "/", "host"), ("http://a／b/", "host"),
    ("http://\xad/", "host"),
    ("http://h:0/", "port"), ("http://h:65536/", "port"), ("http://h:99999999999999/", "port"),
    ("http://h:-1/", "host"), ("http://h:8x/", "host"), ("http://h:8:8/", "host"), ("http://h:٣/", "host"),
    (" \n\u3000", "missing"), ("http://a b/", "host"), ("http:// h/", "host"), ("http://h /", "host"),
    ("http://h/a\nb", "control"), ("http://h/a\tb", "control"), ("http://h/\0", "control"),
    ("http://h/\x7f", "control"), ("http://h/a\x85b", "control"), ("http://h/a\u2028b", "control"),
    ("\ufeffhttp://h/", "control"),
    ("http://h\\@evil/", "backslash"), ("http://h\\a", "backslash"), ("http://h/\ud800", "Unicode"),
    ("http://h/#\ud800", "Unicode"), ("http://\ud800@h/", "Unicode"), ("http://a:\ud800@h/", "Unicode"),
    ("http://\ud800/", "Unicode|host"), ("http://h/" + "a" * 8184, "8192")])
def test_what_is_no_url_is_refused_with_the_reason(text, reason):
    with pytest.raises(ValueError, match=reason):
        parse(text)


@pytest.mark.parametrize("location, expected", [
    ("/b", "http://h:81/b"), ("b", "http://h:81/x/b"), ("?q", "http://h:81/x/a?q"), ("../b", "http://h:81/b"),
    ("//other/b", "http://other/b"), ("https://other:443/b#c", "https://other/b"),
    ("", "http://h:81/x/a?old"),
    ("/ä", "http://h:81/%C3%A4"), ("/ä".encode().decode("latin-1"), "http://h:81/%C3%A4"),
    (" /b\r\n", "http://h:81/b"), ("/a b", "http://h:81/a%20b"), ("http://you:pw@h/", "http://h/"),
    ("/a//b", "http://h:81/a//b"), ("//other//b//", "http://other//b//"), ("b//c", "http://h:81/x/b//c"),
    ("..//b", "http://h:81//b"), ("/a//../b", "http://h:81/a/b"), ("/a/..//b", "http://h:81//b"),
    ("/./a/./b/..", "http://h:81/a/"), ("/../../a", "http://h:81/a"), ("b/.", "http://h:81/x/b/"),
    ("/..a/b../.c", "http://h:81/..a/b../.c"), ("http://h//a/../b", "http://h//b"),
    ("#f", "http://h:81/x/a?old"),
    ("b?", "http://h:81/x/b?"), ("/a?b=/../c", "http://h:81/a?b=/../c"), ("HTTP:b", "http://h:81/x/b"),
    ("/12:30", "http://h:81/12:30"), ("/\\other/b", "http://h:81/%5Cother/b")])
def test_a_location_leads_somewhere(location, expected):
    assert str(follow(parse("http://me:pw@h:81/x/a?old"), location)) == expected


def test_a_location_inherits_no_credentials():
    target = follow(parse("http://me:pw@h/a"), "/b")
    assert (target.user, target.password) == (None, None)


def test_a_relative_location_keeps_the_slashes_of_its_base():
    base = parse("http://h/x//y/../z?q")
    assert [str(follow(base, location)) for location in ("a", "./a", "../a", "?a", "")] == [
        "http://h/x//a", "http://h/x//a", "http://h/x/a", "http://h/x//z?a", "http://h/x//z?q"]


@pytest.mark.parametrize("location", ["file:///etc/passwd", "javascript:alert(1)", "http://a..b/",
                                      "http://h:99999/", "https:/b", "mailto:a@h", "///b", "http:///b",
                                      "//h\\@evil/", "/" + "a" * 8185])
def test_a_location_that_leads_nowhere_is_refused(location):
    with pytest.raises(ValueError):
        follow(parse("http://h/a"), location)


@pytest.mark.parametrize("text, netloc, header", [
    ("http://h:80/", "h", "h"), ("http://h:443/", "h:443", "h:443"), ("https://h:443/", "h", "h"),
    ("http://[::1]:80/", "[::1]", "[::1]"), ("http://[::1]:81/", "[::1]:81", "[::1]:81"),
    ("http://[fe80::1%25eth0]:81/", "[fe80::1%eth0]:81", "[fe80::1]:81"), ("http://me:pw@h/", "h", "h")])
def test_a_host_is_written_without_default_port_and_userinfo(text, netloc, header):
    assert (parse(text).netloc, parse(text).host_header) == (netloc, header)


def test_credentials_are_bound_to_scheme_host_and_port():
    origins = {parse(text).origin for text in ("http://h/", "http://H:80/b", "https://h/", "http://h:81/",
        "http://g/")}
    assert len(origins) == 4


@pytest.mark.parametrize("text, visible", [
    ("http://me:pw@h/a", "http://h/a"), ("http://a@b:c@h/a", "http://h/a"), ("http://me:pw@h", "http://h"),
    ("http://h/a@b", "http://h/a@b"), ("http://me:pw@h?a@b", "http://h?a@b"),
    ("http://h/?token=x&a=b", "http://h/?token=***&a=b"),
    ("http://h/?a=b&Api_Key=x", "http://h/?a=b&Api_Key=***"),
    ("http://h/?X-Amz-Signature=x#f", "http://h/?X-Amz-Signature=***#f"),
    ("http://h/?sig=x", "http://h/?sig=***"),
    ("http://h/?password=x", "http://h/?password=***"), ("http://h/?monkey=x", "http://h/?monkey=x"),
    ("http://h/?%74oken=x", "http://h/?%74oken=***"), ("http://h/?a=b;sid=x", "http://h/?a=b;sid=***"),
    ("http://h/?passkey=x", "http://h/?passkey=***"), ("http://h/#access_token=x", "http://h/#access_token=***"),
    ("http://h/?a=http://g/?sig=x", "http://h/?a=http://g/?sig=***"),
    ("me:pw@h/a", "me:h/a"), ("//me:pw@h/a", "//h/a"), ("http:/me:pw@h", "http:/h"), ("http:\\\\me:pw@h", "http:\\\\h"),
    ("http://h/?licenseKey=x", "http://h/?licenseKey=***"), ("http://h/?sig[]=x&key2=y", "http://h/?sig[]=***&key2=***"),
    ("http://h/?authorization=x", "http://h/?authorization=***"), ("http://me:p/w@h/a", "http://h/a"),
    ("http://me:p?w@h/a", "http://h/a"), ("http://me:p#w@h/a", "http://h/a"), ("me:p/w@h/a", "me:h/a"),
    ("http://h/?author=x&design=y", "http://h/?author=x&design=y"),
    ("http://h/?key=", "http://h/?key="), ("", ""), ("not a url", "not a url")])
def test_secrets_in_a_url_are_not_shown(text, visible):
    assert shown(text) == visible


@pytest.mark.parametrize("text", ["\\", " ", "a=", "?a=", "a:", "@", "a", "?", "&token", "/@", "%74"])
def test_hiding_secrets_takes_no_time(text):
    began = time.monotonic()
    for before in ("", "http://", "http://h/?"):
        shown(before + text * 100000)
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("text, name", [
    ("http://h/a/b.iso", "b.iso"), ("http://h/a%20b.iso?c=/d", "a b.iso"), ("http://h/a/", ""),
    ("http://h/", ""),
    ("http://h", ""), ("http://me:pw@h", ""), ("http://me:pw@h?a=b", ""), ("http://h#/b", ""),
    ("http://h/%C3%A4", "ä"),
    ("http://h/a#b/c", "a"), ("http://h/%e4.txt", "%e4.txt"),
    ("http://h/%C3%A4%E4%20b%ff%FE%", "ä%E4 b%ff%FE%"),
    ("http://h/%C3.%A4%zz", "%C3.%A4%zz"), ("http://h/%ED%A0%80", "%ED%A0%80"), ("http://h/%E2%82", "%E2%82"),
    ("http://h/%E2%82%AC%F0%9F%98%80", "€😀"), ("http://h/%EF%BF%BD", "\ufffd"),
    ("http://h/100%25.zip", "100%.zip")])
def test_a_url_names_a_file_or_none(text, name):
    assert file_name(text) == name


def test_a_proxy_is_a_url_or_none_at_all():
    for text in ("", "http://h", "http://me:pw@h:3128", "https://h/"):
        assert check_proxy(text) == text
    for text in ("h:3128", "http://", "ftp://h", "http://h:0"):
        with pytest.raises(ValueError):
            check_proxy(text)


def test_a_refusal_shows_the_url_but_no_secret():
    with pytest.raises(ValueError, match="^\"gopher://h/a\" has the scheme") as caught:
        check_url("gopher://me:geheim@h/a")
    assert "geheim" not in str(caught.value)
    for value in (5, None, [], {}):
        with pytest.raises(ValueError):
            check_url(value)
