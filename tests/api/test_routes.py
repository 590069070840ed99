"""The routes beyond the seed: live settings, figures, and what the page asks for."""

import random
import time

import pytest

from harness import PATIENCE, noise, until
from raw import NOWHERE
from servers.origin import Gate, paced

from dlserv.api.routes import ASSETS, XML_RPC, find
from dlserv.settings.config import TABLES, is_live


# -- settings while it runs ---------------------------------------------------------------

def test_a_limit_counts_at_once_for_a_download_that_runs(api, origin):
    origin.put("/a", noise(2 ** 21), script=[paced(2 ** 20)] * 4)
    tid = api.add(origin.url("/a"), connections=1)
    until(lambda: api.status(tid)["downloaded_bytes"] > 50000)
    assert api.post("/config", {"download": {"ratelimit": "8K"}})["config"]["download"]["ratelimit"] == 8192
    time.sleep(0.2)
    before, began = api.status(tid)["downloaded_bytes"], time.monotonic()
    time.sleep(0.8)
    rate = (api.status(tid)["downloaded_bytes"] - before) / (time.monotonic() - began)
    assert rate < 40000
    api.post("/config", {"download": {"ratelimit": 0}})
    until(lambda: api.status(tid)["downloaded_bytes"] > before + 8192 * (PATIENCE + 10))


def test_more_slots_count_at_once(settings, api, origin):
    api.post("/config", {"download": {"max_concurrent": 1}})
    gates = [Gate(10), Gate(10)]
    for number, gate in enumerate(gates):
        origin.put("/%d" % number, noise(100), script=[gate])
    tids = [api.add(origin.url("/%d" % number)) for number in range(2)]
    assert gates[0].reached.wait(5) and api.status(tids[1])["state"] == "queued"
    api.post("/config", {"download": {"max_concurrent": 2}})
    assert gates[1].reached.wait(5)
    for gate in gates:
        gate.open()
    for tid in tids:
        api.reach(tid, "finished")


@pytest.mark.parametrize("section, key", [(section, key) for section, table in TABLES.items() for key in table.fields
                                          if not is_live("%s.%s" % (section, key))])
def test_what_is_bound_to_the_start_is_a_403(api, section, key):
    before = api.get("/config").json
    value = before["config"][section][key]
    answer = api.post("/config", {section: {key: value}, "download": {"retries": 77}})
    assert answer.status == 403 and "%s.%s" % (section, key) in answer["errmsg"]
    assert api.get("/config").json == before, "nothing of it is applied"


@pytest.mark.parametrize("body", [
    {"download": {"retries": 7, "timeout": "soon"}}, {"download": {"retries": 7, "retrys": 1}},
    {"download": {"retries": 7}, "extra": {}}, {"download": {"retries": 7}, "general": []}, [], "x", None, 5,
    {"download": {"retries": 7, "proxy": "h:1"}}, {"download": {"retries": 7, "ca_file": "/no/such/file"}},
    {"server": {"port": "x"}}])
def test_one_wrong_key_and_nothing_is_applied(api, body):
    before = api.get("/config").json
    answer = api.post("/config", body)
    assert answer.status in (400, 403) and answer["errmsg"]
    assert api.get("/config").json == before


def test_random_settings_are_taken_or_refused_with_a_sentence(api):
    rng = random.Random(4)
    values = [None, True, 0, 1, -1, 3.5, 1e308, "", "x", "5K", "\0", "\ud800", [], {}, ["a"], "9" * 50, "http://h",
              "a" * 9999]
    names = [(section, key) for section, table in TABLES.items() for key in table.fields] \
        + [("x", "y"), ("general", "")]
    for _ in range(300):
        body = {}
        for section, key in rng.sample(names, rng.choice((1, 1, 2))):
            body.setdefault(section, {})[key] = rng.choice(values)
        answer = api.post("/config", body)
        assert answer.status in (200, 400, 403), (body, answer)
        assert answer.status == 200 or len(answer["errmsg"]) < 400, (body, answer)
    assert api.get("/health").status == 200


# -- figures ----------------------------------------------------------------------------

def test_stats(api, origin):
    origin.put("/a", noise(5000))
    api.reach(api.add(origin.url("/a")), "finished")
    stats = api.get("/stats").json
    assert stats["status"] == "success" and stats["downloaded_bytes"] >= 5000 and stats["connections"] == 0
    assert stats["free_bytes"] > 0 and 0 <= stats["uptime"] < 3600 and stats["version"]


def test_health_tells_nothing_else(api):
    assert api.get("/health").json == {"status": "success"}


@pytest.mark.parametrize("path", ["/styleXcss", "/app.js/", "//", "/task/tid/", "/task//list", "/TASK", "/task/list/",
                                  "/manifestXwebmanifest", "/%2e%2e/", "/../task/list", "/task\nlist", ""])
def test_what_only_looks_like_a_path_is_none(path):
    assert find(path) == ({}, ())


def test_a_merge_patch_resets_an_option(api):
    tid = api.add(NOWHERE + "a", paused=True, retries=1, priority=3)
    kind = {"Content-Type": "application/merge-patch+json"}
    assert api.request("PATCH", "/task/tid/" + tid, {"options": {"retries": None}}, kind).status == 200
    assert api.get("/task/tid/%s/info" % tid)["detail"]["options"] == {"paused": True, "priority": 3}
    assert api.request("POST", "/task", {"url": NOWHERE}, kind).status == 415


@pytest.mark.parametrize("value", [None, [], "", 0, False, "format"])
def test_ydl_opts_that_are_no_object_are_a_400(api, value):
    answer = api.post("/task", {"url": NOWHERE, "ydl_opts": value})
    assert answer.status == 400 and answer["key"] == "ydl_opts"
    answer = api.post("/task/batch/add", {"tasks": [{"url": NOWHERE, "ydl_opts": value}]})
    assert answer.status == 207 and "ydl_opts" in answer["detail"][0][1]
    assert api.get("/task/list")["detail"] == []


# -- for the page ---------------------------------------------------------------------------

def test_the_folders_that_a_task_can_go_to(api, folder, tmp_path):
    (folder / "films" / "2024").mkdir(parents=True)
    (folder / "back\\slash").mkdir()        # which the option `dir` refuses
    (folder / "link").symlink_to(tmp_path)
    api.add(NOWHERE + "a", dir="music/new", paused=True)
    answer = api.get("/folders")
    assert answer["detail"] == ["films", "films/2024", "music/new"] and answer["complete"] is True
    for name in answer["detail"]:
        api.add(NOWHERE + "b-" + name, dir=name, paused=True)


def test_the_speed_of_the_last_ten_minutes(api, origin):
    assert "history" not in api.get("/stats").json
    history = api.get("/stats?history=true")["history"]
    assert history["every"] * len(history["speed"]) == 600 and not any(history["speed"])
    data = noise(400000)
    origin.put("/a", data, script=[paced(400000)])
    api.reach(api.add(origin.url("/a"), connections=1), "finished")
    until(lambda: sum(api.get("/stats?history=true")["history"]["speed"]) * 2 > 0.99 * len(data))
    speeds = api.get("/stats?history=yes")["history"]["speed"]
    assert sum(speeds) * history["every"] < 1.01 * len(data) and max(speeds) < 2 * 200000


def test_where_settings_were_set_is_told_when_asked_for(api):
    assert "origins" not in api.get("/config").json
    answer = api.get("/config?origins=true")
    assert answer["origins"] == {"%s.%s" % (section, key): None for section, keys in answer["config"].items()
                                 for key in keys}


def test_what_is_no_operation_has_neither_tag_nor_query():
    for route in ASSETS + XML_RPC:
        assert (route.tag, route.query, route.public) == (None, (), True)
