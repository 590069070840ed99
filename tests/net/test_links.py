"""Link fields, well-formed and not, and the mirrors that they name."""

import pytest

from cost import is_cheap
from dlserv import urls
from dlserv.net.head import Fields
from dlserv.net.links import Told, mirrors, parse_links, told

HERE = urls.parse("http://h.example/pub/a.iso")
SECURE = urls.parse("https://h.example/pub/a.iso")


def links(*values):
    return [(link.target, link.parameters) for link in parse_links(values)]


def named(*values, url=HERE):
    return [str(each) for each in mirrors(Told(url, values, None))]


@pytest.mark.parametrize("value, expected", [
    ("<a>; rel=duplicate", [("a", {"rel": "duplicate"})]),
    ("<a>;rel=duplicate;pri=1;geo=de;pref", [("a", {"rel": "duplicate", "pri": "1", "geo": "de", "pref": ""})]),
    (' <a> ; REL = "x y" , <b>', [("a", {"rel": "x y"}), ("b", {})]),
    ('<a>; title="x, y; <z>; rel=no"; rel=r, <b>; rel=s', [("a", {"title": "x, y; <z>; rel=no", "rel": "r"}),
                                                           ("b", {"rel": "s"})]),
    (r'<a>; title="a \"b\", c\\"; rel=r', [("a", {"title": 'a "b", c\\', "rel": "r"})]),
    ("<a,b;c>; rel=r", [("a,b;c", {"rel": "r"})]), ("<>; rel=r", [("", {"rel": "r"})]),
    ("<a>; rel=one; rel=two", [("a", {"rel": "one"})]), ("<a>;;; rel=r;", [("a", {"rel": "r"})]),
    ("<a>; title*=UTF-8'de'x; rel=r", [("a", {"title*": "UTF-8'de'x", "rel": "r"})]),
    ("<a>; rel=r garbage \"with, comma\", <b>; rel=s", [("a", {"rel": "r"}), ("b", {"rel": "s"})]),
    ("garbage, <b>; rel=s", [("b", {"rel": "s"})]), ("<a; rel=r, <b>; rel=s", [("b", {"rel": "s"})]),
    ('<a>; title="never closed, <b>; rel=s', [("a", {"title": "never closed, <b>; rel=s"})]),
    ("", []), (",,,", []), ("a", []), ("<", []), ("<a", []), ("<a>", [("a", {})]), ("<a>;", [("a", {})]),
    ("<a>; =x; rel=r", [("a", {})])])
def test_a_field_is_parsed(value, expected):
    assert links(value) == expected


def test_several_fields_are_one_list():
    assert [target for target, _ in links("<a>, <b>", "<c>")] == ["a", "b", "c"]


@pytest.mark.parametrize("value, expected", [
    ("<http://m/a>; rel=duplicate", ["http://m/a"]), ("<http://m/a>; rel=\"duplicate\"", ["http://m/a"]),
    ("<http://m/a>; rel=DUPLICATE", ["http://m/a"]), ("<http://m/a>; Rel=\"prev Duplicate next\"", ["http://m/a"]),
    ("<https://m/a>; rel=duplicate", ["https://m/a"]), ("<ftps://m/a>; rel=duplicate", ["ftps://m/a"]),
    ("<//m/a>; rel=duplicate", ["http://m/a"]), ("</x/a>; rel=duplicate", ["http://h.example/x/a"]),
    ("<b.iso>; rel=duplicate", ["http://h.example/pub/b.iso"]), ("<http://m/ä b>; rel=duplicate", ["http://m/%C3%A4%20b"]),
    ("<http://m/a>; rel=duplicate; anchor=\"\"", ["http://m/a"]),
    ("<http://m/a>; rel=duplicate; anchor=\"http://h.example/pub/a.iso#x\"", ["http://m/a"]),
    ("<http://m/a>; rel=duplicate; anchor=\"/other\"", []),
    ("<http://m/a>", []), ("<http://m/a>; rel=duplicates", []), ("<http://m/a>; rel=next; rel=duplicate", []),
    ("<http://m/a>; title=\"rel=duplicate\"", []), ("<http://m/a.meta4>; rel=describedby; type=x", []),
    ("<ftp://m/a>; rel=duplicate", []), ("<file:///etc/passwd>; rel=duplicate", []),
    ("<javascript:x>; rel=duplicate", []), ("<http://u:p@m/a>; rel=duplicate", []), ("<http://>; rel=duplicate", []),
    ("<http://m:99999/>; rel=duplicate", []), ("<a.iso>; rel=duplicate", []), ("<>; rel=duplicate", []),
    ("<#x>; rel=duplicate", []), ("<http://H.EXAMPLE:80/pub/a.iso>; rel=duplicate", [])])
def test_a_mirror_is_a_duplicate_elsewhere(value, expected):
    assert named(value) == expected


@pytest.mark.parametrize("target, is_taken", [
    ("https://m/a", True), ("ftps://m/a", True), ("//m/a", True), ("http://m/a", False), ("ftp://m/a", False)])
def test_a_mirror_is_no_less_safe(target, is_taken):
    assert bool(named("<%s>; rel=duplicate" % target, url=SECURE)) == is_taken


def test_preferred_ones_and_low_numbers_go_first():
    values = ["<http://%s/>; rel=duplicate%s" % pair for pair in (
        ("none", ""), ("nine", "; pri=9"), ("odd", "; pri=x"), ("one", "; pri=1"), ("zero", "; pri=0"),
        ("pref9", "; pri=9; pref"), ("pref1", "; pref; pri=\"1\""), ("one", "; pri=2"), ("huge", "; pri=99999999"))]
    expected = ["pref1", "pref9", "one", "nine", "none", "odd", "zero", "huge"]
    assert named(*values) == ["http://%s/" % name for name in expected]
    assert named(", ".join(values)) == ["http://%s/" % name for name in expected]


def test_the_digest_goes_along():
    headers = Fields([("Link", "<a>"), ("link", "<b>"), ("Digest", "SHA-256=" + "A" * 43 + "=")])
    assert told(HERE, headers) == [Told(HERE, ("<a>", "<b>"), "sha-256=" + "0" * 64)]
    assert told(HERE, Fields([("Digest", "SHA-256=" + "A" * 43 + "=")])) == []


@pytest.mark.parametrize("piece", [",", "<", "<a,", ";", "<a>;", '"', '\\', '<a>;x="', " ", "\t=", "<a>;x= ", '<a>;x="\\',
                                   "<a>,", ", <", '",', "<a> "])
def test_hostile_fields_cost_linear_time(piece):
    def read(value):
        assert len(links(value)) <= len(value)
        assert named(value) == []
        assert len(links("<a>; rel=duplicate" + value)) >= 1
    assert is_cheap(read, piece * (2 ** 16 // len(piece)))
