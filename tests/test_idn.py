"""Host names outside ASCII: the same host as in a browser, or none."""

import pytest

from dlserv.idn import comparable, to_ascii


@pytest.mark.parametrize("host, expected", [
    ("faß.de", "xn--fa-hia.de"), ("FAß.de", "xn--fa-hia.de"), ("FA\u1e9e.DE", "xn--fa-hia.de"),
    ("fass.de", "fass.de"), ("straße.faß.example", "xn--strae-oqa.xn--fa-hia.example"), ("ß", "xn--zca"),
    ("βόλος.com", "xn--nxasmm1c.com"), ("ΒΌΛΟΣ.com", "xn--nxasmq6b.com"), ("ς.gr", "xn--3xa.gr"),
    ("ශ්\u200dරී.com", "xn--10cl1a0b660p.com"), ("ශ්රී.com", "xn--10cl1a0b.com"),
    ("نامه\u200cای.com", "xn--mgba3gch31f060k.com"), ("نامهای.com", "xn--mgba3gch31f.com"),
    ("अ\u094d\u200cक.in", "xn--l1b6aylw90g.in"),
    ("bücher.example", "xn--bcher-kva.example"), ("BU\u0308CHER。example", "xn--bcher-kva.example"),
    ("日本語．ＪＰ", "xn--wgv71a119e.jp"), ("ﬁ.com", "fi.com"), ("a\xadb.com", "ab.com"), ("💩.la", "xn--ls8h.la"),
    ("ä.", "xn--4ca."), ("Plain.Example", "plain.example"), ("xn--fa-hia.de", "xn--fa-hia.de"),
    ("ß" * 37, "xn--" + ("ß" * 37).encode("punycode").decode())])
def test_a_name_leads_where_a_browser_would_go(host, expected):
    assert to_ascii(host) == expected


@pytest.mark.parametrize("host", [
    "a\u200cb", "a\u200d.de", "\u200cä", "ä\u200c", "क\u0940\u200cक", "\xad", "ä.\u200b", "a…b", "xn--ä",
    "א1",
    "אa", "\ue000", "ä\ud800", "ä\u2028", "ß" * 60, "ä" * 64, "\u0301" * 300, "ä" + "\u200d" * 8000,
    "\xad" * 300 + "ä"])
def test_what_no_name_may_have_is_refused(host):
    with pytest.raises(ValueError, match="^has a host that is not a valid international name$"):
        to_ascii(host)


def test_names_are_compared_as_hosts():
    assert comparable("FAß.de.") == comparable("xn--fa-hia.de") == "xn--fa-hia.de"
    assert comparable("fass.de") != comparable("faß.de")
    assert comparable("A\u200cB") == "a\u200cb", "no name equals none"
