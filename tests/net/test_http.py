"""Redirects, credentials and codings: what is sent where, and what is made of the answer."""

import base64

import pytest

from dlserv.errors import Permanent, Temporary
from harness import listing, noise
from net.test_tls import CA, context
from servers.origin import drop, Origin, raw, redirect, refuse, whole
from servers.proxies import HttpProxy

DATA = noise(100000)


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
def test_redirects_are_followed(origin, attempt, folder, status):
    origin.put("/start", script=[redirect("/next/../file.bin?x=1", status)])
    origin.put("/file.bin?x=1", DATA)
    done = attempt(origin.url("/start")).run()
    assert done.finished.name == "file.bin" and (folder / "file.bin").read_bytes() == DATA
    assert done.finished.resource.url == origin.url("/file.bin?x=1")


def test_twenty_redirects_are_followed_and_one_more_is_not(origin, attempt):
    for number in range(21):
        origin.put("/%d" % number, script=[redirect("/%d" % (number + 1))] * 2)
    origin.put("/21", DATA)
    attempt(origin.url("/1")).run()
    assert attempt(origin.url("/0")).fails(Permanent) == "there were more than 20 redirects"


def test_a_redirect_to_itself_comes_to_an_end(origin, attempt):
    origin.put("/a", script=[redirect("/a")] * 50)
    assert attempt(origin.url("/a")).fails(Permanent) == "there were more than 20 redirects"


@pytest.mark.parametrize("status", ["300 Multiple Choices", "310 What", "399 Who knows"])
def test_another_3xx_is_followed_if_it_says_where_to(origin, attempt, folder, status):
    origin.put("/a", script=[redirect("/b", status), refuse(status)])
    origin.put("/b", DATA)
    attempt(origin.url("/a")).run()
    assert (folder / "b").read_bytes() == DATA
    assert status[:3] in attempt(origin.url("/a")).fails(Permanent)


@pytest.mark.parametrize("status", ["304 Not Modified", "305 Use Proxy", "306 Unused"])
def test_a_3xx_that_leads_nowhere_is_final(origin, attempt, status):
    origin.put("/a", script=[redirect("/b", status)])
    assert status[:3] in attempt(origin.url("/a")).fails(Permanent)


@pytest.mark.parametrize("location, path", [
    ("/x//y", "/x//y"), ("x//y", "/a//x//y"), ("..//x", "/a//x"), ("?x=//y", "/a//b?x=//y"),
    (".//x", "/a///x")])
def test_a_relative_location_keeps_its_slashes(origin, attempt, location, path):
    origin.put("/a//b", script=[redirect(location)])
    origin.put(path, DATA)
    attempt(origin.url("/a//b")).run()
    assert origin.requests[-1].path == path


def test_a_location_of_any_length_is_followed_whole_or_refused(origin, attempt):
    room = 8192 - len(origin.url("/"))
    for length, is_followed in ((room, True), (room + 1, False), (30000, False)):
        path = "/" + "a" * length
        origin.put("/a", script=[redirect(path)])
        origin.put(path, DATA)
        if is_followed:
            attempt(origin.url("/a"), filename="x").run()
        else:
            assert "longer than" in attempt(origin.url("/a")).fails(Permanent)
    assert {len(request.path) for request in origin.requests} == {2, room + 1}


# -- what a status means ------------------------------------------------------------------------

@pytest.mark.parametrize("status", [
    "200 OK", "201 Created", "203 Non-Authoritative", "207 Many", "226 IM Used", "299 Ok"])
def test_a_2xx_with_a_body_is_the_file(origin, attempt, folder, status):
    origin.put("/a", DATA, script=[whole(status)])
    done = attempt(origin.url("/a"), connections=4).run()
    assert (folder / "a").read_bytes() == DATA and done.notes == []


@pytest.mark.parametrize("status", ["202 Accepted", "204 No Content", "205 Reset Content"])
def test_a_2xx_that_has_no_file_is_final(origin, attempt, folder, status):
    origin.put("/a", DATA, script=[whole(status)])
    assert status[:3] in attempt(origin.url("/a")).fails(Permanent)
    assert list(folder.iterdir()) == []


def test_an_empty_file_needs_a_status_that_is_known(origin, attempt, folder):
    for status in ("200 OK", "203 Non-Authoritative"):
        origin.put("/" + status[:3], b"", script=[whole(status)])
        attempt(origin.url("/" + status[:3])).run()
    for status in ("201 Created", "299 Ok"):
        origin.put("/" + status[:3], b"", script=[whole(status)])
        assert status[:3] in attempt(origin.url("/" + status[:3])).fails(Permanent)
    assert sorted(path.name for path in folder.iterdir()) == ["200", "203"]


@pytest.mark.parametrize("status", [
    408, 425, 429, 500, 501, 505, 507, 509, 511, 520, 522, 525, 530, 598, 599])
def test_a_status_that_may_pass_is_temporary(origin, attempt, status):
    origin.put("/a", script=[refuse("%d So it is" % status)])
    assert "the server answered %d" % status in attempt(origin.url("/a")).fails(Temporary)


@pytest.mark.parametrize("status", [101, 400, 402, 404, 407, 418, 421, 423, 451, 499, 600, 999])
def test_any_other_status_is_final(origin, attempt, status):
    origin.put("/a", script=[refuse("%d So it is" % status)])
    assert "the server answered %d" % status in attempt(origin.url("/a")).fails(Permanent)


def test_a_206_to_a_request_without_a_range_is_the_file(origin, attempt, folder):
    origin.put("/a", DATA, script=[whole("206 Partial Content"), drop(after=50000)])
    attempt(origin.url("/a")).run()
    assert (folder / "a").read_bytes() == DATA
    first = attempt(origin.url("/a"))
    first.fails(Temporary)
    origin.put("/a", DATA, script=[whole("206 Partial Content")])
    again = attempt(origin.url("/a"), kept=first.progress).run()
    assert "206 without a usable Content-Range" in again.notes[0]
    assert (folder / "a (1)").read_bytes() == DATA


def test_a_206_of_several_ranges_is_no_file(origin, attempt, folder):
    several = whole("206 Partial Content", Content_Type="multipart/byteranges; boundary=x")
    origin.put("/a", DATA, script=[several] * 9)
    assert "without a usable Content-Range" in attempt(origin.url("/a")).fails(Permanent)


@pytest.mark.parametrize("form", ["%d-%d/%d", "bytes=%d-%d/%d", "bytes: %d-%d/%d", "Bytes %d - %d / %d"])
def test_a_content_range_is_read_in_any_spelling(origin, attempt, folder, form):
    def odd(exchange):
        start, end = exchange.wanted()
        exchange.send(exchange.begin(Content_Range=form % (start, end - 1, len(DATA))))
    origin.put("/a", DATA, script=[drop(after=50000), odd])
    first = attempt(origin.url("/a"))
    first.fails(Temporary)
    done = attempt(origin.url("/a"), kept=first.progress).run()
    assert (folder / "a").read_bytes() == DATA and done.notes == [] and origin.sent < 1.6 * len(DATA)


@pytest.mark.parametrize("location, reason", [
    ("file:///etc/passwd", "scheme 'file'"), ("gopher://x/", "scheme"), ("http:///nohost", "no host"),
    ("http://host:99999/", "port"), ("", "without saying where"),
    ("http://[::1/x", "to a URL that has a host that cannot")])
def test_a_redirect_to_nowhere_is_final(origin, attempt, location, reason):
    origin.put("/a", script=[redirect(location)])
    assert reason in attempt(origin.url("/a")).fails(Permanent) or location == "http:///nohost"


@pytest.mark.parametrize("answer, sentence", [
    (b"\x1b[2JHi\r\n\r\n", "the server's answer is not HTTP: [2JHi"),
    (b"HTTP/1.1 399 \x1b[2JNo\xff\r\n\r\n", "the server answered 399 [2JNo\xff"),
    (b"x" * 9000 + b"\r\n\r\n", ("the server's answer is not HTTP: " + "x" * 300)[:300])])
def test_what_a_server_says_is_told_in_one_short_line(origin, attempt, answer, sentence):
    origin.put("/a", script=[raw(answer)] * 2)
    assert attempt(origin.url("/a")).fails((Permanent, Temporary)) == sentence


def test_a_redirect_with_raw_bytes_is_encoded(origin, attempt):
    origin.put("/a", script=[redirect("/ä b")])
    origin.put("/%C3%A4%20b", DATA)
    assert attempt(origin.url("/a")).run().finished.name == "ä b"


def basic(text):
    return "Basic " + base64.b64encode(text.encode()).decode()


ASK = refuse("401 Unauthorized", WWW_Authenticate='Basic realm="x"')


def test_credentials_in_a_url_are_sent_when_asked_for(origin, attempt):
    origin.put("/a", DATA, script=[ASK])
    done = attempt(origin.url("/a", user="me:s%40cret")).run()
    assert "authorization" not in origin.requests[0].headers
    assert origin.requests[1].headers["authorization"] == basic("me:s@cret")
    assert "cret" not in repr(done.finished)


def test_credentials_stay_behind_when_the_origin_changes(origin, other, attempt):
    secrets = dict(user="me", password="pw", cookies="sid=1",
                   headers={"X-Api-Key": "k", "X-Wish": "w", "AUTHORIZATION": "Bearer t"})
    origin.put("/a", script=[redirect("/b")])
    origin.put("/b", script=[redirect(other.url("/c"))])
    other.put("/c", DATA)
    attempt(origin.url("/a"), **secrets).run()
    for request in origin.requests:
        assert request.headers["authorization"] == "Bearer t"
        assert request.headers["cookie"] == "sid=1" and request.headers["x-api-key"] == "k"
    (there,) = other.requests
    assert not {"authorization", "cookie", "x-api-key"} & set(there.headers)
    assert there.headers["x-wish"] == "w"


@pytest.mark.parametrize("challenge", [
    None, "", "Negotiate", 'Bearer realm="x"', "NTLM", 'Digest realm="r", nonce="n", algorithm=X'])
@pytest.mark.parametrize("where", ["url", "options"])
def test_the_tasks_credentials_answer_a_401_nobody_can(origin, attempt, challenge, where):
    headers = {} if challenge is None else {"WWW_Authenticate": challenge}
    origin.put("/a", DATA, script=[refuse("401 Unauthorized", **headers)])
    if where == "url":
        attempt(origin.url("/a", user="me:pw")).run()
    else:
        attempt(origin.url("/a"), user="me", password="pw").run()
    assert [request.headers.get("authorization") for request in origin.requests] == [None, basic("me:pw")]


def test_credentials_that_are_wrong_are_sent_once(origin, attempt):
    origin.put("/a", DATA, script=[refuse("401 Unauthorized")] * 9)
    assert "401" in attempt(origin.url("/a"), user="me", password="pw").fails(Permanent)
    assert len(origin.requests) == 2


def test_a_header_of_the_task_is_not_joined_by_another(origin, attempt):
    origin.put("/a", DATA, script=[refuse("401 Unauthorized")] * 9)
    given = dict(user="me", password="pw", headers={"AUTHORIZATION": "Bearer t"})
    assert "401" in attempt(origin.url("/a"), **given).fails(Permanent)
    assert [request.headers["authorization"] for request in origin.requests] == ["Bearer t"]


def test_without_credentials_a_401_is_the_answer(origin, attempt, tmp_path):
    origin.put("/a", DATA, script=[refuse("401 Unauthorized")] * 9)
    netrc = tmp_path / "netrc"
    netrc.write_text("default login me password pw")
    netrc.chmod(0o600)
    for path in (None, str(netrc)):     # the netrc's were not given for this task
        assert "401" in attempt(origin.url("/a"), netrc=path).fails(Permanent)
    assert len(origin.requests) == 2


@pytest.mark.parametrize("first, then, kept", [
    ("http://localhost/a", "https://localhost/b", True), ("http://localhost/a", "https://127.0.0.1/b", False),
    ("http://localhost:81/a", "https://localhost/b", False),
    ("http://localhost/a", "https://localhost:444/b", False),
    ("https://localhost/a", "http://localhost/b", False)])
def test_credentials_go_from_http_to_https_of_a_host(origin, attempt, first, then, kept):
    with Origin(context()) as secure:
        places = {name + port: server.server_address for name in ("localhost", "127.0.0.1")
                  for port, server in ((":80", origin), (":81", origin), (":443", secure), (":444", secure))}
        servers = (secure, origin) if first.startswith("https") else (origin, secure)
        servers[0].put("/a", script=[redirect(then)])
        servers[1].put("/b", DATA)
        with HttpProxy(places=places) as proxy:
            attempt(first, proxy=proxy.url(), user="me", password="pw", cookies="sid=1",
                    headers={"X-Api-Key": "k"}, settings={"ca_file": CA}).run()
        (request,) = servers[1].requests
    secrets = {"authorization", "cookie", "x-api-key"}
    assert secrets & set(request.headers) == (secrets if kept else set())
    assert not kept or request.headers["authorization"] == basic("me:pw")


def test_credentials_of_a_url_go_from_http_to_https_too(origin, attempt):
    with Origin(context()) as secure, HttpProxy(places={
            "localhost:80": origin.server_address, "localhost:443": secure.server_address}) as proxy:
        origin.put("/a", script=[redirect("https://localhost/b")])
        secure.put("/b", DATA)
        attempt("http://me:pw@localhost/a", proxy=proxy.url(), settings={"ca_file": CA}).run()
        assert secure.requests[0].headers["authorization"] == basic("me:pw")


def test_the_request_says_what_the_options_say(origin, attempt):
    origin.put("/a", DATA)
    attempt(origin.url("/a"), user_agent="me/1", referer="http://r/", headers={"X-Ü".replace("Ü", "U"): "ä"}).run()
    headers = origin.requests[0].headers
    assert headers["user-agent"] == "me/1" and headers["referer"] == "http://r/"
    assert headers["x-u"].encode("latin-1").decode() == "ä"
    assert headers["accept-encoding"] == "identity"
    assert headers["host"] == "127.0.0.1:%d" % origin.server_address[1]


# -- transfer codings ----------------------------------------------------------------------------

@pytest.mark.parametrize("coding", ["identity", "Identity", "identity, identity"])
def test_identity_is_no_transfer_coding(origin, attempt, folder, coding):
    origin.put("/a", DATA, headers={"Transfer-Encoding": coding}, script=[drop(after=50000)])
    first = attempt(origin.url("/a"))
    assert "closed after 48.8 KiB of" in first.fails(Temporary)
    done = attempt(origin.url("/a"), kept=first.progress).run()
    assert (folder / "a").read_bytes() == DATA and done.notes == []
    origin.put("/b", script=[raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, identity\r\n\r\n"
                                 b"3\r\nabc\r\n0\r\n\r\n")])
    attempt(origin.url("/b")).run()
    assert (folder / "b").read_bytes() == b"abc"


def test_a_coding_nobody_knows_is_refused(origin, attempt):
    origin.put("/a", script=[refuse("200 OK", Transfer_Encoding="gzip, chunked")])
    assert "transfer coding" in attempt(origin.url("/a")).fails(Permanent)


@pytest.mark.parametrize("status, kind", [
    ("404 Not Found", Permanent), ("401 Unauthorized", Permanent), ("403 Forbidden", Permanent),
    ("410 Gone", Permanent), ("204 No Content", Permanent), ("304 Not Modified", Permanent),
    ("408 Request Timeout", Temporary), ("429 Too Many Requests", Temporary),
    ("500 Internal Server Error", Temporary), ("502 Bad Gateway", Temporary),
    ("503 Service Unavailable", Temporary), ("504 Gateway Timeout", Temporary)])
def test_a_refusal_is_told_in_the_servers_words(origin, attempt, folder, status, kind):
    origin.put("/a", script=[refuse(status)])
    assert attempt(origin.url("/a")).fails(kind).lower() == "the server answered %s" % status.lower()
    assert listing(folder) == []


def test_retry_after_is_passed_on(origin, attempt):
    origin.put("/a", script=[refuse("503 Busy", Retry_After="7")])
    with pytest.raises(Temporary) as caught:
        attempt(origin.url("/a")).download.run()
    assert caught.value.retry_after == 7
