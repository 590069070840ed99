"""The objects that all connections share, and the files that the settings name for them."""

import os

import pytest

from dlserv.errors import InvalidValue, Permanent
from dlserv.net.network import NamedFiles, Network
from dlserv.settings.config import Config
from dlserv.settings.current import Settings
from net.test_tls import CA

COOKIE = "h.example\tFALSE\t/\tFALSE\t0\tname\tvalue\n"


def settings(**download):
    return Settings(Config.parse({"download": download}))


def named(folder, **download):
    """(the NamedFiles of these settings, the section that names them)"""
    current = settings(**download)
    return NamedFiles(current, str(folder)), current.download


@pytest.mark.parametrize("key", ["ca_file", "client_cert", "cookies_file"])
@pytest.mark.parametrize("kind", ["nothing", "folder", "fifo"])
def test_a_file_that_cannot_be_loaded_is_named(tmp_path, key, kind):
    path = str(tmp_path / "named")
    if kind != "nothing":
        {"folder": os.mkdir, "fifo": os.mkfifo}[kind](path)
    files, section = named(tmp_path, **{key: "named" if key == "cookies_file" else path})
    with pytest.raises(InvalidValue, match="^download.%s: %s cannot be loaded: " % (key, path)):
        files.check(section)


@pytest.mark.parametrize("key, reason", [
    ("ca_file", "it has no certificate in PEM"), ("client_cert", "it has no certificate with its key, in PEM")])
def test_a_file_without_certificates_is_told(tmp_path, key, reason):
    (tmp_path / "text").write_text("hello\n")
    files, section = named(tmp_path, **{key: str(tmp_path / "text")})
    with pytest.raises(InvalidValue, match=reason):
        files.check(section)


def test_files_that_can_be_loaded_pass(tmp_path):
    (tmp_path / "cookies.txt").write_text(COOKIE)
    files, section = named(tmp_path, ca_file=CA, cookies_file="cookies.txt")
    files.check(section)
    cookie, = files.cookies()
    assert (cookie.domain, cookie.name, cookie.value) == ("h.example", "name", "value")


def test_a_cookies_file_may_go_missing_later(tmp_path):
    files, _ = named(tmp_path, cookies_file="cookies.txt")
    with pytest.raises(Permanent, match="the cookies in .*cookies.txt cannot be read"):
        files.cookies()
    assert named(tmp_path)[0].cookies() == ()


def test_a_network_follows_the_settings(tmp_path):
    current = settings(max_per_host=3)
    network = Network.of(current, {}, None, tuple)
    assert network.hosts.limit("h:80") == 3 and network.netrc.find("h") is None
    current.config = Config.parse({"download": {"max_per_host": 2, "deny_private": True}})
    assert network.hosts.limit("h:80") == 2
    with pytest.raises(Permanent, match="h is not a public address"):
        network.policy.permit("h", 80, [(None, None, None, None, ("127.0.0.1", 80))])
