"""Per-task options: every option's good and bad values, as JSON and as text."""

import pytest

from dlserv.settings import config, options
from dlserv.errors import InvalidValue

SUMS = {"md5": "a" * 32, "sha-1": "b" * 40, "sha-256": "c" * 64, "sha-512": "d" * 128}


@pytest.mark.parametrize("name, value", [
    ("filename", "a b.iso"), ("filename", "ä.iso"), ("filename", ".hidden"), ("filename", "a..b"),
    ("dir", ""),
    ("dir", "a/b c/ä"), ("dir", "..a/b.."), ("headers", {}), ("headers", {"X-A": "1", "Accept": ""}),
    ("headers", {"Authorization": "Bearer x"}), ("user_agent", "curl/8"), ("referer", "http://h/ä"),
    ("referer", ""),
    ("cookies", "a=1; b=2"), ("user", "me"), ("user", ""), ("password", "pä:ss"), ("proxy", ""),
    ("proxy", "http://me:pw@h:3128"), ("ratelimit", 0), ("connections", 1), ("connections", 16),
    ("mirrors", []),
    ("mirrors", ["http://h/a", "https://g/a"]), ("retries", 0), ("timeout", 0.5), ("timeout", 30),
    ("paused", True), ("repeat", True), ("repeat", False),
    ("paused", False), ("not_before", 0), ("not_before", 1783000000.5),
    ("priority", -1000), ("priority", 1000), ("verify_tls", False), ("metalink", True), ("metalink", False)]
    + [("checksum", "%s=%s" % pair) for pair in SUMS.items()])
def test_a_good_value_is_kept_as_it_was_posted(name, value):
    assert options.parse({name: value}) == {name: value}


@pytest.mark.parametrize("name, value", [(name, value) for name, values in {
    "filename": ["", " ", ".", "..", "...", "a/b", "a\\b", "/a", "a\0", "a\nb", "a\x7f", "\ud800", 5, True,
    [], "a" * 1025],
    "dir": ["..", "a/../b", "/etc", "a/", "a//b", "./a", "a\\b", "c:", "c:\\x", "a\0", "\ud800", 5, []],
    "headers": [[], "X: y", 5, {"": "a"}, {"a b": "c"}, {"a:": "b"}, {"ä": "b"}, {"a\r\nb": "c"},
    {"a": "b\r\nc: d"},
                {"a": "b\n c"}, {"a": "\0"}, {"a": 5}, {"a": None}, {"a": ["b"]}, {"a": "\ud800"},
                {"a": "x" * 4097},
                {"x%d" % number: "" for number in range(65)}, {"Host": "h"}, {"content-length": "1"},
                {"Transfer-Encoding": "chunked"}, {"RANGE": "bytes=0-"}, {"If-Range": "x"},
                {"Connection": "close"},
                {"Accept-Encoding": "gzip"}, {"Expect": "100-continue"}, {"Proxy-Authorization": "x"}],
    "user_agent": ["", "a\nb", 5, "x" * 513], "referer": ["a\nb", 5, []],
    "cookies": ["a\nb", "a\0", {"a": "b"}, 5],
    "user": ["a\nb", 5, []], "password": ["a\nb", 5, True],
    "proxy": ["h:3128", "socks4://h", "ftp://h", "http://", "http://h:0", "http://h\ng", 5,
    False, []],
    "ratelimit": [-1, 1.5, "", "fast", "-1", "1 M B", "1X", "0x10", True, [], "9" * 400, "9" * 300 + "G",
    10 ** 399],
    "connections": [0, 17, -1, 1.0, "2", True, [], 10 ** 399], "retries": [-1, 1001, 1.0, "1", True],
    "mirrors": ["http://h/", ["h/a"], ["gopher://h/"], [5], [None], [[]], ["http://h/\na"],
    ["http://h/#\ud800"],
                ["http://h/"] * 33, {"a": "http://h/"}],
    "checksum": ["", "sha-256", "sha-256=", "sha-256=" + "a" * 63, "sha-256=" + "g" * 64,
    "sha-256=" + "a" * 65,
                 "crc32=" + "a" * 8, "a" * 64, "sha-256=" + "é" * 64, "sha-3=" + "a" * 64, 5, []],
    "timeout": [0, -1, 3601, "30", True, float("nan"), float("inf"), 10 ** 399, []],
    "not_before": ["", "soon", -1, True, [], "2026-02-30T00:00"], "paused": ["true", 1, 0, []], "repeat": ["yes", 1, 0, []], "verify_tls": ["false", 0], "metalink": ["false", 0], "priority": [1001, -1001, 0.5, "1", True],
}.items() for value in values], ids=lambda value: repr(value)[:20])
def test_a_bad_value_is_refused_by_its_name(name, value):
    with pytest.raises(InvalidValue) as caught:
        options.parse({name: value})
    assert caught.value.key == "options." + name
    assert str(caught.value).startswith("options.%s: " % name) and len(str(caught.value)) < 300


def test_every_option_was_tried():
    assert set(options.TABLE.fields) == set(
        "filename dir headers user_agent referer cookies user password proxy ratelimit connections mirrors "
        "checksum retries timeout paused repeat not_before priority verify_tls metalink".split())


@pytest.mark.parametrize("value", ["512K", "2M", 5])
def test_a_rate_may_be_a_size(value):
    parsed = options.parse({"ratelimit": value})
    settings = config.Config.parse({}).download
    assert options.effective(parsed, settings).ratelimit == {"512K": 524288, "2M": 2097152, 5: 5}[value]


@pytest.mark.parametrize("value", ["SHA-256=" + "C" * 64, " sha256 = %s " % ("c" * 64), "sha256=" + "c" * 64])
def test_a_checksum_is_spelled_in_one_way(value):
    assert options.parse({"checksum": value}) == {"checksum": "sha-256=" + "c" * 64}


def test_null_is_as_if_nothing_was_said():
    assert options.parse({name: None for name in options.TABLE.fields}) == {}


@pytest.mark.parametrize("mapping, sentence", [
    ({"conections": 1}, "^options.conections: there is no such key; is connections meant?"),
    ({"PAUSED": True}, "^options.PAUSED: there is no such key"), ({"": 1}, "^options.: there is no such key"),
    ([], "^options: "), ("paused", "^options: "), (5, "^options: ")])
def test_what_is_no_option_is_named(mapping, sentence):
    with pytest.raises(InvalidValue, match=sentence):
        options.parse(mapping)


@pytest.mark.parametrize("name, text, value", [
    ("paused", "true", True), ("paused", "0", False), ("verify_tls", "No", False), ("connections", "4", 4),
    ("priority", "-5", -5), ("timeout", "1.5", 1.5), ("timeout", "2", 2), ("ratelimit", "1K", 1024),
    ("retries", "0", 0),
    ("mirrors", "http://h/a http://h/b\nhttp://h/c", ["http://h/a", "http://h/b", "http://h/c"]),
    ("mirrors", "", []),
    ("headers", "X-A: 1\r\nX-B:2\n\nX-C: a:b", {"X-A": "1", "X-B": "2", "X-C": "a:b"}),
    ("headers", ' {"X-A": "1"}', {"X-A": "1"}), ("cookies", "a=1; b=2", "a=1; b=2"),
    ("password", "true", "true")])
def test_text_from_a_form_means_the_same(name, text, value):
    assert options.parse({name: text}, text=True) == {name: value}


@pytest.mark.parametrize("name, text", [
    ("paused", "maybe"), ("paused", ""), ("connections", "four"), ("connections", "17"), ("timeout", "nan"),
    ("timeout", "9" * 400), ("ratelimit", "9" * 400), ("mirrors", "http://h/a h/b"),
    ("headers", "no colon"), ("headers", "colonless"),
    ("headers", "{"), ("headers", "{1}"), ("headers", '{"a":' * 5000), ("headers", "Host: h"),
    ("priority", "9" * 5000)],
    ids=lambda value: value[:20])
def test_text_that_means_nothing_is_refused_by_its_name(name, text):
    with pytest.raises(InvalidValue, match="^options.%s: " % name):
        options.parse({name: text}, text=True)


def test_what_is_shown_has_no_secret():
    shown = options.TABLE.masked({
        "password": "x", "cookies": "x", "user": "me", "proxy": "http://me:x@h/",
        "referer": "http://me:x@h/?token=x",
        "mirrors": ["http://me:x@h/", "http://h/?sig=x"], "connections": 4,
        "headers": {"authorization": "x", "COOKIE": "x", "X-Auth-Token": "x", "X-Api-Key": "x",
        "X-Session": "x",
                    "Accept": "a"}})
    assert shown == {
        "password": "***", "cookies": "***", "user": "me", "proxy": "http://h/",
        "referer": "http://h/?token=***",
        "mirrors": ["http://h/", "http://h/?sig=***"], "connections": 4,
        "headers": {"authorization": "***", "COOKIE": "***", "X-Auth-Token": "***", "X-Api-Key": "***",
                    "X-Session": "***", "Accept": "a"}}


def test_the_task_wins_over_settings_and_they_over_defaults():
    settings = config.Config.parse({"download": {"timeout": 7, "retries": 3, "proxy": "http://p",
        "user_agent": "x"}})
    mine = options.effective({"timeout": 2, "proxy": ""}, settings.download)
    assert (mine.timeout, mine.retries, mine.proxy, mine.user_agent) == (2, 3, "", "x")
    assert (mine.paused, mine.priority, mine.verify_tls, mine.headers) == (False, 0, True, {})
