"""A canary wherever a secret may stand: no reply, event, line of the log or file may sing."""

import base64
import logging
import os
import socket
import stat

import pytest

from dlserv import Daemon, Server
from harness import Api, noise, until
from servers.origin import redirect, refuse

CANARY = "kanarienvogel"
FORMS = (CANARY.encode(), base64.b64encode(("me:" + CANARY).encode()))


def canaries(origin):
    """Options with one in every place that can hold one."""
    return {"headers": {"Authorization": "Bearer " + CANARY, "X-Api-Key": CANARY, "Cookie": "a=" + CANARY},
            "cookies": "sid=" + CANARY, "referer": "http://me:%s@h/?token=%s" % (CANARY, CANARY),
            "mirrors": [origin.url("/mirror?sig=" + CANARY, user="me:" + CANARY)]}


URLS = [("", "me:" + CANARY), ("?token=" + CANARY, None), ("?a=b&X-Amz-Signature=" + CANARY, None),
        ("?passkey=%s#key=%s" % (CANARY, CANARY), "me:" + CANARY)]


class Ear:
    """Hears everything that a server tells."""

    def __init__(self, url):
        self.api, self.heard = Api(url), []
        host, _, port = url.partition("//")[2].partition(":")
        self.events = socket.create_connection((host, int(port)), 5)
        self.events.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")

    def ask(self, method, path, body=None, **headers):
        answer = self.api.request(method, path, body, headers)
        self.heard += [answer.body, repr(answer.headers).encode()]
        return answer

    def ask_all(self, tid):
        for path in ("status", "status?exerpt=true", "info", "file"):
            self.ask("GET", "/task/tid/%s/%s" % (tid, path))
        for path in ("/task/list", "/task/list?exerpt=false", "/config", "/stats", "/metrics", "/openapi.json"):
            self.ask("GET", path)

    def await_snapshot(self):
        """Hear the events up to the snapshot, which a server that stops may not send any more."""
        while b"event: snapshot" not in b"".join(self.heard):
            data = self.events.recv(65536)
            assert data, "the events have ended"
            self.heard.append(data)

    def close(self):
        """To be called when the server has stopped, which ends the events."""
        self.api.close()
        for data in iter(lambda: self.events.recv(65536), b""):
            self.heard.append(data)
        self.events.close()


@pytest.fixture
def ear(settings, tmp_path, caplog):
    """An Ear; when the test is over, nothing it heard, nothing logged and no file has a canary."""
    caplog.set_level(logging.DEBUG)
    settings["download"].update(retries=1, timeout=1)
    settings["server"]["token"] = None
    with Daemon(settings) as daemon, Server(daemon, "127.0.0.1", 0) as server:
        listener = Ear(server.url)
        yield listener
        listener.await_snapshot()
    listener.close()
    heard = b"".join(listener.heard) + caplog.text.encode()
    assert len(heard) > 1000 and b"event: snapshot" in heard
    for form in FORMS:
        assert form not in heard, heard[max(0, heard.index(form) - 300):heard.index(form) + 100]
    for folder, _, names in os.walk(str(tmp_path)):
        for name in names:
            assert CANARY not in name
            with open(os.path.join(folder, name), "rb") as file:
                known = CANARY.encode() in file.read()
                assert not known or stat.S_IMODE(os.fstat(file.fileno()).st_mode) == 0o600, name


def post(ear, origin, query, userinfo, **options):
    url = origin.url("/a.bin" + query, user=userinfo)
    origin.put("/a.bin" + query.partition("#")[0], noise(5000))
    answer = ear.ask("POST", "/task", {"url": url, "options": dict(canaries(origin), **options)})
    assert answer.status == 200
    assert ear.ask("POST", "/task", {"url": url}).status == 409
    assert ear.ask("POST", "/task/batch/add", {"tasks": [url, {"url": url, "options": {"password": [CANARY]}}]}
                   ).status == 207
    return answer["tid"]


@pytest.mark.parametrize("query, userinfo", URLS)
def test_of_a_task_that_finishes(ear, origin, query, userinfo):
    tid = post(ear, origin, query, userinfo, user="me", password=CANARY)
    ear.api.reach(tid, "finished")
    ear.ask_all(tid)
    assert any(CANARY in repr(request) for request in origin.requests), "it was used, though"


@pytest.mark.parametrize("query, userinfo", URLS)
def test_of_a_task_that_is_sent_elsewhere_and_fails(ear, origin, query, userinfo):
    tid = post(ear, origin, query, userinfo)
    there = "/b?token=%s&signature=%s" % (CANARY, CANARY)
    for file in list(origin.files.values()):
        file.script = [redirect(origin.url(there, user="me:" + CANARY))] * 9
    origin.put(there, script=[refuse("403 Forbidden")] * 9)
    ear.ask("PUT", "/task/tid/%s?act=restart" % tid)
    until(lambda: ear.api.status(tid)["state"] in ("invalid", "finished"))
    ear.ask_all(tid)


@pytest.mark.parametrize("where", ["ftp://me:%s@127.0.0.1:1/a?token=%s", "http://me:%s@127.0.0.1:1/a?token=%s",
                                   "https://me:%s@127.0.0.1:1/a?token=%s"])
def test_of_a_task_that_cannot_begin(ear, origin, where):
    url = where % (CANARY, CANARY)
    for options in ({}, {"proxy": "http://me:%s@127.0.0.1:1" % CANARY}, {"proxy": "socks5://me:%s@127.0.0.1:1" % CANARY}):
        tid = ear.ask("POST", "/task", {"url": url, "options": dict(canaries(origin), **options)})["tid"]
        until(lambda: ear.api.status(tid)["state"] == "invalid")
        ear.ask_all(tid)
        ear.ask("PATCH", "/task/tid/" + tid, {"url": "gopher://me:%s@h/" % CANARY})
        ear.ask("PATCH", "/task/tid/" + tid, {"options": {"proxy": "gopher://me:%s@h/" % CANARY}})
        ear.ask("DELETE", "/task/tid/" + tid)


@pytest.mark.parametrize("url", [
    "gopher://me:%s@h/", "http://me:%s@h:99999/", "me:%s@h/", "//me:%s@h/", "http:/me:%s@h/",
    "http://h/?token=%s\x01",
    "http://me:%s@/", "http://me:%s@[::1/", " http://me:%s@h:0/", "http:\\\\me:%s@h/", "xx://h/?key=%s",
    "http://me:a/%s@h/", "ftp://me:a?%s@h/", "http://me:a#%s@h/", "me:a/%s@h/", "http://x@me:a/b@%s@h/"])
def test_of_what_is_refused(ear, url):
    url %= CANARY
    assert ear.ask("POST", "/task", {"url": url}).status == 400
    assert ear.ask("POST", "/task/batch/add", {"tasks": [url]}).status == 207
    assert ear.ask("POST", "/config", {"download": {"proxy": url}}).status == 400
    for options in ({"proxy": url}, {"mirrors": [url]}, {"referer": url + "\n"}):
        assert ear.ask("POST", "/task", {"url": "http://h/", "options": options}).status == 400


def test_of_the_settings(ear):
    proxy = "http://me:%s@127.0.0.1:1" % CANARY
    assert ear.ask("POST", "/config", {"download": {"proxy": proxy}})["config"]["download"]["proxy"] \
        == "http://127.0.0.1:1"
    assert ear.ask("POST", "/config", {"server": {"token": CANARY}}).status == 403
    assert ear.ask("POST", "/config", {"server": {"token": CANARY + "\n"}}).status == 400
    ear.ask("GET", "/config?token=" + CANARY, Authorization="Bearer " + CANARY)
    ear.ask("GET", "/nowhere?token=" + CANARY)
