"""Requests to a daemon: replies, errors as types, kept-alive connections, the event stream, addresses."""

import json
import socket

import pytest

from servers.canned import Canned, reply

from dlserv import Server
from dlserv.client.transport import Transport
from dlserv.errors import InvalidValue, NoDaemon, NotAllowed, Refused

NOWHERE = "http://127.0.0.1:1/x.iso"
SUCCESS = {"status": "success"}


@pytest.fixture
def to(daemon):
    """A transport to an in-process daemon."""
    with Server(daemon, "127.0.0.1", 0) as server:
        transport = Transport(server.url)
        yield transport
        transport.close()


def get(url, path="/config", **options):
    """Ask once; return the reply's JSON."""
    transport = Transport(url, **options)
    try:
        return transport.request("GET", path)
    finally:
        transport.close()


@pytest.mark.parametrize("longest_idle, connections", [(60, 1), (-1, 3)])
def test_requests_share_a_connection_until_it_may_be_closed(longest_idle, connections):
    with Canned(reply("200 OK", SUCCESS)) as server:
        transport = Transport(server.url, longest_idle=longest_idle)
        for _ in range(3):
            transport.request("GET", "/config")
        transport.close()
        assert server.connections == connections and len(server.requests) == 3


def test_a_token_goes_along_and_no_header_of_a_proxy(monkeypatch):
    monkeypatch.setenv("http_proxy", NOWHERE)
    with Canned(reply("200 OK", SUCCESS)) as server:
        get(server.url + "/dl/", "/stats", token="s3cret")
        assert server.requests[0].startswith("GET /dl/stats HTTP/1.1\r\n")
        assert "Authorization: Bearer s3cret\r\n" in server.requests[0]


# -- errors -------------------------------------------------------------------------------

def test_a_refusal_has_the_daemon_s_words(to):
    with pytest.raises(Refused) as caught:
        to.request("GET", "/task/tid/%s/status" % ("0" * 40))
    assert caught.value.status == 404 and str(caught.value) == "there is no task " + "0" * 40
    with pytest.raises(Refused, match="there is no path /nonsense here"):
        to.request("GET", "/nonsense")


def test_a_refusal_has_the_daemon_s_code_and_key():
    body = {"status": "error", "errmsg": "url: no", "code": "bad_value", "key": "url"}
    with Canned(reply("400 Bad Request", body)) as server, pytest.raises(Refused) as caught:
        get(server.url)
    assert (caught.value.status, caught.value.code, caught.value.key) == (400, "bad_value", "url")
    with Canned(reply("400 Bad Request", {"status": "error"})) as server, pytest.raises(Refused) as caught:
        get(server.url)
    assert (caught.value.code, caught.value.key) == (None, None)


@pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden", "429 Too Many Requests"])
def test_not_being_allowed_is_an_error_of_its_own(status):
    for body, words in (({"status": "error", "errmsg": "no token"}, "no token"), (b"<html>", "let you in")):
        with Canned(reply(status, body)) as server:
            for ask in (lambda: get(server.url), lambda: Transport(server.url).stream("/events")):
                with pytest.raises(NotAllowed, match=words):
                    ask()


@pytest.mark.parametrize("answer", [
    reply("200 OK", b"<html>hello</html>"), reply("200 OK", b"[1]"), reply("404 Not Found", b"{}"),
    reply("200 OK", {"status": "ok"}), b"SSH-2.0-OpenSSH_9.2\r\n", b""],
    ids=["html", "list", "empty", "other", "ssh", "nothing"])
def test_something_that_is_no_dlserv_is_told(answer):
    with Canned(answer) as server, pytest.raises(NoDaemon, match=server.url):
        get(server.url, timeout=0.3)


def test_the_sentence_says_how_to_start_a_daemon():
    for ask in (lambda: get("http://127.0.0.1:1"), lambda: Transport("http://127.0.0.1:1").stream("/events")):
        with pytest.raises(NoDaemon) as caught:
            ask()
        assert str(caught.value) == (
            'no daemon at http://127.0.0.1:1: connection refused; "dlserv serve" starts one')
    with pytest.raises(NoDaemon) as caught:     # which would not help here
        get("http://no-such-host.invalid:6880")
    assert "starts one" not in str(caught.value)


# -- events -------------------------------------------------------------------------------

def test_an_event_has_its_lines_and_comments_have_none():
    body = (b"retry: 3\n\n: hello\n\nid: 1\nevent: task\ndata: {\"a\":\ndata:  1}\r\n\r\n"
            b"event: lost\n\ndata: 2\n\n")
    with Canned(reply("200 OK", body, "Connection: close\r\n")) as server:
        with Transport(server.url).stream("/events") as stream:
            assert list(stream) == [("task", {"a": 1}), ("message", 2)]


def test_a_task_has_what_its_later_events_leave_out():
    told = [("task", {"tid": "a", "state": "queued", "speed": 0}), ("task", {"tid": "b", "state": "paused"}),
            ("task", {"tid": "a", "speed": 5}), ("removed", {"tid": "a"}), ("task", {"tid": "a", "state": "paused"})]
    body = "".join("event: %s\ndata: %s\n\n" % (kind, json.dumps(data)) for kind, data in told).encode()
    with Canned(reply("200 OK", body, "Connection: close\r\n")) as server:
        with Transport(server.url).stream("/events") as stream:
            assert list(stream) == told[:2] + [("task", {"tid": "a", "state": "queued", "speed": 5})] + told[3:]


# -- addresses ----------------------------------------------------------------------------

@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no sockets in the file system here")
@pytest.mark.parametrize("form", ["unix:%s", "http+unix://%s"])
def test_a_socket_in_the_file_system_is_an_address(tmp_path, form):
    path = str(tmp_path / "s.sock")

    class Unix(Canned):
        address_family = socket.AF_UNIX
    with Unix(reply("200 OK", SUCCESS), path):
        assert get(form % (path if form.startswith("unix") else path.replace("/", "%2F"))) == SUCCESS
    with pytest.raises(NoDaemon, match="no daemon at unix:"):
        get("unix:" + path)


@pytest.mark.parametrize("url", ["", "localhost:6880", "ftp://h", "http://", "unix:relative", "http://h:port",
                                 "http://user:pw@h", "http://h/?q", "http://[::1"])
def test_another_address_is_refused(url):
    with pytest.raises(InvalidValue, match="not a daemon's address"):
        Transport(url)
