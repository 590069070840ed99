"""The routes beyond the seed: many at once, live settings, figures, and the interface described."""

import json
import os
import random
import re
import sys
import time

import pytest

from harness import ROOT, Process, noise, until
from servers.origin import Gate, paced, refuse

from dlserv.api import requests
from dlserv.api.routes import ROUTES, find
from dlserv.errors import REASONS
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
    many = ["x"] * (requests.MOST + 1)
    for path, body in [("add", {"tasks": many}), ("pause", many), ("delete", {"tids": many}), ("restart", many)]:
        answer = api.post("/task/batch/" + path, body)
        assert answer.status == 400 and str(requests.MOST) in answer["errmsg"]


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
    assert stats["free_bytes"] > 0 and 0 <= stats["uptime"] < 3600 and stats["version"]


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
            assert name not in kinds and name in helped and kind in ("gauge", "counter", "summary")
            kinds[name] = kind
        else:
            match = SAMPLE.fullmatch(line)
            assert match, line
            family = re.sub("_(sum|count)$", "", match.group(1))
            assert family in kinds and match.group(1, 2) not in seen
            assert (kinds[family] == "summary") == (family != match.group(1))
            assert (kinds[family] == "counter") == family.endswith("_total")
            seen[match.group(1, 2)] = float(match.group(3))
    assert seen["dlserv_tasks", 'state="finished"'] == 1 and seen["dlserv_tasks_finished_total", None] == 1
    assert seen["dlserv_download_bytes_total", None] >= 5000
    assert seen["dlserv_http_requests_total", 'code="404"'] == 1
    assert seen["dlserv_http_request_duration_seconds_count", None] >= 3
    assert 0 < seen["dlserv_disk_free_bytes", None] <= seen["dlserv_disk_size_bytes", None]
    assert seen["dlserv_queue_oldest_seconds", None] == 0
    assert not [name for name, _ in seen if "bytes" in name.split("_")[-2:-1] and name.endswith("_speed")]


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs /proc")
def test_a_process_starts_once(api):
    """Figures of the process by Prometheus' names; a start time that moves would count as a restart."""
    def figures():
        lines = api.get("/metrics").body.decode().splitlines()
        return dict(line.split(" ") for line in lines if line.startswith("process_"))

    first = figures()
    time.sleep(0.05)
    second = figures()
    assert first["process_start_time_seconds"] == second["process_start_time_seconds"]
    assert abs(float(first["process_start_time_seconds"]) - time.time()) < 60
    assert set(first) == {"process_" + name for name in (
        "start_time_seconds", "cpu_seconds_total", "max_fds", "open_fds", "virtual_memory_bytes",
        "resident_memory_bytes")}
    assert float(second["process_cpu_seconds_total"]) >= float(first["process_cpu_seconds_total"]) > 0
    assert 0 < float(first["process_resident_memory_bytes"]) < float(first["process_virtual_memory_bytes"])


def test_failures_and_repeats_are_counted_by_reason(api, origin):
    origin.put("/gone", b"", script=[refuse(404)])
    origin.put("/broken", noise(100), script=[refuse(500)])
    api.reach(api.add(origin.url("/gone")), "invalid")
    api.reach(api.add(origin.url("/broken")), "finished")
    lines = api.get("/metrics").body.decode().splitlines()
    for line in ('dlserv_tasks_failed_total{reason="not_found"} 1', 'dlserv_tasks_failed_total{reason="dns"} 0',
                 'dlserv_retries_total{reason="http"} 1', 'dlserv_retries_total{reason="other"} 0'):
        assert line in lines
    assert sum(line.startswith("dlserv_tasks_failed_total{") for line in lines) == len(REASONS) + 1


def test_the_oldest_queued_task_has_an_age(settings, api, origin):
    api.post("/config", {"download": {"max_concurrent": 1}})
    gate = Gate(10)
    origin.put("/a", noise(100), script=[gate])
    api.add(origin.url("/a"))
    assert gate.reached.wait(15)
    api.add(NOWHERE + "waits")
    until(lambda: re.search(rb"\ndlserv_queue_oldest_seconds 0\.[1-9]", api.get("/metrics").body))
    gate.open()


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
    shown = [route for route in ROUTES if route.tag]
    assert document["openapi"].startswith("3.1") and len(names) == len(shown) == len(set(names))
    assert all(re.fullmatch("[a-z]+[A-Za-z]*", name) for name in names) and "addTask" in names
    tags = {tag["name"] for tag in document["tags"]}
    for operation in operations:
        assert operation["summary"] and {"200", "500"} <= set(operation["responses"])
        assert len(operation["tags"]) == 1 and set(operation["tags"]) <= tags
        assert all(parameter["description"] for parameter in operation["parameters"])
    assert document["paths"]["/health"]["get"]["security"] == []
    assert "security" not in document["paths"]["/task/list"]["get"]


@pytest.mark.parametrize("flag", ["-O", "-OO"])
def test_the_interface_is_described_without_docstrings(tmp_path, folder, flag):
    arguments = ["--download-dir", str(folder), "--db", str(tmp_path / "state.db")]
    process = Process(arguments, [sys.executable, flag, os.path.join(ROOT, "dlserv.py")])
    try:
        described = process.api.get("/openapi.json").json["paths"]
        assert described["/task"]["post"]["summary"] == "create a task"
        assert process.api.get("/config").status == 200
    finally:
        process.stop()


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
                assert parameter["in"] in ("path", "query", "header")
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
    assert "not given" in document["components"]["schemas"]["options"]["description"]
    changed = document["components"]["schemas"]["changes"]
    assert {"type": "null"} in changed["properties"]["retries"]["anyOf"] and "resets" in changed["description"]
    responses = document["paths"]["/task/tid/{tid}/file"]["get"]["responses"]
    assert {"200", "206", "304", "401", "404", "409", "412", "416"} <= set(responses)
    assert "207" in document["paths"]["/task/batch/add"]["post"]["responses"]
    assert "Retry-After" in responses["429"]["headers"]


def conforms(value, schema, schemas, where=""):
    """Assert that the value is what the JSON Schema says, as far as our schemas go."""
    if "$ref" in schema:
        return conforms(value, schemas[schema["$ref"].rpartition("/")[2]], schemas, where)
    if "anyOf" in schema:
        reasons = []
        for each in schema["anyOf"]:
            try:
                return conforms(value, each, schemas, where)
            except AssertionError as error:
                reasons.append(str(error))
        raise AssertionError("; ".join(reasons))
    kinds = {"string": str, "integer": int, "number": (int, float), "boolean": bool, "array": list, "object": dict,
             "null": type(None)}
    expected = schema.get("type", [])
    names = [expected] if isinstance(expected, str) else expected
    assert not names or any(isinstance(value, kinds[name]) for name in names), (where, value, schema)
    assert "const" not in schema or value == schema["const"], (where, value)
    assert "enum" not in schema or value in schema["enum"], (where, value)
    if isinstance(value, str) and "pattern" in schema:
        assert re.search(schema["pattern"], value), (where, value)
    if isinstance(value, list):
        for number, each in enumerate(value):
            items = schema.get("prefixItems", [schema.get("items", {})] * len(value))
            conforms(each, items[number], schemas, "%s[%d]" % (where, number))
    if isinstance(value, dict):
        assert set(schema.get("required", ())) <= set(value), (where, value)
        for key, each in value.items():
            assert key in schema.get("properties", {}) or schema.get("additionalProperties", True), (where, key)
            conforms(each, schema.get("properties", {}).get(key, {}), schemas, where + "." + key)


def test_every_reply_is_what_its_schema_says(api, origin, document):
    origin.put("/a", noise(100))
    tid = api.add(origin.url("/a"), headers={"X-A": "b"}, proxy="")
    api.reach(tid, "finished")
    gone = "0" * 40
    asked = [
        ("GET", "/task/tid/{tid}/status", "", None, 200), ("GET", "/task/tid/{tid}/status", "?exerpt=1", None, 200),
        ("GET", "/task/tid/{tid}/info", "", None, 200), ("GET", "/task/list", "", None, 200),
        ("GET", "/task/list", "?exerpt=false", None, 200), ("GET", "/task/list", "?state=x", None, 400),
        ("GET", "/task/state_coutner", "", None, 200), ("GET", "/task/state_counter", "", None, 200),
        ("GET", "/task/list", "?rows=true", None, 200), ("GET", "/folders", "", None, 200),
        ("GET", "/config", "", None, 200), ("GET", "/config", "?origins=true", None, 200),
        ("GET", "/stats", "", None, 200), ("GET", "/stats", "?history=true", None, 200),
        ("GET", "/health", "", None, 200),
        ("POST", "/task", "", {"url": origin.url("/a")}, 409), ("POST", "/task", "", {"url": "x"}, 400),
        ("POST", "/task", "", {"url": NOWHERE, "options": {"paused": True}}, 200),
        ("PUT", "/task/tid/{tid}", "?act=pause", None, 409), ("PUT", "/task/tid/{tid}", "?act=restart", None, 200),
        ("PATCH", "/task/tid/{tid}", "", {"options": {"retries": None}}, 200),
        ("PATCH", "/task/tid/{tid}", "", {"options": {"retries": "x"}}, 400),
        ("POST", "/config", "", {"download": {"retries": 5}}, 200), ("POST", "/config", "", {"x": {}}, 400),
        ("POST", "/config", "", {"server": {"port": 1}}, 403),
        ("POST", "/task/batch/add", "", {"tasks": []}, 200),
        ("POST", "/task/batch/add", "", {"tasks": [NOWHERE, 5, "x"]}, 207),
        ("POST", "/task/batch/restart", "", [gone], 207), ("POST", "/task/batch/pause", "", [], 200),
        ("POST", "/task/batch/delete", "", {"tids": [gone], "del_file": "true"}, 207),
        ("DELETE", "/task/tid/{tid}", "?del_file=yes", None, 200),
        ("DELETE", "/task/tid/{tid}", "", None, 404)]
    for method, path, query, body, status in asked:
        answer = api.request(method, path.replace("{tid}", tid) + query, body)
        assert answer.status == status, (method, path, answer)
        operation = document["paths"][path][method.lower()]
        schema = operation["responses"][str(status)]["content"]["application/json"]["schema"]
        conforms(answer.json, schema, document["components"]["schemas"], "%s %s" % (method, path))


def test_an_error_has_a_code_and_the_key_that_was_wrong(api):
    tid = api.add(NOWHERE + "a", paused=True)
    for method, path, body, code, key in [
            ("POST", "/task", {"url": "x"}, "bad_value", "url"),
            ("POST", "/task", {"url": NOWHERE, "options": {"retries": -1}}, "bad_value", "options.retries"),
            ("POST", "/task", {"url": NOWHERE, "extra": 1}, "bad_value", "extra"),
            ("POST", "/task", {"url": NOWHERE + "a"}, "exists", None),
            ("POST", "/task", b"{", "bad_value", "body"), ("PUT", "/task", None, "wrong_method", None),
            ("PUT", "/task/tid/%s?act=restart" % tid, None, "conflict", None),
            ("PUT", "/task/tid/%s?act=fly" % tid, None, "bad_value", "act"),
            ("PUT", "/task/tid/%s" % tid, None, "bad_value", "act"),
            ("GET", "/task/list?limit=x", None, "bad_value", "limit"),
            ("GET", "/task/tid/x/info", None, "not_found", None), ("GET", "/nowhere", None, "not_found", None),
            ("POST", "/config", {"server": {"port": 1}}, "forbidden", "server.port"),
            ("POST", "/config", {"download": {"retries": "x"}}, "bad_value", "download.retries"),
            ("POST", "/task/batch/pause", ["x"], "partial", None)]:
        answer = api.request(method, path, body)
        assert answer.json["status"] == "error" and answer["code"] == code, (path, answer)
        assert answer.json.get("key") == key, (path, answer)
    assert api.post("/task", b"x", **{"Content-Type": "text/plain"})["code"] == "wrong_type"
    assert api.post("/task/batch/pause", b"x" * (2 ** 20 + 1))["code"] == "too_large"
    assert api.get("/task/list", Host="evil.example")["code"] == "forbidden"
    api.post("/config", {"general": {"max_tasks": 1}})
    assert api.post("/task", {"url": NOWHERE})["code"] == "full"


def test_a_merge_patch_resets_an_option(api):
    tid = api.add(NOWHERE + "a", paused=True, retries=1, priority=3)
    kind = {"Content-Type": "application/merge-patch+json"}
    assert api.request("PATCH", "/task/tid/" + tid, {"options": {"retries": None}}, kind).status == 200
    assert api.get("/task/tid/%s/info" % tid)["detail"]["options"] == {"paused": True, "priority": 3}
    assert api.request("POST", "/task", {"url": NOWHERE}, kind).status == 415


@pytest.mark.parametrize("value, is_taken", [
    (True, True), (False, True), ("true", True), ("FALSE", True), ("yes", False), ("1", False), ("", False), (1, False),
    (0, False), (None, False), ([], False), ({}, False), ("on", False)])
def test_del_file_is_a_boolean_whatever_the_tids(api, value, is_taken):
    for tids in ([], ["0" * 40]):
        answer = api.post("/task/batch/delete", {"tids": tids, "del_file": value})
        assert answer.status == ((207 if tids else 200) if is_taken else 400), answer
        assert is_taken or answer["key"] == "del_file"


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
