"""Names: what is read from a header, and what is left of a hostile one."""

import time

import pytest

from dlserv.engine.filename import choose, cut, from_disposition, numbered, part_name, sanitise, split


@pytest.mark.parametrize("header, name", [
    ('attachment; filename="a b.txt"', "a b.txt"),
    ('attachment; filename="a b.txt";', "a b.txt"),
    ("attachment; filename=plain.bin", "plain.bin"),
    ("attachment;filename = spaced.bin ; x=y", "spaced.bin"),
    ("filename=bare.txt", "bare.txt"),
    ('attachment; filename="semi;colon.txt"', "semi;colon.txt"),
    ('attachment; filename="a \\"quoted\\" name"', 'a "quoted" name'),
    ('attachment; filename="unterminated.txt', "unterminated.txt"),
    ("attachment; filename*=UTF-8''%e2%82%ac%20rates.txt; filename=x", "€ rates.txt"),
    ("attachment; filename=x; filename*=UTF-8'en'%e2%82%ac.txt", "€.txt"),
    ("attachment; filename*=ISO-8859-1''%e4.txt", "ä.txt"),
    ("attachment; filename*=nonsense''%e4.txt; filename=good.txt", "good.txt"),
    ("attachment; filename*=UTF-8''%ff%fe; filename=good.txt", "good.txt"),
    ('attachment; filename="=?UTF-8?B?w6QudHh0?="', "ä.txt"),
    ('attachment; filename="=?broken"', "=?broken"),
    ('attachment; filename="=?UTF-8?B?w6Q=?=.zip"', "ä.zip"),
    ("attachment; filename==?UTF-8?B?w6Q=?=.zip", "ä.zip"),
    ('attachment; filename="a=?utf-8?q?_=C3=A4_?= b .zip"', "a ä  b .zip"),
    ('attachment; filename="=?UTF-8?B?w6Q=?= =?iso-8859-1?Q?=E4?=  =?UTF-8*en?B?w6Q?=.t"', "äää.t"),
    ('attachment; filename="=?UTF-8?Q?=C3?= =?utf-8?Q?=A4?=.zip"', "ä.zip"),
    ('attachment; filename="=?UTF-8?Q?=C3?= x =?utf-8?Q?=A4?=.zip"', "=?UTF-8?Q?=C3?= x =?utf-8?Q?=A4?=.zip"),
    ('attachment; filename="a?= =?b"', "a?= =?b"),
    ('attachment; filename="=?utf-8?Q?\u00dcbung.zip?="', "\u00dcbung.zip"),
    ('attachment; filename="\\\\u0041=?utf-8?Q?=C3=9C?=.zip"', "u0041\u00dc.zip"),
    ('attachment; filename="=?nonsense?Q?a?=.zip"', "=?nonsense?Q?a?=.zip"),
    ('attachment; filename="=?UTF-8?B?w?=.zip"', "=?UTF-8?B?w?=.zip"),
    ("attachment; filename*0*=UTF-8''%c3%a4%20; filename*1=b; filename*2*=%20c.txt", "ä b c.txt"),
    ('attachment; filename*1="bar.html"; filename*0="foo "', "foo bar.html"),
    ("attachment; filename*0*=UTF-8''a%c3; filename*1*=%a4.txt", "aä.txt"),
    ("attachment; filename*0*=iso-8859-1'en'%e4; filename*1=%e4.txt; filename=x", "ä%e4.txt"),
    ("attachment; filename*0=foo; filename*01=bar", "foo"),
    ("attachment; filename*0=foo; filename*2=bar", "foo"),
    ("attachment; filename*1=foo; filename*2=bar", None), ("attachment; filename*1=foo; filename=x", "x"),
    ("attachment; filename*0*=UTF-8''foo; filename*=UTF-8''bar; filename=x", "bar"),
    ("attachment; filename*=UTF-8''%ff; filename*0*=UTF-8''%e2%82%ac; filename=x", "€"),
    ("attachment; filename*0*=UTF-8''%ff; filename=x", "x"),
    ("attachment; filename*0*=%c3%a4; filename=x", "ä"),
    ("attachment; filename*0=a%20b; filename*1=.txt", "a b.txt"),
    ("attachment; filename*0=a/b; filename*1=/c", "c"),
    ('attachment; filename="%C3%A4%20b.txt"', "ä b.txt"),
    ('attachment; filename="100%.txt"', "100%.txt"),
    ('attachment; filename="%FF.txt"', "%FF.txt"),
    ("attachment; filename=" + "ä.zip".encode().decode("latin-1"), "ä.zip"),
    ("attachment; filename=" + "ä.zip".encode("latin-1").decode("latin-1"), "ä.zip"),
    ('attachment; filename="C:\\\\Users\\\\me\\\\a.txt"', "a.txt"),
    ('attachment; filename="../../etc/passwd"', "passwd"),
    ("inline", None), ('attachment; filename=""', None), ("", None), (";;;=;", None)])
def test_a_content_disposition_is_read_however_it_is_written(header, name):
    assert from_disposition(header) == name


@pytest.mark.parametrize("piece", [
    ";", "=", '"', "\\", '\\"', "a", " ", "; filename=", '; filename="', "=?", "=?x?q?a", "=?x?q?a?=",
    "=?x?q?=3D?= ", "?=",
    "%", "%41", "'", "*", "/", "ä", "; filename*0=a", " ;", "a ", '";'])
def test_a_header_of_any_length_is_read_at_once(piece):
    began = time.process_time()
    for before in ("attachment", 'attachment; filename="', "a; filename*0*=UTF-8''", "a; filename*="):
        from_disposition(before + piece * (2 ** 16 // len(piece)))
    assert time.process_time() - began < 1


@pytest.mark.parametrize("given, safe", [
    ("plain.txt", "plain.txt"), ("a/b", "a_b"), ("a\\b", "a_b"), ("../../x", "_.._x"),
    ("..", "download"), (".", "download"), ("", "download"), ("...", "download"),
    (".bashrc", "bashrc"), ("trailing. . ", "trailing"), ("a\0b\nc\x7f", "a_b_c_"),
    ('a<b>c:d"e|f?g*h', "a_b_c_d_e_f_g_h"), ("\u202etxt.exe", "_txt.exe"), ("a\ud800b", "a_b"),
    ("CON", "_CON"), ("nul.txt", "_nul.txt"), ("com1.tar.gz", "_com1.tar.gz"), ("LPT9", "_LPT9"),
    ("console", "console"), ("com10", "com10")])
def test_a_name_is_made_safe(given, safe):
    assert sanitise(given) == safe


@pytest.mark.parametrize("given", ["x" * 300, "x" * 300 + ".tar.gz", "ä" * 200 + ".iso", "語" * 300,
                                   "😀" * 100 + ".txt", "a." + "b" * 300])
def test_a_long_name_is_cut_at_a_character_before_its_extension(given):
    name = sanitise(given)
    assert 240 < len(name.encode()) <= 255 and split(name)[1] == split(given)[1]
    assert given.startswith(split(name)[0])
    others = [numbered(name, 1), numbered(name, 2), numbered(name, 999999)]
    parts = [part_name(each) for each in [name] + others]
    assert max(len(other.encode()) for other in others + parts) <= 255
    assert len(set(others + parts)) == 7, "each number has a part file of its own"


@pytest.mark.parametrize("name, stem, extension", [
    ("x.iso", "x", ".iso"), ("x.tar.gz", "x", ".tar.gz"), ("x.TAR.xz", "x", ".TAR.xz"),
    ("v1.2.3.zip", "v1.2.3", ".zip"), ("README", "README", ""), (".x", ".x", ""),
    ("Dr. No", "Dr. No", "")])
def test_an_extension_is_found(name, stem, extension):
    assert split(name) == (stem, extension)


def test_numbers_go_before_the_extension():
    assert [numbered("x.tar.gz", n) for n in range(3)] == ["x.tar.gz", "x (1).tar.gz", "x (2).tar.gz"]


def test_the_part_files_name_fits_too():
    assert part_name("x.iso") == "x.iso.part"
    assert cut("äöü.iso", 9) == "äö.iso"


@pytest.mark.parametrize("arguments, name", [
    (("mine", 'attachment; filename="theirs"', "url", "host", ""), "mine"),
    ((None, 'attachment; filename="theirs"', "url", "host", ""), "theirs"),
    ((None, "inline", "url.iso", "host", ""), "url.iso"),
    ((None, None, "..", "host", "text/html"), "host.html"),
    ((None, None, "", "::1", "application/pdf"), "__1.pdf"),
    ((None, None, "", "host", "x/unknown"), "host.html")])
def test_the_best_name_wins(arguments, name):
    assert choose(*arguments) == name
