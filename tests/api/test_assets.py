"""The web page's parts as they are served: types, conditions, compression, policy, size."""

import gzip
import json
import os
import re
import sys

import pytest

from harness import ROOT, Process

from dlserv.api.assets import MEDIA_TYPES, POLICY

WEB = os.path.join(ROOT, "dlserv", "web")
MOST, MOST_PACKED = 90 * 1024, 30 * 1024     # bytes of all parts together


def content(name):
    with open(os.path.join(WEB, name), "rb") as file:
        return file.read()


@pytest.mark.parametrize("name", sorted(MEDIA_TYPES))
def test_each_part_is_served(api, name):
    path = "/" if name == "index.html" else "/" + name
    answer = api.get(path)
    assert (answer.status, answer.body) == (200, content(name))
    assert answer.headers["content-type"] == MEDIA_TYPES[name]
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["content-security-policy"] == POLICY
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert api.request("HEAD", path).headers["content-length"] == str(len(answer.body))


def test_what_the_browser_has_is_not_sent_again(api):
    tag = api.get("/app.js").headers["etag"]
    for condition in (tag, "W/" + tag, '"other", ' + tag, "*"):
        answer = api.get("/app.js", **{"If-None-Match": condition})
        assert (answer.status, answer.body, answer.headers["etag"]) == (304, b"", tag)
    assert api.get("/app.js", **{"If-None-Match": '"other"'}).status == 200


@pytest.mark.parametrize("accepted,packed", [
    ("gzip, deflate, br", True), ("br;q=1.0, gzip;q=0.8", True), ("*", True), ("GZIP", True),
    ("identity", False), ("gzip;q=0", False), ("gzip; q=0.0, br", False), ("x-gzipped", False), ("", False)])
def test_it_is_compressed_only_for_who_wants_that(api, accepted, packed):
    answer = api.get("/app.js", **{"Accept-Encoding": accepted})
    assert (answer.headers.get("content-encoding") == "gzip") == packed
    assert (gzip.decompress(answer.body) if packed else answer.body) == content("app.js")
    assert answer.headers["vary"] == "Accept-Encoding"
    assert (answer.headers["etag"] == api.get("/app.js").headers["etag"]) != packed


def test_the_page_is_small():
    assert sorted(os.listdir(WEB)) == sorted(MEDIA_TYPES)
    assert sum(len(content(name)) for name in MEDIA_TYPES) <= MOST
    assert sum(len(gzip.compress(content(name), 9)) for name in MEDIA_TYPES) <= MOST_PACKED


def test_nothing_is_inline_and_every_address_is_relative():
    page = content("index.html").decode()
    assert not re.search(r"\sstyle=|\son\w+=|<style|<script(?! src=)", page)
    script = "".join(content(name).decode() for name in MEDIA_TYPES if name.endswith(".js"))
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", script)
    for text in (page, script, content("style.css").decode(), content("manifest.webmanifest").decode()):
        assert not re.search(r"""(?:src|href|url|action)["']?\s*[=:(]\s*["']?(?:/|https?:)""", text)
    json.loads(content("manifest.webmanifest"))


def test_it_comes_out_of_the_zip_file_too(tmp_path, folder, pyz):
    arguments = ["--download-dir", str(folder), "--db", str(tmp_path / "state.db")]
    process = Process(arguments, [sys.executable, pyz])
    try:
        for name in sorted(MEDIA_TYPES):
            answer = process.api.get("/" if name == "index.html" else "/" + name)
            assert answer.status == 200 and answer.headers["content-type"] == MEDIA_TYPES[name]
            assert answer.body == content(name), name
    finally:
        process.stop()
