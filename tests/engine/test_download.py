"""One file, one connection: whole or not at all, and resume that is proven."""

import threading
import time

import pytest

from harness import listing, until
from dlserv.errors import Permanent, Stopped, Temporary
from dlserv.net import channel
from interrupted import DATA, broken_off
from servers.origin import Gate, accept_and_sleep, chunked, drop, head, raw, refuse


# -- whole or not at all ------------------------------------------------------------------

@pytest.mark.parametrize("size", [0, 1, 65536, len(DATA)])
def test_a_file_arrives_whole_under_its_name_and_date(origin, attempt, folder, size):
    origin.put("/a.iso", DATA[:size])
    done = attempt(origin.url("/a.iso")).run()
    assert (folder / "a.iso").read_bytes() == DATA[:size]
    assert (folder / "a.iso").stat().st_mtime == 1704067200
    assert listing(folder) == ["a.iso"]
    assert done.finished.identity.size == size and done.finished.name == "a.iso"


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


def test_unknown_sizes_end_with_the_last_chunk_or_the_line(origin, attempt, folder):
    origin.put("/chunked", DATA, script=[chunked([DATA[:10], DATA[10:200000], DATA[200000:]])])
    origin.put("/until-close", DATA,
               script=[raw(b"HTTP/1.0 200 OK\r\n\r\n" + DATA)])
    for name in ("chunked", "until-close"):
        attempt(origin.url("/" + name)).run()
        assert (folder / name).read_bytes() == DATA


# -- resume -------------------------------------------------------------------------------

def test_a_file_that_changes_again_and_again_is_given_up(origin, attempt):
    file, progress = broken_off(origin, attempt)
    file.script = [refuse("416 Range Not Satisfiable")] + [refuse("416 x")] * 9
    assert "gave up after starting over: the server answered 416" in attempt(origin.url("/a.iso"), kept=progress).fails(Permanent)


# -- stopping -------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", ["connect", "head", "body"])
def test_a_stop_takes_effect_at_once(origin, attempt, full_port, stage, monkeypatch):
    monkeypatch.setattr(channel, "LONGEST_WAIT", 0.1)
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


# -- limits ---------------------------------------------------------------------------------

def test_a_file_that_came_with_its_head_obeys_its_limit(origin, attempt):
    origin.put("/a.iso", DATA[:4096])
    began = time.monotonic()
    attempt(origin.url("/a.iso"), ratelimit=8192).run()
    assert time.monotonic() - began > 0.25
