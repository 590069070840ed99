"""The wire contract, row by row: every route, field, type and code, over real sockets."""

import hashlib
import http.client
import json
import logging
import socket

import pytest

from harness import Answer, noise, until
from servers.origin import OLD, Gate, redirect
from servers.origin import refuse as refuse_with

DATA = noise(50000)
NOWHERE = "http://127.0.0.1:1/"
UNKNOWN = "0" * 40
FORM = {"Content-Type": "application/x-www-form-urlencoded"}

NUMBER = (int, float)
EXCERPT = {"tid": str, "state": str, "title": str, "percent": str, "total_bytes": int,
           "speed": NUMBER, "eta": NUMBER}
STATUS = dict(EXCERPT, url=str, filename=str, tmpfilename=str, downloaded_bytes=int,
              total_bytes_estmt=int, elapsed=NUMBER, create_time=float, start_time=float,
              pause_time=float, finish_time=float, connections=int, retries=int,
              error=(str, type(None)), reason=(str, type(None)), log=list)
INFO = {"tid": str, "url": str, "final_url": str, "title": str, "filename": str, "ext": str,
        "format": str, "total_bytes": int, "etag": (str, type(None)),
        "last_modified": (str, type(None)), "resumable": bool, "checksum": (str, type(None)), "verified_time": float,
        "create_time": float, "finish_time": float, "options": dict}
STATES = ("queued", "downloading", "paused", "finished", "invalid")

ALLOWED = [
    ("/task", {"POST"}), ("/task/tid/" + UNKNOWN, {"PUT", "PATCH", "DELETE"}),
    ("/task/tid/%s/status" % UNKNOWN, {"GET", "HEAD"}), ("/task/tid/%s/info" % UNKNOWN, {"GET", "HEAD"}),
    ("/task/batch/pause", {"POST"}), ("/task/batch/resume", {"POST"}), ("/task/batch/delete", {"POST"}),
    ("/task/list", {"GET", "HEAD"}), ("/task/state_coutner", {"GET", "HEAD"}),
    ("/task/state_counter", {"GET", "HEAD"})]


@pytest.fixture
def settings(settings):
    """One slot, so that a task can be seen waiting for it."""
    settings["download"]["max_concurrent"] = 1
    return settings


@pytest.fixture
def one(api):
    """The tid of a task to which nothing happens."""
    return api.add(NOWHERE + "one.iso", paused=True)


@pytest.fixture
def tasks(api, origin):
    """{state: tid} of a task in each state, in the order they were added."""
    origin.put("/done.iso", DATA)
    origin.put("/half.iso", DATA, script=[Gate(after=20000)])
    tids = {"finished": api.add(origin.url("/done.iso")), "invalid": api.add(origin.url("/none.iso"))}
    for state in ("finished", "invalid"):
        api.reach(tids[state], state)
    tids["paused"] = api.add(NOWHERE + "one.iso", paused=True)
    tids["downloading"] = api.add(origin.url("/half.iso"))
    until(lambda: api.status(tids["downloading"])["downloaded_bytes"] == 20000)
    tids["queued"] = api.add(NOWHERE + "late.iso")
    return tids


def check_shape(detail, fields):
    """The fields are exactly these, each of its type; a bool is no number."""
    assert set(detail) == set(fields)
    for name, kind in fields.items():
        assert isinstance(detail[name], kind), name
        assert kind is bool or not isinstance(detail[name], bool), name


def refused(answer, status, *words):
    """Check that this is an error in the contract's form, and that its sentence has the words."""
    assert answer.status == status, answer
    assert answer["status"] == "error"
    for word in words:
        assert word in answer["errmsg"], answer
    return answer


def worked(answer):
    assert answer.status == 200 and answer["status"] == "success" and "errmsg" not in answer.json, answer
    return answer


def raw(api, request):
    """The reply to these very bytes."""
    host, port = api.url.partition("//")[2].split(":")
    with socket.create_connection((host, int(port)), timeout=10) as sock:
        sock.sendall(request)
        response = http.client.HTTPResponse(sock)
        response.begin()
        return Answer(response)


def tid_of(url):
    return hashlib.sha1(url.encode("utf-8")).hexdigest()


# -- every reply ------------------------------------------------------------------------

@pytest.mark.parametrize("method, path, body, status", [
    ("GET", "/config", None, 200), ("GET", "/task/list", None, 200), ("GET", "/none", None, 404),
    ("GET", "/task/list?state=lost", None, 400), ("GET", "/task", None, 405), ("OPTIONS", "/task", None, 200),
    ("POST", "/task", b"{", 400), ("POST", "/task", {"url": NOWHERE + "one.iso"}, 409),
    ("POST", "/task/batch/pause", [UNKNOWN], 207), ("BREW", "/task", None, 405)])
def test_every_reply_is_an_object_in_the_same_envelope(api, one, method, path, body, status):
    for _ in range(2):      # the second on the same connection: the length was exact
        answer = api.request(method, path, body)
        assert answer.status == status
        assert answer.headers["content-type"] == "application/json; charset=utf-8"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert int(answer.headers["content-length"]) == len(answer.body)
        assert "connection" not in answer.headers and "transfer-encoding" not in answer.headers
        assert answer["status"] == ("success" if status == 200 else "error")
        assert status == 200 or len(answer["errmsg"]) > 10


def test_every_request_finds_the_connection_open(quiet):
    quiet.get("/config")
    port = quiet.connection.sock.getsockname()
    for _ in range(5):
        quiet.get("/task/list")
        quiet.get("/none")
        quiet.post("/task", {"url": "nonsense"})
    assert quiet.connection.sock.getsockname() == port


def test_a_reply_leaves_in_one_piece(quiet):
    host, port = quiet.url.partition("//")[2].split(":")
    with socket.create_connection((host, int(port)), timeout=10) as sock:
        for _ in range(20):
            sock.sendall(b"GET /task/list HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert sock.recv(65536).endswith(b"}\n")


@pytest.mark.parametrize("path", ["/config", "/task/list", "/task/state_coutner", "/task/tid/%s/status",
                                  "/task/tid/%s/info", "/task/list?exerpt=false&limit=1"])
def test_head_is_get_without_the_body(api, one, path):
    path = path % one if "%" in path else path
    full, head = api.get(path), api.request("HEAD", path)
    assert (full.status, head.status, head.body) == (200, 200, b"")
    for headers in (full.headers, head.headers):
        headers.pop("date")
    assert head.headers == full.headers


def test_head_of_an_error_has_no_body_either(quiet):
    assert quiet.request("HEAD", "/none").status == 404
    assert quiet.request("HEAD", "/task").status == 405
    assert quiet.request("HEAD", "/task/list?state=lost").body == b""
    worked(quiet.get("/config"))


@pytest.mark.parametrize("path, methods", ALLOWED)
def test_a_wrong_method_is_told_the_right_ones(quiet, path, methods):
    for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "BREW"):
        if method in methods:
            continue
        answer = quiet.request(method, path)
        assert answer.status == 405, method
        assert set(answer.headers["allow"].split(", ")) == methods | {"OPTIONS"}
        if method != "HEAD":
            refused(answer, 405, method)


@pytest.mark.parametrize("path, methods", ALLOWED)
def test_options_tells_what_is_allowed(quiet, path, methods):
    answer = worked(quiet.request("OPTIONS", path))
    assert set(answer.headers["allow"].split(", ")) == methods | {"OPTIONS"}


@pytest.mark.parametrize("path", ["/none", "/task/", "/tasks", "/task/list/", "/TASK/list", "//task/list",
                                  "/task/tid/", "/task/tid//status", "/task/tid/a/b/status", "/task/batch/no",
                                  "/task/tid/%s/nothing" % UNKNOWN, "/../etc/passwd", "/task%2Flist"])
def test_an_unknown_path_is_a_404_for_every_method(quiet, path):
    for method in ("GET", "POST", "PUT", "DELETE", "OPTIONS", "BREW"):
        answer = refused(quiet.request(method, path), 404, "path")
        assert "allow" not in answer.headers


@pytest.mark.parametrize("method, path", [
    ("PUT", "?act=pause"), ("PUT", "?act=resume"), ("DELETE", ""), ("GET", "/status"), ("GET", "/info")])
def test_an_unknown_task_is_a_404_that_names_it(quiet, method, path):
    refused(quiet.request(method, "/task/tid/%s%s" % (UNKNOWN, path)), 404, UNKNOWN)


def test_unknown_query_parameters_are_ignored(api, one):
    for path in ("/task/list?foo=bar", "/task/tid/%s/status?_=123" % one, "/config?exerpt=maybe"):
        worked(api.get(path))
    worked(api.put("/task/tid/%s?act=resume&why=not" % one))


def test_query_text_that_is_no_utf_8_is_a_400(quiet):
    refused(quiet.get("/task/list?state=%ff%fe"), 400, "query")


@pytest.mark.parametrize("word, value", [
    ("true", True), ("True", True), ("TRUE", True), ("1", True), ("yes", True), ("YES", True),
    ("false", False), ("False", False), ("0", False), ("no", False), ("No", False)])
@pytest.mark.parametrize("name", ["exerpt", "excerpt"])
def test_booleans_in_a_query_are_what_people_write(api, one, name, word, value):
    fields = set(EXCERPT if value else STATUS)
    assert set(api.get("/task/tid/%s/status?%s=%s" % (one, name, word))["detail"]) == fields
    assert set(api.get("/task/list?%s=%s" % (name, word))["detail"][0]) == fields


@pytest.mark.parametrize("word", ["", "2", "tru", "none", "-1", "true%20false", "%00"])
def test_a_boolean_that_is_none_is_a_400(api, one, word):
    for name in ("exerpt", "excerpt"):
        refused(api.get("/task/list?%s=%s" % (name, word)), 400, name)
        refused(api.get("/task/tid/%s/status?%s=%s" % (one, name, word)), 400, name)
    refused(api.delete("/task/tid/%s?del_file=%s" % (one, word)), 400, "del_file")
    api.status(one)         # and it was not deleted


# -- POST /task -------------------------------------------------------------------------

def test_a_tid_is_the_sha_1_of_the_url_as_it_was_posted(api):
    for url in (NOWHERE + "a", NOWHERE + "A", NOWHERE + "ä b".replace(" ", "%20"),
                "HTTP://127.0.0.1:1/a#part", "http://user:pw@127.0.0.1:1/a"):
        answer = worked(api.post("/task", {"url": url, "options": {"paused": True}}))
        assert set(answer.json) == {"status", "tid"} and answer["tid"] == tid_of(url)


def test_a_url_is_added_only_once(api, one):
    for body, headers in (({"url": NOWHERE + "one.iso"}, {}), (b"url=http://127.0.0.1:1/one.iso", FORM)):
        assert refused(api.post("/task", body, **headers), 409, "already")["tid"] == one
    assert api.get("/task/state_coutner")["detail"]["all"] == 1


def test_options_may_be_left_out_or_null(api):
    for number, body in enumerate(({}, {"options": {}}, {"options": None}, {"options": {"dir": None}})):
        worked(api.post("/task", dict(body, url="%s%d" % (NOWHERE, number))))


def test_a_form_posts_a_task_with_options_as_fields(api):
    body = (b"url=http%3A%2F%2F127.0.0.1%3A1%2Fa+b&paused=true&connections=2&ratelimit=5000"
            b"&timeout=1.5&mirrors=http://h/1&mirrors=http://h/2&headers=X-A%3A+1%0AX-B%3A+2")
    tid = worked(api.post("/task", body, **FORM))["tid"]
    assert tid == tid_of("http://127.0.0.1:1/a b")      # "+" is a blank
    assert api.get("/task/tid/%s/info" % tid)["detail"]["options"] == {
        "paused": True, "connections": 2, "ratelimit": 5000, "timeout": 1.5,
        "mirrors": ["http://h/1", "http://h/2"], "headers": {"X-A": "1", "X-B": "2"}}


@pytest.mark.parametrize("body, word", [
    (b"paused=true", "url"), (b"url=", "url"), (b"url=http://h/&colour=red", "colour"),
    (b"url=http://h/&connections=many", "options.connections"),
    (b"url=http://h/&paused=maybe", "options.paused"),
    (b"url=http://h/&filename=%ff", "body"), (b"url=http://h/\xff", "body"), (b"url=a&url=b", "url"),
    (b"&".join(b"a=b" for _ in range(1000)), "body"), (b"no pairs", "body")])
def test_a_wrong_form_is_a_400_that_names_the_field(quiet, body, word):
    refused(quiet.post("/task", body, **FORM), 400, word)


def test_json_sent_as_a_form_is_told_which_type_to_send(quiet):
    headers = dict(FORM)        # what `curl -d '{…}'` sends
    for path, body in (("/task", b'{"url": "http://h/"}'), ("/task", b' \n[1]'), ("/task/batch/pause", b"[]"),
                       ("/task/batch/delete", b'{"tids": []}')):
        refused(quiet.post(path, body, **headers), 400, "Content-Type: application/json")


@pytest.mark.parametrize("kind", ["application/json", "APPLICATION/JSON", "application/json; charset=utf-8",
                                  'application/json;charset="UTF-8"', None])
def test_json_is_read_under_its_type_or_none_at_all(api, kind):
    headers = {"Content-Type": kind} if kind else {}
    worked(api.post("/task", json.dumps({"url": NOWHERE + "ä"}).encode(), **headers))
    worked(api.post("/task/batch/pause", b"[]", **headers))


@pytest.mark.parametrize("kind", ["text/plain", "text/json", "application/xml",
    "multipart/form-data; boundary=x",
                                  "application/json; charset=utf-16", "application/octet-stream", "nonsense"])
def test_another_type_is_a_415_that_names_it(quiet, kind):
    for path in ("/task", "/task/batch/pause", "/task/batch/resume", "/task/batch/delete"):
        refused(quiet.post(path, b'{"url": "http://h/"}', **{"Content-Type": kind}), 415, kind.split(";")[0])


def test_a_form_is_a_415_where_the_table_has_none(quiet):
    refused(quiet.post("/task/batch/pause", b"tids=1", **FORM), 415, "application/json")


@pytest.mark.parametrize("path", ["/task", "/task/batch/pause", "/task/batch/resume", "/task/batch/delete"])
def test_a_missing_body_is_a_411_and_an_empty_one_a_400(quiet, path):
    line = ("POST %s HTTP/1.1\r\nHost: localhost\r\n" % path).encode()
    refused(raw(quiet, line + b"\r\n"), 411, "Content-Length")
    refused(raw(quiet, line + b"Content-Length: 0\r\n\r\n"), 400)


def test_a_body_above_a_mebibyte_is_a_413(api):
    line = b"POST /task HTTP/1.1\r\nHost: localhost\r\n"
    refused(raw(api, line + b"Content-Length: 1048577\r\n\r\n"), 413, "1048576")
    body = json.dumps({"url": "x" * (2 ** 20 - 11)}).encode()
    assert len(body) == 2 ** 20
    refused(api.post("/task", body), 400, "url", "8192")


@pytest.mark.parametrize("body, word", [
    ({"uri": NOWHERE}, "uri"), ({"url": NOWHERE, "paused": True}, "paused"),
    ({"url": NOWHERE, "ä": 1}, "\\u00e4"),
    ({"url": NOWHERE, "options": {"colour": 1}}, "colour"),
    ({"url": NOWHERE, "options": {"conections": 1}}, "connections meant"),
    ({"url": NOWHERE, "options": {"exerpt": True}}, "exerpt")])
def test_an_unknown_key_of_a_body_is_a_400_that_names_it(quiet, body, word):
    refused(quiet.post("/task", body), 400, word)
    assert quiet.get("/task/state_counter")["detail"]["all"] == 0


def test_an_unknown_key_of_a_batch_is_a_400_that_names_it(quiet):
    for act in ("pause", "resume", "delete"):
        refused(quiet.post("/task/batch/" + act, {"tids": [], "tid": 1}), 400, "tid")


def test_ydl_opts_are_options_and_what_we_lack_is_noted(api):
    body = {"url": NOWHERE + "a", "ydl_opts": {"format": "best", "ratelimit": "1K", "continuedl": True},
            "options": {"paused": True}}
    tid = worked(api.post("/task", body))["tid"]
    assert set(api.get("/task/tid/%s/info" % tid)["detail"]["options"]) == {"ratelimit", "paused"}
    log = api.status(tid)["log"]
    assert {entry["type"] for entry in log} == {"warning"}
    assert sorted(word for entry in log for word in ("format", "continuedl") if word in entry["msg"]) \
        == ["continuedl", "format"]


def test_a_wrong_value_in_ydl_opts_is_refused_like_any_other(api):
    refused(api.post("/task", {"url": NOWHERE, "ydl_opts": {"retries": "infinite"}}), 400, "retries")
    for value in ("format", ["format"], 1, True, "", [], 0, False):
        refused(api.post("/task", {"url": NOWHERE, "ydl_opts": value}), 400, "ydl_opts")


@pytest.mark.parametrize("url, word", [
    ("file:///etc/passwd", "file"), ("gopher://h/", "gopher"),
    ("javascript:alert(1)", "absolute"), ("/a.iso", "absolute"), ("h/a.iso", "absolute"),
    ("http:///a.iso", "host"),
    ("http://", "host"), ("http://h:0/", "port"), ("http://h:65536/", "port"), ("http://a b/", "host"),
    ("http://h/\0", "control"), ("http://h\r\n/", "control"), (" \n", "url"),
    ("http://h/" + "a" * 8192, "8192"),
    ("", "url")])
def test_a_url_that_cannot_be_fetched_is_a_400_that_says_why(quiet, url, word):
    refused(quiet.post("/task", {"url": url}), 400, "url", word)


def test_an_iri_is_encoded_and_fetched(api, origin, folder):
    origin.put("/%C3%A4/%E2%82%AC%20x.iso?q=%C3%B6", DATA)
    url = origin.url("/ä/€%20x.iso?q=ö")
    tid = api.add(url)
    status = api.reach(tid, "finished")
    assert tid == tid_of(url) and status["filename"] == "€ x.iso"
    assert (folder / "€ x.iso").read_bytes() == DATA
    assert api.add("http://bücher.example/ä", paused=True) == tid_of("http://bücher.example/ä")


def test_blanks_around_a_url_are_cut_and_inside_sent_as_20(api, origin, folder):
    origin.put("/a%20b.iso?c=%20d", DATA)
    url = origin.url("/a b.iso?c= d")
    tid = api.add(" \t%s\u3000\r\n" % url)
    assert tid == tid_of(url) and api.reach(tid, "finished")["filename"] == "a b.iso"
    assert (folder / "a b.iso").read_bytes() == DATA
    assert refused(api.post("/task", {"url": url}), 409, "already")["tid"] == tid
    second = {"url": "\n%s/2 " % url, "options": {"paused": True}}
    batch = worked(api.post("/task/batch/add", {"tasks": [second]}))
    assert batch["tids"] == [tid_of(url + "/2")]
    worked(api.request("PATCH", "/task/tid/" + batch["tids"][0], {"url": " %s/3\n" % url}))
    assert api.status(batch["tids"][0])["url"] == url + "/3"


# -- one task ---------------------------------------------------------------------------

@pytest.mark.parametrize("state", STATES)
def test_status_and_info_have_every_field_in_every_state(api, tasks, state):
    tid = tasks[state]
    status = worked(api.get("/task/tid/%s/status" % tid))["detail"]
    check_shape(status, STATUS)
    check_shape(worked(api.get("/task/tid/%s/status?exerpt=true" % tid))["detail"], EXCERPT)
    check_shape(worked(api.get("/task/tid/%s/info" % tid))["detail"], INFO)
    assert (status["tid"], status["state"]) == (tid, state)
    for entry in status["log"]:
        check_shape(entry, {"time": int, "type": str, "msg": str})
        assert entry["type"] in ("debug", "warning", "error", "fatal")


def test_a_finished_task_says_so_in_every_field(api, tasks, origin):
    status = api.status(tasks["finished"])
    assert {name: status[name] for name in ("title", "percent", "total_bytes", "speed", "eta", "filename",
                                            "downloaded_bytes", "total_bytes_estmt", "connections",
                                            "error")} == {
        "title": "done", "percent": "100.0%", "total_bytes": 50000, "speed": 0, "eta": 0,
        "filename": "done.iso",
        "downloaded_bytes": 50000, "total_bytes_estmt": 50000, "connections": 0, "error": None}
    assert 0 < status["create_time"] <= status["start_time"] <= status["finish_time"]
    assert status["pause_time"] == 0.0 and status["url"] == origin.url("/done.iso")


def test_a_downloading_task_counts_what_is_there(api, tasks):
    status = api.status(tasks["downloading"])
    assert (status["percent"], status["total_bytes"], status["connections"]) == ("40.0%", 50000, 1)
    assert (status["filename"], status["tmpfilename"]) == ("half.iso", "half.iso.part")
    assert status["finish_time"] == 0.0 and status["elapsed"] > 0
    assert api.status(tasks["downloading"])["elapsed"] >= status["elapsed"]


def test_a_paused_task_keeps_what_it_has(api, tasks):
    tid = tasks["downloading"]
    worked(api.put("/task/tid/%s?act=pause" % tid))
    until(lambda: api.status(tid)["connections"] == 0)
    status = api.status(tid)
    assert (status["state"], status["percent"], status["speed"], status["eta"]) == ("paused", "40.0%", 0, 0)
    assert status["pause_time"] >= status["start_time"] > 0
    assert api.status(tid)["elapsed"] == status["elapsed"]


def test_an_invalid_task_says_why_and_resume_tries_again(api, tasks, origin):
    status = api.status(tasks["invalid"])
    assert status["error"] == "the server answered 404 Not Found"
    assert status["log"][0]["msg"] == status["error"] and status["log"][0]["type"] == "error"
    assert (status["percent"], status["speed"], status["finish_time"]) == ("0.0%", 0, 0.0)
    origin.put("/none.iso", DATA)
    worked(api.put("/task/tid/%s?act=pause" % tasks["downloading"]))
    worked(api.delete("/task/tid/%s" % tasks["queued"]))
    worked(api.put("/task/tid/%s?act=resume" % tasks["invalid"]))
    assert until(lambda: api.status(tasks["invalid"])["state"] == "finished")
    assert api.status(tasks["invalid"])["error"] is None


def test_a_task_that_never_ran_has_no_times_but_its_own(api, tasks):
    status = api.status(tasks["queued"])
    assert status["create_time"] > 0
    assert [status[name] for name in ("start_time", "pause_time", "finish_time", "elapsed", "speed",
        "eta")] == [0] * 6
    assert (status["percent"], status["total_bytes"], status["title"]) == ("0.0%", 0, "late")


def test_the_log_is_newest_first_and_bounded(settings, api, daemon):
    url = NOWHERE + "log"
    tid = daemon.add(url, {"paused": True}, ["line %d" % number for number in range(80)])
    log = api.status(tid)["log"]
    assert [entry["msg"] for entry in log] == ["line %d" % number for number in range(79, 29, -1)]


def test_info_tells_what_the_server_told(api, origin, folder):
    origin.put("/get", script=[redirect("/files/a.tar.gz")])
    origin.put("/files/a.tar.gz", DATA, headers={"Content-Type": "Application/Gzip; x=y"})
    checksum = "sha-256=" + hashlib.sha256(DATA).hexdigest()
    tid = api.add(origin.url("/get"), checksum=checksum.upper().replace("SHA-256", "SHA256"), dir="iso/new")
    api.reach(tid, "finished")
    info = api.get("/task/tid/%s/info" % tid)["detail"]
    assert (info["url"], info["final_url"]) == (origin.url("/get"), origin.url("/files/a.tar.gz"))
    assert (info["filename"], info["title"]) == ("iso/new/a.tar.gz", "a")
    assert info["ext"] in ("tar.gz", "gz") and info["format"] == "application/gzip"
    assert (info["etag"], info["last_modified"], info["resumable"]) == ('"v1"', OLD, True)
    assert (info["checksum"], info["total_bytes"]) == (checksum, 50000)
    assert (folder / "iso" / "new" / "a.tar.gz").read_bytes() == DATA


@pytest.mark.parametrize("state, act, possible", [
    ("queued", "pause", True), ("queued", "resume", False), ("downloading", "pause", True),
    ("downloading", "resume", False), ("paused", "pause", False), ("paused", "resume", True),
    ("finished", "pause", False), ("finished", "resume", False), ("invalid", "pause", False),
    ("invalid", "resume", True)])
def test_what_a_state_does_not_permit_is_a_409_that_names_it(api, tasks, state, act, possible):
    answer = api.put("/task/tid/%s?act=%s" % (tasks[state], act))
    if possible:
        assert set(worked(answer).json) == {"status"}
        assert api.status(tasks[state])["state"] == ("paused" if act == "pause" else "queued")
    else:
        refused(answer, 409, state, act)
        assert api.status(tasks[state])["state"] == state


@pytest.mark.parametrize("query", ["", "?act=", "?act=stop", "?act=PAUSE", "?action=pause"])
def test_an_act_that_is_none_is_a_400(api, one, query):
    refused(api.put("/task/tid/%s%s" % (one, query)), 400, "act", "pause", "resume")


def test_a_deleted_task_leaves_its_data(api, tasks, folder):
    for state in STATES:
        worked(api.delete("/task/tid/%s" % tasks[state]))
        refused(api.get("/task/tid/%s/status" % tasks[state]), 404)
    assert sorted(path.name for path in folder.iterdir()) == ["done.iso", "half.iso.part"]
    assert api.get("/task/list")["detail"] == []


@pytest.mark.parametrize("word", ["true", "1", "Yes"])
def test_a_task_is_deleted_with_its_data_when_asked(api, tasks, folder, word):
    (folder / "mine.iso").write_text("mine")
    for state in STATES:
        worked(api.delete("/task/tid/%s?del_file=%s" % (tasks[state], word)))
    assert [path.name for path in folder.iterdir()] == ["mine.iso"]


def test_a_url_can_be_added_again_once_its_task_is_deleted(api, one):
    worked(api.delete("/task/tid/" + one))
    assert api.add(NOWHERE + "one.iso", paused=True) == one


# -- many tasks -------------------------------------------------------------------------

def several(api, count=3):
    return [api.add("%s%d" % (NOWHERE, number), paused=True) for number in range(count)]


@pytest.mark.parametrize("wrap", [lambda tids: {"tids": tids}, lambda tids: tids])
def test_a_batch_does_all_and_says_nothing_more(api, tasks, wrap):
    both = [tasks["queued"], tasks["downloading"]]
    assert set(worked(api.post("/task/batch/pause", wrap(both))).json) == {"status"}
    assert [api.status(tid)["state"] for tid in both] == ["paused", "paused"]
    assert set(worked(api.post("/task/batch/resume", wrap(both[:1]))).json) == {"status"}
    assert api.status(both[0])["state"] != "paused"
    assert set(worked(api.post("/task/batch/delete", wrap(both))).json) == {"status"}
    assert api.get("/task/state_coutner")["detail"]["all"] == 3


def test_a_batch_reports_what_failed_and_does_the_rest(api, tasks):
    wanted = [tasks["queued"], UNKNOWN, tasks["finished"], tasks["downloading"]]
    answer = refused(api.post("/task/batch/pause", wanted), 207)
    assert [tid for tid, _ in answer["detail"]] == [UNKNOWN, tasks["finished"]]
    assert UNKNOWN in answer["detail"][0][1] and "finished" in answer["detail"][1][1]
    assert api.status(tasks["queued"])["state"] == api.status(tasks["downloading"])["state"] == "paused"
    answer = refused(api.post("/task/batch/delete", {"tids": wanted}), 207)
    assert [tid for tid, _ in answer["detail"]] == [UNKNOWN]
    assert api.get("/task/state_coutner")["detail"]["all"] == 2


@pytest.mark.parametrize("act", ["pause", "resume", "delete"])
def test_an_empty_batch_is_a_success_and_no_list_a_400(quiet, act):
    path = "/task/batch/" + act
    worked(quiet.post(path, []))
    worked(quiet.post(path, {"tids": []}))
    for body in ({}, {"tids": None}, {"tids": "a"}, {"tids": {}}, {"tids": 1}):
        refused(quiet.post(path, body), 400, "tids")
    for body in ("a", 1, True, b"null"):
        refused(quiet.post(path, body), 400, "body")
    for item in (1, None, [], {}, True):
        refused(quiet.post(path, [item]), 400, "tids")


@pytest.mark.parametrize("flag, gone", [
    (True, True), ("true", True), ("True", True), (False, False), ("false", False), ("FALSE", False)])
def test_a_batch_takes_del_file_as_a_boolean_or_a_word(api, tasks, folder, flag, gone):
    worked(api.post("/task/batch/delete", {"tids": list(tasks.values()), "del_file": flag}))
    assert (list(folder.iterdir()) == []) is gone


@pytest.mark.parametrize("flag", ["maybe", "", 1, 0, None, [], 0.5])
def test_a_del_file_that_is_neither_deletes_nothing(api, one, flag):
    refused(api.post("/task/batch/delete", {"tids": [one], "del_file": flag}), 400, "del_file")
    api.status(one)


def test_a_tid_that_comes_twice_is_done_once(api, one):
    worked(api.post("/task/batch/resume", [one, one]))
    worked(api.post("/task/batch/delete", [one, one]))


# -- lists and counters -----------------------------------------------------------------

def test_a_list_is_excerpts_oldest_first_with_the_counters(api, tasks):
    answer = worked(api.get("/task/list"))
    assert set(answer.json) == {"status", "detail", "state_counter"}
    assert [task["tid"] for task in answer["detail"]] == list(tasks.values())
    for task in answer["detail"]:
        check_shape(task, EXCERPT)
    assert answer["state_counter"] == dict({state: 1 for state in STATES}, all=5)


def test_a_list_is_full_where_that_is_asked_for(api, tasks):
    for task in worked(api.get("/task/list?exerpt=false"))["detail"]:
        check_shape(task, STATUS)


@pytest.mark.parametrize("query", ["", "&exerpt=false", "&exerpt=true"])
def test_a_list_can_be_of_one_state(api, tasks, query):
    for state in STATES:
        answer = worked(api.get("/task/list?state=%s%s" % (state, query)))
        assert [task["tid"] for task in answer["detail"]] == [tasks[state]]
        assert answer["state_counter"]["all"] == 5
    assert len(api.get("/task/list?state=all" + query)["detail"]) == 5


@pytest.mark.parametrize("word", ["", "Paused", "lost", "paused,queued", "%00"])
def test_another_state_is_a_400(quiet, word):
    refused(quiet.get("/task/list?state=" + word), 400, "state", "finished")


def test_a_list_has_an_offset_and_a_limit(api):
    tids = several(api, 7)
    for offset in (None, 0, 2, 6, 7, 1000000):
        for limit in (None, 0, 1, 3, 7, 1000000):
            query = "&".join("%s=%d" % pair for pair in (("offset", offset),
                ("limit", limit)) if pair[1] is not None)
            answer = worked(api.get("/task/list?" + query))
            end = None if limit is None else (offset or 0) + limit
            assert [task["tid"] for task in answer["detail"]] == tids[offset or 0:end]
            assert answer["state_counter"]["all"] == 7


@pytest.mark.parametrize("name", ["offset", "limit"])
@pytest.mark.parametrize("word", ["", "-1", "1.5", "x", "1e3", "%2B1", "9" * 40, "%D9%A3"])
def test_an_offset_or_limit_that_is_no_number_is_a_400(quiet, name, word):
    refused(quiet.get("/task/list?%s=%s" % (name, word)), 400, name + ": ", "from 0 to 9999")


@pytest.mark.parametrize("path", ["/task/state_coutner", "/task/state_counter"])
def test_the_counters_name_every_state(api, tasks, path):
    answer = worked(api.get(path))
    assert set(answer.json) == {"status", "detail"}
    assert answer["detail"] == dict({state: 1 for state in STATES}, all=5)
    api.delete("/task/tid/" + tasks["paused"])
    assert api.get(path)["detail"] == dict({state: 1 for state in STATES}, all=4, paused=0)


# -- the configuration, and what is never shown -----------------------------------------

def test_the_configuration_is_shown_by_section(api, settings):
    answer = worked(api.get("/config"))
    assert set(answer.json) == {"status", "config"}
    config = answer["config"]
    assert set(config) == {"general", "server", "download", "hooks", "webhooks", "watch", "schedule", "rules"}
    assert config["general"]["download_dir"] == settings["general"]["download_dir"]
    assert (config["download"]["max_concurrent"], config["download"]["retries"]) == (1, 5)
    assert (config["server"]["host"], config["general"]["log_size"]) == ("127.0.0.1", 50)


SECRET = "geheim"


class TestSecrets:
    """No reply and no line of the log shows them."""

    @pytest.fixture
    def settings(self, settings):
        settings["download"]["proxy"] = "http://me:%s@127.0.0.1:1/" % SECRET
        settings["download"]["retries"] = 0
        return settings

    @pytest.mark.parametrize("url", [
        "http://me:%s@127.0.0.1:1/x.iso", "http://me:%s@127.0.0.1:1", "http://me:%s@127.0.0.1:1?a=b",
        "http://%s@127.0.0.1:1/", "http://127.0.0.1:1/x?token=%s&a=b", "http://a:b@c:%s@127.0.0.1:1"])
    @pytest.mark.parametrize("paused", [True, False])
    def test_secrets_are_shown_nowhere(self, api, caplog, url, paused):
        caplog.set_level(logging.DEBUG)
        tid = api.add(url % SECRET, password=SECRET, user="me", cookies="sid=" + SECRET, paused=paused,
                      headers={"Authorization": "Bearer " + SECRET, "X-Api-Key": SECRET, "X-Plain": "shown"},
                      proxy="http://me:%s@127.0.0.1:1/" % SECRET, referer="http://me:%s@h/" % SECRET,
                      mirrors=["http://me:%s@127.0.0.1:1/m" % SECRET])
        if not paused:
            until(lambda: api.status(tid)["state"] == "invalid")
        answers = [api.get(path) for path in (
            "/task/tid/%s/status" % tid, "/task/tid/%s/status?exerpt=true" % tid, "/task/tid/%s/info" % tid,
            "/task/list", "/task/list?exerpt=false", "/config")]
        answers.append(api.post("/task", {"url": url % SECRET}))
        assert SECRET not in "\n".join(answer.body.decode() for answer in answers)
        assert SECRET not in caplog.text

    def test_what_is_hidden_is_still_seen_to_be_there(self, api):
        tid = api.add(NOWHERE + "a", paused=True, user="me", password=SECRET, cookies="a=" + SECRET,
                      headers={"Cookie": SECRET, "Accept-Language": "de"})
        assert api.get("/task/tid/%s/info" % tid)["detail"]["options"] == {
            "paused": True, "user": "me", "password": "***", "cookies": "***",
            "headers": {"Cookie": "***", "Accept-Language": "de"}}
        assert api.get("/config")["config"]["download"]["proxy"] == "http://127.0.0.1:1/"

    @pytest.mark.parametrize("options", [
        {"password": SECRET + "\n"}, {"password": [SECRET]}, {"cookies": SECRET + "\0"},
        {"cookies": {"a": SECRET}},
        {"headers": {"Authorization": SECRET + "\n"}}, {"headers": "Authorization: " + SECRET},
        {"proxy": "http://me:%s@h:99999/" % SECRET}, {"proxy": "me:%s@h" % SECRET},
        {"mirrors": ["gopher://me:%s@h/" % SECRET]}, {"referer": "http://me:%s@h/\n" % SECRET}])
    def test_a_refusal_does_not_repeat_a_secret(self, api, caplog, options):
        caplog.set_level(logging.DEBUG)
        (name,) = options
        answer = refused(api.post("/task", {"url": NOWHERE, "options": options}), 400, "options." + name)
        assert SECRET not in answer["errmsg"] and SECRET not in caplog.text

    def test_userinfo_is_used_though(self, api, origin):
        origin.put("/a.iso", DATA, script=[refuse_with("401 Who are you?", WWW_Authenticate="Basic")])
        tid = api.add(origin.url("/a.iso", user="me:" + SECRET), proxy="")
        api.reach(tid, "finished")
        assert origin.requests[1].headers["authorization"] == "Basic bWU6Z2VoZWlt"


# -- what is not to be taken for done --------------------------------------------------------

def test_paused_is_for_adding_and_not_for_changing(api, one):
    for value in (True, False, None):
        refused(api.request("PATCH", "/task/tid/" + one, {"options": {"paused": value}}), 400, "options.paused")


def test_a_key_that_is_unknown_is_refused_with_null_too(quiet):
    refused(quiet.post("/task", {"url": NOWHERE, "options": {"pausd": None}}), 400, "pausd", "paused")


def test_the_mask_is_not_taken_for_a_secret(api, daemon):
    url, tid = "http://h/?token=***", daemon.add("http://h/", {"paused": True, "headers": {"X-Token": "secret"}})
    for name, value in (("password", "***"), ("headers", {"A": "b", "X-Token": "***"}), ("referer", url + "&x=1"),
                        ("mirrors", ["http://h/1", url])):
        refused(api.request("PATCH", "/task/tid/" + tid, {"options": {name: value}}), 400, "options." + name)
        refused(api.post("/task", {"url": NOWHERE, "options": {name: value}}), 400, "options." + name)
    assert daemon.get(tid).posted["headers"] == {"X-Token": "secret"}
    worked(api.request("PATCH", "/task/tid/" + tid, {"options": {"password": "a***b", "headers": {"A": "***b"}}}))
    refused(api.post("/config", {"download": {"proxy": "***"}}), 400, "download.proxy")


def test_what_was_no_url_is_not_sent_back(quiet):
    for url in (5, {"x": "http://u:%s@h" % SECRET}):
        answer = quiet.post("/task/batch/add", {"tasks": [{"url": url}]})
        assert answer.status == 207 and answer["detail"][0][0] is None


def test_a_shorter_log_counts_at_once(api, daemon):
    tid = daemon.add(NOWHERE, {"paused": True}, ["%d" % number for number in range(5)])
    worked(api.post("/config", {"general": {"log_size": 2}}))
    assert [line["msg"] for line in api.status(tid)["log"]] == ["4", "3"]
