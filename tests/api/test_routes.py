"""The routes beyond the seed: many at once, live settings, figures, and the interface described."""

import json
import random
import re
import time

import pytest

from harness import noise, until
from servers.origin import Gate, paced

from dlserv.api import bodies
from dlserv.api.routes import ROUTES, find
from dlserv.settings.config import TABLES, is_live

NOWHERE = "http://127.0.0.1:1/"


# -- many at once -----------------------------------------------------------------------

def test_many_are_added_with_their_options(api):
    answer = api.post("/task/batch/add", {"tasks": [
        {"url": NOWHERE + "a", "options": {"paused": True, "priority": 3}},
        {"url": NOWHERE + "b", "ydl_opts": {"paused": True, "format": "best"}}]})
    assert answer.status == 200 and answer["status"] == "success"
    rows = api.get("/task/list?exerpt=false")["detail"]
    assert [row["tid"] for row in rows] == answer["tids"]
    assert [row["url"] for row in rows] == [NOWHERE + "a", NOWHERE + "b"]
    assert "format" in rows[1]["log"][0]["msg"]


def test_those_that_are_refused_are_named_and_the_rest_added(api):
    first = api.add(NOWHERE + "there", paused=True)
    good = {"url": NOWHERE + "good", "options": {"paused": True}}
    answer = api.post("/task/batch/add", {"tasks": [
        NOWHERE + "there", good, good, "gopher://x/", {"url": NOWHERE + "c", "options": {"connections": 99}}, 5, {}, [],
        {"url": None}, {"url": NOWHERE + "d", "extra": 1}]})
    assert answer.status == 207 and answer["status"] == "error" and "9 of 10" in answer["errmsg"]
    assert len(answer["tids"]) == 1 and len(answer["detail"]) == 9
    reasons = dict((url, reason) for url, reason in answer["detail"] if isinstance(url, str))
    assert "already" in reasons[NOWHERE + "there"] and "gopher" in reasons["gopher://x/"]
    assert "options.connections" in reasons[NOWHERE + "c"] and "extra" in reasons[NOWHERE + "d"]
    assert {row["tid"] for row in api.get("/task/list")["detail"]} == {first, answer["tids"][0]}


@pytest.mark.parametrize("body", [[], {}, {"tasks": None}, {"tasks": "x"}, {"tasks": {}}, {"tasks": [], "x": 1}, "x"])
def test_what_is_no_list_of_tasks_is_a_400(api, body):
    assert api.post("/task/batch/add", body).status == 400


def test_no_tasks_are_none(api):
    assert api.post("/task/batch/add", {"tasks": []}).json == {"status": "success", "tids": []}


def test_a_batch_is_bounded(api):
    many = ["x"] * (bodies.MOST + 1)
    for path, body in [("add", {"tasks": many}), ("pause", many), ("delete", {"tids": many}), ("restart", many)]:
        answer = api.post("/task/batch/" + path, body)
        assert answer.status == 400 and str(bodies.MOST) in answer["errmsg"]


def test_a_full_database_takes_no_more(api, settings):
    assert api.post("/config", {"general": {"max_tasks": 3}}).status == 200
    answer = api.post("/task/batch/add", {"tasks": [
        {"url": NOWHERE + str(number), "options": {"paused": True}} for number in range(5)]})
    assert answer.status == 207 and len(answer["tids"]) == 3 and len(answer["detail"]) == 2
    answer = api.post("/task", {"url": NOWHERE})
    assert answer.status == 503 and "max_tasks" in answer["errmsg"]
    assert api.delete("/task/tid/" + api.get("/task/list")["detail"][0]["tid"]).status == 200
    assert api.post("/task", {"url": NOWHERE, "options": {"paused": True}}).status == 200


# -- settings while it runs ---------------------------------------------------------------

def test_a_limit_counts_at_once_for_a_download_that_runs(api, origin):
    origin.put("/a", noise(2 ** 20), script=[paced(300000)] * 4)
    tid = api.add(origin.url("/a"), connections=1)
    until(lambda: api.status(tid)["downloaded_bytes"] > 50000)
    assert api.post("/config", {"download": {"ratelimit": "8K"}})["config"]["download"]["ratelimit"] == 8192
    time.sleep(0.2)
    before, began = api.status(tid)["downloaded_bytes"], time.monotonic()
    time.sleep(0.8)
    rate = (api.status(tid)["downloaded_bytes"] - before) / (time.monotonic() - began)
    assert rate < 40000
    api.post("/config", {"download": {"ratelimit": 0}})
    api.reach(tid, "finished")


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
    assert stats["free_bytes"] > 0 and stats["uptime"] >= 0 and stats["version"]


SAMPLE = re.compile(r'([a-z_:][a-z0-9_:]*)(?:\{([a-z_]+="[^"\\\n]*"(?:,[a-z_]+="[^"\\\n]*")*)\})? '
                    r'(-?[0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?)')


def test_metrics_are_what_prometheus_reads(api, origin):
    origin.put("/a", noise(5000))
    api.reach(api.add(origin.url("/a")), "finished")
    api.get("/nowhere")
    answer = api.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    lines = answer.body.decode().split("\n")
    assert lines.pop() == "", "the last line ends as well"
    kinds, helped, seen = {}, set(), {}
    for line in lines:
        if line.startswith("# HELP "):
            helped.add(line.split(" ", 3)[2])
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name not in kinds and name in helped and kind in ("gauge", "counter")
            kinds[name] = kind
        else:
            match = SAMPLE.fullmatch(line)
            assert match, line
            assert match.group(1) in kinds and match.group(1, 2) not in seen
            assert kinds[match.group(1)] != "counter" or match.group(1).endswith("_total")
            seen[match.group(1, 2)] = float(match.group(3))
    assert seen["dlserv_tasks", 'state="finished"'] == 1 and seen["dlserv_tasks_finished_total", None] == 1
    assert seen["dlserv_download_bytes_total", None] >= 5000
    assert seen["dlserv_http_requests_total", 'code="404"'] == 1


def test_health_tells_nothing_else(api):
    assert api.get("/health").json == {"status": "success"}


# -- the interface described ----------------------------------------------------------------

@pytest.fixture
def document(api):
    answer = api.get("/openapi.json")
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    return answer.json


def test_every_operation_is_described_once(document):
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    names = [operation["operationId"] for operation in operations]
    assert document["openapi"].startswith("3.1") and len(names) == len(ROUTES) == len(set(names))
    for operation in operations:
        assert operation["summary"] and "200" in operation["responses"]
    assert document["paths"]["/health"]["get"]["security"] == []
    assert "security" not in document["paths"]["/task/list"]["get"]


def test_every_reference_leads_somewhere(document):
    references = re.findall(r'"\$ref": "#/components/schemas/(\w+)"', json.dumps(document))
    assert references and set(references) <= set(document["components"]["schemas"])


def test_every_path_answers_as_told(api, origin, document):
    origin.put("/a", noise(100))
    tid = api.add(origin.url("/a"))
    api.reach(tid, "finished")
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if path == "/events" or method not in ("get", "head"):
                continue
            for parameter in operation["parameters"]:
                assert parameter["in"] in ("path", "query")
            answer = api.request(method.upper(), path.replace("{tid}", tid))
            assert answer.status == 200, (path, answer)
            told = answer.headers["content-type"].partition(";")[0]
            assert told in operation["responses"]["200"]["content"], path
    for path, operations in document["paths"].items():
        for method in {"post", "put", "patch", "delete"} - set(operations):
            answer = api.request(method.upper(), path.replace("{tid}", tid))
            assert answer.status == 405 and answer.headers["allow"], (method, path)


@pytest.mark.parametrize("path", ["/styleXcss", "/app.js/", "//", "/task/tid/", "/task//list", "/TASK", "/task/list/",
                                  "/manifestXwebmanifest", "/%2e%2e/", "/../task/list", "/task\nlist", ""])
def test_what_only_looks_like_a_path_is_none(path):
    assert find(path) == ({}, ())


def test_what_null_and_the_prefix_come_to_is_described(document):
    assert document["servers"] == [{"url": "/"}]
    retries = document["components"]["schemas"]["options"]["properties"]["retries"]
    assert {"type": "null"} in retries["anyOf"] and retries["description"]
    assert {"200", "206", "304", "default"} == set(document["paths"]["/task/tid/{tid}/file"]["get"]["responses"])


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
    origin.put("/a", data, script=[paced(200000)])
    api.reach(api.add(origin.url("/a"), connections=1), "finished")
    until(lambda: sum(api.get("/stats?history=true")["history"]["speed"]) * 2 > 0.99 * len(data))
    speeds = api.get("/stats?history=yes")["history"]["speed"]
    assert sum(speeds) * history["every"] < 1.01 * len(data) and max(speeds) < 2 * 200000


def test_where_settings_were_set_is_told_when_asked_for(api):
    assert "origins" not in api.get("/config").json
    answer = api.get("/config?origins=true")
    assert answer["origins"] == {"%s.%s" % (section, key): None for section, keys in answer["config"].items()
                                 for key in keys}
