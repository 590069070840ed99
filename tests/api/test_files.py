"""The finished file as a reply: whole, in ranges, conditional, and never as a page of this site."""

import os
import time
from urllib.parse import quote

import pytest

from harness import noise

DATA = noise(100000)


@pytest.fixture
def fetch(api, origin, folder):
    """A function that downloads data and returns the path of the finished file in the API."""
    def make(data=DATA, path="/a.bin", options=None, **serving):
        origin.put(path, data, **serving)
        tid = api.add(origin.url(path), **(options or {}))
        api.reach(tid, "finished")
        return "/task/tid/%s/file" % tid
    return make


def test_the_whole_file(api, fetch):
    path = fetch()
    answer = api.get(path)
    assert answer.status == 200 and answer.body == DATA
    assert answer.headers["content-length"] == "100000" and answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["content-disposition"] == "attachment; filename=\"a.bin\"; filename*=UTF-8''a.bin"
    assert answer.headers["cache-control"] == "private, no-cache"
    assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_its_head(api, fetch):
    path = fetch()
    whole, head = api.get(path), api.request("HEAD", path)
    assert head.status == 200 and head.body == b""
    assert {name: head.headers[name] for name in head.headers if name != "date"} \
        == {name: whole.headers[name] for name in whole.headers if name != "date"}
    part = api.request("HEAD", path, headers={"Range": "bytes=0-9"})
    assert part.status == 200 and part.body == b""


def test_an_empty_file(api, fetch):
    path = fetch(b"")
    assert api.get(path).body == b"" and api.get(path).status == 200
    assert api.get(path, Range="bytes=0-").status == 416


@pytest.mark.parametrize("wanted, start, end", [
    ("bytes=0-0", 0, 1), ("bytes=0-99999", 0, 100000), ("bytes=99999-", 99999, 100000), ("bytes=-1", 99999, 100000),
    ("bytes=-100001", 0, 100000), ("bytes=500-1000000", 500, 100000), ("Bytes= 7-8", 7, 9),
    ("bytes=1-" + "9" * 20, 1, 100000)])
def test_a_range(api, fetch, wanted, start, end):
    answer = api.get(fetch(), Range=wanted)
    assert answer.status == 206 and answer.body == DATA[start:end]
    assert answer.headers["content-range"] == "bytes %d-%d/100000" % (start, end - 1)
    assert answer.headers["content-length"] == str(end - start)


@pytest.mark.parametrize("wanted", ["bytes=100000-", "bytes=100000-100005", "bytes=-0"])
def test_a_range_beyond_the_end_is_a_416(api, fetch, wanted):
    answer = api.get(fetch(), Range=wanted)
    assert answer.status == 416 and answer.headers["content-range"] == "bytes */100000"
    assert "100000" in answer["errmsg"]


@pytest.mark.parametrize("wanted", ["bytes=0-1,5-6", "lines=1-2", "bytes=-", "bytes=a-b", "bytes=5", "0-5",
                                    "bytes=5-1", "bytes=" + "9" * 40 + "-"])
def test_what_is_no_single_range_is_answered_with_the_whole(api, fetch, wanted):
    answer = api.get(fetch(), Range=wanted)
    assert answer.status in (200, 416)
    assert answer.status == 416 or answer.body == DATA
    assert answer.status == 200 or wanted.startswith("bytes=9")


def test_a_range_on_a_condition(api, fetch):
    path = fetch()
    head = api.request("HEAD", path).headers
    for condition, status in [(head["etag"], 206), (head["last-modified"], 206), ('"other"', 200),
                              ("W/" + head["etag"], 200), ("Mon, 01 Jan 2001 00:00:00 GMT", 200), ("what", 200)]:
        answer = api.get(path, **{"Range": "bytes=1-2", "If-Range": condition})
        assert (answer.status, len(answer.body)) == (status, 2 if status == 206 else 100000), condition


def test_what_the_client_has_is_not_sent_again(api, fetch):
    path = fetch()
    head = api.request("HEAD", path).headers
    for headers in [{"If-None-Match": head["etag"]}, {"If-None-Match": '"x", W/' + head["etag"]},
                    {"If-None-Match": "*"}, {"If-Modified-Since": head["last-modified"]}]:
        answer = api.get(path, **headers)
        assert answer.status == 304 and answer.body == b"" and answer.headers["etag"] == head["etag"]
    for headers in [{"If-None-Match": '"x"'}, {"If-Modified-Since": "Mon, 01 Jan 2001 00:00:00 GMT"},
                    {"If-None-Match": '"x"', "If-Modified-Since": head["last-modified"]},
                    {"If-Modified-Since": "no date"}]:
        assert api.get(path, **headers).status == 200
    assert api.get(path).status == 200, "the connection is in order after a 304"


def test_a_client_that_wants_another_file_is_told(api, fetch):
    path = fetch()
    head = api.request("HEAD", path).headers
    for headers in [{"If-Match": '"x"'}, {"If-Match": "W/" + head["etag"]},
                    {"If-Unmodified-Since": "Mon, 01 Jan 2001 00:00:00 GMT"}]:
        answer = api.get(path, **headers)
        assert answer.status == 412 and answer["errmsg"], headers
    for headers in [{"If-Match": "*"}, {"If-Match": '"x", ' + head["etag"]},
                    {"If-Unmodified-Since": head["last-modified"]}]:
        assert api.get(path, **headers).body == DATA, headers


@pytest.mark.parametrize("media_type, told", [
    ("text/html", "application/octet-stream"), ("image/svg+xml", "application/octet-stream"),
    ("application/xhtml+xml", "application/octet-stream"), ("text/javascript", "application/octet-stream"),
    ("video/mp4", "video/mp4"), ("text/plain", "text/plain"), ("IMAGE/PNG", "image/png"),
    ("x/y", "application/octet-stream")])
def test_nothing_is_served_that_a_browser_would_run(api, fetch, media_type, told):
    data = b"<script>alert(1)</script>" * 99
    answer = api.get(fetch(data, "/file", headers={"Content-Type": media_type}))
    assert answer.body == data and answer.headers["content-type"] == told
    assert "sandbox" in answer.headers["content-security-policy"]
    assert answer.headers["content-disposition"].startswith("attachment;")


@pytest.mark.parametrize("name", ["x.html", "x.svg", "x.js", "x.xml"])
def test_nor_by_its_name(api, fetch, name):
    answer = api.get(fetch(b"<html>", "/" + name, headers={"Content-Type": "application/octet-stream"}))
    assert answer.headers["content-type"] == "application/octet-stream"


@pytest.mark.parametrize("name", ['a"; filename="b.exe', "ä €.bin", "a%22%0d%0aSet-Cookie: x.bin", "a;b=c.bin", "日本.bin",
                                  "a'b.bin"])
def test_a_hostile_name_stays_a_name(api, fetch, name):
    answer = api.get(fetch(path="/x", options={"filename": name}))
    assert answer.status == 200 and "set-cookie" not in answer.headers
    disposition = answer.headers["content-disposition"]
    first, _, full = disposition.partition("; filename*=UTF-8''")
    assert first.startswith('attachment; filename="') and first.count('"') == 2 and first.isascii()
    assert full == quote(full, safe="%") and full.isascii() and ";" not in full


def test_a_changed_file_is_not_served_as_the_download(api, fetch, folder):
    path = fetch()
    (folder / "a.bin").write_bytes(DATA[:-1] + b"!")
    os.utime(str(folder / "a.bin"), (time.time() + 5, time.time() + 5))
    answer = api.get(path)
    assert answer.status == 409 and "changed" in answer["errmsg"]


def test_a_file_that_is_gone_is_a_404(api, fetch, folder):
    path = fetch()
    (folder / "a.bin").unlink()
    answer = api.get(path)
    assert answer.status == 404 and "not there any more" in answer["errmsg"]


def test_a_file_whose_disk_is_away_is_a_503(api, fetch, daemon, tmp_path):
    path = fetch()
    daemon._download_dir.mount = str(tmp_path)         # where a disk was mounted, and none is
    assert api.get(path).status == 503 and "nothing is mounted" in api.get(path)["errmsg"]
    tid = path.split("/")[3]
    detail = api.delete("/task/tid/%s?del_file=true" % tid)["detail"]
    assert detail["missing"] == [] and "nothing is mounted" in detail["kept"][0][1]


def test_a_link_in_its_place_is_not_followed(api, fetch, folder, tmp_path):
    path = fetch()
    (tmp_path / "secret").write_bytes(DATA)
    (folder / "a.bin").unlink()
    os.symlink(str(tmp_path / "secret"), str(folder / "a.bin"))
    assert api.get(path).status in (404, 409)


def test_a_task_without_a_file_has_none(api):
    tid = api.add("http://127.0.0.1:1/a", paused=True)
    answer = api.get("/task/tid/%s/file" % tid)
    assert answer.status == 409 and "paused" in answer["errmsg"]
    assert api.get("/task/tid/nobody/file").status == 404


def test_a_large_file_goes_out_as_it_is(api, fetch):
    data = noise(8 * 2 ** 20)
    path = fetch(data)
    assert api.get(path).body == data
    assert api.get(path, Range="bytes=%d-%d" % (2 ** 22, 2 ** 23)).body == data[2 ** 22:]
    assert api.get("/health").status == 200
