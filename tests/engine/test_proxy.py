"""Through proxies, and when not to go through them."""

import pytest

from harness import noise
from dlserv import urls
from dlserv.engine.proxy import bypassed, choose
from dlserv.errors import Permanent, Temporary
from servers.origin import Origin
from servers.proxies import HttpProxy
from engine.test_tls import CA, context

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
        attempt(secure.url("/a"), proxy=proxy.url(), ca_file=CA).run()
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
    ("other.net, example.org", True), ("EXAMPLE.ORG", True), ("", False), (",", False)])
def test_no_proxy_takes_names_suffixes_and_ports(no_proxy, expected):
    assert bypassed(urls.parse("http://a.example.org:8080/"), no_proxy) is expected


def test_a_proxy_without_a_scheme_is_http():
    assert choose(urls.parse("http://a/"), None, {"http": "proxy:3128"}) == urls.parse("http://proxy:3128")
    assert choose(urls.parse("https://a/"), None, {"all": "http://proxy"}).host == "proxy"
    assert choose(urls.parse("https://a/"), None, {"http": "http://proxy"}) is None
