"""Through proxies, and when not to go through them."""

import pytest

from harness import noise
from dlserv import urls
from dlserv.net.proxy import bypassed, choose
from dlserv.errors import Permanent, Temporary
from servers.origin import Origin, redirect, refuse
from servers.ftpd import Ftpd
from servers.proxies import HttpProxy, SocksProxy
from net.test_tls import CA, context

DATA = noise(300000)


def test_http_goes_through_a_proxy_as_an_absolute_url(origin, attempt, folder):
    origin.put("/a?b=1", DATA)
    with HttpProxy() as proxy:
        attempt(origin.url("/a?b=1"), proxy=proxy.url()).run()
        assert proxy.seen == ["GET %s HTTP/1.1" % origin.url("/a?b=1")]
    assert (folder / "a").read_bytes() == DATA


def test_https_goes_through_a_tunnel(attempt, folder):
    with Origin(context()) as secure, HttpProxy() as proxy:
        secure.put("/a", DATA)
        attempt(secure.url("/a"), proxy=proxy.url(), settings={"ca_file": CA}).run()
        assert proxy.seen == ["CONNECT 127.0.0.1:%d HTTP/1.1" % secure.server_address[1]]
    assert (folder / "a").read_bytes() == DATA


def test_a_proxy_may_ask_for_a_password(origin, attempt):
    origin.put("/a", DATA)
    with HttpProxy(password="me:p w") as proxy:
        attempt(origin.url("/a"), proxy=proxy.url(user="me:p%20w")).run()
        assert "407" in attempt(origin.url("/a"), proxy=proxy.url()).fails(Permanent)


def test_a_proxy_may_want_digest(origin, attempt, folder):
    origin.put("/a?b=1", DATA)
    with HttpProxy(password="me:p w", digest=True) as proxy:
        attempt(origin.url("/a?b=1"), proxy=proxy.url(user="me:p%20w")).run()
        assert (folder / "a").read_bytes() == DATA and len(proxy.seen) == 2
        for user in ("me:no", "you:p%20w"):
            assert "407" in attempt(origin.url("/a?b=1"), proxy=proxy.url(user=user)).fails(Permanent)
        assert len(proxy.seen) == 6 and len(origin.requests) == 1
        assert "407" in attempt(origin.url("/a?b=1"), proxy=proxy.url()).fails(Permanent)
        assert len(proxy.seen) == 7


@pytest.mark.parametrize("over_tls", [False, True])
def test_a_proxy_may_want_digest_for_a_tunnel(attempt, folder, over_tls):
    with Origin(context()) as secure, HttpProxy(
            password="me:p w", digest=True, context=context() if over_tls else None) as proxy:
        secure.put("/a", DATA)
        attempt(secure.url("/a"), proxy=proxy.url(user="me:p%20w"), settings={"ca_file": CA}).run()
        assert (folder / "a").read_bytes() == DATA
        assert proxy.seen == ["CONNECT 127.0.0.1:%d HTTP/1.1" % secure.server_address[1]] * 2
        assert "the proxy answered 407" in attempt(secure.url("/a"), proxy=proxy.url(user="me:no"),
                                                   settings={"ca_file": CA}).fails(Permanent)
        assert len(proxy.seen) == 4


def test_digest_to_the_proxy_and_to_the_server_are_two_things(origin, attempt, folder):
    ask = refuse("401 Unauthorized", WWW_Authenticate='Digest realm="s", nonce="m"', Connection="close")
    origin.put("/a", DATA, script=[ask])
    with HttpProxy(password="me:p w", digest=True) as proxy:
        attempt(origin.url("/a"), proxy=proxy.url(user="me:p%20w"), user="you", password="pw").run()
    assert 'username="you"' in origin.requests[1].headers["authorization"]


@pytest.mark.parametrize("status, kind", [
    ("403 Forbidden", Permanent), ("407 Who are you", Permanent), ("502 Bad Gateway", Temporary),
    ("520 Unknown", Temporary), ("429 Slow down", Temporary)])
def test_a_tunnel_that_is_refused_is_told(attempt, status, kind):
    with HttpProxy(refuse=status) as proxy:
        sentence = attempt("https://127.0.0.1:1/a", proxy=proxy.url()).fails(kind)
        assert sentence == "the proxy answered " + status


def test_the_environments_proxy_is_used_unless_disabled(origin, attempt):
    origin.put("/a", DATA)
    with HttpProxy() as proxy:
        environment = {"http": proxy.url()}
        attempt(origin.url("/a"), proxies=environment).run()
        attempt(origin.url("/a"), proxies=environment, proxy="").run()
        attempt(origin.url("/a"), proxies=dict(environment, no="127.0.0.1")).run()
        assert len(proxy.seen) == 1 and len(origin.requests) == 3


@pytest.mark.parametrize("no_proxy, expected", [
    ("*", True), ("example.org", True), (".example.org", True), ("*.example.org", True),
    ("ample.org", False), ("example.org:8080", True), ("example.org:80", False),
    ("other.net, example.org", True), ("EXAMPLE.ORG", True), ("", False), (",", False),
    ("10.0.0.0/8", False), ("nonsense/99", False)])
def test_no_proxy_takes_names_suffixes_and_ports(no_proxy, expected):
    assert bypassed(urls.parse("http://a.example.org:8080/"), no_proxy) is expected


@pytest.mark.parametrize("url, no_proxy, expected", [
    ("http://10.1.2.3/", "10.0.0.0/8", True), ("http://11.1.2.3/", "10.0.0.0/8", False),
    ("http://10.1.2.3/", "10.1.2.3", True), ("http://[fd00::5]/", "fd00::/8", True),
    ("http://[fd00::5]/", "[fd00::5]", True), ("http://[fd00::5]:81/", "[fd00::5]:81", True),
    ("http://[fd00::5]/", "fd00::5", True), ("http://[fd00::5]/", "[fd00::5]:81", False)])
def test_no_proxy_takes_addresses_and_networks(url, no_proxy, expected):
    assert bypassed(urls.parse(url), no_proxy) is expected


@pytest.mark.parametrize("url, no_proxy, expected", [
    ("http://faß.de/", "faß.de", True), ("http://faß.de/", "FA\u1e9e.DE", True),
    ("http://xn--fa-hia.de/", "faß.de", True),
    ("http://faß.de/", "fass.de", False), ("http://fass.de/", "faß.de", False),
    ("http://a.faß.de/", ".faß.de", True),
    ("http://a.faß.de:81/", "*.faß.de:81", True), ("http://a.faß.de:81/", "faß.de:0081", True),
    ("http://a.faß.de:81/", "faß.de:80", False), ("http://βόλοσ.gr/", "ΒΌΛΟΣ.gr", True),
    ("http://βόλος.gr/", "ΒΌΛΟΣ.gr", False),
    ("http://h.example./", "h.example", True), ("http://h.example/", "h.example.", True),
    ("http://h/", "a\u200db", False)])
def test_no_proxy_names_the_host_that_is_asked(url, no_proxy, expected):
    assert bypassed(urls.parse(url), no_proxy) is expected


@pytest.mark.parametrize("host, asked", [
    ("faß.example", "xn--fa-hia.example"), ("βόλος.example", "xn--nxasmm1c.example"),
    ("نامه\u200cای.example", "xn--mgba3gch31f060k.example"),
    ("ශ්\u200dරී.example", "xn--10cl1a0b660p.example")])
def test_an_international_name_is_asked_for_as_browsers_do(origin, attempt, folder, host, asked):
    origin.put("http://%s/a" % asked, DATA, script=[redirect("http://2.%s/b" % host)])
    origin.put("http://2.%s/b" % asked, DATA)
    attempt("http://%s/a" % host, proxy=origin.url()).run()
    assert [request.headers["host"] for request in origin.requests] == [asked, "2." + asked]
    assert (folder / "b").read_bytes() == DATA


def test_a_proxy_without_a_scheme_is_http():
    assert choose(urls.parse("http://a/"), None, {"http": "proxy:3128"}) == urls.parse("http://proxy:3128")
    assert choose(urls.parse("https://a/"), None, {"all": "socks5://proxy"}).port == 1080
    assert choose(urls.parse("https://a/"), None, {"http": "http://proxy"}) is None


# -- TLS to the proxy -----------------------------------------------------------------------

def test_a_proxy_may_be_spoken_to_over_tls(origin, attempt, folder):
    origin.put("/a", DATA)
    with HttpProxy(context=context()) as proxy:
        attempt(origin.url("/a"), proxy=proxy.url(), settings={"ca_file": CA}).run()
        assert proxy.seen and (folder / "a").read_bytes() == DATA
        assert "certificate" in attempt(origin.url("/a"), proxy=proxy.url()).fails(Permanent)


def test_tls_goes_through_tls(attempt, folder):
    with Origin(context()) as secure, HttpProxy(context=context()) as proxy:
        secure.put("/a", DATA)
        attempt(secure.url("/a"), proxy=proxy.url(), settings={"ca_file": CA}).run()
        assert proxy.seen[0].startswith("CONNECT")
    assert (folder / "a").read_bytes() == DATA


@pytest.mark.parametrize("over_tls", [False, True])
@pytest.mark.parametrize("length", [10, 5000])
def test_a_server_may_speak_first_through_a_tunnel(attempt, folder, over_tls, length):
    with Ftpd({"a": DATA}, context=context()) as ftpd, HttpProxy(
            context=context() if over_tls else None, joined=[ftpd.server_address[1]]) as proxy:
        ftpd.replies[""] = "220 " + "x" * length
        attempt(ftpd.url("/a"), proxy=proxy.url(), settings={"ca_file": CA}).run()
        assert len(proxy.seen) == 2
    assert (folder / "a").read_bytes() == DATA


@pytest.mark.parametrize("over_tls", [False, True])
def test_a_proxy_cannot_answer_in_the_servers_place(attempt, folder, over_tls):
    """Bytes behind its head are TLS, or nothing."""
    planted = b"\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
    with Origin(context()) as secure, HttpProxy(
            context=context() if over_tls else None, greeting=planted) as proxy:
        secure.put("/a", DATA)
        attempt(secure.url("/a"), proxy=proxy.url(), settings={"ca_file": CA}).fails(Temporary)
        assert len(proxy.seen) == 1 and not secure.requests
    assert not (folder / "a").exists()


# -- SOCKS ------------------------------------------------------------------------------------

@pytest.mark.parametrize("scheme, host", [("socks5", "127.0.0.1"), ("socks5h", "localhost")])
def test_socks5_resolves_here_and_socks5h_there(origin, attempt, folder, scheme, host):
    origin.put("/a", DATA)
    with SocksProxy() as proxy:
        attempt(origin.url("/a", host="localhost"), proxy=proxy.url(scheme)).run()
        assert proxy.seen[0][0] in (host, "::1") and proxy.seen[0][1] == origin.server_address[1]
    assert (folder / "a").read_bytes() == DATA


def test_https_and_ftp_go_through_socks_too(attempt, folder):
    with SocksProxy() as proxy, Origin(context()) as secure, Ftpd({"b": DATA}) as ftpd:
        secure.put("/a", DATA)
        attempt(secure.url("/a"), proxy=proxy.url("socks5h"), settings={"ca_file": CA}).run()
        attempt(ftpd.url("/b"), proxy=proxy.url("socks5h")).run()
        assert len(proxy.seen) == 3     # FTP's data connection as well
    assert (folder / "a").read_bytes() == (folder / "b").read_bytes() == DATA


def test_socks_may_ask_for_a_password(origin, attempt):
    origin.put("/a", DATA)
    with SocksProxy(login=("me", "p w")) as proxy:
        attempt(origin.url("/a"), proxy=proxy.url(user="me:p%20w")).run()
        assert "requires a login" in attempt(origin.url("/a"), proxy=proxy.url()).fails(Permanent)
        assert "refused the user" in attempt(origin.url("/a"), proxy=proxy.url(user="me:x")).fails(Permanent)


@pytest.mark.parametrize("code, kind, reason", [
    (2, Permanent, "not allowed by its rules"), (5, Temporary, "connection refused"),
    (99, Permanent, "code 99")])
def test_a_socks_proxy_that_refuses_is_told(origin, attempt, code, kind, reason):
    with SocksProxy(refuse=code) as proxy:
        assert attempt(origin.url("/a"), proxy=proxy.url()).fails(kind) == "the SOCKS proxy refused: " + reason


def test_what_is_no_socks_proxy_is_told(origin, attempt):
    with Ftpd({}) as other:
        assert "SOCKS5" in attempt(origin.url("/a"), proxy=other.url("", scheme="socks5")).fails(Permanent)


def test_an_http_proxy_is_asked_for_an_ftp_url_as_binary(origin, attempt, folder):
    origin.put("ftp://files.example/a;type=i", DATA)
    attempt("ftp://files.example/a", proxies={"ftp": origin.url()}).run()
    assert (folder / "a").read_bytes() == DATA
