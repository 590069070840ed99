"""download.deny_private: where downloads may not go, however they are sent there."""

import pytest

from dlserv import urls
from dlserv.errors import Permanent
from dlserv.net.address_policy import AddressPolicy, is_public
from dlserv.settings import config
from harness import noise
from servers.ftpd import Ftpd
from servers.origin import redirect
from servers.proxies import HttpProxy

DATA = noise(100000)
DENY = {"deny_private": True}
REFUSED = "download.deny_private"


@pytest.mark.parametrize("address", """127.0.0.1 127.9.9.9 0.0.0.0 10.1.2.3 172.16.0.1 172.31.255.255 192.168.1.1
    169.254.169.254 100.64.0.1 100.100.100.200 192.0.0.8 198.18.0.1 224.0.0.1 240.0.0.1 255.255.255.255
    :: ::1 fe80::1 fe80::1%eth0 fc00::1 fd00:ec2::254 fec0::1 ff02::1 ::ffff:127.0.0.1 ::ffff:10.0.0.1
    ::127.0.0.1 64:ff9b::7f00:1 64:ff9b::a00:1 64:ff9b:1::a00:1 64:ff9b:1:7f00:0:100:808:808 3fff::1 2002:7f00:1:: 2002:a00:1::1""".split())
def test_addresses_that_are_not_public(address):
    assert not is_public(address)


@pytest.mark.parametrize("address", """1.1.1.1 93.184.216.34 172.32.0.1 192.169.0.1 100.128.0.1 2606:4700::1111
    64:ff9b::101:101 2002:101:101:: ::ffff:1.1.1.1""".split())
def test_addresses_that_are(address):
    assert is_public(address)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "127.1"])
def test_a_private_address_is_refused_under_any_name(origin, attempt, host):
    origin.put("/a", DATA)
    assert REFUSED in attempt("http://%s:%d/a" % (host, origin.server_address[1]), settings=DENY).fails(Permanent)
    assert not origin.requests


@pytest.mark.parametrize("entry", ["127.0.0.0/8", "127.0.0.1", "*", "127.0.0.1:{port}"])
def test_an_exception_is_made(origin, attempt, folder, entry):
    origin.put("/a", DATA)
    entry = entry.format(port=origin.server_address[1])
    attempt(origin.url("/a"), settings=dict(DENY, allow_hosts=[entry])).run()
    assert (folder / "a").read_bytes() == DATA


@pytest.mark.parametrize("entry", ["LocalHost", "127.0.0.1", "127.0.0.1:{port}", "127.0.0.0/8"])
def test_an_exception_may_name_a_host_or_its_address(origin, attempt, folder, entry):
    origin.put("/a", DATA)
    settings = dict(DENY, allow_hosts=[entry.format(port=origin.server_address[1])])
    attempt(origin.url("/a", host="localhost"), settings=settings).run()
    assert (folder / "a").read_bytes() == DATA


@pytest.mark.parametrize("entry, host, expected", [
    ("faß.de", "faß.de", True), (".faß.de", "a.faß.de", True), ("FA\u1e9e.de", "xn--fa-hia.de", True),
    ("xn--fa-hia.de", "faß.de", True), ("fass.de", "faß.de", False), ("faß.de", "fass.de", False),
    ("nas", "nas.", True), ("nas.", "nas", True), ("nas", "nasx", False)])
def test_an_exception_names_one_host_however_it_is_written(entry, host, expected):
    settings = config.Config.parse({"download": dict(DENY, allow_hosts=[entry])})
    addresses = [(0, 0, 0, "", ("127.0.0.1", 80))]
    url = urls.parse("http://%s/" % host)
    if expected:
        assert AddressPolicy(settings).permit(url.host, url.port, addresses) == addresses
    else:
        with pytest.raises(Permanent, match=REFUSED):
            AddressPolicy(settings).permit(url.host, url.port, addresses)


@pytest.mark.parametrize("entry", ["127.0.0.2", "10.0.0.0/8", "example.org", "127.0.0.1:1"])
def test_another_exception_does_not_help(origin, attempt, entry):
    origin.put("/a", DATA)
    assert REFUSED in attempt(origin.url("/a"), settings=dict(DENY, allow_hosts=[entry])).fails(Permanent)


def test_a_redirect_is_held_back_too(origin, attempt):
    origin.put("/a", DATA, script=[redirect("http://127.0.0.1:%d/b" % origin.server_address[1])])
    settings = dict(DENY, allow_hosts=["localhost"])
    assert REFUSED in attempt(origin.url("/a", host="localhost"), settings=settings).fails(Permanent)
    assert not origin.asked("/b")


def test_a_mirror_is_held_back_too(origin, attempt, folder):
    origin.put("/a", DATA)
    settings = dict(DENY, allow_hosts=["localhost"])
    mirror = origin.url("/m")
    attempt(origin.url("/a", host="localhost"), mirrors=[mirror], settings=settings, connections=4).run()
    assert (folder / "a").read_bytes() == DATA and not origin.asked("/m")


def test_ftp_is_held_back_too(attempt):
    with Ftpd({"a": DATA}) as server:
        assert REFUSED in attempt(server.url("/a"), settings=DENY).fails(Permanent)


def test_the_configured_proxy_is_exempt_and_no_other(origin, attempt, folder):
    origin.put("/a", DATA)
    with HttpProxy() as proxy:
        attempt(origin.url("/a"), settings=dict(DENY, proxy=proxy.url())).run()
        assert (folder / "a").read_bytes() == DATA
        assert REFUSED in attempt(origin.url("/b"), settings=DENY, proxy=proxy.url()).fails(Permanent)
        origin.put("/b", DATA)
        attempt(origin.url("/b"), settings=DENY, proxies={"http": proxy.url()}).run()
