"""Replies packed with gzip: for whom, which of them, how the headers agree, and events on arrival."""

import gzip
import json
import os
import subprocess
import sys
import zlib

import pytest

from forks import DLSERV
from harness import ROOT, Api, until

from dlserv import Daemon, Server
from dlserv.api import sse

NOWHERE = "http://127.0.0.1:1/"
TEXT = b"the same again, " * 200
GZIP = {"Accept-Encoding": "gzip"}
LISTED = [NOWHERE + "%d/a-file-of-which-there-are-many.iso" % number for number in range(200)]


def unpacked(answer):
    """The body as it was before it was packed; fails unless it was packed, whole, and nothing follows."""
    assert answer.headers["content-encoding"] == "gzip"
    inflater = zlib.decompressobj(31)
    body = inflater.decompress(answer.body)
    assert inflater.eof and not inflater.unused_data
    return body


@pytest.fixture
def many(daemon):
    """The tids of many paused tasks, in order."""
    return daemon.add_all([(url, {"paused": True}, ()) for url in LISTED])[0]


@pytest.mark.parametrize("accepted, packed", [
    ("gzip", True), ("GZip", True), ("x-gzip", True), ("*", True), ("br, gzip", True), ("deflate,gzip", True),
    ("gzip;q=1", True), ("gzip;q=0.001", True), ("gzip ; q=0.5", True), ("gzip;Q=1.000", True), ("*;q=0.5", True),
    ("gzip, identity", True), ("identity;q=0.5, gzip;q=0.5", True), ("br;q=1.0, gzip;q=0.8, *;q=0.1", True),
    ("gzip, *;q=0", True), ("identity;q=0, gzip", True), ("gzip, deflate, br, zstd", True), (",gzip,", True),
    ("", False), ("identity", False), ("gzip;q=0", False), ("gzip;q=0.000", False), ("gzip;q=0, *", False),
    ("*;q=0", False), ("br", False), ("gzipped", False), ("x-gzip;q=0, *", False), ("identity, gzip;q=0.5", False),
    ("*;q=0.5, identity", False), ("gzip;q=2", False), ("gzip;q=1.5", False), ("gzip;q=x", False),
    ("gzip;q=", False), ("gzip;q=-1", False), ("gzip;q=0.0001", False), ("gzip q=1", False), ("gzip;level=9", False),
    ("identity;q=0", False), ("deflate;q=0.5, *;q=0", False)])
def test_a_client_gets_gzip_where_it_takes_it(api, accepted, packed):
    answer = api.get("/openapi.json", **{"Accept-Encoding": accepted})
    assert ("content-encoding" in answer.headers) is packed
    assert answer.headers["vary"] == "Accept-Encoding"
    body = unpacked(answer) if packed else answer.body
    assert json.loads(body)["openapi"].startswith("3.1")


def test_a_client_that_does_not_say_gets_no_gzip(api):
    api.connection.putrequest("GET", "/openapi.json", skip_accept_encoding=True)
    api.connection.endheaders()
    response = api.connection.getresponse()
    assert response.getheader("Content-Encoding") is None and json.loads(response.read())["paths"]


@pytest.mark.parametrize("path", ["/task/list", "/task/list?exerpt=false", "/task/list?limit=65",
                                  "/task/list?limit=64", "/openapi.json", "/metrics", "/config?origins=true"])
def test_it_is_the_same_packed_and_plain_and_told_by_head(api, many, path):
    plain, answer = api.get(path), api.get(path, **GZIP)
    body = unpacked(answer)
    if path != "/metrics":
        assert body == plain.body and answer.headers["content-type"] == plain.headers["content-type"]
        head = api.request("HEAD", path, headers=GZIP).headers
        assert head == dict(answer.headers, date=head["date"])
    assert len(answer.body) < len(body) / 2 and int(answer.headers["content-length"]) == len(answer.body)
    assert plain.headers["vary"] == answer.headers["vary"] == "Accept-Encoding"
    assert plain.headers["cache-control"] == answer.headers["cache-control"] == "no-store"


def test_a_long_list_is_whole_and_in_order(api, many):
    for headers in ({}, GZIP):
        for query, wanted in [("", many), ("?limit=63", many[:63]), ("?limit=64", many[:64]),
                              ("?limit=65", many[:65]), ("?offset=70&limit=128", many[70:198]),
                              ("?offset=72", many[72:]), ("?state=finished", [])]:
            answer = api.get("/task/list" + query, **headers)
            reply = json.loads(unpacked(answer) if "content-encoding" in answer.headers else answer.body)
            assert list(reply) == ["status", "detail", "state_counter"] and reply["status"] == "success"
            assert [row["tid"] for row in reply["detail"]] == wanted
            assert reply["state_counter"]["paused"] == len(many)


def test_other_long_replies_are_packed_too(api, many):
    call = {"jsonrpc": "2.0", "id": 1, "method": "aria2.tellWaiting", "params": [0, 1000]}
    assert len(json.loads(unpacked(api.post("/jsonrpc", call, **GZIP)))["result"]) == len(many)
    answer = api.post("/task/batch/resume", ["%040x" % number for number in range(100)], **GZIP)
    assert answer.status == 207 and len(json.loads(unpacked(answer))["detail"]) == 100


def test_a_short_reply_is_not_packed(api):
    for path in ("/task/list", "/task/state_counter", "/stats", "/health", "/task/tid/%040x/status" % 1):
        answer = api.get(path, **GZIP)
        assert "content-encoding" not in answer.headers and len(answer.body) <= 1024, path
        assert answer.json["status"] in ("success", "error")


def test_the_parts_of_the_page_keep_a_tag_for_each_form(api):
    plain, packed = api.get("/app.js"), api.get("/app.js", **GZIP)
    assert plain.headers["etag"] != packed.headers["etag"] and unpacked(packed) == plain.body
    for headers, answer in (({}, plain), (GZIP, packed)):
        again = api.get("/app.js", **dict(headers, **{"If-None-Match": answer.headers["etag"]}))
        assert (again.status, again.body, again.headers["vary"]) == (304, b"", "Accept-Encoding")
    other = api.get("/app.js", **dict(GZIP, **{"If-None-Match": plain.headers["etag"]}))
    assert other.status == 200 and other.headers["etag"] == packed.headers["etag"]


def test_a_file_is_never_packed(api, origin):
    origin.put("/a.txt", b"0123456789" * 1000, headers={"Content-Type": "text/plain"})
    tid = api.add(origin.url("/a.txt"))
    api.reach(tid, "finished")
    answer = api.get("/task/tid/%s/file" % tid, Range="bytes=5-9", **GZIP)
    assert answer.status == 206 and answer.body == b"56789" and "content-encoding" not in answer.headers


def test_one_vary_names_all_that_counts(settings):
    settings["server"] = {"allowed_origins": ["https://app.example"]}
    with Daemon(settings) as daemon, Server(daemon, "127.0.0.1", 0) as server, Api(server.url) as client:
        for path in ("/openapi.json", "/app.js"):
            answer = client.get(path, Origin="https://app.example", **GZIP)
            assert answer.headers["vary"] == "Origin, Accept-Encoding"
            assert answer.headers["access-control-allow-origin"] == "https://app.example"


def test_events_can_be_read_on_arrival(daemon, api, monkeypatch):
    monkeypatch.setattr(sse, "EVERY", 0.005)
    api.connection.request("GET", "/events", headers=GZIP)
    response = api.connection.getresponse()
    assert response.getheader("Content-Encoding") == "gzip" and response.getheader("Vary") == "Accept-Encoding"
    inflater, text = zlib.decompressobj(31), ""
    for number in range(20):
        tid = daemon.add(NOWHERE + str(number), {"paused": True})
        while tid not in text:          # or the test times out
            text += inflater.decompress(response.read1(65536)).decode()
        assert text.endswith("\n\n"), "an event is not cut in two"
    response.close()
    assert text.count("event: snapshot") == 1


def test_the_stream_ends_as_gzip_does(daemon):
    server = Server(daemon, "127.0.0.1", 0).start()
    try:
        with Api(server.url) as client:
            client.connection.request("GET", "/events", headers=GZIP)
            response = client.connection.getresponse()
            until(lambda: server.feed.readers == 1)
            inflater = zlib.decompressobj(31)
            text = inflater.decompress(response.read1(65536))
            server.stop()
            text += inflater.decompress(response.read())
            assert inflater.eof and text.count(b"event: snapshot") == 1
    finally:
        server.stop()


def test_head_of_the_events_says_gzip_and_opens_no_stream(daemon):
    with Server(daemon, "127.0.0.1", 0) as server, Api(server.url) as client:
        answer = client.request("HEAD", "/events", headers=GZIP)
        assert answer.headers["content-encoding"] == "gzip" and server.feed.readers == 0


@pytest.mark.parametrize("kind", ["auto", "file"])
def test_without_zlib_everything_is_plain(tmp_path, origin, kind):
    code = """if True:
        import sys
        sys.modules["zlib"] = sys.modules["gzip"] = None
        from dlserv import Daemon, Server
        settings = {"general": {"download_dir": sys.argv[1], "db_path": sys.argv[1] + "/state.db",
                                "db_backend": sys.argv[2]}}
        with Daemon(settings) as daemon, Server(daemon, "127.0.0.1", 0) as server:
            print(server.url, flush=True)
            sys.stdin.read()
    """
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path), kind], cwd=ROOT, stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE)
    try:
        with Api(process.stdout.readline().decode().strip()) as client:
            for path in ("/openapi.json", "/", "/app.js", "/metrics"):
                answer = client.get(path, **GZIP)
                assert answer.status == 200 and "content-encoding" not in answer.headers and len(answer.body) > 1024
            origin.put("/plain.txt", TEXT)
            origin.put("/packed.txt", gzip.compress(TEXT), headers={"Content-Type": "text/plain",
                                                                    "Content-Encoding": "gzip"})
            client.reach(client.add(origin.url("/plain.txt")), "finished")
            status = client.reach(client.add(origin.url("/packed.txt")), "invalid")
            assert "a compressed answer needs a part of Python" in status["error"]
    finally:
        process.communicate()
    assert process.returncode == 0


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs /proc")
@pytest.mark.parametrize("headers", [{}, GZIP], ids=["plain", "packed"])
def test_a_long_list_takes_little_memory(process, headers):
    """As objects and text in whole, it would take seven times its length."""
    server = process(command=DLSERV)
    for batch in range(8):
        tasks = [{"url": NOWHERE + "%d/%d" % (batch, number), "options": {"paused": True}} for number in range(1000)]
        assert server.api.post("/task/batch/add", {"tasks": tasks}).status == 200
    server.api.get("/task/list?limit=100", **headers)
    before = peak(server)
    answer = server.api.get("/task/list?exerpt=false", **headers)
    length = len(unpacked(answer) if headers else answer.body)
    assert length > 3 * 2 ** 20
    assert peak(server) - before < (2.5 if not headers else 1.0) * length


def peak(server):
    """The most memory that the process has had, in bytes."""
    with open("/proc/%d/status" % server.popen.pid) as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))
