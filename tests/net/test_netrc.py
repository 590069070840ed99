"""The user's .netrc: read as ftp and curl read it, one odd line at a time."""

import logging
import os

import pytest

from dlserv.errors import Permanent
from dlserv.net.auth import Credentials
from dlserv.net.netrc import Netrc, parse
from harness import noise
from servers.origin import refuse

DATA = noise(100000)
BASIC = refuse("401 Unauthorized", WWW_Authenticate="Basic")
ME = Credentials("me", "pw")


@pytest.fixture
def netrc(tmp_path):
    """A function that writes a private .netrc and returns its path."""
    path = tmp_path / "netrc"

    def write(text, mode=0o600):
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        path.chmod(mode)
        return str(path)
    return write


def test_a_private_netrc_knows_the_password(origin, attempt, netrc):
    origin.put("/a", DATA, script=[BASIC])
    attempt(origin.url("/a"), netrc=netrc("machine 127.0.0.1 login me password pw\n")).run()
    assert origin.requests[1].headers["authorization"] == ME.basic()


def test_a_netrc_that_is_exposed_or_no_file_counts_for_nothing(origin, attempt, netrc, tmp_path):
    origin.put("/a", DATA, script=[BASIC] * 4)
    os.mkfifo(str(tmp_path / "fifo"), 0o600)
    (tmp_path / "folder").mkdir(0o700)
    exposed = netrc("machine 127.0.0.1 login me password pw\n", 0o644)
    for path in (exposed, tmp_path / "none", tmp_path / "fifo", tmp_path / "folder"):
        attempt(origin.url("/a"), netrc=str(path)).fails(Permanent)
    assert len(origin.requests) == 4


def test_an_odd_line_is_skipped_and_told_once_without_its_words(origin, attempt, netrc, caplog):
    path = netrc("machine x login me password correct horse battery\nmachine 127.0.0.1 login me password pw\n")
    origin.put("/a", DATA, script=[BASIC, refuse("302 Found", Location="/b")])
    origin.put("/b", DATA, script=[BASIC])
    with caplog.at_level(logging.WARNING):
        attempt(origin.url("/a"), netrc=path).run()
    assert origin.requests[-1].headers["authorization"] == ME.basic()
    (record,) = caplog.records
    assert record.getMessage() == "skipped lines of %s that are not entries of a netrc: 1" % path
    assert not {"correct", "horse", "battery"} & set(caplog.text.split())


def test_a_netrc_that_changes_is_read_again_and_told_again(netrc, caplog):
    path = netrc("machine h login me password pw\nnonsense\n")
    kept = Netrc(path)
    assert kept.find("h") == ME and kept.find("g") is None and kept.find("h") == ME
    netrc("one\nmachine g login me password pw\n" + "two\n" * 12)
    assert kept.find("h") is None and kept.find("g") == ME
    assert [record.getMessage() for record in caplog.records] == [
        "skipped lines of %s that are not entries of a netrc: 2" % path,
        "skipped lines of %s that are not entries of a netrc: 1, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 3 more" % path]


@pytest.mark.parametrize("text, found, odd", [
    ("", {}, []), ("# machine h login a password b\n", {}, []),
    ("machine h login me password pw", {"h": ME}, []),
    ("machine h\r\n  user me\r\n  passwd pw\r\n", {"h": ME}, []),
    ("machine\nh\nlogin\nme\npassword\npw\n", {"h": ME}, []),
    ("default login me password pw\n", {None: ME}, []),
    ("machine h login me password #pw\n", {"h": Credentials("me", "#pw")}, []),
    ("machine h login me password pw # why\n# more\n", {"h": ME}, []),
    ('machine h login "m e" password "p \\"w\\\\"\n', {"h": Credentials("m e", 'p "w\\')}, []),
    ("machine h login me password p\\ w\n", {"h": Credentials("me", "p w")}, []),
    ("machine h login login password machine\n", {"h": Credentials("login", "machine")}, []),
    ("machine h login me account x password pw\n", {"h": ME}, []),
    ("machine h login me\n", {"h": Credentials("me", "")}, []),
    ("machine h login me password pw\nmachine h login you password no\n", {"h": ME}, []),
    ("macdef init\nmachine g login you password no\n\nmachine h login me password pw\n", {"h": ME}, []),
    ("machine Faß.de. login me password pw\n", {"xn--fa-hia.de": ME}, []),
    ("nonsense\nmachine h login me password pw\n", {"h": ME}, [1]),
    ("machine h port 21 login me password pw\n", {"h": ME}, [1]),
    ("machine h login me password pw\nmachine\nlogin you password no\n", {"h": ME}, [2, 3]),
    ("machine h login me password pw\nmachine", {"h": ME}, [2]),
    ("machine g login\nmachine h login me password pw\n", {"h": ME}, [1]),
    ("machine g login you password\nmachine h login me password pw\n", {"h": ME}, [1]),
    ("machine g\nmachine h login me password pw\n", {"h": ME}, [1]),
    ("machine g login a\x01b password c\nmachine h login me password pw\n", {"h": ME}, [1]),
    ("machine g login a password \udcff\nmachine h login me password pw\n", {"h": ME}, [1]),
    ("login you password no\nmachine h login me password pw\n", {"h": ME}, [1])])
def test_entries_are_read_line_by_line(text, found, odd):
    assert parse(text) == (found, odd)


def test_bytes_that_are_no_text_cost_one_line(netrc):
    kept = Netrc(netrc(b"\xef\xbb\xbfmachine h login me password pw\nmachine g login \xff\xfe password x\n"))
    assert kept.find("h") == ME and kept.find("g") is None
