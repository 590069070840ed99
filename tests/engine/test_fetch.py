"""Several connections to one file: how many, and what ends them."""

import threading
import time

import pytest

from harness import until
from servers.origin import Gate, accept_and_sleep, drop, head, ignore_range, paced, refuse
from dlserv.engine.fetch import Fetch
from dlserv.engine.meter import Pace
from dlserv.errors import Stopped, Temporary
from several import DATA, MIB, a_little, slow_until, whole

def ranges(server, path="/a"):
    return [request.headers.get("range") for request in server.asked(path)]


# -- how many -----------------------------------------------------------------------------

def test_the_first_answer_is_used_and_others_join(origin, attempt, folder):
    origin.put("/a", DATA, script=[paced(3 * MIB)] * 4)     # slow enough to wait in no kernel
    attempt(origin.url("/a"), connections=4).run()
    assert whole(folder)
    asked = ranges(origin)
    assert asked[0] is None and 2 <= len(asked) <= 8 and None not in asked[1:]
    assert origin.sent < 1.3 * len(DATA)
    assert all(request.headers["if-range"] == '"v1"' for request in origin.asked("/a")[1:])


def test_a_limited_download_opens_no_second_connection(origin, attempt, folder):
    origin.put("/a", DATA)
    limited = attempt(origin.url("/a"), connections=4, ratelimit=3 * MIB)
    thread = limited.begin()
    until(lambda: limited.download.count > 2 * MIB)
    assert ranges(origin) == [None]
    limited.download.adjust(limited.options._replace(ratelimit=0))
    thread.join()
    assert whole(folder)


def test_connections_join_below_a_limit_that_one_does_not_reach(origin, attempt, folder, monkeypatch):
    monkeypatch.setattr(Fetch, "IDLE", 0.05)
    origin.put("/a", DATA, script=[slow_until(lambda: len(origin.requests) > 2)] * 8)
    attempt(origin.url("/a"), connections=4, ratelimit=100 * MIB).run()
    assert whole(folder) and len(ranges(origin)) >= 2


def test_connections_join_once_the_limit_is_lifted(origin, attempt, folder, monkeypatch):
    monkeypatch.setattr(Fetch, "IDLE", 0.05)
    origin.put("/a", DATA, script=[slow_until(lambda: len(origin.requests) > 2, rate=2 * MIB)] * 8)
    limited = attempt(origin.url("/a"), connections=4, ratelimit=MIB // 2)
    thread = limited.begin()
    until(lambda: limited.download.count > MIB // 4)
    assert ranges(origin) == [None]
    limited.download.adjust(limited.options._replace(ratelimit=0))
    thread.join()
    assert whole(folder) and len(ranges(origin)) >= 2


@pytest.mark.parametrize("options, reason", [
    (dict(ranges=False), "no ranges"), (dict(etag=None, modified=None), "no validator")])
def test_a_server_that_proves_no_ranges_gets_one_connection(origin, attempt, folder, options, reason):
    origin.put("/a", DATA, script=[paced(40 * MIB)], **options)
    attempt(origin.url("/a"), connections=4).run()
    assert whole(folder) and ranges(origin) == [None], reason


def test_a_small_file_gets_one_connection(origin, attempt, folder):
    origin.put("/a", DATA[:2 * MIB - 1], script=[paced(8 * MIB)])
    attempt(origin.url("/a"), connections=4).run()
    assert ranges(origin) == [None]


def test_one_connection_is_one_connection(origin, attempt, folder):
    origin.put("/a", DATA, script=[paced(40 * MIB)])
    attempt(origin.url("/a"), connections=1).run()
    assert ranges(origin) == [None] and whole(folder)


def test_connections_that_share_a_full_line_make_a_whole_file(origin, attempt, folder):
    """Their number is tested without a clock in test_growth.py."""
    line = threading.Lock()

    def shared(exchange):
        body = exchange.begin()
        for position in range(0, len(body), 65536):
            with line:
                exchange.send(body[position:position + 65536])
                time.sleep(0.004)
    origin.put("/a", DATA, script=[shared] * 16)
    done = attempt(origin.url("/a"), connections=16).run()
    assert whole(folder) and done.notes == [] and None not in ranges(origin)[1:]


def test_the_number_can_be_raised_and_lowered_meanwhile(origin, attempt, folder):
    pace = paced(MIB // 4, piece=1024)
    origin.put("/a", DATA, script=[pace] * 40)
    slow = attempt(origin.url("/a"), connections=2)
    thread = slow.begin()
    until(lambda: slow.download.connections == 2)
    slow.download.adjust(slow.options._replace(connections=8))
    until(lambda: slow.download.connections > 2)
    slow.download.adjust(slow.options._replace(connections=1))
    until(lambda: slow.download.connections == 1)
    pace.rate = float("inf")
    thread.join()
    assert whole(folder)


def test_one_connection_can_become_several(origin, attempt, folder):
    pace = paced(MIB // 4, piece=1024)
    origin.put("/a", DATA, script=[pace] * 40)
    slow = attempt(origin.url("/a"), connections=1)
    thread = slow.begin()
    until(lambda: slow.download.connections == 1)
    slow.download.adjust(slow.options._replace(connections=4))
    until(lambda: slow.download.connections > 1)
    pace.rate = float("inf")
    thread.join()
    assert whole(folder)


# -- disagreement ---------------------------------------------------------------------------

@pytest.mark.parametrize("lie", [
    head(Content_Range="bytes 0-99/9000000"), head(ETag='"v2"'), ignore_range,
    refuse("403 Forbidden"), refuse("416 Range Not Satisfiable"),
    head(Content_Range="bytes 4194304-8388607/9999999"), head(Content_Length=77)])
def test_a_connection_that_disagrees_is_dropped(origin, attempt, folder, lie):
    origin.put("/a", DATA, script=[slow_until(lambda: running.notes), lie, lie])
    running = attempt(origin.url("/a"), connections=4)
    running.run()
    assert whole(folder)
    assert len(running.notes) >= 1 and "starting over" not in "".join(running.notes)


def test_the_last_connection_that_disagrees_costs_no_bytes(origin, attempt, folder):
    """The first answer ends early, and what is asked for next is answered from another file."""
    origin.put("/a", DATA, script=[drop(after=4 * MIB)])
    first = attempt(origin.url("/a"))
    first.fails(Temporary)

    file = origin.put("/a", DATA, script=[a_little, head(ETag='"v2"')])
    done = attempt(origin.url("/a"), connections=4, kept=first.progress).run()
    assert whole(folder) and not file.script and "starting over" not in "".join(done.notes)
    assert done.download.file.received == 4 * MIB


def test_a_connection_that_breaks_off_is_dropped_too(origin, attempt, folder):
    origin.put("/a", DATA, script=[slow_until(lambda: running.notes), drop(after=1000)])
    running = attempt(origin.url("/a"), connections=4)
    running.run()
    assert whole(folder) and "closed after 1000 B" in running.notes[0]


def test_an_etag_of_each_request_means_one_connection(origin, attempt, folder):
    """As some CDNs hand out with their tokens: no resume, but it finishes."""
    file = origin.put("/a", DATA)

    def token(exchange):
        file.script.append(token)
        file.etag = '"%d"' % len(origin.requests)
        slow_until(lambda: running.notes)(exchange)
    file.script.append(token)
    running = attempt(origin.url("/a"), connections=4)
    running.run()
    assert whole(folder)


# -- slow and dead ones ---------------------------------------------------------------------

def test_what_a_stalled_connection_still_has_is_taken_over(origin, attempt, folder, monkeypatch):
    monkeypatch.setattr(Pace, "STANDSTILL", 0.3)
    origin.put("/a", DATA, script=[Gate(after=MIB)] + [paced(16 * MIB)] * 3)
    done = attempt(origin.url("/a"), connections=4, timeout=30).run()
    assert whole(folder) and done.finished


def drip(data):
    """Send the data a byte at a time, for ever slow."""
    def fault(exchange):
        body = data or exchange.begin()
        for position in range(len(body)):
            exchange.send(body[position:position + 1])
            if exchange.origin.closing.wait(0.02):
                break
    return fault


@pytest.mark.parametrize("data", [b"HTTP/1.1 200 OK\r\nX: " + bytes(9999), None], ids=["head", "overlap"])
def test_what_must_come_before_the_bytes_may_not_drip(origin, attempt, data):
    origin.put("/a", DATA, script=[drop(after=MIB), drip(data)])
    first = attempt(origin.url("/a"))
    first.fails(Temporary)
    sentence = attempt(origin.url("/a"), kept=first.progress, timeout=0.3).fails(Temporary)
    assert sentence == "the server did not complete its response within 0.3 s"


def test_a_stop_ends_every_connection_at_once(origin, attempt):
    origin.put("/a", DATA, script=[paced(MIB)] * 16)
    slow = attempt(origin.url("/a"), connections=4)
    caught = []
    thread = threading.Thread(target=lambda: caught.append(slow.fails(Stopped)))
    thread.start()
    until(lambda: slow.download.connections == 4)
    began = time.monotonic()
    slow.download.stop()
    thread.join(5)
    assert time.monotonic() - began < 0.25 and caught == ["stopped"]


def test_all_that_the_connections_got_is_kept(origin, attempt, folder):
    def send_a_share(exchange):
        """Send a little more than 1 MiB, slowly until all connections are there, and no more."""
        body = exchange.begin()
        for position in range(0, min(len(body), MIB + 2 ** 16), 2 ** 13):
            exchange.send(body[position:position + 2 ** 13])
            all_there.wait(0.01)
        if len(body) > MIB + 2 ** 16:
            accept_and_sleep(exchange)

    all_there = threading.Event()
    origin.put("/a", DATA, script=[send_a_share] * 9)
    first = attempt(origin.url("/a"), connections=4)
    thread = threading.Thread(target=lambda: first.fails(Stopped))
    thread.start()
    until(lambda: first.download.connections == 4)
    all_there.set()
    until(lambda: first.progress and len(first.progress.done) >= 3 and first.download.count >= 4 * MIB)
    first.download.stop()
    thread.join()
    kept = first.progress
    count = sum(end - start for start, end in kept.done)
    assert len(kept.done) >= 3 and count >= 4 * MIB
    origin.put("/a", DATA)
    origin.sent = 0
    attempt(origin.url("/a"), connections=4, kept=kept).run()
    assert whole(folder) and origin.sent < len(DATA) - count + MIB


def test_a_chunked_range_is_the_first_of_several_too(origin, attempt, folder):
    origin.put("/a", DATA, script=[drop(after=MIB)])
    first = attempt(origin.url("/a"))
    first.fails(Temporary)

    def in_chunks(exchange):
        body = exchange.begin(Content_Length=None, Transfer_Encoding="chunked")
        exchange.send(b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
    origin.put("/a", DATA, script=[in_chunks])
    attempt(origin.url("/a"), connections=4, kept=first.progress).run()
    assert whole(folder)
