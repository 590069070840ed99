"""The client of the REST interface: replies, errors as types, kept-alive connections, events, addresses."""

import json
import os
import socket
import socketserver
import threading

import pytest

from harness import noise, until
from servers.origin import Gate

from dlserv import Daemon, Server
from dlserv.client import rest
from dlserv.tasks import task
from dlserv.client.rest import Client, task_path
from dlserv.errors import InvalidValue, NoDaemon, NotAllowed, Refused
from dlserv.client.discovery import read_note

NOWHERE = "http://127.0.0.1:1/x.iso"


@pytest.fixture
def to(daemon):
    """A client of an in-process daemon."""
    with Server(daemon, "127.0.0.1", 0) as server, Client(server.url) as client:
        yield client


class Canned(socketserver.ThreadingTCPServer):
    """Answers every request with the same bytes, and remembers the requests."""

    allow_reuse_address = daemon_threads = True

    def __init__(self, reply, address=("127.0.0.1", 0)):
        self.reply, self.requests, self.connections = reply, [], 0
        super().__init__(address, _CannedReply)
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self):
        return "http://127.0.0.1:%d" % self.server_address[1]

    def __exit__(self, *exc_info):
        self.shutdown()
        self.server_close()


class _CannedReply(socketserver.StreamRequestHandler):
    def handle(self):
        self.server.connections += 1
        while True:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                line = self.rfile.readline()
                if not line:
                    return
                head += line
            self.server.requests.append(head.decode())
            self.wfile.write(self.server.reply)


def reply(status, body, more=""):
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    return ("HTTP/1.1 %s\r\nContent-Length: %d\r\n%s\r\n" % (status, len(body), more)).encode() + body


SUCCESS = {"status": "success"}


# -- replies ------------------------------------------------------------------------------

def test_tasks_are_added_seen_and_removed(to):
    added = to.post("/task/batch/add", {"tasks": [{"url": NOWHERE, "options": {"paused": True}}]})
    tid = added["tids"][0]
    assert tid == rest.tid_of(NOWHERE)
    assert to.get(task_path(tid, "status"))["detail"]["state"] == "paused"
    assert to.get("/task/list", state="paused", exerpt="true")["detail"][0]["tid"] == tid
    assert to.put(task_path(tid), act="resume")["status"] == "success"
    assert to.delete(task_path(tid), del_file="true")["status"] == "success"


def test_a_207_is_a_reply(to):
    found = to.post("/task/batch/pause", {"tids": ["0" * 40]})
    assert found["detail"][0][0] == "0" * 40


def test_the_client_s_words_are_the_daemon_s():
    assert sorted(rest.STATES) == sorted(task.STATES)
    assert rest.tid_of("http://h/ä") == task.tid_of("http://h/ä")


@pytest.mark.parametrize("tid", ["a/b", "../config", "ä"])
def test_what_is_no_tid_stays_within_its_path(to, tid):
    with pytest.raises(Refused) as caught:
        to.get(task_path(tid, "status"))
    assert caught.value.status in (400, 404)


def test_requests_share_a_connection_until_it_may_be_closed(monkeypatch):
    with Canned(reply("200 OK", SUCCESS)) as server, Client(server.url) as client_:
        for _ in range(3):
            client_.get("/config")
        assert server.connections == 1 and len(server.requests) == 3
        monkeypatch.setattr(rest, "LONGEST_IDLE", -1)
        client_.get("/config")
        assert server.connections == 2


def test_a_token_goes_along_and_no_other_header_of_a_proxy(monkeypatch):
    monkeypatch.setenv("http_proxy", NOWHERE)
    with Canned(reply("200 OK", SUCCESS)) as server, Client(server.url + "/dl/", "s3cret") as client_:
        client_.get("/stats")
        assert server.requests[0].startswith("GET /dl/stats HTTP/1.1\r\n")
        assert "Authorization: Bearer s3cret\r\n" in server.requests[0]


# -- errors -------------------------------------------------------------------------------

def test_what_the_daemon_refuses_is_told_in_its_words(to):
    with pytest.raises(Refused) as caught:
        to.get(task_path("0" * 40, "status"))
    assert caught.value.status == 404 and str(caught.value) == "there is no task " + "0" * 40
    with pytest.raises(Refused, match="there is no path /nonsense here"):
        to.get("/nonsense")


@pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden"])
def test_not_being_allowed_is_an_error_of_its_own(status):
    for body, words in (({"status": "error", "errmsg": "no token"}, "no token"), (b"<html>", "let you in")):
        with Canned(reply(status, body)) as server, Client(server.url) as client_:
            for ask in (lambda: client_.get("/config"), client_.stream):
                with pytest.raises(NotAllowed, match=words):
                    ask()


@pytest.mark.parametrize("answer", [
    reply("200 OK", b"<html>hello</html>"), reply("200 OK", b"[1]"), reply("404 Not Found", b"{}"),
    reply("200 OK", {"status": "ok"}), b"SSH-2.0-OpenSSH_9.2\r\n", b""],
    ids=["html", "list", "empty", "other", "ssh", "nothing"])
def test_what_is_no_dlserv_is_told(answer):
    with Canned(answer) as server, Client(server.url, timeout=0.3) as client_:
        with pytest.raises(NoDaemon, match=server.url):
            client_.get("/config")


def test_nobody_there_is_told():
    with Client("http://127.0.0.1:1") as client_:
        for ask in (lambda: client_.get("/config"), client_.stream):
            with pytest.raises(NoDaemon, match="no daemon at http://127.0.0.1:1: connection refused"):
                ask()


# -- events -------------------------------------------------------------------------------

def test_events_come_as_they_happen(to, origin):
    origin.put("/x.iso", noise(1000), script=[Gate(after=500)])
    stream = to.stream()
    events = iter(stream)
    first = next(events)
    assert (first.kind, first.data["detail"]) == ("snapshot", [])
    tid = to.post("/task/batch/add", {"tasks": [origin.url("/x.iso")]})["tids"][0]
    row = next(event.data for event in events if event.kind == "task")
    assert row["tid"] == tid
    to.delete(task_path(tid))
    assert next(event.data for event in events if event.kind == "removed") == {"tid": tid}
    stream.close()
    assert [event for event in events if event.kind == "removed"] == []
    stream.release()


def test_an_event_has_its_lines_and_comments_have_none():
    body = (b"retry: 3\n\n: hello\n\nid: 1\nevent: task\ndata: {\"a\":\ndata:  1}\r\n\r\n"
            b"event: lost\n\ndata: 2\n\n")
    with Canned(reply("200 OK", body, "Connection: close\r\n")) as server, Client(server.url) as client_:
        stream = client_.stream()
        assert list(stream) == [("task", {"a": 1}), ("message", 2)]
        stream.release()


# -- addresses ----------------------------------------------------------------------------

@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no sockets in the file system here")
@pytest.mark.parametrize("form", ["unix:%s", "http+unix://%s"])
def test_a_socket_in_the_file_system_is_an_address(tmp_path, form):
    path = str(tmp_path / "s.sock")

    class Unix(Canned):
        address_family = socket.AF_UNIX
    with Unix(reply("200 OK", SUCCESS), path):
        with Client(form % (path if form.startswith("unix") else path.replace("/", "%2F"))) as client_:
            assert client_.get("/config") == SUCCESS
    with Client("unix:" + path) as client_, pytest.raises(NoDaemon, match="no daemon at unix:"):
        client_.get("/config")


@pytest.mark.parametrize("url", ["", "localhost:6880", "ftp://h", "http://", "unix:relative", "http://h:port",
                                 "http://user:pw@h", "http://h/?q", "http://[::1"])
def test_what_is_no_address_is_refused(url):
    with pytest.raises(InvalidValue, match="not a daemon's address"):
        Client(url)


# -- the note -----------------------------------------------------------------------------

def test_a_note_is_read_and_a_dead_one_s_is_not_believed(tmp_path):
    path = tmp_path / "dlserv.json"
    assert read_note(str(path)) is None
    for text in ("", "{", "[]", "{}", '{"url": "u", "pid": "x"}', '{"url": "u", "pid": null}'):
        path.write_text(text)
        assert read_note(str(path)) is None
    path.write_text(json.dumps({"url": "http://h", "pid": os.getpid(), "token_file": "/t"}))
    assert read_note(str(path)) == {"url": "http://h", "pid": os.getpid(), "token_file": "/t"}
    path.write_text(json.dumps({"url": "http://h", "pid": 2 ** 22 + 1}))
    with pytest.raises(ProcessLookupError, match=str(path)):
        read_note(str(path))


def test_the_feed_comes_back_when_the_daemon_does(settings, origin):
    from dlserv.commands.feed import Feed, Tasks
    with Daemon(settings) as daemon, Server(daemon, "127.0.0.1", 0) as server:
        port = server.server_address[1]
        tid = daemon.add(NOWHERE, {"paused": True})
        with Client(server.url) as client_:
            feed, tasks = Feed(client_).__enter__(), Tasks()

            def heard(condition):
                for event in feed.take(0.1):
                    tasks.take(event)
                return condition()
            until(lambda: heard(lambda: tid in tasks.rows))
    until(lambda: not feed.connected)
    with Daemon(settings) as daemon, Server(daemon, "127.0.0.1", port):
        until(lambda: heard(lambda: feed.connected))
        daemon.delete(tid)
        until(lambda: heard(lambda: not tasks.rows))
        feed.__exit__()
