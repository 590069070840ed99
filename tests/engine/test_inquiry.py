"""The first answer of an attempt: it continues the bytes on disk or begins the file."""

import base64
import hashlib
import os
import time

import pytest

import several
from dlserv.engine.fetch import Fetch
from dlserv.engine.sources import Sources
from dlserv.errors import Permanent, Temporary
from harness import noise
from interrupted import DATA, broken_off, resumed
from several import MIB, slow_until, whole
from servers.origin import OLD, Exchange, Origin, chunked, drop, head, ignore_if_range, ignore_range, paced, refuse

PAGE = {"Content-Type": "text/html; charset=utf-8"}


def test_a_page_on_resume_is_not_the_rest(origin, attempt, folder):
    origin.put("/a", DATA, headers={"Content-Type": "application/x-thing"}, script=[drop(after=100000)])
    first = attempt(origin.url("/a"))
    with pytest.raises(Exception, match="closed"):
        first.run()
    origin.put("/a", b"<html>your session has ended", etag='"login"', headers=PAGE)
    second = attempt(origin.url("/a"), kept=first.progress)
    assert "web page" in second.fails(Permanent)
    assert second.progress.done, "what was here is kept for a fresh link"


def test_a_page_is_not_the_rest_of_a_file_without_a_type(origin, attempt, folder):
    origin.put("/a.mkv", DATA, script=[drop(after=100000)])
    first = attempt(origin.url("/a.mkv"))
    with pytest.raises(Exception, match="closed"):
        first.run()
    origin.put("/a.mkv", b"<html>", etag='"login"', headers=PAGE)
    assert "web page" in attempt(origin.url("/a.mkv"), kept=first.progress).fails(Permanent)


@pytest.mark.parametrize("data", [DATA, b"<!DOCTYPE html>" + DATA])
def test_a_part_is_not_judged_by_its_label(origin, attempt, folder, data):
    """BusyBox httpd says text/html of every 206."""
    def broken(exchange):
        exchange.send(exchange.begin(Content_Type="text/html")[:100000])
        exchange.hang_up()
    origin.put("/a.iso", data, script=[drop(after=100000), broken, head(Content_Type="text/html")])
    first = attempt(origin.url("/a.iso"))
    first.fails(Temporary)
    second = attempt(origin.url("/a.iso"), kept=first.progress)
    second.fails(Temporary)
    assert second.progress.done[0][1] > 150000
    done = attempt(origin.url("/a.iso"), kept=second.progress).run()
    assert (folder / "a.iso").read_bytes() == data and done.notes == []


def test_parallel_parts_are_not_judged_by_their_label(origin, attempt, folder):
    data = noise(3000000)

    def mislabelled(exchange):
        exchange.file.script.append(mislabelled)
        body = exchange.begin(Content_Type="text/html" if exchange.wanted() else "application/x-iso")
        exchange.send(body)
    origin.put("/a.iso", data, script=[mislabelled] * 9)
    attempt(origin.url("/a.iso"), connections=4).run()
    assert (folder / "a.iso").read_bytes() == data


def test_a_page_in_place_of_the_rest_is_not_the_file(origin, attempt):
    origin.put("/a.iso", DATA, script=[drop(after=100000)])
    first = attempt(origin.url("/a.iso"))
    first.fails(Temporary)
    origin.put("/a.iso", b"<html>" + DATA[:-6], etag='"login"', headers={"Content-Type": "text/html"},
               ranges=False)
    second = attempt(origin.url("/a.iso"), kept=first.progress)
    assert "web page" in second.fails(Permanent)
    assert second.progress.done, "what was here is kept for a fresh link"


def test_a_resume_asks_for_the_rest_with_the_validator(origin, attempt, folder):
    _, progress = broken_off(origin, attempt)
    resumed(origin, attempt, folder, progress)
    (request,) = origin.requests
    assert request.headers["if-range"] == '"v1"'
    assert request.headers["range"] == "bytes=%d-" % (200000 - 2 ** 14)     # the overlap
    assert origin.sent < 100000 + 2 ** 14 + 500


def test_a_weak_etag_is_never_sent_but_a_date_is(origin, attempt, folder):
    _, progress = broken_off(origin, attempt, etag='W/"v1"')
    resumed(origin, attempt, folder, progress)
    assert origin.requests[0].headers["if-range"] == OLD


def test_a_date_no_older_than_the_answer_proves_nothing(origin, attempt, folder):
    import email.utils
    soon = email.utils.formatdate(time.time() + 30, usegmt=True)     # however slow the machine is
    _, progress = broken_off(origin, attempt, etag=None, modified=soon)
    second = resumed(origin, attempt, folder, progress)
    assert "range" not in origin.requests[0].headers
    assert "cannot resume" in second.notes[0]


def test_a_server_that_kept_its_ranges_to_itself_resumes(origin, attempt, folder):
    file, progress = broken_off(origin, attempt, headers={"Accept-Ranges": None})
    assert not progress.resource.resumable
    file.headers["Last-Modified"] = None    # what a 206 need not repeat is not forgotten
    second = resumed(origin, attempt, folder, progress)
    assert [request.headers["if-range"] for request in origin.requests] == ['"v1"']
    assert second.notes == [] and origin.sent < 100000 + 2 ** 14 + 500
    assert os.stat(folder / "a.iso").st_mtime == 1704067200
    assert second.finished.resource.resumable


def test_if_range_that_a_server_does_not_know_is_left_out_once(origin, attempt, folder):
    file, progress = broken_off(origin, attempt)
    file.script = [ignore_if_range]
    second = resumed(origin, attempt, folder, progress)
    assert ["if-range" in request.headers for request in origin.requests] == [True, False]
    assert second.notes == []


@pytest.mark.parametrize("change", ["etag", "etag-same-size", "size", "date"])
def test_a_file_that_changed_is_fetched_anew(origin, attempt, folder, change):
    file, progress = broken_off(origin, attempt, etag=None if change == "date" else '"v1"')
    file.data = noise(len(DATA) + (5 if change in ("size", "etag") else 0), seed=2)
    if change.startswith("etag"):
        file.etag = '"v2"'
    elif change == "date":
        file.modified = "Tue, 02 Jan 2024 00:00:00 GMT"
    second = resumed(origin, attempt, folder, progress, file.data)
    assert "starting over from zero" in second.notes[0]


def test_a_changed_answer_is_used_and_not_asked_for_again(origin, attempt, folder):
    file, progress = broken_off(origin, attempt)
    file.data, file.etag = noise(1000, seed=2), '"v2"'
    resumed(origin, attempt, folder, progress, file.data)
    assert len(origin.requests) == 1


def test_a_change_behind_the_same_validator_shows_in_the_bytes(origin, attempt, folder):
    file, progress = broken_off(origin, attempt)
    file.data = noise(len(DATA), seed=2)
    second = resumed(origin, attempt, folder, progress, file.data)
    assert second.notes == ["the server's bytes differ from those on disk; starting over from zero"]


def rest_as_200(exchange):
    """The answers of scripts that know Range but not the status that goes with it."""
    body = exchange.file.data[exchange.wanted()[0]:]
    exchange.head("200 OK", dict(exchange.validators(), **{"Content-Length": len(body)}))
    exchange.send(body)


@pytest.mark.parametrize("lie, reason", [
    (head(Content_Range="bytes 0-99999/300000"), "another range"),
    (head(Content_Range="bytes 183616-299999/300001"), "another size"),
    (head(Content_Range=None), "without a usable Content-Range"),
    (head(Content_Range="bytes 5-4/300000"), "contradicts itself"),
    (head(Content_Range="bytes 183616-299999/300000", ETag='"v9"'), "has changed"),
    (head(Content_Length=5), "another range"),
    (refuse("416 Range Not Satisfiable"), "416"),
    (ignore_range, "no longer resumes"),
    (rest_as_200, "as if it were the whole"),
])
def test_a_range_that_lies_starts_over(origin, attempt, folder, lie, reason):
    file, progress = broken_off(origin, attempt)
    file.script = [lie] * (2 if lie in (ignore_range, rest_as_200) else 1)
    second = resumed(origin, attempt, folder, progress)
    assert reason in second.notes[0] and second.notes[0].endswith("starting over from zero")


def test_a_range_shorter_than_asked_for_is_continued(origin, attempt, folder):
    file, progress = broken_off(origin, attempt)

    def half(exchange):
        start = exchange.wanted()[0]
        exchange.request.headers["range"] = "bytes=%d-%d" % (start, start + 50000)
        exchange.answer()
    file.script = [half]
    resumed(origin, attempt, folder, progress)
    assert len(origin.requests) == 2


@pytest.mark.parametrize("rest", [Exchange.answer, chunked([DATA])])
def test_a_mirror_begins_a_file_of_unknown_size_from_zero(origin, other, attempt, folder, rest):
    origin.put("/a", DATA, script=[chunked([DATA[:100000]], end=b"")])
    other.put("/a", DATA, script=[rest])
    done = attempt(origin.url("/a"), mirrors=[other.url("/a")]).run()
    assert (folder / "a").read_bytes() == DATA
    assert done.notes[1:] == ["the server cannot resume this file; starting over from zero"]


# -- introducing other sources -------------------------------------------------------------------------

def test_mirrors_are_used_beside_the_url(origin, other, attempt, folder):
    origin.put("/a", several.DATA, script=[slow_until(lambda: other.sent > MIB)] * 9)
    other.put("/m", several.DATA, etag='"mirror"', modified=None, script=[paced(8 * MIB)] * 9)
    attempt(origin.url("/a"), mirrors=[other.url("/m")], connections=4).run()
    assert whole(folder) and origin.sent > MIB and other.sent > MIB


@pytest.mark.parametrize("mirror, reason", [
    (noise(8 * MIB, seed=2), "bytes differ"), (several.DATA + b"x", "another size")])
def test_a_mirror_of_another_file_is_left_out(origin, other, attempt, folder, mirror, reason):
    origin.put("/a", several.DATA, script=[slow_until(lambda: running.notes)] * 9)
    other.put("/m", mirror)
    running = attempt(origin.url("/a"), mirrors=[other.url("/m")], connections=4)
    running.run()
    assert whole(folder) and reason in "".join(running.notes)
    assert other.url("/m").split("/")[2] in "".join(running.notes)


def based(name, data=several.DATA):
    return base64.b64encode(hashlib.new(name.replace("-", ""), data).digest()).decode()


def test_a_mirror_that_tells_another_digest_is_left_out(origin, attempt, folder, monkeypatch):
    monkeypatch.setattr(Fetch, "REST", 0)
    monkeypatch.setattr(Sources, "REST", 0)
    data = noise(8 * 2 ** 20)
    with Origin() as other:
        origin.put("/a", data, headers={"Digest": "sha-256=" + based("sha-256", data)},
                   script=[slow_until(lambda: len(origin.requests) > 2)] * 30)
        other.put("/a", data, headers={"Digest": "sha-256=" + based("sha-256", b"other")})
        done = attempt(origin.url("/a"), mirrors=[other.url("/a")], connections=4).run()
        assert "another checksum" in "".join(done.notes) and len(other.asked("/a")) == 1
    assert (folder / "a").read_bytes() == data


def test_the_content_md5_of_a_mirror_leaves_no_one_out(origin, attempt, folder):
    data = noise(8 * 2 ** 20)
    with Origin() as other:
        origin.put("/a", data, headers={"Content-MD5": based("md5", data)},
                   script=[slow_until(lambda: other.sent > MIB)] * 30)
        other.put("/a", data, headers={"Content-MD5": based("md5", b"other")})
        done = attempt(origin.url("/a"), mirrors=[other.url("/a")], connections=4).run()
        assert done.notes == [] and len(other.asked("/a")) > 1
    assert (folder / "a").read_bytes() == data
