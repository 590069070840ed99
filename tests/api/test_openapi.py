"""The interface described for machines: every operation, and every reply as it is."""

import json
import os
import re
import sys

import pytest

from harness import ROOT, Process, noise
from raw import NOWHERE

from dlserv.api.routes import ROUTES


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
