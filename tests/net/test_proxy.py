"""Through proxies, and when not to go through them."""

import pytest

from harness import noise
from dlserv import urls
from dlserv.net.proxy import bypassed, choose
from dlserv.errors import Permanent, Temporary
from servers.origin import Origin
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


@pytest.mark.parametrize("status, kind", [
    ("403 Forbidden", Permanent), ("407 Who are you", Permanent), ("502 Bad Gateway", Temporary)])
def test_a_tunnel_that_is_refused_is_told(attempt, status, kind):
    with HttpProxy(refuse=status) as proxy:
        sentence = attempt("https://127.0.0.1:1/a", proxy=proxy.url()).fails(kind)
        assert sentence == "the proxy answered " + status


def test_the_environments_proxy_is_used_unless_the_task_says_none(origin, attempt):
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
        assert "asks for a password" in attempt(origin.url("/a"), proxy=proxy.url()).fails(Permanent)
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


def test_an_ftp_url_goes_to_an_http_proxy_as_it_is(origin, attempt, folder):
    origin.put("ftp://files.example/a", DATA)
    attempt("ftp://files.example/a", proxies={"ftp": origin.url()}).run()
    assert (folder / "a").read_bytes() == DATA
