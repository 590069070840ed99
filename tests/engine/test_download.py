"""One file, one connection: whole or not at all, and resume that is proven."""

import contextlib
import os
import socket
import threading
import time

import pytest

from harness import noise, until
from dlserv.engine.folder import Folder
from dlserv.errors import Permanent, Stopped, Temporary, Unavailable, Unwritable
from servers.origin import OLD, Gate, accept_and_sleep, chunked, drop, head, ignore_if_range, ignore_range, raw, refuse

DATA = noise(300000)


def listing(folder):
    return sorted(os.listdir(folder))


# -- whole or not at all ------------------------------------------------------------------

@pytest.mark.parametrize("size", [0, 1, 65536, len(DATA)])
def test_a_file_arrives_whole_under_its_name_and_date(origin, attempt, folder, size):
    origin.put("/a.iso", DATA[:size])
    done = attempt(origin.url("/a.iso")).run()
    assert (folder / "a.iso").read_bytes() == DATA[:size]
    assert (folder / "a.iso").stat().st_mtime == 1704067200
    assert listing(folder) == ["a.iso"]
    assert done.finished.identity.size == size and done.finished.name == "a.iso"


@pytest.mark.parametrize("path, name", [
    ("/%E4%20b.iso", "%E4 b.iso"), ("/%C3%A4.iso", "ä.iso"), ("/a%ff%00%2Fb", "a%ff__b"),
    ("/%e2%82.zip", "%e2%82.zip")])
def test_escapes_that_are_no_text_stay_in_the_name(origin, attempt, folder, path, name):
    origin.put(path, DATA)
    assert attempt(origin.url(path)).run().finished.name == name
    assert listing(folder) == [name]


def test_bytes_are_in_the_part_file_until_the_last_has_come(origin, attempt, folder):
    gate = Gate(after=100000)
    origin.put("/a.iso", DATA, script=[gate])
    slow = attempt(origin.url("/a.iso"))
    thread = threading.Thread(target=slow.run)
    thread.start()
    until(lambda: slow.download.count == 100000)
    assert listing(folder) == ["a.iso.part"]
    gate.open()
    thread.join()
    assert listing(folder) == ["a.iso"]


def test_a_short_body_is_not_a_finish(origin, attempt, folder):
    origin.put("/a.iso", DATA, script=[drop(after=1000)])
    sentence = attempt(origin.url("/a.iso")).fails(Temporary)
    assert sentence == "the connection was closed after 1000 B of 293 KiB"
    assert listing(folder) == ["a.iso.part"]


def test_a_reset_is_temporary(origin, attempt):
    origin.put("/a.iso", DATA, script=[drop(after=1000, reset=True)])
    attempt(origin.url("/a.iso")).fails(Temporary)


@pytest.mark.parametrize("answer, reason", [
    (raw(b"SSH-2.0-OpenSSH\r\n"), "not HTTP"),
    (raw(b""), "without an answer"),
    (raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"), "middle of its answer"),
    (raw(b"HTTP/1.1 200 OK\r\nContent-Length: 1"), "middle of its answer"),
    (head(Content_Length="12, 13"), "makes no sense"),
    (head(Content_Length="-5"), "makes no sense"),
    (chunked([DATA[:1000]], end=b""), "chunked"),
    (chunked([], end=b"zzz\r\n"), "chunked"),
    (drop(after=0), "closed after 0 B"),
])
def test_nonsense_is_temporary(origin, attempt, folder, answer, reason):
    origin.put("/a.iso", DATA, script=[answer])
    assert reason in attempt(origin.url("/a.iso")).fails(Temporary)
    assert "a.iso" not in listing(folder)


def test_unknown_sizes_end_with_the_last_chunk_or_the_connection(origin, attempt, folder):
    origin.put("/chunked", DATA, script=[chunked([DATA[:10], DATA[10:200000], DATA[200000:]])])
    origin.put("/until-close", DATA,
               script=[raw(b"HTTP/1.0 200 OK\r\n\r\n" + DATA)])
    for name in ("chunked", "until-close"):
        attempt(origin.url("/" + name)).run()
        assert (folder / name).read_bytes() == DATA


def test_interim_answers_are_skipped(origin, attempt, folder):
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
    origin.put("/a", DATA, script=[raw(interim + b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc")])
    attempt(origin.url("/a")).run()
    assert (folder / "a").read_bytes() == b"abc"


def test_what_a_server_sends_beyond_its_length_is_not_the_file(origin, attempt, folder):
    origin.put("/a", script=[raw(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcdef")])
    attempt(origin.url("/a")).run()
    assert (folder / "a").read_bytes() == b"abc"


# -- names --------------------------------------------------------------------------------

def test_a_name_that_is_taken_gets_a_number(origin, attempt, folder):
    origin.put("/x.tar.gz", DATA)
    (folder / "x.tar.gz").write_text("mine")
    (folder / "x (1).tar.gz").symlink_to("/etc/passwd")
    (folder / "x (2).tar.gz.part").write_text("mine too")
    assert attempt(origin.url("/x.tar.gz")).run().finished.name == "x (3).tar.gz"
    assert (folder / "x.tar.gz").read_text() == "mine"
    assert (folder / "x (2).tar.gz.part").read_text() == "mine too"


def test_hundreds_of_taken_names_are_passed_over(origin, attempt, folder):
    for number in range(300):
        (folder / ("a (%d).iso" % number if number else "a.iso")).write_bytes(b"")
    (folder / "a (17).iso").unlink()
    origin.put("/a.iso", DATA)
    assert attempt(origin.url("/a.iso")).run().finished.name == "a (17).iso"
    assert attempt(origin.url("/a.iso")).run().finished.name == "a (300).iso"


def test_a_name_that_is_taken_meanwhile_is_not_overwritten(origin, attempt, folder):
    gate = Gate(after=1000)
    origin.put("/x.iso", DATA, script=[gate])
    slow = attempt(origin.url("/x.iso"))
    thread = threading.Thread(target=slow.run)
    thread.start()
    gate.reached.wait()
    (folder / "x.iso").write_text("mine")
    gate.open()
    thread.join()
    assert slow.finished.name == "x (1).iso"
    assert (folder / "x.iso").read_text() == "mine"


def test_a_number_that_is_taken_meanwhile_is_followed_by_the_next(origin, attempt, folder):
    origin.put("/x.tar.gz", b"small")
    (folder / "x.tar.gz").touch()
    second = attempt(origin.url("/x.tar.gz"))
    second.publishing = lambda progress: (folder / "x (1).tar.gz").touch    # another task's, as small
    assert second.run().finished.name == "x (2).tar.gz"


def test_overwrite_never_gives_up_instead(origin, attempt, folder):
    origin.put("/x.iso", DATA)
    (folder / "x.iso").write_text("mine")
    sentence = attempt(origin.url("/x.iso"), settings={"overwrite": "never"}).fails(Permanent)
    assert sentence == "a file named x.iso is there already"
    assert listing(folder) == ["x.iso"]


def test_the_server_names_the_file_unless_the_task_does(origin, attempt, folder):
    origin.put("/get?id=1", DATA, headers={"Content-Disposition": "attachment; filename*=UTF-8''%C3%A4.bin"})
    assert attempt(origin.url("/get?id=1")).run().finished.name == "ä.bin"
    assert attempt(origin.url("/get?id=1"), filename="mine.bin").run().finished.name == "mine.bin"


def test_a_page_without_a_name_is_called_after_its_host(origin, attempt, folder):
    origin.put("/", b"<html>", headers={"Content-Type": "text/html; charset=utf-8"})
    origin.put("/?json", b"{}", headers={"Content-Type": "application/json"})
    assert attempt(origin.url("/")).run().finished.name == "127.0.0.1.html"
    assert attempt(origin.url("/?json")).run().finished.name == "127.0.0.1.json"


def test_folders_are_made_but_no_link_is_followed(origin, attempt, folder, tmp_path):
    origin.put("/a.iso", DATA)
    attempt(origin.url("/a.iso"), dir="new/deep").run()
    assert (folder / "new" / "deep" / "a.iso").read_bytes() == DATA
    (tmp_path / "outside").mkdir()
    (folder / "link").symlink_to(tmp_path / "outside")
    assert "symbolic link" in attempt(origin.url("/a.iso"), dir="link").fails(Unwritable)
    assert listing(tmp_path / "outside") == []


# -- resume -------------------------------------------------------------------------------

def broken_off(origin, attempt, after=200000, path="/a.iso", **options):
    """An attempt that has got `after` bytes when the connection broke."""
    file = origin.put(path, DATA, script=[drop(after)], **options)
    first = attempt(origin.url(path))
    first.fails(Temporary)
    assert first.progress.done == [(0, after)]
    origin.requests.clear()
    origin.sent = 0
    return file, first.progress


def resumed(origin, attempt, folder, progress, expected=DATA):
    """A second attempt from where the first left off, which must end well."""
    second = attempt(origin.url("/a.iso"), kept=progress).run()
    assert (folder / second.finished.name).read_bytes() == expected
    assert listing(folder) == ["a.iso"]
    return second


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


def test_a_date_as_young_as_the_answer_proves_nothing(origin, attempt, folder):
    import email.utils
    now = email.utils.formatdate(usegmt=True)
    _, progress = broken_off(origin, attempt, etag=None, modified=now)
    second = resumed(origin, attempt, folder, progress)
    assert "range" not in origin.requests[0].headers
    assert "cannot resume" in second.notes[0]


def test_a_server_without_ranges_starts_from_zero(origin, attempt, folder):
    _, progress = broken_off(origin, attempt, ranges=False)
    second = resumed(origin, attempt, folder, progress)
    assert not progress.resource.resumable
    assert second.notes == ["the server cannot resume this file; starting over from zero"]
    assert len(origin.requests) == 1


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


def test_a_file_that_changed_behind_the_same_validator_shows_in_the_overlap(origin, attempt, folder):
    file, progress = broken_off(origin, attempt)
    file.data = noise(len(DATA), seed=2)
    second = resumed(origin, attempt, folder, progress, file.data)
    assert second.notes == ["the server's bytes differ from those on disk; starting over from zero"]


def rest_as_200(exchange):
    """What scripts send that know Range but not the status that goes with it."""
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


def test_zero_is_recorded_before_the_bytes_are_given_up(origin, attempt, folder):
    file, progress = broken_off(origin, attempt)
    file.data, file.etag = noise(1000, seed=2), '"v2"'
    second = resumed(origin, attempt, folder, progress, file.data)
    plan, durable = second.plans[0]
    assert plan.done == [] and durable


def test_a_range_shorter_than_asked_for_is_continued(origin, attempt, folder):
    file, progress = broken_off(origin, attempt)

    def half(exchange):
        start = exchange.wanted()[0]
        exchange.request.headers["range"] = "bytes=%d-%d" % (start, start + 50000)
        exchange.answer()
    file.script = [half]
    resumed(origin, attempt, folder, progress)
    assert len(origin.requests) == 2


def test_a_part_file_that_is_gone_or_shorter_is_not_believed(origin, attempt, folder):
    _, progress = broken_off(origin, attempt)
    os.truncate(folder / "a.iso.part", 50000)
    resumed(origin, attempt, folder, progress)
    assert origin.requests[0].headers["range"] == "bytes=%d-" % (50000 - 2 ** 14)
    os.rename(folder / "a.iso", folder / "old.iso")
    again = attempt(origin.url("/a.iso"), kept=progress).run()
    assert again.notes == ["a.iso.part is gone; starting over from zero"]
    assert (folder / "a.iso").read_bytes() == DATA


def test_a_part_that_was_copied_is_proven_by_its_bytes(origin, attempt, folder):
    _, progress = broken_off(origin, attempt)
    copy = (folder / "a.iso.part").read_bytes()
    (folder / "a.iso.part").rename(folder / "old")
    (folder / "a.iso.part").write_bytes(copy)
    (folder / "old").unlink()
    second = resumed(origin, attempt, folder, progress)
    assert second.notes == [] and len(origin.requests) == 1


@pytest.mark.parametrize("done", [200000, 300000, 0])
def test_a_file_of_the_part_s_name_that_is_not_the_part_is_left_alone(origin, attempt, folder, done):
    """Somebody else's, in a folder that came in place of the one with the part."""
    _, progress = broken_off(origin, attempt)
    mine = noise(len(DATA), seed=7)
    (folder / "a.iso.part").rename(folder / "elsewhere")        # so that its inode is not free
    (folder / "a.iso.part").write_bytes(mine)
    again = attempt(origin.url("/a.iso"), kept=progress._replace(done=[(0, done)] if done else [])).run()
    assert (folder / "a.iso.part").read_bytes() == mine
    assert again.finished.name == "a (1).iso" and (folder / "a (1).iso").read_bytes() == DATA


def test_a_file_that_changes_again_and_again_is_given_up(origin, attempt):
    file, progress = broken_off(origin, attempt)
    file.script = [refuse("416 Range Not Satisfiable")] + [refuse("416 x")] * 9
    assert "gave up after starting over: the server answered 416" in attempt(origin.url("/a.iso"), kept=progress).fails(Permanent)


# -- a crash while the file takes its name --------------------------------------------------

def about_to_publish(origin, attempt):
    """The record that was stored just before the file was renamed, and the file."""
    origin.put("/a.iso", DATA)
    first = attempt(origin.url("/a.iso")).run()
    origin.requests.clear()
    progress = first.plans[-1][0]
    assert progress.publishing is not None
    return progress


def test_a_crash_after_the_rename_is_recognised(origin, attempt, folder):
    progress = about_to_publish(origin, attempt)
    again = attempt(origin.url("/a.iso"), kept=progress).run()
    assert again.finished.name == "a.iso" and origin.requests == []


def test_a_crash_between_link_and_unlink_is_mended(origin, attempt, folder):
    progress = about_to_publish(origin, attempt)
    os.link(folder / "a.iso", folder / "a.iso.part")
    again = attempt(origin.url("/a.iso"), kept=progress).run()
    assert again.finished.name == "a.iso" and listing(folder) == ["a.iso"]


def test_a_crash_before_the_rename_is_made_up_for(origin, attempt, folder):
    progress = about_to_publish(origin, attempt)
    os.rename(folder / "a.iso", folder / "a.iso.part")
    attempt(origin.url("/a.iso"), kept=progress).run()
    assert listing(folder) == ["a.iso"] and origin.requests == []


def test_a_crash_on_a_disk_without_links_leaves_no_empty_file(origin, attempt, folder, without_links):
    progress = about_to_publish(origin, attempt)
    os.rename(folder / "a.iso", folder / "a.iso.part")
    (folder / "a.iso").touch()
    attempt(origin.url("/a.iso"), kept=progress).run()
    assert listing(folder) == ["a.iso"] and (folder / "a.iso").read_bytes() == DATA


def test_a_small_file_gets_its_name_where_nothing_can_be_linked(origin, attempt, folder, without_links):
    """As on Android, which has unnamed files, but lets nobody name them."""
    at_once = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nLast-Modified: %s\r\n\r\nsmall" % OLD.encode()
    origin.put("/a.txt", script=[raw(at_once)])
    (folder / "a.txt").touch()
    (folder / "a (1).txt.part").touch()
    small = attempt(origin.url("/a.txt")).run()
    assert small.finished.name == "a (2).txt" and (folder / "a (2).txt").read_bytes() == b"small"
    assert small.finished.identity.matches(os.stat(folder / "a (2).txt"))
    assert os.stat(folder / "a (2).txt").st_mtime == 1704067200
    assert listing(folder) == ["a (1).txt.part", "a (2).txt", "a.txt"]
    plan = small.plans[-1][0]
    assert plan.part == "a (2).txt.part" and plan.node == plan.publishing[:2] == small.finished.identity[:2]


def test_a_small_file_that_can_have_no_name_at_all_is_told(origin, attempt, folder, without_links, monkeypatch):
    origin.put("/a.txt", script=[raw(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nsmall")])

    def refuse(self, name):
        raise Unavailable("%s: the file system is read-only" % name)
    monkeypatch.setattr(Folder, "create", refuse)
    assert "read-only" in attempt(origin.url("/a.txt")).fails(Unavailable)


def test_an_empty_file_that_came_after_a_crash_is_somebody_s_where_there_are_links(origin, attempt, folder):
    progress = about_to_publish(origin, attempt)
    os.rename(folder / "a.iso", folder / "a.iso.part")
    (folder / "a.iso").touch()
    attempt(origin.url("/a.iso"), kept=progress).run()
    assert listing(folder) == ["a (1).iso", "a.iso"] and (folder / "a.iso").stat().st_size == 0


def test_a_stop_while_a_slow_disk_notes_the_name_leaves_no_file(origin, attempt, folder):
    origin.put("/a.iso", DATA)
    late = attempt(origin.url("/a.iso"))
    late.publishing = lambda progress: late.download.stop
    late.fails(Stopped)
    assert "a.iso" not in listing(folder)


# -- stopping -------------------------------------------------------------------------------

@pytest.fixture
def full_port():
    """A port whose backlog is full, so that a connect to it hangs."""
    with contextlib.ExitStack() as sockets:
        listener = sockets.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            filler = sockets.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


@pytest.mark.parametrize("stage", ["connect", "head", "body"])
def test_a_stop_takes_effect_at_once(origin, attempt, full_port, stage):
    origin.put("/a", DATA, script=[accept_and_sleep if stage == "head" else Gate(after=1000)])
    stuck = attempt("http://127.0.0.1:%d/a" % full_port if stage == "connect" else origin.url("/a"),
                    timeout=30)
    caught = []
    thread = threading.Thread(target=lambda: caught.append(stuck.fails(Stopped)))
    thread.start()
    if stage == "head":
        until(lambda: origin.requests)
    elif stage == "body":
        until(lambda: stuck.download.count == 1000)
    else:
        time.sleep(0.1)     # nothing shows from outside that a connect is under way
    began = time.monotonic()
    stuck.download.stop()
    thread.join(5)
    assert time.monotonic() - began < 0.25 and caught == ["stopped"]


def test_a_silent_server_is_dropped_after_the_timeout(origin, attempt):
    origin.put("/a", DATA, script=[Gate(after=1000)])
    assert attempt(origin.url("/a"), timeout=0.2).fails(Temporary) == "no data came for 0.2 s"


# -- answers that are no file -----------------------------------------------------------------

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


def test_a_name_that_does_not_resolve_is_temporary(attempt):
    assert "cannot be resolved" in attempt("http://no-such-host.invalid/a").fails(Temporary)


def test_a_port_that_is_closed_is_temporary(attempt):
    assert attempt("http://127.0.0.1:1/a").fails(Temporary) == "the connection was refused"
