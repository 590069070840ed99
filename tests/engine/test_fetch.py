"""Several connections, mirrors, and what is done about those that do not deliver."""

import threading
import time
from types import SimpleNamespace

import pytest

from harness import noise, until
from servers.origin import Gate, Origin, drop, head, ignore_range, paced, redirect, refuse
from dlserv.net.channel import Signal
from dlserv.engine.connection import Connection, Limits
from dlserv.engine.fetch import Fetch
from dlserv.engine.meter import Pace
from dlserv.errors import Permanent, Stopped, Temporary

MIB = 2 ** 20
DATA = noise(8 * MIB)


@pytest.fixture
def other():
    with Origin() as server:
        yield server


def run(attempt):
    """Start the attempt in a thread; gives the thread."""
    thread = threading.Thread(target=attempt.run)
    thread.start()
    return thread


def whole(folder, name="a"):
    return (folder / name).read_bytes() == DATA


def ranges(server, path="/a"):
    return [request.headers.get("range") for request in server.asked(path)]


def a_little(exchange):
    """Answer with less of the range than was asked for."""
    start, _ = exchange.wanted()
    exchange.head("206 Partial Content", {"Content-Length": MIB, "ETag": '"v1"', "Content-Range":
                                          "bytes %d-%d/%d" % (start, start + MIB - 1, len(DATA))})
    exchange.send(DATA[start:start + MIB])


# -- how many -----------------------------------------------------------------------------

def test_the_first_answer_is_used_and_others_join(origin, attempt, folder):
    origin.put("/a", DATA, script=[paced(3 * MIB)] * 4)     # slow enough to wait in no kernel
    attempt(origin.url("/a"), connections=4).run()
    assert whole(folder)
    asked = ranges(origin)
    assert asked[0] is None and 2 <= len(asked) <= 8 and None not in asked[1:]
    assert origin.sent < 1.3 * len(DATA)
    assert all(request.headers["if-range"] == '"v1"' for request in origin.asked("/a")[1:])


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


def test_more_connections_come_only_while_they_pay(origin, attempt, folder):
    """A server whose line is full at one connection sees a second, and no more."""
    line = threading.Lock()

    def shared(exchange):
        body = exchange.begin()
        for position in range(0, len(body), 65536):
            with line:
                exchange.send(body[position:position + 65536])
                time.sleep(0.008)
    origin.put("/a", DATA, script=[shared] * 16)
    attempt(origin.url("/a"), connections=16).run()
    assert whole(folder) and origin.connections <= 4


def test_who_waits_for_a_limit_does_not_stand_still():
    clock = Clock()
    pace = Pace(clock)
    pace.moved(1000, 20)
    clock.now += Pace.STANDSTILL + 1
    assert pace.seconds_for(1000) == float("inf")
    pace.held = True
    assert pace.seconds_for(1000) < float("inf")


def test_the_number_can_be_raised_and_lowered_meanwhile(origin, attempt, folder):
    pace = paced(MIB // 4, piece=1024)
    origin.put("/a", DATA, script=[pace] * 40)
    slow = attempt(origin.url("/a"), connections=2)
    thread = run(slow)
    until(lambda: slow.download.connections == 2)
    slow.download.adjust(slow.download._options._replace(connections=8))
    until(lambda: slow.download.connections > 2)
    slow.download.adjust(slow.download._options._replace(connections=1))
    until(lambda: slow.download.connections == 1)
    pace.rate = float("inf")
    thread.join()
    assert whole(folder)


def test_one_connection_can_become_several(origin, attempt, folder):
    pace = paced(MIB // 4, piece=1024)
    origin.put("/a", DATA, script=[pace] * 40)
    slow = attempt(origin.url("/a"), connections=1)
    thread = run(slow)
    until(lambda: slow.download.connections == 1)
    slow.download.adjust(slow.download._options._replace(connections=4))
    until(lambda: slow.download.connections > 1)
    pace.rate = float("inf")
    thread.join()
    assert whole(folder)


# -- disagreement ---------------------------------------------------------------------------

@pytest.mark.parametrize("lie", [
    head(Content_Range="bytes 0-99/9000000"), head(ETag='"v2"'), ignore_range,
    refuse("403 Forbidden"), refuse("416 Range Not Satisfiable"),
    head(Content_Range="bytes 4194304-8388607/9999999"), head(Content_Length=77)])
def test_a_connection_that_disagrees_is_dropped_and_the_file_goes_on(origin, attempt, folder, lie):
    origin.put("/a", DATA, script=[paced(8 * MIB), lie, lie])
    done = attempt(origin.url("/a"), connections=4).run()
    assert whole(folder)
    assert len(done.notes) >= 1 and "starting over" not in "".join(done.notes)


def test_the_last_connection_that_disagrees_costs_no_bytes(origin, attempt, folder):
    """The first answer ends early, and what is asked for next is answered from another file."""
    origin.put("/a", DATA, script=[drop(after=4 * MIB)])
    first = attempt(origin.url("/a"))
    first.fails(Temporary)

    file = origin.put("/a", DATA, script=[a_little, head(ETag='"v2"')])
    done = attempt(origin.url("/a"), connections=4, kept=first.progress).run()
    assert whole(folder) and not file.script and "starting over" not in "".join(done.notes)
    assert done.download.received == 4 * MIB


def test_a_connection_that_breaks_off_is_dropped_too(origin, attempt, folder):
    origin.put("/a", DATA, script=[paced(16 * MIB), drop(after=1000)])
    done = attempt(origin.url("/a"), connections=4).run()
    assert whole(folder) and "closed after 1000 B" in done.notes[0]


def test_an_etag_of_each_request_means_one_connection(origin, attempt, folder):
    """As some CDNs hand out with their tokens: no resume, but it finishes."""
    file = origin.put("/a", DATA)

    def token(exchange):
        file.script.append(token)
        file.etag = '"%d"' % len(origin.requests)
        paced(16 * MIB)(exchange)
    file.script.append(token)
    attempt(origin.url("/a"), connections=4).run()
    assert whole(folder)


# -- slow and dead ones ---------------------------------------------------------------------

def test_what_a_stalled_connection_still_has_is_taken_over(origin, attempt, folder, monkeypatch):
    monkeypatch.setattr(Pace, "STANDSTILL", 0.3)
    origin.put("/a", DATA, script=[Gate(after=MIB)] + [paced(16 * MIB)] * 3)
    done = attempt(origin.url("/a"), connections=4, timeout=30).run()
    assert whole(folder) and done.finished


def test_a_drip_is_replaced(origin, attempt, monkeypatch):
    monkeypatch.setattr(Connection, "MIN_SPEED_OVER", 0.5)
    origin.put("/a", DATA, script=[paced(10, piece=1)])
    sentence = attempt(origin.url("/a"), timeout=30).fails(Temporary)
    assert sentence == "the connection was too slow: less than 1.0 KiB/s for 0.5 s"


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
    assert sentence == "no whole answer came within 0.3 s"


def test_a_drip_far_below_the_limit_is_replaced_too(origin, attempt, monkeypatch):
    monkeypatch.setattr(Connection, "MIN_SPEED_OVER", 0.5)
    origin.put("/a", DATA[:200], script=[paced(10, piece=1)])
    assert "too slow" in attempt(origin.url("/a"), timeout=30, ratelimit=10 * MIB).fails(Temporary)


def test_a_drip_that_was_asked_for_is_not(origin, attempt, folder, monkeypatch):
    monkeypatch.setattr(Connection, "MIN_SPEED_OVER", 0.2)
    origin.put("/a", DATA[:500])
    attempt(origin.url("/a"), ratelimit=700).run()


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
    origin.put("/a", DATA, script=[paced(2 * MIB)] * 9)
    first = attempt(origin.url("/a"), connections=4)
    thread = threading.Thread(target=lambda: first.fails(Stopped))
    thread.start()
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


# -- mirrors --------------------------------------------------------------------------------

def test_mirrors_are_used_beside_the_url(origin, other, attempt, folder):
    origin.put("/a", DATA, script=[paced(2 * MIB)] * 9)
    other.put("/m", DATA, etag='"mirror"', modified=None, script=[paced(2 * MIB)] * 9)
    attempt(origin.url("/a"), mirrors=[other.url("/m")], connections=4).run()
    assert whole(folder) and origin.sent > MIB and other.sent > MIB


@pytest.mark.parametrize("mirror, reason", [
    (noise(8 * MIB, seed=2), "bytes differ"), (DATA + b"x", "another size")])
def test_a_mirror_of_another_file_is_left_out(origin, other, attempt, folder, mirror, reason):
    origin.put("/a", DATA, script=[paced(8 * MIB)] * 9)
    other.put("/m", mirror)
    done = attempt(origin.url("/a"), mirrors=[other.url("/m")], connections=4).run()
    assert whole(folder) and reason in "".join(done.notes)
    assert other.url("/m").split("/")[2] in "".join(done.notes)


def test_a_mirror_steps_in_where_the_url_fails(origin, other, attempt, folder):
    other.put("/m", DATA)
    done = attempt(origin.url("/a"), mirrors=[other.url("/m")]).run()
    assert whole(folder, "a")
    assert done.notes[0].endswith("the server answered 404 Not Found")


@pytest.mark.parametrize("path, disposition, name", [
    ("/film.iso", None, "film.iso"), ("/film.iso?x=1", 'attachment; filename="other.iso"', "film.iso"),
    ("/", 'attachment; filename="other.iso"', "other.iso"), ("/", None, "m"), ("/..", None, "m")])
def test_a_file_from_a_mirror_has_the_tasks_name(origin, other, attempt, folder, path, disposition, name):
    origin.put(path, script=[refuse("503 Service Unavailable")])
    other.put("/m", DATA[:MIB], headers={"Content-Disposition": disposition} if disposition else {})
    done = attempt(origin.url(path), mirrors=[other.url("/m")]).run()
    assert done.finished.name == name and (folder / name).read_bytes() == DATA[:MIB]


def test_a_mirror_goes_on_where_the_url_broke_off(origin, other, attempt, folder):
    origin.put("/a", DATA, script=[drop(after=5 * MIB), refuse("503 Busy")])
    other.put("/m", DATA, etag='"mirror"')
    first = attempt(origin.url("/a"))
    first.fails(Temporary)
    done = attempt(origin.url("/a"), mirrors=[other.url("/m")], kept=first.progress).run()
    assert whole(folder) and other.sent < 4 * MIB and len(done.notes) == 1


@pytest.mark.parametrize("size", [MIB, len(DATA)])
@pytest.mark.parametrize("after", [0, 100000])
def test_a_mirror_goes_on_where_the_url_falls_silent(origin, other, attempt, folder, size, after):
    origin.put("/a", DATA[:size], script=[Gate(after)])
    other.put("/m", DATA[:size], etag='"mirror"')
    done = attempt(origin.url("/a"), mirrors=[other.url("/m")], timeout=0.2, connections=4).run()
    assert (folder / "a").read_bytes() == DATA[:size]
    assert "no data came" in done.notes[0]
    assert ranges(origin)[1:] in ([], ["bytes=%d-%d" % (size - 2 ** 14, size - 1)])     # the end, to compare


def test_a_mirror_of_another_file_is_not_the_last_word_on_a_url_that_broke_off(origin, other, attempt):
    origin.put("/a", DATA, script=[drop(after=4 * MIB)] + [refuse("503 Busy")] * 9)
    other.put("/m", DATA[:-1])
    broken = attempt(origin.url("/a"), mirrors=[other.url("/m")], connections=4)
    broken.fails(Temporary)
    assert broken.progress.done == [(0, 4 * MIB)]


def test_what_a_mirror_began_the_url_goes_on_with(origin, other, attempt, folder):
    other.put("/m", DATA, script=[drop(after=5 * MIB)], etag='"mirror"')
    first = attempt(origin.url("/a"), mirrors=[other.url("/m")])
    first.fails(Temporary)
    origin.put("/a", DATA)
    done = attempt(origin.url("/a"), kept=first.progress).run()
    assert done.finished.name == "a" and whole(folder, "a") and origin.sent < 4 * MIB


def test_a_mirror_that_lacks_the_range_costs_no_bytes(origin, other, attempt, folder):
    origin.put("/a", DATA, script=[drop(after=4 * MIB), refuse("503 Service Unavailable")])
    first = attempt(origin.url("/a"))
    first.fails(Temporary)
    other.put("/m", DATA[:MIB])     # 416
    second = attempt(origin.url("/a"), mirrors=[other.url("/m")], kept=first.progress)
    assert "503" in second.fails(Temporary)
    assert second.progress.done == [(0, 4 * MIB)]


def test_secrets_do_not_go_to_mirrors(origin, other, attempt):
    other.put("/m", DATA)
    attempt(origin.url("/a"), mirrors=[other.url("/m")], user="me", password="pw", cookies="a=1",
            headers={"Authorization": "Bearer t"}).run()
    assert not {"authorization", "cookie"} & set(other.requests[0].headers)


def test_the_slower_mirror_gets_less(origin, other, attempt, folder):
    origin.put("/a", DATA, script=[paced(8 * MIB)] * 20)
    other.put("/m", DATA, script=[paced(MIB // 2)] * 20)
    attempt(origin.url("/a"), mirrors=[other.url("/m")], connections=4).run()
    assert whole(folder) and other.sent < origin.sent / 3


# -- links that run out ---------------------------------------------------------------------

def test_a_link_that_ran_out_is_asked_for_again(origin, attempt, folder):
    origin.put("/a", script=[redirect("/signed-1"), redirect("/signed-2")])
    origin.put("/signed-1", script=[refuse("403 Forbidden")])
    origin.put("/signed-2", DATA)
    attempt(origin.url("/a")).run()
    assert whole(folder, "signed-2")


def test_a_refusal_without_a_redirect_is_final(origin, attempt):
    origin.put("/a", script=[refuse("403 Forbidden")])
    attempt(origin.url("/a")).fails(Permanent)
    assert len(origin.requests) == 1


def test_segments_go_straight_to_where_the_redirect_led(origin, attempt, folder):
    origin.put("/a", script=[refuse("302 Found", Location="/b", Set_Cookie="sid=1; Path=/")])
    origin.put("/b", DATA, script=[paced(8 * MIB)] * 4)
    attempt(origin.url("/a"), connections=4).run()
    assert whole(folder, "b") and len(origin.asked("/a")) == 1 and len(origin.asked("/b")) > 1
    assert {request.headers.get("cookie") for request in origin.asked("/b")} == {"sid=1"}


# -- connections that are used again ----------------------------------------------------------

def test_small_files_share_a_connection(origin, attempt):
    for number in range(10):
        origin.put("/%d" % number, DATA[:1000])
        attempt(origin.url("/%d" % number)).run()
    assert origin.connections == 1


def test_a_connection_from_before_the_settings_changed_is_not_used_again(origin, attempt):
    gate = Gate(500)
    origin.put("/a", DATA[:1000], script=[gate])
    first = attempt(origin.url("/a"))
    thread = run(first)
    gate.reached.wait(10)
    first.network.pool.clear()
    gate.open()
    thread.join()
    for number in range(2):
        origin.put("/%d" % number, DATA[:1000])
        attempt(origin.url("/%d" % number)).run()
    assert origin.connections == 2


def test_a_connection_that_the_server_closed_is_replaced_silently(origin, attempt):
    def answer_and_close(exchange):
        exchange.answer()
        exchange.hang_up()
    origin.put("/a", DATA[:1000], script=[answer_and_close] * 3)
    for _ in range(3):
        assert attempt(origin.url("/a")).run().notes == []
    assert origin.connections == 3


def test_what_answers_out_of_turn_is_not_used_again(origin, attempt):
    def twice(exchange):
        exchange.answer()
        exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad")
    origin.put("/a", DATA[:1000], script=[twice, twice])
    for _ in range(3):
        assert attempt(origin.url("/a")).run().finished.identity.size == 1000


# -- manners ----------------------------------------------------------------------------------

class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def stop():
    signal = Signal()
    yield signal
    signal.close()


def test_who_has_lost_its_place_waits_for_one(origin, attempt, folder, stop):
    """Between two segments of a file another task's first connection takes the only place."""
    origin.put("/a", DATA, script=[drop(after=MIB)])
    first = attempt(origin.url("/a"))
    first.fails(Temporary)
    second = attempt(origin.url("/a"), settings={"max_per_host": 1}, connections=4, kept=first.progress)
    hosts, slots, place = second.network.hosts, [], origin.url("/")[7:-1]
    rival = threading.Thread(target=lambda: slots.append(hosts.acquire(place, stop, extra=False)))

    def with_a_rival(exchange):
        rival.start()
        until(lambda: hosts._states[place].waiting)
        a_little(exchange)
    origin.put("/a", DATA, script=[with_a_rival])
    thread = run(second)
    until(lambda: slots)
    until(lambda: hosts._states[place].waiting or not thread.is_alive())     # whoever was quicker
    slots[0].release()
    thread.join()
    assert whole(folder)


def test_a_host_is_never_asked_by_more_than_it_may(origin, attempt, folder):
    origin.put("/a", DATA, script=[paced(2 * MIB)] * 20)
    slow = attempt(origin.url("/a"), connections=16, settings={"max_per_host": 3})
    thread = run(slow)
    until(lambda: slow.download.connections == 3)
    thread.join()
    assert whole(folder) and origin.most_at_once == 3


def test_too_many_connections_are_taken_as_a_hint(origin, attempt, folder):
    busy = refuse("429 Too Many Requests", Retry_After="1")
    origin.put("/a", DATA, script=[paced(8 * MIB), busy, busy, busy])
    done = attempt(origin.url("/a"), connections=4).run()
    assert whole(folder) and done.network.hosts.limit(origin.url("/")[7:-1]) < 8
