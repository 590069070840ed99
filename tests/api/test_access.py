"""Access: tokens, the names of the daemon, pages of other sites."""

import base64
import http.client
import os
import re
import socket
import threading
import tracemalloc

import pytest

from clock import Clock
from dlserv import Daemon, Server
from dlserv.api.http1 import Head
from dlserv.api.access import MOST_FAILURES, Access, is_same
from dlserv.errors import InvalidValue
from harness import Api

TOKEN = "a-token_of~32.characters/or+so=="
CHANGING = [("POST", "/task"), ("PUT", "/task/tid/x?act=pause"), ("PATCH", "/task/tid/x"),
            ("DELETE", "/task/tid/x"), ("POST", "/task/batch/delete"), ("POST", "/config")]


def basic(password, user="anyone"):
    return {"Authorization": "Basic " + base64.b64encode(("%s:%s" % (user, password)).encode()).decode()}


def bearer(token):
    return {"Authorization": "Bearer " + token}


def head(method="GET", **headers):
    """A request's head; header names with underscores."""
    fields = {"host": "localhost:6880"}
    fields.update((name.lower().replace("_", "-"), value) for name, value in headers.items())
    return Head(method, "/task/list", (1, 1), {name: value for name, value in fields.items() if value is not None})


def status(access, head, address="1.2.3.4", **options):
    reply = access.refusal(head, address, **options)
    return reply and reply.status


@pytest.fixture
def serve(settings):
    """A function that starts a server with these settings and returns a client of it."""
    opened = []

    def start(**server):
        settings["server"].update(server)
        opened.append(Daemon(settings).start())
        opened.append(Server(opened[-1], "127.0.0.1", 0).start())
        opened.append(Api(opened[-1].url))
        return opened[-1]

    yield start
    for each in reversed(opened):
        (each.close if isinstance(each, Api) else each.stop)()


# -- the token --------------------------------------------------------------------------

@pytest.mark.parametrize("headers", [
    bearer(TOKEN), {"Authorization": "bearer  " + TOKEN}, basic(TOKEN), basic(TOKEN, ""),
    {"Authorization": basic(TOKEN)["Authorization"].replace("Basic", "BASIC")}])
def test_the_token_opens_all_doors(serve, headers):
    api = serve(token=TOKEN)
    assert api.get("/task/list", **headers).status == 200
    assert api.get("/nowhere", **headers).status == 404
    assert api.request("POST", "/task", {"url": "http://127.0.0.1:1/", "options": {"paused": True}},
                       headers).status == 200
    assert api.get("/task/list", Host="any.name.example", **headers).status == 200


@pytest.mark.parametrize("headers", [
    {}, bearer(""), bearer("x"), bearer(TOKEN + "x"), bearer(TOKEN[:-1]), bearer("Bearer " + TOKEN), basic("x"),
    basic(""), basic("x", TOKEN), {"Authorization": "Basic %%%"}, {"Authorization": "Basic"},
    {"Authorization": "Basic " + base64.b64encode(TOKEN.encode()).decode()},
    {"Authorization": "Digest username=x"}, {"Authorization": TOKEN}, {"Authorization": "Bearer \xe9"},
    {"Cookie": "token=" + TOKEN}])
def test_nothing_else_does(serve, headers):
    api = serve(token=TOKEN)
    for method, path in [("GET", "/task/list"), ("HEAD", "/config"), ("GET", "/nowhere"), ("GET", "/events"),
                         ("GET", "/metrics"), ("GET", "/openapi.json"), ("BREW", "/task/list")]:
        answer = api.request(method, path, headers=headers)
        assert answer.status == 401, answer
        assert answer.headers["www-authenticate"] == 'Basic realm="dlserv", charset="UTF-8"'
        if method != "HEAD":
            assert "token" in answer["errmsg"] and TOKEN not in answer["errmsg"]
    assert api.get("/task/list?token=" + TOKEN, **headers).status in (401, 429)


def test_changes_need_it_too(serve):
    api = serve(token=TOKEN)
    for method, path in CHANGING:
        assert api.request(method, path, {"tids": []}).status == 401
    assert api.get("/task/list", **bearer(TOKEN))["detail"] == []


def test_a_body_without_a_token_is_not_even_asked_for(serve):
    api = serve(token=TOKEN)
    host, _, port = api.url.partition("//")[2].partition(":")
    with socket.create_connection((host, int(port)), 5) as sock:
        sock.sendall(b"POST /task HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\nExpect: 100-continue\r\n\r\n")
        assert sock.recv(65536).startswith(b"HTTP/1.1 401 ")
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(65536):
            pass


def test_health_the_page_and_options_need_none(serve):
    api = serve(token=TOKEN)
    assert api.get("/health").json == {"status": "success"}
    assert api.request("HEAD", "/health").status == 200
    for path in ("/", "/app.js", "/style.css", "/icon.svg", "/manifest.webmanifest"):
        assert api.get(path).status == 200
        assert api.request("PUT", path).status == 401
    assert api.get("/styleXcss").status == 401
    assert api.request("POST", "/health", {}).status == 401
    assert "GET" in api.request("OPTIONS", "/task/list").headers["allow"]


def test_a_page_that_asks_for_the_token_gets_no_challenge():
    reply = Access(TOKEN).refusal(head(x_requested_with="fetch"), "1.2.3.4")
    assert reply.status == 401 and ("WWW-Authenticate", 'Bearer realm="dlserv"') in reply.headers


def test_no_token_of_a_client_that_guesses_is_looked_at():
    clock = Clock()
    access = Access(TOKEN, clock=clock)
    wrong, right = head(authorization="Bearer x"), head(authorization="Bearer " + TOKEN)
    for number in range(MOST_FAILURES):
        assert status(access, right) is None
        assert status(access, wrong) == 401
        clock.now += 1
    for guess in (wrong, right, head(**basic(TOKEN))):
        reply = access.refusal(guess, "1.2.3.4")
        assert reply.status == 429 and ("Retry-After", "50") in reply.headers and b"50 s" in reply.body
    assert status(access, right, "1.2.3.5") is None, "the owner elsewhere is let in"
    assert status(access, wrong, "1.2.3.5") == 401
    assert status(access, head()) == 401, "no token is no guess"
    assert status(access, wrong, public=True) is None
    clock.now += 50
    assert status(access, right) is None, "one failure is forgotten"
    assert status(access, wrong) == 401
    assert status(access, right) == 429
    clock.now += 61
    assert status(access, right) is None and status(access, wrong) == 401


@pytest.mark.parametrize("others, is_damped", [
    (["2001:db8::2", "2001:db8::ffff:1:2:3"], True), (["2001:db8:0:1::1", "2001:db9::1"], False),
    (["::ffff:192.0.2.1"], False)])
def test_a_client_is_a_network_of_64_bits(others, is_damped):
    access = Access(TOKEN)
    for _ in range(MOST_FAILURES):
        assert status(access, head(authorization="Bearer x"), "2001:db8::1") == 401
    for other in others:
        assert status(access, head(authorization="Bearer " + TOKEN), other) == (429 if is_damped else None)


def test_memory_for_guesses_is_bounded():
    access, wrong = Access(TOKEN), head(authorization="Bearer x")
    tracemalloc.start()
    try:
        for number in range(10000):
            assert status(access, wrong, "address %d" % number) == 401
        assert tracemalloc.get_traced_memory()[0] < 2 ** 21
    finally:
        tracemalloc.stop()


def test_guesses_are_counted_over_all_connections(serve):
    """The eleventh wrong token and every later one is a 429, however many connections ask at once."""
    api, codes = serve(token=TOKEN), []

    def guess(number):
        with Api(api.url) as client:
            codes.extend(client.get("/task/list", **bearer("%d-%d" % (number, each))).status for each in range(5))

    threads = [threading.Thread(target=guess, args=(number,)) for number in range(10)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(codes) == [401] * MOST_FAILURES + [429] * 40


@pytest.mark.parametrize("name", ["", "http://nas.lan", "nas.lan:80", "[::1]", "a b", 5])
def test_a_host_that_is_no_name_is_refused(settings, name):
    settings["server"]["allowed_hosts"] = [name]
    with pytest.raises(InvalidValue, match="server.allowed_hosts"):
        Daemon(settings)


def test_guesses_do_not_lock_out_another_address(serve):
    api = serve(token=TOKEN)
    answers = [api.get("/task/list", **bearer("%d" % number)) for number in range(12)]
    assert [answer.status for answer in answers] == [401] * 10 + [429] * 2
    assert 0 < int(answers[-1].headers["retry-after"]) <= 60 and answers[-1]["code"] == "too_many"
    assert "www-authenticate" not in answers[-1].headers
    assert api.get("/task/list", **bearer(TOKEN)).status == 429
    assert api.get("/task/list").status == 401 and api.get("/health").status == 200
    elsewhere = http.client.HTTPConnection(api.url.partition("//")[2], source_address=("127.0.0.2", 0))
    for headers, code in ((bearer(TOKEN), 200), (basic("wrong"), 401)):
        elsewhere.request("GET", "/task/list", headers=headers)
        answer = elsewhere.getresponse()
        assert answer.status == code and answer.read()
    elsewhere.close()


def test_the_token_is_told_to_nobody(serve, caplog):
    caplog.set_level(0)
    api = serve(token=TOKEN)
    for number in range(9):
        api.get("/task/list", **bearer(TOKEN + "x"))
    texts = [api.get(path, **bearer(TOKEN)).body.decode() for path in
             ("/config", "/stats", "/metrics", "/openapi.json", "/task/list", "/nowhere")]
    assert api.get("/config", **bearer(TOKEN))["config"]["server"]["token"] == "***"
    for number in range(3):
        texts.append(api.get("/task/list", **bearer(TOKEN + "x")).body.decode())
    assert not any(TOKEN in text for text in texts + [caplog.text])
    assert "wrong tokens came from 127.0.0.1" in caplog.text


@pytest.mark.parametrize("token", ["x" * 16, "x" * 1024, "", None])
def test_a_token_of_16_characters_is_long_enough(settings, tmp_path, token):
    settings["server"]["token"] = token
    with Daemon(settings) as daemon, Server(daemon) as server:
        assert server.access.token == (token or None)
    if token:
        (tmp_path / "token").write_text(token)
        settings["server"] = {"port": 0, "token_file": str(tmp_path / "token")}
        with Daemon(settings) as daemon, Server(daemon) as server:
            assert server.access.token == token


@pytest.mark.parametrize("token", ["x" * 15, "1"])
def test_a_token_under_16_characters_is_refused(settings, tmp_path, token):
    (tmp_path / "token").write_text(token + "\n" + "x" * 20)
    for key, value in (("token", token), ("token_file", str(tmp_path / "token"))):
        settings["server"] = {key: value}
        with Daemon(settings) as daemon:
            with pytest.raises(InvalidValue, match="^server.%s: .* fewer than 16 characters.*choose" % key):
                Server(daemon)


@pytest.mark.parametrize("kind", ["folder", "fifo", "endless"])
def test_a_token_file_that_is_no_file_is_a_sentence(settings, tmp_path, kind):
    path = {"folder": str(tmp_path), "fifo": str(tmp_path / "fifo"), "endless": "/dev/zero"}[kind]
    if kind == "fifo":
        os.mkfifo(path)
    settings["server"]["token_file"] = path
    with Daemon(settings) as daemon:
        with pytest.raises(InvalidValue, match="^server.token_file: .*" + re.escape(path)):
            Server(daemon)


def test_a_token_may_come_from_a_pipe(settings):
    reader, writer = os.pipe()
    os.write(writer, TOKEN.encode() + b"\n")
    os.close(writer)
    settings["server"]["token_file"] = "/dev/fd/%d" % reader
    with Daemon(settings) as daemon, Server(daemon) as server, Api(server.url) as api:
        assert api.get("/task/list", **bearer(TOKEN)).status == 200
    os.close(reader)


@pytest.mark.parametrize("token", ["a b" * 10, "\xe9" * 16, "x" * 1025, 5, "a\n" * 10])
def test_a_token_that_cannot_be_sent_is_not_repeated(settings, token):
    settings["server"]["token"] = token
    with pytest.raises(InvalidValue, match="^server.token: it is not made of visible ASCII characters$"):
        Daemon(settings)


def test_it_may_come_from_a_file(serve, tmp_path):
    path = tmp_path / "token"
    path.write_text(TOKEN + "\nwhatever\n")
    api = serve(token_file=str(path))
    assert api.get("/task/list").status == 401
    assert api.get("/task/list", **bearer(TOKEN)).status == 200


@pytest.mark.parametrize("data", [None, b"", b"\n", b"two words\n", b"\xff\xfe"])
def test_a_file_without_one_is_a_sentence(settings, tmp_path, data):
    path = tmp_path / "token"
    if data is not None:
        path.write_bytes(data)
    settings["server"]["token_file"] = str(path)
    with Daemon(settings) as daemon:
        with pytest.raises(InvalidValue, match="^server.token_file: .*%s" % re.escape(str(path))):
            Server(daemon)


# -- names ------------------------------------------------------------------------------

@pytest.mark.parametrize("host", [
    "localhost", "LOCALHOST:6880", "localhost.", "127.0.0.1", "192.168.1.5:6880", "[::1]:6880", "[fe80::1]",
    "0.0.0.0:1", socket.gethostname(), socket.gethostname().split(".")[0] + ".local:80", "nas.example:9",
    "NAS.example", "a.lan", "b.a.lan:1", "xn--fa-hia.example", "a.xn--fa-hia.lan:1", None])
def test_names_that_are_known(host):
    assert status(Access(hosts=["nas.example", ".lan", "faß.example", ".faß.lan"]), head(host=host)) is None


@pytest.mark.parametrize("host", [
    "evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "evil", "", ":80", "lan", "nas.example.org",
    "localhost:80:80", "[localhost]", "2130706433", "0x7f.1", "127.1", "localhost/", "user@localhost",
    "127.0.0.1, evil.example", "[::1", "\xe9"])
def test_names_that_are_not(host):
    access = Access(hosts=["nas.example", ".lan"])
    assert status(access, head(host=host)) == 403
    assert status(access, head("OPTIONS", host=host)) == 403
    assert status(access, head(host=host), public=True) is None
    assert status(Access(TOKEN), head(host=host, authorization="Bearer " + TOKEN)) is None


def test_a_name_that_leads_here_is_refused_with_advice(serve):
    api = serve(allowed_hosts=["box.example"])
    for method, path in [("GET", "/task/list"), ("GET", "/nowhere"), ("POST", "/task"), ("GET", "/events")]:
        answer = api.request(method, path, headers={"Host": "rebound.example:6880"})
        assert answer.status == 403
        assert "rebound.example" in answer["errmsg"] and "server.allowed_hosts" in answer["errmsg"]
    assert api.get("/health", Host="rebound.example").status == 200
    assert api.get("/task/list", Host="box.example:99").status == 200


# -- origins ----------------------------------------------------------------------------

@pytest.mark.parametrize("origin, host", [
    ("http://localhost:6880", "localhost:6880"), ("http://LOCALHOST:6880", "localhost:6880"),
    ("https://nas.example", "nas.example"), ("https://nas.example", "nas.example:443"),
    ("http://nas.example", "nas.example:80"), ("http://[::1]:6880", "[::1]:6880")])
def test_an_own_page(origin, host):
    assert is_same(origin, host)


@pytest.mark.parametrize("origin, host", [
    ("null", "localhost"), ("", "localhost"), ("http://localhost:6881", "localhost:6880"),
    ("http://localhost", "localhost:6880"), ("http://evil.example", "localhost"), ("file://", "localhost"),
    ("http://localhost.evil.example", "localhost"), ("http://localhost:x", "localhost"), ("http://", ""),
    ("null", ""), ("file://localhost", "localhost"), ("https://nas.example", "nas.example:80"),
    ("http://localhost", "localhost:" + "1" * 5000), ("http://localhost/", "localhost"),
    ("http://localhost", "evil@localhost"), ("http://evil@localhost", "localhost"), ("localhost", "localhost")])
def test_another_s_page(origin, host):
    assert not is_same(origin, host)


@pytest.mark.parametrize("token", [None, TOKEN])
@pytest.mark.parametrize("headers", [
    {"Origin": "https://evil.example"}, {"Origin": "null"}, {"Origin": "http://127.0.0.1:1"}, {"Origin": ""},
    {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"},
    {"Origin": "https://evil.example", "Sec-Fetch-Site": "same-origin"}])
def test_pages_of_others_change_nothing(serve, token, headers):
    api = serve(token=token)
    known = bearer(TOKEN) if token else {}
    forms = ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x",
             "application/json", None]
    for method, path in CHANGING:
        for kind in forms:
            sent = dict(headers, **known)
            if kind:
                sent["Content-Type"] = kind
            answer = api.request(method, path, b"url=http://127.0.0.1:1/", sent)
            assert answer.status == 403 and "server.allowed_origins" in answer["errmsg"], (method, path, kind)
            assert "access-control-allow-origin" not in answer.headers
    assert api.get("/task/list", **dict(headers, **known))["detail"] == []


def test_pages_of_our_own_and_tools_do(serve):
    api = serve()
    own = {"Origin": api.url, "Sec-Fetch-Site": "same-origin"}
    for number, headers in enumerate([own, {"Origin": api.url}, {"Sec-Fetch-Site": "none"}, {}]):
        url = "http://127.0.0.1:1/%d" % number
        answer = api.request("POST", "/task", {"url": url, "options": {"paused": True}}, headers)
        assert answer.status == 200, answer


def test_a_form_of_plain_text_is_no_request(serve):
    answer = serve().request("POST", "/task", b'{"url": "http://127.0.0.1:1/"}', {"Content-Type": "text/plain"})
    assert answer.status == 415


@pytest.mark.parametrize("allowed, origin", [
    ("https://faß.example", "https://xn--fa-hia.example"),
    ("http://faß.example:8080", "http://xn--fa-hia.example:8080"),
    ("http://[::1]:8080", "http://[::1]:8080"), ("chrome-extension://abcdef", "chrome-extension://abcdef")])
def test_a_site_is_known_as_browsers_write_it(allowed, origin):
    access = Access(origins=[allowed])
    assert status(access, head("POST", origin=origin)) is None
    assert status(access, head("POST", origin=origin + "x")) == 403


def test_a_site_that_is_welcome(serve):
    api = serve(allowed_origins=["https://Panel.example/"], token=TOKEN)
    origin = {"Origin": "https://panel.example", "Sec-Fetch-Site": "cross-site"}
    asked = api.request("OPTIONS", "/task", headers=dict(
        origin, **{"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}))
    assert asked.status == 200
    assert asked.headers["access-control-allow-origin"] == "https://panel.example"
    assert "POST" in asked.headers["access-control-allow-methods"]
    assert "authorization" in asked.headers["access-control-allow-headers"].lower()
    assert asked.headers["vary"] == "Origin"
    answer = api.request("POST", "/task", {"url": "http://127.0.0.1:1/", "options": {"paused": True}},
                         dict(origin, **bearer(TOKEN)))
    assert answer.status == 200 and answer.headers["access-control-allow-origin"] == "https://panel.example"
    refused = api.get("/task/list", **origin)
    assert refused.status == 401 and refused.headers["access-control-allow-origin"] == "https://panel.example"
    other = api.get("/task/list", Origin="https://other.example", **bearer(TOKEN))
    assert other.headers["vary"].startswith("Origin") and "access-control-allow-origin" not in other.headers
    assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize("origin", ["*", "null", "panel.example", "https://", "https://a/b", "https://a b", 5])
def test_an_origin_that_is_none_is_refused(settings, origin):
    settings["server"]["allowed_origins"] = [origin]
    with pytest.raises(InvalidValue, match="server.allowed_origins"):
        Daemon(settings)


def test_every_reply_has_its_shield(serve):
    api = serve()
    for method, path, headers in [("GET", "/task/list", {}), ("GET", "/nowhere", {}), ("GET", "/metrics", {}),
                                  ("GET", "/task/list", {"Host": "evil.example"}), ("BREW", "/task", {})]:
        answer = api.request(method, path, headers=headers)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert answer.headers["cache-control"] == "no-store"
        assert "server" not in answer.headers
