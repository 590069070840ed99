"""A file's URL and its mirrors: which is asked, and what its failures lead to."""

import hashlib

import pytest

from clock import Clock
from dlserv import urls
from dlserv.engine import segments
from dlserv.engine.fetch import Fetch
from dlserv.engine.meter import Pace
from dlserv.engine.sources import Sources, decisive
from dlserv.errors import Offline, Permanent, Temporary
from harness import noise
from several import DATA, MIB, slow_until, whole
from servers.origin import drop, Gate, Origin, paced, redirect, refuse

OTHER = noise(300000, seed=2)


def hexed(name, data=DATA):
    return "%s=%s" % (name, hashlib.new(name.replace("-", ""), data).hexdigest())


def test_another_mirror_is_asked_first(origin, attempt, folder):
    with Origin() as other:
        origin.put("/a", OTHER)
        other.put("/a", DATA)
        attempt(origin.url("/a"), checksum=hexed("sha-1"), mirrors=[other.url("/a")]).run()
        assert (folder / "a").read_bytes() == DATA
        assert len(origin.asked("/a")) == len(other.asked("/a")) == 1


def test_a_mirror_that_is_rotten_in_the_middle_spoils_one_try(origin, attempt, folder):
    """Whose bytes were wrong cannot be told; so the second time, all are from one."""
    data = noise(8 * 2 ** 20)
    rotten = bytearray(data)
    rotten[2 ** 20 + 1:-2 ** 15:2 ** 19] = bytes(len(rotten[2 ** 20 + 1:-2 ** 15:2 ** 19]))
    with Origin() as other:
        origin.put("/a", data, script=[slow_until(lambda: other.sent > MIB)] * 30)
        other.put("/a", bytes(rotten))
        done = attempt(origin.url("/a"), checksum=hexed("sha-256", data), mirrors=[other.url("/a")],
                       connections=4).run()
        assert other.sent > 2 ** 20 and "checksum does not match" in "".join(done.notes)
    assert (folder / "a").read_bytes() == data


def ranges(server, path="/a"):
    return [request.headers.get("range") for request in server.asked(path)]


def test_a_mirror_steps_in_where_the_url_fails(origin, other, attempt, folder):
    other.put("/m", DATA)
    done = attempt(origin.url("/a"), mirrors=[other.url("/m")]).run()
    assert whole(folder, "a")
    assert done.notes[0].endswith("the server answered 404 Not Found")


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


def test_a_mirror_that_fails_where_the_url_stalls_ends_nothing(origin, other, attempt, folder, monkeypatch):
    """The mirror has taken the whole segment over, and is then too busy to send it."""
    monkeypatch.setattr(Pace, "STANDSTILL", 0.3)
    monkeypatch.setattr(Fetch, "REST", 0.1)
    origin.put("/a", DATA, script=[Gate(after=MIB)])
    other.put("/m", DATA, script=[refuse("503 Busy")] * 50)
    done = attempt(origin.url("/a"), mirrors=[other.url("/m")], connections=2, timeout=20).run()
    assert whole(folder) and other.requests and "503" in done.notes[0]


def test_a_mirror_of_another_file_keeps_the_part(origin, other, attempt):
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


def test_the_slower_mirror_gets_less(origin, other, attempt, folder, monkeypatch):
    monkeypatch.setattr(segments, "SLOW", 0.3)
    origin.put("/a", DATA, script=[paced(16 * MIB)] * 20)
    other.put("/m", DATA, script=[paced(MIB)] * 20)
    attempt(origin.url("/a"), mirrors=[other.url("/m")], connections=4).run()
    assert whole(folder) and other.sent < origin.sent / 3


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
    origin.put("/b", DATA, script=[slow_until(lambda: len(origin.asked("/b")) > 2)] * 4)
    attempt(origin.url("/a"), connections=4).run()
    assert whole(folder, "b") and len(origin.asked("/a")) == 1 and len(origin.asked("/b")) > 1
    assert {request.headers.get("cookie") for request in origin.asked("/b")} == {"sid=1"}


# -- which one ------------------------------------------------------------------------------

@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def three(clock):
    """The Sources of a URL and two mirrors."""
    return Sources([urls.parse("http://%s/f" % name) for name in "abc"], clock=clock)


def test_a_source_rests_longer_with_each_failure(three, clock):
    first, second, third = three.all
    for rest in (1, 2, 4, 8, 16, 32, 60, 60):
        three.let_rest(first)
        assert three.in_order() == [second, third, first]
        clock.now += rest - 0.1
        assert three.in_order()[-1] is first
        clock.now += 0.1
        assert three.in_order() == [first, second, third]
    three.delivered(first)
    three.let_rest(first)
    clock.now += 1
    assert three.in_order()[0] is first


def test_a_source_that_only_stalled_is_still_fresh(three, clock):
    first = three.all[0]
    for source in three.all[1:]:
        three.ended_with(source, Permanent("404"))
    for rest in (1, 2, 4):
        three.let_rest(first, has_failed=False)
        assert three.fresh and three.choose() is None
        clock.now += rest
        assert three.choose() is first
    three.ended_with(first, Temporary("503"))
    assert not three.fresh


def test_a_connection_goes_where_it_gets_most(three):
    first, second, third = three.all
    for source, speed in ((first, 100), (second, 1000)):
        three.began(source)
        three.ended(source, speed)
    assert three.choose() in (second, third), "an untried source counts as the best"
    three.ended_with(third, Permanent("404"))
    assert three.choose() is second
    three.began(second)
    three.began(second)
    assert three.choose() is second
    for _ in range(8):
        three.began(second)
    assert three.choose() is first


def test_who_sent_all_wrong_bytes_is_asked_last(three):
    first, second, third = three.all
    three.began(first)
    three.ended(first, 100)
    three.demote(str(first.url))
    assert three.all == [second, third, first]
    three.began(second)
    assert three.choose() is second, "and one source at a time"


def test_wrong_bytes_of_several_sources_demote_none(three):
    first, second, third = three.all
    for source in (first, second):
        three.began(source)
        three.ended(source, 100)
    three.demote(str(first.url))
    assert three.all == [first, second, third]


@pytest.mark.parametrize("kinds, expected", [
    ([Permanent, Temporary], (Temporary, 1)), ([Permanent, Permanent], (Permanent, 0)),
    ([Offline, Offline], (Offline, 0)), ([Offline, Temporary], (Temporary, 1)),
    ([Temporary, Offline], (Temporary, 0)), ([Offline, Permanent], (Temporary, 0))])
def test_one_refusal_speaks_for_all_sources(kinds, expected):
    refusals = [kind(str(number)) for number, kind in enumerate(kinds)]
    error = decisive(refusals)
    assert (type(error), str(error)) == (expected[0], str(expected[1]))
