"""Names and words of others as they leave the interface: nothing steers a terminal or turns text around."""

import json
import re
from urllib.parse import quote

import pytest

from harness import Api
from dlserv import cli
from dlserv.units import clean

NOWHERE = "http://127.0.0.1:1/"
BAD = ["\x1b[2J", "\x9b31m", "\x85", "\x7f", "\u202e", "\u2066", "\u2069", "\u061c", "\u200e", "\u200f", "\u2028",
       "\u2029", "\ufeff", "\xad", "\u2060", "\r\n", "\t", "\x00", "\U000e0041"]
RAW = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\xad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\U000e0041]")


def is_clean(text):
    return clean(text) == text


def everything(api, tid):
    """The raw text of all that shows the task."""
    texts = [api.get(path).body.decode() for path in (
        "/task/list", "/task/list?exerpt=false", "/task/tid/%s/status" % tid, "/task/tid/%s/info" % tid)]
    api.connection.request("GET", "/events")
    response = api.connection.getresponse()
    lines = [response.readline() for _ in range(6)]
    texts.append(b"".join(lines).decode())
    api.connection.close()
    assert "snapshot" in texts[-1]
    return texts


@pytest.mark.parametrize("bad", BAD, ids=ascii)
def test_a_name_from_the_url_is_clean_before_a_server_answers(api, bad):
    tid = api.add(NOWHERE + quote("a%sb.iso" % bad), paused=True)
    for path in ("/task/list?exerpt=false", "/task/tid/%s/status" % tid, "/task/tid/%s/info" % tid):
        detail = api.get(path)["detail"]
        detail = detail[0] if isinstance(detail, list) else detail
        assert is_clean(detail["title"]) and detail["title"].startswith("a_") and detail["title"].endswith("b")
        assert is_clean(detail["filename"])
    assert not [text for text in everything(api, tid) if RAW.search(text)]


@pytest.mark.parametrize("bad", [each for each in BAD if not re.search("[\0-\x1f\x7f]", each)], ids=ascii)
def test_a_name_that_was_asked_for_is_clean(api, bad):
    tid = api.add(NOWHERE + "a", paused=True, filename="x%sy.iso" % bad, dir="d%se/f" % bad)
    info = api.get("/task/tid/%s/info" % tid)["detail"]
    assert info["title"] == clean("x%sy" % bad, "_") and info["ext"] == "iso"
    assert info["filename"] == clean("d%se/f/x%sy.iso" % (bad, bad), "_")
    assert info["options"]["filename"] == "x%sy.iso" % bad, "what was posted, escaped on its way"
    assert not [text for text in everything(api, tid) if RAW.search(text)]


@pytest.mark.parametrize("bad", ["\u202e", "\u2066", "\u061c", "\u200f"], ids=ascii)
def test_a_url_is_told_as_it_was_posted_but_escaped(api, bad):
    url = NOWHERE + "a%sb" % bad
    tid = api.add(url, paused=True)
    assert api.status(tid)["url"] == url and not RAW.search(api.get("/task/list?exerpt=false").body.decode())
    again = api.post("/task/batch/add", {"tasks": [url, "x%sy" % bad]})
    assert not RAW.search(again.body.decode())
    assert [each for each, _ in again["detail"]] == ["x%sy" % bad, url] or \
        [each for each, _ in again["detail"]] == [url, "x%sy" % bad]


def test_a_name_is_what_the_file_will_be_called(api, origin):
    for number, bad in enumerate(["\u202e", "\x9b", "\u061c", "\xad"]):
        path = "/" + quote("a%sb.iso" % bad)
        origin.put(path, b"x" * 10)
        tid = api.add(origin.url(path), dir="%d" % number, paused=True)
        before = api.status(tid)["title"]
        api.put("/task/tid/%s?act=resume" % tid)
        after = api.reach(tid, "finished")
        assert after["title"] == before and after["filename"] == "%d/a_b.iso" % number


def test_what_a_server_says_is_clean(api, origin):
    def refuse(exchange):
        exchange.send(b"HTTP/1.1 404 no\xe2\x80\xae\x1b[2J\x9b\r\nContent-Length: 0\r\n\r\n")

    origin.put("/a", b"x", script=[refuse] * 3)
    status = api.reach(api.add(origin.url("/a"), retries=0), "invalid")
    assert is_clean(status["error"]) and all(is_clean(entry["msg"]) for entry in status["log"])


@pytest.mark.parametrize("key", ["x" * 400000, "a\nb", "a\r\nb", "\x1b[2J", "\u202e", "\x9b", "\ud800", "", "\0", "ä" * 500],
                         ids=lambda key: ascii(key[:8]))
def test_a_key_is_told_short_and_escaped(api, key):
    for method, path, body in [
            ("POST", "/config", {key: {}}), ("POST", "/config", {"download": {key: 1}}),
            ("POST", "/config", {"general": {key: 1}, key: {}}), ("POST", "/task", {key: 1}),
            ("POST", "/task", {"url": NOWHERE, "options": {key: 1}}), ("POST", "/task/batch/add", {key: []}),
            ("POST", "/task/batch/delete", {"tids": [], key: 1}),
            ("POST", "/task", {"url": NOWHERE, "options": {"headers": {key: "v"}}})]:
        answer = api.request(method, path, body)
        assert answer.status == 400 and len(answer.body) < 600, (path, len(answer.body))
        assert not RAW.search(answer.body.decode()) and is_clean(answer["errmsg"]) and is_clean(answer["key"])
    assert api.get("/task/list")["detail"] == []


@pytest.mark.parametrize("value", ["x" * 900000, "\u202e" * 1000, ["x" * 900000], {"a": "\x9b" * 9999}, "a\nb"],
                         ids=lambda value: ascii(value)[:8])
def test_a_value_is_told_short_and_escaped(api, value):
    for path, body in [
            ("/config", {"download": value}), ("/config", {"download": {"retries": value}}), ("/config", value),
            ("/config", {"general": {"log_level": value}}), ("/config", {"download": {"proxy": value}}),
            ("/task", {"url": value}), ("/task", {"url": NOWHERE, "options": value}), ("/task", value),
            ("/task", {"url": NOWHERE, "options": {"checksum": value}}),
            ("/task/batch/delete", {"tids": value}), ("/task/batch/delete", {"tids": [value, 5]}),
            ("/task/batch/delete", {"tids": [], "del_file": value})]:
        if path.endswith("delete") and isinstance(value, list) and body.get("tids") is value:
            continue        # a list of tids, which are told as they came
        answer = api.post(path, body)
        assert answer.status == 400 and len(answer.body) < 1000, (path, len(answer.body))
        assert not RAW.search(answer.body.decode()) and is_clean(answer["errmsg"])


@pytest.mark.parametrize("url", ["x" * 8000 + "://h/", "http://h:" + "9" * 8000 + "/", "http://" + "h" * 8000 + "/",
                                 "http://h:70000\u202e/"], ids=lambda url: ascii(url[:16]))
def test_a_url_that_is_refused_is_told_short(api, url):
    for body in ({"url": url}, {"url": NOWHERE, "options": {"proxy": url}},
                 {"url": NOWHERE, "options": {"mirrors": [url]}}):
        answer = api.post("/task", body)
        assert answer.status == 400 and len(answer.body) < 500 and is_clean(answer["errmsg"]), len(answer.body)


def test_the_command_line_s_json_is_escaped_too(api, capsys):
    url = NOWHERE + "a\u202e\u061cb"
    api.add(url, paused=True, filename="x\x9b\u2066y")
    for words in (["list"], ["status", "all"], ["info", "all"], ["log", "all"], ["list", "invalid", "paused"]):
        assert cli.main(["--url", api.url] + words + ["--json"]) == 0
        printed = capsys.readouterr().out
        assert not RAW.search(printed), ascii(printed)
        assert all(is_clean(json.loads(line).get("title", "")) for line in printed.splitlines() if line[0] == "{")


def test_a_tid_that_is_none_is_told_escaped(api):
    answer = api.post("/task/batch/pause", ["\x1b[2J\u202e", "\ud800"])
    assert answer.status == 207 and not RAW.search(answer.body.decode())
    assert all(is_clean(reason) for _, reason in answer["detail"])
    with Api(api.url) as client:
        body = client.get("/task/tid/%s/status" % quote("\x1b[2J\u202e")).body.decode()
        assert not RAW.search(body) and json.loads(body)["code"] == "not_found"
