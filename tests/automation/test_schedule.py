"""Windows by weekday and clock: right at any moment, over daylight saving and a clock set late."""

import functools
import os
import shutil
import threading
import time

import pytest

from dlserv import Daemon
from dlserv.automation.schedule import Schedule, change_after, window_at
from dlserv.errors import InvalidValue
from dlserv.settings.config import Config
from dlserv.settings.current import Settings
from automation.conftest import EAGER
from harness import noise, until
from servers.origin import paced


@pytest.fixture
def berlin(monkeypatch):
    """Local time as in Berlin: clocks go forward on 2026-03-29 and back on 2026-10-25."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    if time.localtime(1783000000).tm_gmtoff != 7200:
        pytest.skip("there is no time zone database")
    yield
    monkeypatch.undo()
    time.tzset()


def utc(text):
    import calendar
    return calendar.timegm(time.strptime(text, "%Y-%m-%d %H:%M"))


def windows(*given):
    return Config.parse({"schedule": list(given)}).schedule


DAY = {"days": "mon-fri", "from": "07:00", "to": "23:00", "max_concurrent": 2}
NIGHT = {"days": "fri", "from": "22:00", "to": "06:00", "max_concurrent": 9}


@pytest.mark.parametrize("given, local, inside", [
    (DAY, "2026-11-26 06:59", False), (DAY, "2026-11-26 07:00", True), (DAY, "2026-11-26 22:59", True),
    (DAY, "2026-11-26 23:00", False), (DAY, "2026-11-28 12:00", False), (DAY, "2026-11-29 12:00", False),
    (NIGHT, "2026-11-27 21:59", False), (NIGHT, "2026-11-27 22:00", True), (NIGHT, "2026-11-28 05:59", True),
    (NIGHT, "2026-11-28 06:00", False), (NIGHT, "2026-11-28 22:00", False), (NIGHT, "2026-11-27 03:00", False),
    ({"days": "sat,sun"}, "2026-11-28 00:00", True), ({"days": "sat,sun"}, "2026-11-29 23:59", True),
    ({"days": "sat,sun"}, "2026-11-30 00:00", False), ({"days": "sun-mon"}, "2026-11-30 00:00", True),
    ({"days": "Fri-Mon"}, "2026-12-01 00:00", False), ({"from": "12:00", "to": "12:00"}, "2026-11-26 11:59", True),
    ({"days": "sun", "from": "20:00", "to": "00:00"}, "2026-11-29 23:59", True),
    ({"days": "sun", "from": "20:00", "to": "00:00"}, "2026-11-30 00:00", False)])
def test_a_window_is_what_the_clock_says(berlin, given, local, inside):
    now = time.mktime(time.strptime(local, "%Y-%m-%d %H:%M"))
    assert (window_at(windows(given), now) is not None) == inside


@pytest.mark.parametrize("text, inside", [
    ("2026-03-29 00:59", False), ("2026-03-29 01:00", True),        # 01:59 is followed by 03:00
    ("2026-03-29 01:29", True), ("2026-03-29 01:30", False),
    ("2026-10-25 00:29", False), ("2026-10-25 00:30", True),        # 02:30 the first time
    ("2026-10-25 01:00", False), ("2026-10-25 01:30", True), ("2026-10-25 02:29", True), ("2026-10-25 02:30", False)])
def test_daylight_saving_neither_skips_nor_keeps_a_window(berlin, text, inside):
    schedule = windows({"from": "02:30", "to": "03:30"})
    assert (window_at(schedule, utc(text)) is not None) == inside


@pytest.mark.parametrize("given, now, after", [
    (DAY, "2026-11-26 12:00", "2026-11-26 22:00"), (DAY, "2026-11-26 22:00", "2026-11-27 06:00"),
    (DAY, "2026-11-27 22:00", "2026-11-30 06:00"), (NIGHT, "2026-11-27 23:00", "2026-11-28 05:00"),
    (NIGHT, "2026-11-28 05:00", "2026-12-04 21:00"), (DAY, "2026-03-27 12:00", "2026-03-27 22:00"),
    (DAY, "2026-03-28 12:00", "2026-03-30 05:00"),
    ({"from": "02:30", "to": "03:30"}, "2026-03-29 00:30", "2026-03-29 01:00"), ({}, "2026-11-26 12:00", None)])
def test_the_next_change_is_told(berlin, given, now, after):
    assert change_after(windows(given), utc(now)) == (after and utc(after))


# Days on which clocks are set: by an hour, by half an hour, by two, at midnight, and over a whole day.
CLOCK_CHANGES = [
    ("Europe/Berlin", 2026, 3, 29), ("Europe/Berlin", 2026, 10, 25), ("America/New_York", 2026, 11, 1),
    ("Australia/Lord_Howe", 2026, 4, 5), ("Australia/Lord_Howe", 2026, 10, 4), ("America/Santiago", 2026, 9, 6),
    ("Africa/Cairo", 2026, 4, 24), ("Africa/Cairo", 2026, 10, 29), ("Antarctica/Troll", 2026, 3, 29),
    ("Pacific/Apia", 2011, 12, 30), ("Pacific/Chatham", 2026, 9, 27), ("Asia/Kathmandu", 2026, 6, 1)]


@pytest.mark.parametrize("zone, year, month, day", CLOCK_CHANGES)
def test_the_change_told_is_the_first_minute_of_another(berlin, monkeypatch, zone, year, month, day):
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    midnight = int(time.mktime((year, month, day, 0, 0, 0, 0, 0, -1)))
    for begin, end in (("02:20", "02:25"), ("23:20", "00:00"), ("01:59", "03:01"), ("03:00", "02:00")):
        schedule = windows({"from": begin, "to": end})
        window_of = functools.lru_cache(maxsize=None)(functools.partial(window_at, schedule))
        for now in range(midnight - 3 * 3600, midnight + 6 * 3600, 67 * 60):
            current, told = window_at(schedule, now), change_after(schedule, now)
            minutes = range(now // 60 * 60 + 60, told + 60, 60)
            assert [each for each in minutes if window_of(each) is not current] == [told], (begin, now)


def test_the_first_window_that_fits_counts(berlin):
    schedule = windows(DAY, {"max_concurrent": 7})
    told = [window_at(schedule, utc(when))["max_concurrent"] for when in ("2026-11-26 12:00", "2026-11-28 12:00")]
    assert told == [2, 7]


def test_limits_follow_the_clock_however_it_is_set(berlin):
    settings, clock = Settings(Config.parse({"schedule": [dict(DAY, ratelimit="1M")]})), [0.0]

    def heed(limits):
        settings.limits = limits

    schedule = Schedule(settings, heed, lambda: clock[0])
    for text, expected in (("1970-01-03 00:00", (5, 0)), ("2026-11-26 12:00", (2, 2 ** 20)),
                           ("2026-11-28 12:00", (5, 0)), ("2026-11-27 12:00", (2, 2 ** 20))):
        clock[0] = utc(text)
        schedule.heed()
        assert (settings.download.max_concurrent, settings.download.ratelimit) == expected, text
        assert bool(schedule.told()) == (expected[0] == 2)
    assert settings.config.download.max_concurrent == 5, "the settings themselves stay as they are"
    assert schedule.told()["until"] == utc("2026-11-27 22:00") and schedule.told()["from"] == "07:00"


@pytest.mark.parametrize("window, key", [
    ({"days": "moon"}, "days"), ({"days": ""}, "days"), ({"days": "mon-"}, "days"), ({"days": 5}, "days"),
    ({"from": "7"}, "from"), ({"from": "24:01"}, "from"), ({"to": "12:60"}, "to"), ({"to": None}, "to"),
    ({"max_concurrent": -1}, "max_concurrent"), ({"max_concurrent": 1001}, "max_concurrent"),
    ({"ratelimit": "fast"}, "ratelimit"), ({"till": "1"}, "till")])
def test_a_wrong_window_is_a_sentence_that_names_the_key(window, key):
    with pytest.raises(InvalidValue) as caught:
        Config.parse({"schedule": [{}, window]})
    assert str(caught.value).startswith("schedule[1].%s: " % key)


def test_limits_of_windows_that_are_gone_do_not_come_last():
    settings, others = Settings(Config.parse({"schedule": [{"ratelimit": 1}]})), []

    def heed(limits):
        if not others:          # the settings change just now
            settings.config = Config.parse({"schedule": [{"ratelimit": 2}]})
            others.append(threading.Thread(target=schedule.heed))
            others[0].start()
            others[0].join(0.1)
        settings.limits = limits

    schedule = Schedule(settings, heed)
    schedule.heed()
    others[0].join()
    assert settings.limits == {"ratelimit": 2}


# -- the daemon -----------------------------------------------------------------------------

def test_the_clock_is_looked_at_while_there_are_windows(settings):
    def reload(*windows):
        daemon.configuration.reload(dict(settings, schedule=list(windows)))
        following = [each for each in threading.enumerate() if each.name == "dlserv-schedule"]
        return len(following), (daemon.stats()["window"] or {}).get("ratelimit")

    with Daemon(dict(settings, schedule=[{"ratelimit": 1}])) as daemon:
        assert reload() == (0, None)
        assert reload({"ratelimit": 2}) == (1, 2) and reload({"ratelimit": 3}) == (1, 3)
        assert reload() == reload() == (0, None)
        assert reload({"ratelimit": 4}) == (1, 4)


def test_zero_tasks_send_what_runs_back_and_start_nothing(configured, origin):
    origin.put("/slow", noise(2 ** 22), script=[paced(2 ** 18)] * 9)
    daemon = configured(schedule=[])
    tid = daemon.api.add(origin.url("/slow"))
    until(lambda: daemon.api.status(tid)["downloaded_bytes"])
    assert daemon.api.get("/stats")["window"] is None
    text = configured.path.read_text()
    configured.path.write_text(text.replace('"schedule": []', '"schedule": [{"max_concurrent": 0, "ratelimit": 9}]'))
    daemon.popen.send_signal(1)
    until(lambda: daemon.api.status(tid)["state"] == "queued")
    second = daemon.api.add(origin.url("/slow") + "?2")
    window = daemon.api.get("/stats")["window"]
    assert (window["max_concurrent"], window["ratelimit"], window["until"]) == (0, 9, None)
    assert daemon.api.status(second)["state"] == "queued"
    assert daemon.api.get("/config")["config"]["download"]["max_concurrent"] == 5
    configured.path.write_text(text)
    daemon.popen.send_signal(1)
    until(lambda: daemon.api.status(tid)["state"] == "downloading")


LIBRARY = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"


@pytest.fixture
def set_clock(tmp_path):
    """A function that sets the clock of a process with `set_clock.environ`, which goes on from there."""
    if not os.path.exists(LIBRARY):
        pytest.skip("libfaketime is not there")
    path = tmp_path / "clock"

    def set_clock(text):
        fresh = tmp_path / "clock.new"
        fresh.write_text("@" + text + "\n")
        shutil.move(str(fresh), str(path))

    set_clock.environ = {"LD_PRELOAD": LIBRARY, "FAKETIME_TIMESTAMP_FILE": str(path), "FAKETIME_NO_CACHE": "1",
                         "DONT_FAKE_MONOTONIC": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1", "TZ": "UTC"}
    return set_clock


def test_a_clock_that_is_set_late_is_noticed_while_it_runs(configured, serve, folder, set_clock):
    """As on a router: it starts in 1970 and learns the time from the network."""
    set_clock("1970-01-02 00:00:00")
    daemon = configured(set_clock.environ, command=EAGER, schedule=[
        {"days": "thu", "from": "07:00", "to": "23:00", "max_concurrent": 3}, {"days": "fri", "max_concurrent": 0}])
    assert daemon.api.get("/stats")["window"]["max_concurrent"] == 0
    tid = daemon.api.add(serve("/a", b"a"))
    later = daemon.api.add(serve("/b", b"b"), not_before="2026-11-26T12:00")
    assert daemon.api.status(later)["error"].startswith("waiting until 2026-11-26 12:00")
    assert daemon.api.status(tid)["state"] == daemon.api.status(later)["state"] == "queued"
    set_clock("2026-11-26 12:00:30")
    until(lambda: (folder / "a").exists() and (folder / "b").exists(), 40)      # which keeps no daemon busy
    daemon.api.reach(tid, "finished"), daemon.api.reach(later, "finished")
    assert daemon.api.get("/stats")["window"]["days"] == "thu"


# -- not_before -----------------------------------------------------------------------------

def test_a_task_waits_for_its_time_and_then_starts(api, serve):
    tid = api.add(serve("/a", b"a"), not_before=time.time() + 1.5)
    status = api.status(tid)
    assert status["state"] == "queued" and status["error"].startswith("waiting until ")
    assert api.reach(tid, "finished")["start_time"] >= api.get("/task/tid/%s/info" % tid)["detail"]["options"]["not_before"]


def test_resume_starts_at_once_what_waits_for_its_time(api, serve):
    tid = api.add(serve("/a", b"a"), not_before="2100-01-01T00:00")
    assert api.status(tid)["state"] == "queued"
    assert api.put("/task/tid/%s?act=resume" % tid).status == 200
    api.reach(tid, "finished")


def test_another_time_or_none_counts_at_once(api, serve):
    tid = api.add(serve("/a", b"a"), not_before="2100-01-01T00:00")
    for value, status in (("2099-01-01T00:00", 200), ("soon", 400), (None, 200)):
        assert api.request("PATCH", "/task/tid/%s" % tid, {"options": {"not_before": value}}).status == status
    api.reach(tid, "finished")


def test_a_time_is_kept_over_a_restart(configured, serve):
    daemon = configured(hooks={})
    tid = daemon.api.add(serve("/a", b"a"), not_before="2100-01-01T00:00Z")
    daemon.kill()
    daemon = configured()
    assert daemon.api.status(tid)["state"] == "queued"
    assert daemon.api.get("/task/tid/%s/info" % tid)["detail"]["options"]["not_before"] == 4102444800


@pytest.mark.parametrize("value", ["", "tomorrow", "2026-02-30T00:00", "2026-13-01T00:00", -1, True, [], "02:00",
                                   "2026-09-08", "9999-99-99T99:99", float("1e300")])
def test_a_wrong_time_is_a_400_that_names_it(api, value):
    answer = api.post("/task", {"url": "http://h/", "options": {"not_before": value}})
    assert answer.status == 400 and "not_before" in answer["errmsg"]
