"""The daemon as a whole: changes while it runs, limits kept, storms outlived, nothing left behind."""

import os
import random
import threading
import time

import pytest

from dlserv import Daemon
from dlserv.engine.partfile import PartFile
from dlserv.engine.unfinished import Unfinished
from dlserv.errors import Conflict, Forbidden, InvalidValue, NotFound
from dlserv.state.store import Store
from dlserv.tasks.checkpointer import Checkpointer
from harness import noise, until
from servers.origin import Gate, Origin, drop, paced, redirect, refuse

DATA = noise(300000)
OTHER = noise(300000, seed=2)
MIB = 2 ** 20


def half_done(daemon, origin, path="/a.iso", **options):
    """A paused task of which 100,000 bytes are here; its tid."""
    origin.put(path, DATA, script=[Gate(after=100000)])
    tid = daemon.add(origin.url(path), options)
    until(lambda: daemon.get(tid).downloaded == 100000)
    daemon.pause(tid)
    until(lambda: daemon.get(tid).attempt is None)
    return tid


def notes(daemon, tid):
    return " ".join(entry["msg"] for entry in daemon.get(tid).log)


# -- a fresh link -----------------------------------------------------------------------------

def test_a_fresh_link_keeps_tid_and_bytes(daemon, origin, folder):
    tid = half_done(daemon, origin)
    origin.put("/fresh", DATA)
    origin.sent = 0
    daemon.change(tid, origin.url("/fresh"))
    daemon.resume(tid)
    task = daemon.wait(tid, 10)
    assert (task.state, task.tid, task.filename) == ("finished", tid, "a.iso")
    assert (folder / "a.iso").read_bytes() == DATA and origin.sent < 230000
    assert task.url == origin.url("/fresh")


@pytest.mark.parametrize("other", [dict(etag='"v2"'), dict(data=OTHER[:250000])])
def test_a_link_to_another_file_starts_over_and_says_so(daemon, origin, folder, other):
    tid = half_done(daemon, origin)
    data = other.pop("data", OTHER)
    origin.put("/fresh", data, **other)
    daemon.change(tid, origin.url("/fresh"))
    daemon.resume(tid)
    assert daemon.wait(tid, 10).state == "finished"
    assert (folder / "a.iso").read_bytes() == data
    assert "starting over from zero" in notes(daemon, tid)


def test_a_link_that_ran_out_is_replaced_while_it_fails(start_daemon, origin, folder):
    daemon = start_daemon(retry_wait=60)
    origin.put("/old.iso", DATA, script=[drop(after=100000)] + [refuse("503 Service Unavailable")] * 9)
    tid = daemon.add(origin.url("/old.iso"))
    until(lambda: daemon.get(tid).error)
    origin.put("/new", DATA)
    daemon.change(tid, origin.url("/new"))
    assert daemon.wait(tid, 10).state == "finished" and (folder / "old.iso").read_bytes() == DATA


def test_a_change_under_way_restarts_with_the_bytes_on_disk(daemon, origin, folder):
    origin.put("/a.iso", DATA, script=[Gate(after=100000)])
    tid = daemon.add(origin.url("/a.iso"))
    until(lambda: daemon.get(tid).downloaded == 100000)
    origin.put("/fresh", DATA)
    daemon.change(tid, origin.url("/fresh"), {"user_agent": "me"})
    assert daemon.wait(tid, 10).state == "finished" and (folder / "a.iso").read_bytes() == DATA
    request = origin.asked("/fresh")[0]
    assert request.headers["user-agent"] == "me" and request.headers["range"].startswith("bytes=")


def test_what_cannot_be_changed_is_refused_whole(daemon, origin):
    tid = half_done(daemon, origin)
    with pytest.raises(Conflict, match="filename cannot be changed"):
        daemon.change(tid, posted={"filename": "x", "priority": 3})
    with pytest.raises(InvalidValue):
        daemon.change(tid, posted={"priority": "high"})
    with pytest.raises(InvalidValue):
        daemon.change(tid, url="gopher://x/")
    with pytest.raises(NotFound):
        daemon.change("0" * 40, posted={"priority": 3})
    assert daemon.get(tid).options.priority == 0
    daemon.change(tid, posted={"priority": 3})
    daemon.change(tid, posted={"priority": None})
    assert daemon.get(tid).options.priority == 0, "None takes it back"


# -- again from nothing -----------------------------------------------------------------------

def test_a_restart_keeps_the_old_file_until_it_is_replaced(daemon, origin, folder):
    origin.put("/a.iso", DATA)
    tid = daemon.add(origin.url("/a.iso"))
    daemon.wait(tid, 10)
    gate = Gate(after=1000)
    origin.put("/a.iso", OTHER, etag='"v2"', script=[gate])
    daemon.restart(tid)
    until(lambda: daemon.get(tid).downloaded == 1000)
    assert (folder / "a.iso").read_bytes() == DATA
    gate.open()
    assert daemon.wait(tid, 10).state == "finished"
    assert (folder / "a.iso").read_bytes() == OTHER
    assert [each.name for each in folder.iterdir()] == ["a.iso"]


def test_a_restart_replaces_the_file_beside_a_strangers_part(daemon, origin, folder):
    origin.put("/a.iso", DATA)
    tid = daemon.add(origin.url("/a.iso"))
    daemon.wait(tid, 10)
    (folder / "a.iso.part").write_text("theirs")
    file = origin.put("/a.iso", DATA[::-1])
    daemon.restart(tid)
    assert daemon.wait(tid, 10).filename == "a.iso" and (folder / "a.iso").read_bytes() == file.data
    assert sorted(os.listdir(folder)) == ["a.iso", "a.iso.part"]


def test_a_restart_that_fails_leaves_the_old_file(daemon, origin, folder):
    origin.put("/a.iso", DATA)
    tid = daemon.add(origin.url("/a.iso"))
    daemon.wait(tid, 10)
    del origin.files["/a.iso"]
    daemon.restart(tid)
    assert daemon.wait(tid, 10).state == "invalid" and (folder / "a.iso").read_bytes() == DATA
    origin.put("/a.iso", OTHER)
    daemon.restart(tid)
    assert daemon.wait(tid, 10).state == "finished" and (folder / "a.iso").read_bytes() == OTHER


def test_a_restart_does_not_replace_what_the_user_made_of_it(daemon, origin, folder):
    origin.put("/a.iso", DATA)
    tid = daemon.add(origin.url("/a.iso"))
    daemon.wait(tid, 10)
    (folder / "a.iso").write_bytes(b"edited")
    daemon.restart(tid)
    assert daemon.wait(tid, 10).filename == "a (1).iso"
    assert (folder / "a.iso").read_bytes() == b"edited"


# -- the queue ----------------------------------------------------------------------------------

def queue(start_daemon, origin, priorities):
    """A daemon of one slot and a paused task for each priority."""
    daemon = start_daemon(max_concurrent=1)
    tids = []
    for number, priority in enumerate(priorities):
        origin.put("/%d" % number, b"x")
        tids.append(daemon.add(origin.url("/%d" % number), {"paused": True, "priority": priority}))
    return daemon, tids


def hold(daemon, origin):
    """Fill the only slot; return what frees it."""
    gate = Gate(after=1)
    origin.put("/held", DATA, script=[gate])
    tid = daemon.add(origin.url("/held"), {"priority": 1000})
    gate.reached.wait(10)
    return lambda: (gate.open(), daemon.wait(tid, 10), origin.requests.pop(0))


def test_priority_then_age(start_daemon, origin):
    daemon, tids = queue(start_daemon, origin, [0, 0, 5, -1, 5])
    release = hold(daemon, origin)
    daemon.resume_all(reversed(tids))
    release()
    for tid in tids:
        daemon.wait(tid, 10)
    assert [request.path for request in origin.requests] == ["/2", "/4", "/0", "/1", "/3"]


@pytest.mark.parametrize("moves, expected", [
    ([(3, "top")], "3012"), ([(0, "bottom")], "1230"), ([(2, "up")], "0213"), ([(0, "up"), (3, "down")], "0123"),
    ([(1, "down"), (1, "down")], "0231"), ([(2, "top"), (3, "top"), (2, "down")], "3021")])
def test_a_task_can_be_moved(start_daemon, origin, moves, expected):
    daemon, tids = queue(start_daemon, origin, [0, 0, 0, 0])
    release = hold(daemon, origin)
    daemon.resume_all(tids)
    for number, to in moves:
        daemon.move(tids[number], to)
    release()
    for tid in tids:
        daemon.wait(tid, 10)
    assert "".join(request.path[1:] for request in origin.requests) == expected


@pytest.mark.parametrize("number, place, expected", [
    (0, 0, "01234"), (0, 1, "10234"), (0, 3, "12304"), (0, 4, "12340"), (4, 0, "40123"),
    (4, 1, "04123"), (4, 3, "01243"), (2, 1, "02134"), (2, 3, "01324"), (2, 99, "01342"),
    (1, 10 ** 15, "02341"), (3, 2, "01324")])
def test_a_task_is_moved_to_an_index(daemon, number, place, expected):
    tids = [daemon.add("http://127.0.0.1:1/%d" % each, {"paused": True}) for each in range(5)]
    daemon.move(tids[number], place)
    assert "".join(str(tids.index(task.tid)) for task in daemon.queue()) == expected


def test_an_index_counts_all_that_wait_and_keeps_priorities(daemon):
    tids = [daemon.add("http://127.0.0.1:1/%d" % each, {"paused": True, "priority": priority})
            for each, priority in enumerate([5, 0, 5, 0, 0])]

    def order():
        return "".join(str(tids.index(task.tid)) for task in daemon.queue())

    assert order() == "02134"
    for number, place, expected in [(4, 3, "02143"), (4, 0, "02413"), (0, 4, "20413"), (2, 0, "20413"),
                                    (0, 0, "02413")]:
        daemon.move(tids[number], place)
        assert order() == expected


def test_only_what_waits_can_be_moved(daemon, origin):
    origin.put("/a.iso", DATA)
    tid = daemon.add(origin.url("/a.iso"))
    daemon.wait(tid, 10)
    with pytest.raises(Conflict, match="the task is finished"):
        daemon.move(tid, "top")


def test_what_ran_goes_on_and_what_was_paused_stays(settings, origin, folder):
    origin.put("/a.iso", DATA, script=[Gate(after=100000)])
    with Daemon(settings) as daemon:
        tid = daemon.add(origin.url("/a.iso"))
        paused = half_done(daemon, origin, "/b.iso")
        until(lambda: daemon.get(tid).downloaded == 100000)
    with Daemon(settings) as daemon:
        assert daemon.wait(tid, 10).state == "finished" and (folder / "a.iso").read_bytes() == DATA
        assert daemon.get(paused).state == "paused" and daemon.get(paused).downloaded == 100000


# -- room -----------------------------------------------------------------------------------------

def test_a_task_waits_for_room_and_goes_on_by_itself(start_daemon, origin, folder, monkeypatch):
    from dlserv.tasks.waits import Waits
    monkeypatch.setattr(Waits, "BEAT", 0.1)
    daemon = start_daemon(reserve=2 ** 50)
    origin.put("/a.iso", DATA)
    tid = daemon.add(origin.url("/a.iso"))
    until(lambda: daemon.get(tid).error and "waiting for room" in daemon.get(tid).error)
    assert daemon.get(tid).state == "queued" and daemon.get(tid).retries == 0
    until(lambda: daemon.get(tid).progress)     # the size is known
    elapsed, count = daemon.get(tid).elapsed, len(origin.requests)
    until(lambda: daemon.get(tid).elapsed != elapsed)       # it has looked again
    assert len(origin.requests) == count        # no server is troubled for what there is no room for
    daemon.configure({"download": {"reserve": 0}})
    assert daemon.wait(tid, 10).state == "finished" and (folder / "a.iso").read_bytes() == DATA


def test_a_disk_that_fills_up_meanwhile_interrupts(start_daemon, origin, monkeypatch):
    from dlserv.tasks.waits import Waits
    monkeypatch.setattr(Waits, "BEAT", 0.1)
    daemon = start_daemon()
    pace = paced(200000)
    origin.put("/a.iso", DATA, script=[pace] * 9)
    tid = daemon.add(origin.url("/a.iso"))
    until(lambda: daemon.get(tid).downloaded)
    daemon.configure({"download": {"reserve": 2 ** 50}})
    until(lambda: daemon.get(tid).state == "queued" and "waiting for room" in (daemon.get(tid).error or ""))
    pace.rate *= 100
    daemon.configure({"download": {"reserve": 0}})
    assert daemon.wait(tid, 10).state == "finished"


# -- rates ------------------------------------------------------------------------------------------

def took(began, seconds):
    """Return whether that long has passed: not less, by what the kernels hold, and more only as a busy machine does."""
    return 0.8 * seconds < time.monotonic() - began < 3 * seconds


def test_a_limit_for_all_is_kept_and_shared(start_daemon, origin):
    """By the time that whole files take: what the kernels hold on the way counts for little."""
    daemon = start_daemon(ratelimit=2 * MIB)
    with Origin() as other:
        tids, began = [], time.monotonic()
        for server, connections in ((origin, 4), (other, 1)):
            server.put("/a", noise(3 * MIB // 2))
            tids.append(daemon.add(server.url("/a"), {"connections": connections}))
        until(lambda: sum(daemon.get(tid).downloaded for tid in tids) > 3 * MIB // 2)
        share = daemon.get(tids[0]).downloaded / (3 * MIB // 2)
        for tid in tids:
            assert daemon.wait(tid, 20).state == "finished"
        assert took(began, 1.5)
        assert 0.2 < share < 0.85


def test_limits_can_be_changed_meanwhile(start_daemon, origin):
    daemon = start_daemon(ratelimit=8 * MIB)
    origin.put("/a", noise(4 * MIB))
    began = time.monotonic()
    tid = daemon.add(origin.url("/a"), {"ratelimit": "1M", "connections": 2})
    until(lambda: daemon.get(tid).downloaded >= MIB)
    assert took(began, 1)
    daemon.change(tid, posted={"ratelimit": "4M"})
    until(lambda: daemon.get(tid).downloaded >= 3 * MIB)
    assert took(began, 1.5)
    daemon.configure({"download": {"ratelimit": "1M"}})
    assert daemon.wait(tid, 20).state == "finished"
    assert took(began, 2.5)


# -- storms -----------------------------------------------------------------------------------------

def test_a_host_that_answers_429_is_obeyed_by_all_tasks(start_daemon, origin, folder):
    daemon = start_daemon(max_concurrent=8)
    for number in range(8):
        origin.put("/%d" % number, DATA, script=[refuse("429 Too Many Requests", Retry_After=1)] * (number < 4))
    began = time.monotonic()
    tids, _ = daemon.add_all([(origin.url("/%d" % number), None, ()) for number in range(8)])
    until(lambda: any(daemon.get(tid).error for tid in tids))
    count = len(origin.requests)
    with Origin() as other:
        other.put("/x", DATA)
        assert daemon.wait(daemon.add(other.url("/x", host="localhost")), 10).state == "finished"
        assert time.monotonic() - began < 0.9, "another host is none of this one's business"
    while time.monotonic() - began < 0.8:
        assert len(origin.requests) <= max(count, 8)
        time.sleep(0.01)
    for tid in tids:
        assert daemon.wait(tid, 20).state == "finished"


def descriptors():
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs /proc")
def test_five_hundred_mixed_tasks_leave_nothing(start_daemon, origin, folder):
    daemon = start_daemon(max_concurrent=20, max_per_host=20, retries=3)
    chance = random.Random(5)
    origin.put("/moved", DATA[:5000])
    scripts = [[], [drop(after=1000)], [refuse("404 Not Found")], [redirect("/moved")],
               [refuse("503 Service Unavailable")], [drop(after=10, reset=True)] * 2]
    warm = daemon.add(origin.url("/moved"), {"filename": "warm"})
    daemon.wait(warm, 10)
    threads, files = threading.active_count(), descriptors()
    tids = []
    for number in range(500):
        origin.put("/%d" % number, DATA[:chance.randrange(20000)], script=list(chance.choice(scripts)))
        tids.append(daemon.add(origin.url("/%d" % number), {"paused": number % 20 == 0}))
        if number % 7 == 0:
            daemon.delete(tids.pop(chance.randrange(len(tids))), del_file=True)
    daemon.resume_all(tids)
    for tid in tids:
        daemon.wait(tid, 60)
    counts = daemon.counts()
    assert counts["queued"] == counts["downloading"] == counts["paused"] == 0 and counts["invalid"]
    daemon.network.pool.clear()
    until(lambda: threading.active_count() <= threads + 1 and descriptors() <= files + 1)
    assert not [each.name for each in folder.iterdir() if each.name.endswith(".part")]


# -- our own faults -----------------------------------------------------------------------------------

def test_a_bug_ends_its_task_and_nothing_else(daemon, origin, monkeypatch, caplog):
    origin.put("/a.iso", DATA)
    with monkeypatch.context() as patch:
        patch.setattr(Unfinished, "reopen", lambda self: 1 / 0)
        tid = daemon.add(origin.url("/a.iso"))
        task = daemon.wait(tid, 10)
    assert task.state == "invalid" and task.error == "internal error: ZeroDivisionError"
    assert "Traceback" in caplog.text and task.log[0]["type"] == "fatal"
    daemon.resume(tid)
    assert daemon.wait(tid, 10).state == "finished"


# -- settings -------------------------------------------------------------------------------------------

def test_settings_change_all_or_none(daemon):
    for wrong, error in (({"download": {"retries": 1, "timeout": -1}}, InvalidValue),
                         ({"download": {"retries": 1}, "general": {"db_path": "/x"}}, Forbidden),
                         ({"server": {"port": 1}}, Forbidden), ({"download": {"nonsense": 1}}, InvalidValue),
                         ({"download": {"ca_file": "/no/such/file"}}, Forbidden), ([], InvalidValue)):
        before = daemon.config
        with pytest.raises(error):
            daemon.configure(wrong)
        assert daemon.config is before


def test_a_reload_tells_what_has_to_wait(daemon, settings):
    settings["download"]["retries"] = 77
    settings["general"]["db_path"] += "2"
    assert daemon.configuration.reload(settings) == ["general.db_path"]
    assert daemon.config.download.retries == 77


def test_a_checkpoint_never_brings_back_what_was_given_up(daemon, origin, monkeypatch):
    """The slow flush of bytes whose checksum is found to be wrong meanwhile."""
    flushing, given_up = threading.Event(), threading.Event()
    real = PartFile.flush

    def slow(part):
        flushing.set()
        given_up.wait(10)
        real(part)

    monkeypatch.setattr(PartFile, "flush", slow)
    monkeypatch.setattr(Checkpointer, "FLUSH_EVERY", 0)
    first, second = Gate(after=100000), Gate(after=0)
    origin.put("/a", DATA, script=[first, second])
    tid = daemon.add(origin.url("/a"), {"checksum": "md5=" + 32 * "0"})
    assert flushing.wait(10)
    first.open()
    assert second.reached.wait(10)
    seen, write = [], Store.write

    def watched(store, changes, *how, **more):
        seen.append(changes)
        return write(store, changes, *how, **more)

    monkeypatch.setattr(Store, "write", watched)
    given_up.set()
    until(lambda: any(tid in changes for changes in seen))
    assert not any(changes[tid]["flushed"] for changes in seen if tid in changes)
    daemon.delete(tid)


def test_odd_lines_of_cookies_and_netrc_cost_no_task(settings, origin, tmp_path, caplog):
    (tmp_path / "cookies.txt").write_text("nonsense\n127.0.0.1\tFALSE\t/\tFALSE\t1.5e9\told\t1\n"
                                          "127.0.0.1\tFALSE\t/\tFALSE\t-1\tsid\t\n")
    netrc = tmp_path / "netrc"
    netrc.write_text("nonsense\nmachine 127.0.0.1 login me password pw\n")
    netrc.chmod(0o600)
    settings["download"]["cookies_file"] = "cookies.txt"
    ask = refuse("401 Unauthorized", WWW_Authenticate="Basic")
    with Daemon(settings, netrc=str(netrc), folder=str(tmp_path)) as daemon:
        for name in ("/a", "/b"):
            origin.put(name, DATA, script=[ask])
            assert daemon.wait(daemon.add(origin.url(name)), 10).state == "finished"
    assert [request.headers["cookie"] for request in origin.requests] == ["sid="] * 4
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert sorted(warnings) == [
        "skipped lines of %s that are not %s: 1" % (tmp_path / name, what)
        for name, what in (("cookies.txt", "cookies"), ("netrc", "entries of a netrc"))]
