"""Rules: options by host and name; what was posted wins, and nothing of a rule goes to another host."""

import json
import signal

import pytest

from dlserv.errors import InvalidValue
from dlserv.settings import rules
from dlserv.settings.config import Config
from harness import until


@pytest.mark.parametrize("rule, url, fits", [
    ({"host": "example.org"}, "http://example.org/a", True), ({"host": ".example.org"}, "http://a.Example.ORG:81/", True),
    ({"host": ".example.org"}, "http://badexample.org/", False), ({"host": "h:81"}, "http://h/", False),
    ({"host": "10.0.0.0/8"}, "http://10.1.2.3/", True), ({"host": "[::1]"}, "http://[::1]:80/", True),
    ({"host": "*"}, "ftp://h/", True), ({"host": "bücher.example"}, "http://xn--bcher-kva.example/", True),
    ({"name": "*.iso"}, "http://h/x/a.ISO?b=1", True), ({"name": "*.iso"}, "http://h/x.iso/", False),
    ({"name": "a ?.[iz]*"}, "http://h/a%20b.zip", True), ({"name": "*"}, "http://h/", True),
    ({"host": "h", "name": "*.iso"}, "http://h/a.zip", False), ({"host": "g", "name": "*.iso"}, "http://h/a.iso", False),
    ({}, "http://h/", True)])
def test_a_rule_fits_by_host_and_name(rule, url, fits):
    section = Config.parse({"rules": [dict(rule, options={"connections": 9})]}).rules
    assert (rules.find(section, url)[1] == {"connections": 9}) == fits


@pytest.mark.parametrize("rule, words", [
    ({}, "rules[0].options: must be given"), ({"options": {"filename": "x"}}, "rules[0].options: filename belongs to"),
    ({"options": {"connections": 99}}, "rules[0].options: connections: 99"), ({"options": []}, "rules[0].options: "),
    ({"options": {"color": 1}}, "rules[0].options: color: there is no such key"), ({"host": "", "options": {}}, "rules[0].host"),
    ({"url": "x", "options": {}}, "rules[0].url: there is no such key")])
def test_a_wrong_rule_is_a_sentence_that_names_the_key(rule, words):
    with pytest.raises(InvalidValue) as caught:
        Config.parse({"rules": [rule]})
    assert str(caught.value).startswith(words)


@pytest.fixture
def ruled(process, tmp_path, origin):
    """A daemon with rules, at an origin that is 127.0.0.1 and localhost."""
    path = tmp_path / "config.json"

    def write(first="Bearer s3cret"):
        path.write_text(json.dumps({"rules": [
            {"host": "127.0.0.1", "name": "*.iso", "options": {"dir": "isos", "headers": {"Authorization": first},
                                                               "user_agent": "ruled"}},
            {"host": "127.0.0.1", "options": {"user_agent": "second", "paused": True}}]}))

    write()
    daemon = process("-c", str(path))
    daemon.write = write
    return daemon


def test_options_of_the_rule_count_unless_posted(ruled, origin):
    origin.put("/a.iso", b"a")
    api, tid = ruled.api, ruled.api.add(origin.url("/a.iso"), user_agent="mine")
    status = api.reach(tid, "finished")
    asked = origin.requests[0].headers
    assert status["filename"] == "isos/a.iso" and asked["user-agent"] == "mine"
    assert asked["authorization"] == "Bearer s3cret"
    assert status["log"][-1]["msg"] == "rule 1 (host 127.0.0.1 and name *.iso) of the settings applies"
    assert "s3cret" not in json.dumps([api.get("/config").json, api.get("/task/tid/%s/info" % tid).json])
    assert api.status(api.add(origin.url("/b.zip")))["state"] == "paused", "the second rule"


def test_an_empty_folder_that_is_posted_wins(ruled, origin):
    origin.put("/a.iso", b"a")
    tid = ruled.api.add(origin.url("/a.iso"), dir="")
    assert ruled.api.reach(tid, "finished")["filename"] == "a.iso"


def test_a_password_of_a_rule_stays_with_its_host(ruled, origin):
    origin.put("/a.iso", b"a")
    api, tid = ruled.api, ruled.api.add(origin.url("/a.iso"), paused=True)
    there = origin.url("/a.iso").replace("127.0.0.1", "localhost")
    assert api.request("PATCH", "/task/tid/%s" % tid, {"url": there}).status == 200
    api.put("/task/tid/%s?act=resume" % tid)
    assert api.reach(tid, "finished")["filename"] == "isos/a.iso", "the folder was chosen when it was added"
    assert all("authorization" not in request.headers for request in origin.requests)


def test_a_changed_rule_counts_for_tasks_that_are_there(ruled, origin):
    origin.put("/a.iso", b"a")
    tid = ruled.api.add(origin.url("/a.iso"), paused=True)
    ruled.write("Bearer fresh")
    ruled.popen.send_signal(signal.SIGHUP)
    until(lambda: "are in effect" in ruled.log)
    ruled.api.put("/task/tid/%s?act=resume" % tid)
    ruled.api.reach(tid, "finished")
    assert origin.requests[0].headers["authorization"] == "Bearer fresh"
