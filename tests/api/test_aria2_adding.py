"""aria2.addUri: new downloads, those that are there already, and their mirrors."""

import pytest

from aria2 import NOWHERE, add_paused, message, reach, status_of, uris_of
from servers.origin import refuse

MASKED = "stands for a secret"
SECRET = "http://me:secret@127.0.0.1:1/a?token=abc&x=1"
SHOWN = "http://127.0.0.1:1/a?token=***&x=1"


@pytest.fixture
def daemon(shared):
    """The daemon of the module."""
    return shared


def test_a_url_that_is_there_answers_with_its_gid(rpc):
    first = rpc("addUri", [NOWHERE + "a"], {"pause": "true", "out": "first"})
    assert rpc("addUri", [" " + NOWHERE + "a\n"], {"out": "second"}) == first
    assert rpc("getOption", first)["out"] == "first" and status_of(rpc, first) == "paused"


def test_a_failed_url_is_tried_again_with_the_new_options(rpc, origin):
    origin.put("/a", b"x", script=[refuse(404)])
    first = rpc("addUri", [origin.url("/a")], {"out": "one"})
    reach(rpc, first, "error")
    second = rpc("addUri", [origin.url("/a")], {"out": "two", "user-agent": "agent/2", "pause": "true"})
    assert second != first and status_of(rpc, second) == "paused"
    assert rpc("getOption", second)["out"] == "two" and rpc("getOption", second)["user-agent"] == "agent/2"
    rpc("unpause", second)
    assert reach(rpc, second, "complete")["files"][0]["path"].endswith("/two")


@pytest.mark.parametrize("script, status", [([refuse(404)], "error"), ([], "complete")])
def test_a_url_that_is_added_again_paused_does_not_begin(rpc, daemon, origin, script, status):
    origin.put("/a", b"x", script=script)
    first = rpc("addUri", [origin.url("/a")])
    reach(rpc, first, status)
    with daemon.events.subscribe() as events:
        second = rpc("addUri", [origin.url("/a")], {
            "pause": "true", "allow-overwrite": "true", "user-agent": "agent/2"})
        states = [event.state for event in iter(lambda: events.get(0), None)]
    assert states[-1] == "paused" and set(states) <= {"paused", "invalid", "finished"}
    assert second != first and status_of(rpc, second) == "paused" and len(origin.asked("/a")) == 1
    assert rpc("getOption", second)["user-agent"] == "agent/2"


def test_a_removed_url_may_be_added_again(rpc):
    gid, = add_paused(rpc, "a")
    rpc("remove", gid)
    again, = add_paused(rpc, "a")
    assert status_of(rpc, again) == "paused" and rpc("tellStopped", 0, 10) == []


def test_a_download_is_added_at_a_place(rpc):
    a, b = add_paused(rpc, "a", "b")
    first = rpc("addUri", [NOWHERE + "1"], {"pause": "true"}, 0)
    middle = rpc("addUri", [NOWHERE + "m"], {"pause": "true"}, 2)
    last = rpc("addUri", [NOWHERE + "l"], {"pause": "true"}, 2 ** 31 - 1)
    assert [each["gid"] for each in rpc("tellWaiting", 0, 9, ["gid"])] == [first, a, middle, b, last]
    assert message(rpc, "addUri", [NOWHERE], {}, -1) == "Position must be greater than or equal to 0."


def test_further_uris_are_mirrors(rpc):
    gid = rpc("addUri", [NOWHERE + "a", NOWHERE + "b", NOWHERE + "b", 5, NOWHERE + "c"], {"pause": "true"})
    assert uris_of(rpc, gid) == ["a", "b", "c"]
    assert {each["status"] for each in rpc("getUris", gid)} == {"waiting"}
    many = rpc("addUri", [NOWHERE + str(number) for number in range(60)], {"pause": "true"})
    assert len(uris_of(rpc, many)) == 33


@pytest.mark.parametrize("uris, words", [([], "URI is not provided."), ([5, None], "URI is not provided."),
                                         (["magnet:?xt=urn:btih:0"], "magnet links need"),
                                         ([NOWHERE, "magnet:?xt=urn:btih:0"], "HTTP, HTTPS and FTP only"),
                                         (["gopher://x/"], "gopher"), (["x"], "absolute URL"),
                                         ([""], "missing"), (["http://"], "host"), (["nope", 5, "x"], "absolute URL")])
def test_what_cannot_be_fetched_is_refused_with_a_sentence(rpc, daemon, uris, words):
    assert words in message(rpc, "addUri", uris) and daemon.list() == []


def test_a_url_that_was_told_masked_means_its_task(rpc, daemon):
    gid = rpc("addUri", [SECRET], {"pause": "true"})
    told = rpc("getFiles", gid)[0]["uris"][0]["uri"]
    assert told == SHOWN and rpc("addUri", [told]) == gid and len(daemon.list()) == 1


@pytest.mark.parametrize("remove", ["remove", "delete"])
def test_a_restart_after_a_removal_finds_the_secrets(rpc, daemon, remove):
    gid = rpc(
        "addUri", [SECRET, "http://127.0.0.1:1/m?key=abc"], {
            "pause": "true", "header": ["Authorization: secret"], "http-passwd": "secret", "http-user": "me",
            "all-proxy": "http://u:secret@p:1"
        })
    options, uris = rpc("getOption", gid), [each["uri"] for each in rpc("getFiles", gid)[0]["uris"]]
    before = dict(daemon.list()[0].posted)
    if remove == "remove":
        rpc("remove", gid)
    again = rpc("addUri", uris, dict(options, pause="true"))
    task, = daemon.list()
    assert task.url == SECRET and again == gid and rpc("tellStatus", again)["status"] == "paused"
    assert {name: task.posted[name] for name in before} == before


def test_a_mask_that_stands_for_nothing_known_is_refused(rpc, daemon):
    assert message(rpc, "addUri", [NOWHERE], {"header": ["Authorization: ***"]}) == \
        "option header: *** stands for a secret; send the value itself"
    for given in ({"header": ["A: b", "Cookie: ***"]}, {"http-passwd": "***"},
                  {"all-proxy": "http://u:***@p:1"}, {"all-proxy": "http://p:1", "all-proxy-passwd": "***"}):
        assert MASKED in message(rpc, "addUri", [NOWHERE], given)
    assert MASKED in message(rpc, "addUri", [SHOWN]) and daemon.list() == []


def test_a_masked_url_of_two_tasks_means_neither(rpc, daemon):
    rpc("addUri", [SECRET], {"pause": "true"}), rpc("addUri", [SECRET.replace("abc", "def")],
                                                    {"pause": "true"})
    assert MASKED in message(rpc, "addUri", [SHOWN]) and len(daemon.list()) == 2
