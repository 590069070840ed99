"""The whole server: how it stops, and whatever nobody thought of."""

import json
import random
import re
import socket
import threading
import time

import pytest

from harness import noise, until
from raw import CHUNKED, GET, NOWHERE, chunks, clients, long_reply, post, task
from servers.origin import Gate

from dlserv import Daemon, Server


@pytest.fixture
def settings(settings):
    """One slot, which the fuzzing keeps taken: what it adds must not call anywhere."""
    settings["download"]["max_concurrent"] = 1
    settings["general"]["log_size"] = 1000
    return settings


# -- stopping ---------------------------------------------------------------------------

def test_a_stop_does_not_wait_for_idle_connections(daemon, connect):
    before = clients()
    server = Server(daemon, "127.0.0.1", 0).start()
    idle, used, half = [connect(server.url) for _ in range(3)]
    assert used.send(GET).reply().status == 200
    half.send(GET[:-10])
    until(lambda: len(clients(before)) == 3)
    began = time.monotonic()
    server.stop()
    assert time.monotonic() - began < 0.5
    assert idle.closed and used.closed and not clients(before)
    with pytest.raises(OSError):
        connect(server.url)


def test_a_reply_under_way_is_finished_before_the_stop(daemon, connect):
    server = Server(daemon, "127.0.0.1", 0).start()
    wire = long_reply(daemon, connect, server)
    stopping = threading.Thread(target=server.stop)
    stopping.start()
    reply = wire.reader.read()
    stopping.join()
    head, _, body = reply.partition(b"\r\n\r\n")
    assert len(json.loads(body)["detail"]) == 12


def test_a_stop_waits_briefly_for_a_client_that_reads_not(daemon, connect):
    before = clients()
    server = Server(daemon, "127.0.0.1", 0).start()
    long_reply(daemon, connect, server)
    began = time.monotonic()
    server.stop(seconds=0.2)
    assert 0.1 < time.monotonic() - began < 1
    until(lambda: not clients(before))


def test_what_a_stopped_daemon_cannot_do_is_a_503(settings, connect):
    daemon = Daemon(settings).start()
    with Server(daemon, "127.0.0.1", 0) as server:
        tid = daemon.add(NOWHERE + "a", {"paused": True})
        daemon.stop()
        wire = connect(server.url)
        wire.send(post(task("b")), b"PUT /task/tid/%s?act=resume HTTP/1.1\r\nHost: localhost\r\n\r\n" % tid.encode())
        for _ in range(2):
            answer = wire.reply()
            assert answer.status == 503 and "shutting down" in answer.json["errmsg"]


# -- bodies that are no task ------------------------------------------------------------

@pytest.mark.parametrize("body", [
    b"", b" ", b"{", b"}", b"nul", b"{'url': 'x'}", b'{"url": "http://h/"', b'{"url": "http://h/",}',
    b'{"url"}',
    b'{"url": "http://h/"} x', b'\xef\xbb\xbf{"url": "http://h/"}', b'{"url": "http://h/\xff"}',
    b"\xff\xfe{\0}\0",
    b'{"url": "http://h/\n"}', b'{"url": "\\x"}', b'{"url": NaN}', b'{"url": Infinity}',
    b'{"url": -Infinity}',
    b'{"options": {"timeout": NaN}, "url": "http://h/"}', b"[" * 100000, b'{"a":' * 100000,
    b"[" * 33 + b"]" * 33,
    b'{"url": 1' + b"0" * 5000 + b"}", b"1" * 1000000, b'"http://h/"', b"1", b"null", b"true", b"[]",
    b'["http://h/"]'])
def test_a_body_that_is_no_object_of_json_is_a_400(line, quiet, body):
    began = time.monotonic()
    answer = line.send(post(body), GET).reply()
    assert answer.status == 400 and re.match("body|url", answer.json["errmsg"]), answer
    assert time.monotonic() - began < 1
    assert line.reply().status == 200


@pytest.mark.parametrize("url", [
    "missing", None, True, 0, 1.5, [], ["http://h/"], {}, "", "\0", "http://h/\0", "http://h/a\nb",
    "http://h\t/",
    "http://h/\x7f", "http://h/\ud800", "http://\udfffh/", "http://\ud800@h/", "http://me:\udc00@h/",
    "http://h/#\ud800", "http://h/?\ud800", "http://h/\u2028", "http://[::1/", "http://[::zz]/",
    "http://h:port/",
    "http://h:-1/", "http://a..b/", "http://" + "h" * 300, "http://%00/", "http://\x00@h/", "http://ä\ud800/",
    "http://h\\@evil/", "http://a b/", "http:/h/", "//h/", "http://h/" + "ä" * 9000])
def test_a_wrong_url_is_a_400_that_names_it(line, quiet, url):
    body = {} if url == "missing" else {"url": url}
    answer = line.send(post(json.dumps(body).encode())).reply()
    assert answer.status == 400 and answer.json["errmsg"].startswith("url: "), answer
    assert quiet.get("/task/state_counter")["detail"]["all"] == 0

WORST = [None, True, False, 0, -1, 1.5, 1e308, 10 ** 399, "", " ", "\0", "a\nb", "\x7f", "\ud800",
    "9" * 400, "1e999",
         "NaN", [], {}, [[]], ["\0"], {"\0": "a"}, {"a": "\0"}, {"a": "\r\nb: c"}, {"a": None}, {"ä": "b"},
         {"a": "\ud800"}, ["http://h/\ud800"], ["http://\ud800@h/"], [1], "x" * 100000, "../x", "/x", "a/b",
         "..", ".",
         "nonsense", "sha-256=0", "md5=" + "g" * 32, "http://", "ftp://h/", "http://h:0/", "9" * 300 + "T"]
OPTIONS = ("filename dir headers user_agent referer cookies user password proxy ratelimit connections "
           "mirrors checksum retries timeout paused priority verify_tls").split()


@pytest.mark.parametrize("name", OPTIONS)
def test_no_value_of_an_option_is_too_bad_for_a_sentence(wire, name):
    accepted = []
    for number, value in enumerate(WORST):
        options = dict({"paused": True}, **{name: value})
        answer = wire.send(post(json.dumps({"url": "%s%d" % (NOWHERE, number),
            "options": options}).encode())).reply()
        if answer.status == 200:
            accepted.append(value)
        else:
            assert answer.status == 400, (value, answer)
            assert answer.json["errmsg"].startswith("options.%s: " % name), answer
    for value in ("\0", "a\nb", "\ud800", 10 ** 399, ["\0"], {"a": "\0"}):
        assert value not in accepted


@pytest.mark.parametrize("value", [[], ["paused"], "", "paused", 0, 1, False, True, 1.5])
def test_options_that_are_no_object_are_a_400_that_names_them(line, value):
    answer = line.send(post(json.dumps({"url": NOWHERE, "options": value}).encode())).reply()
    assert answer.status == 400 and "options" in answer.json["errmsg"], answer


@pytest.mark.parametrize("key", ["", "\0", "\ud800", "ä" * 1000, "url\n", "x" * 100000, "__class__", "<b>"])
def test_no_key_is_too_bad_for_a_sentence(wire, key):
    for body in ({"url": NOWHERE, key: 1}, {"url": NOWHERE, "options": {key: 1}}, {"tids": [], key: 1}):
        path = "/task/batch/delete" if "tids" in body else "/task"
        answer = wire.send(post(json.dumps(body).encode(), path=path)).reply()
        assert answer.status == 400 and len(answer.json["errmsg"]) < 400
    body = {"url": NOWHERE, "ydl_opts": {key: 1}, "options": {"paused": True}}
    assert wire.send(post(json.dumps(body).encode())).reply().status == 200


@pytest.mark.parametrize("tid", ["", "\0", "\ud800", "ä", "x" * 100000, "../x", "%00", "a/b", "0" * 40])
def test_a_tid_that_is_none_fails_alone(line, tid):
    for act in ("pause", "resume", "delete"):
        answer = line.send(post(json.dumps([tid]).encode(), path="/task/batch/" + act)).reply()
        assert answer.status == 207 and len(answer.json["detail"]) == 1


# -- what nobody thought of -------------------------------------------------------------

@pytest.fixture
def busy(api, origin):
    """The API of a daemon whose only slot is taken, so that nothing else starts."""
    origin.put("/a", noise(1000), script=[Gate(after=10)])
    tid = api.add(origin.url("/a"), priority=1000, timeout=60)
    until(lambda: api.status(tid)["downloaded_bytes"])
    yield api
    assert api.status(tid)["state"] == "downloading"


def requests_to_spoil():
    body = task("fuzz", connections=2, headers={"X-A": "b"})
    return [GET, post(body), post(body) + GET, CHUNKED + chunks(body, 20) + b"0\r\n\r\n",
            b"GET /task/list?exerpt=false&state=paused&offset=1&limit=2 HTTP/1.1\r\nHost: localhost\r\n\r\n",
            b"PUT /task/tid/" + b"0" * 40 + b"?act=pause HTTP/1.1\r\nHost: localhost\r\n\r\n",
            post(b'{"tids": ["' + b"0" * 40 + b'"], "del_file": true}', path="/task/batch/delete"),
            post(b"url=http://127.0.0.1:1/form&paused=true",
            "Content-Type: application/x-www-form-urlencoded"),
            b"OPTIONS * HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + GET]


def spoil(data, rng):
    """The bytes with a few accidents."""
    data = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 5))):
        start = rng.randrange(len(data) + 1)
        end = min(len(data), start + rng.choice((0, 1, 1, 2, 10, 100)))
        junk = rng.choice((b"", b"\0", b"\r", b"\n", b"\r\n", b" ", b":", b"%", b"\xff", b"\xc3", b'"',
            b"{", b"9",
                           b"-1", b"\\ud800", bytes([rng.randrange(256)]), bytes(data[end:end + 50])))
        data[start:end] = junk
    return bytes(data)


@pytest.mark.parametrize("seed", range(3))
def test_spoiled_requests_are_answered_or_dropped(busy, connect, seed):
    rng = random.Random(seed)
    corpus = requests_to_spoil()
    for _ in range(200):
        request = spoil(rng.choice(corpus), rng)
        wire = connect(busy.url)
        try:
            wire.send(request).sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        for answer in wire.replies():
            assert answer.status != 500 and answer.json["status"] in ("success", "error"), (seed, request,
                answer)
            assert (answer.json["status"] == "success") == (answer.status == 200), (seed, request, answer)
        wire.close()
    assert busy.get("/config").status == 200


def random_text(rng):
    return "".join(rng.choice("ab/:@?#%.\\[]~ä\ud800\U0001f600" + rng.choice("ab \0\n"))
                   for _ in range(rng.randrange(12)))


def random_value(rng, depth=0):
    kind = rng.randrange(7 if depth < 3 else 5)
    if kind == 5:
        return [random_value(rng, depth + 1) for _ in range(rng.randrange(4))]
    if kind == 6:
        return {rng.choice(OPTIONS + ["url", "a", ""]): random_value(rng,
            depth + 1) for _ in range(rng.randrange(4))}
    return random_text(rng) if kind == 4 else rng.choice(WORST)


def random_request(rng, tid):
    """(method, path, body) of a request that is nearly right."""
    options = {rng.choice(OPTIONS): random_value(rng) for _ in range(rng.randrange(3))}
    entry = {"url": NOWHERE + random_text(rng), "options": options}
    if rng.random() < 0.3:
        return "PATCH", "/task/tid/" + tid, rng.choice((entry, {"options": options}, random_value(rng)))
    return ("POST",) + rng.choice((
        ("/task/batch/add", {"tasks": [rng.choice((entry, random_value(rng))) for _ in range(rng.randrange(4))]}),
        ("/task/batch/add", random_value(rng)),
        ("/task", entry),
        ("/task", {"url": NOWHERE + "a", "ydl_opts": options}),
        ("/task", {"url": random_value(rng), "options": random_value(rng)}),
        ("/task/batch/" + rng.choice(("pause", "resume", "restart", "delete")), random_value(rng)),
        ("/task/batch/delete", {"tids": random_value(rng), "del_file": random_value(rng)})))


@pytest.mark.parametrize("seed", range(3))
def test_random_bodies_are_taken_or_refused_with_a_sentence(busy, connect, seed):
    rng = random.Random(seed)
    wire = connect(busy.url)
    tid = busy.add(NOWHERE + "paused", paused=True)
    for _ in range(500):
        method, path, body = random_request(rng, tid)
        answer = wire.send(post(json.dumps(body).encode(), path=path, method=method)).reply()
        assert answer.status in (200, 207, 400, 409), (seed, path, body, answer)
        assert answer.status == 200 or isinstance(answer.json["errmsg"], str)
    assert busy.get("/task/list?exerpt=false").status == 200
