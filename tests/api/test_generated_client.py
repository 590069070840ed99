"""A client that is generated from the live /openapi.json drives the daemon, and finds every reply as described."""

import contextlib
import importlib.util
import json
import os

import pytest

from generated_client import generate
from harness import PATIENCE, noise, until
from servers.origin import Gate

DATA = noise(50000)
NOWHERE = "http://127.0.0.1:1/"
UNKNOWN = "0" * 40
TOKEN = "a-token-of-24-characters"


@pytest.fixture
def make(tmp_path):
    """A function that generates the module for a daemon's API and returns (the module, a Client of it)."""
    clients = []

    def make(api, token=None):
        headers = {"Authorization": "Bearer " + token} if token else {}
        path = tmp_path / "dlserv_client.py"
        path.write_text(generate(api.get("/openapi.json", **headers).json))
        spec = importlib.util.spec_from_file_location("dlserv_client", str(path))
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        clients.append(module.Client(api.url, token, PATIENCE))
        return module, clients[-1]

    yield make
    for each in clients:
        each.close()


@pytest.fixture
def made(api, make):
    """(the module that was generated, its client of a daemon in this process)."""
    return make(api)


def refused(module, status, code, call, *arguments, **more):
    """Check that the call raises the ApiError with this status and code; return it."""
    with pytest.raises(module.ApiError) as caught:
        call(*arguments, **more)
    assert (caught.value.status, caught.value.code) == (status, code) and len(str(caught.value)) > 10
    return caught.value


def reach(client, tid, state):
    until(lambda: client.get_task_status(tid).value["detail"]["state"] == state)


def test_every_operation_works_as_it_is_described(process, make, origin, folder):
    module, client = make(process().api)
    origin.put("/a.iso", DATA)
    tid = client.add_task({"url": origin.url("/a.iso"), "options": {"priority": 1, "retries": None}}).value["tid"]
    reach(client, tid, "finished")
    form = client.add_task({"url": NOWHERE + "form", "paused": "true"},
                           content_type="application/x-www-form-urlencoded")
    other = form.value["tid"]
    assert client.get_task_status(tid, exerpt=True).value["detail"]["percent"] == "100.0%"
    assert client.get_task_info(tid).value["detail"]["total_bytes"] == len(DATA)
    whole = client.get_task_file(tid)
    assert whole.value == DATA
    assert client.get_task_file(tid, range="bytes=10-19").value == DATA[10:20]
    assert client.get_task_file(tid, if_none_match=whole.headers["etag"]).status == 304
    for rows in ({}, {"exerpt": False}, {"rows": True}, {"state": "finished", "offset": 0, "limit": 1}):
        assert tid in [task["tid"] for task in client.list_tasks(**rows).value["detail"]]
    assert client.count_tasks().value == client.count_tasks_too().value
    client.change_task(other, {"url": NOWHERE + "fresh", "options": {"connections": 2, "ratelimit": None}})
    client.change_task(other, {"options": {"dir": "isos"}}, "application/merge-patch+json")
    for act, to in (("move", "top"), ("move", 0), ("resume", None), ("pause", None)):
        client.act_on_task(other, act, to=to)
    client.act_on_task(tid, "verify")
    until(lambda: client.get_task_info(tid).value["detail"]["verified_time"])
    client.act_on_task(tid, "restart")
    reach(client, tid, "finished")
    added = client.add_tasks({"tasks": [NOWHERE + "1", {"url": NOWHERE + "2", "options": {"paused": True}}]})
    client.pause_tasks(added.value["tids"][:1])
    client.resume_tasks({"tids": added.value["tids"][:1]})
    client.restart_tasks([tid])
    reach(client, tid, "finished")
    client.refresh_tasks([tid])
    reach(client, tid, "finished")
    client.verify_tasks([tid])
    client.delete_tasks({"tids": added.value["tids"], "del_file": "true"})
    assert client.list_folders().value["complete"] is True
    assert client.change_config({"download": {"ratelimit": "2M"}}).value["config"]["download"]["ratelimit"] == 2 ** 21
    assert client.get_config(origins=True).value["origins"]["server.port"] == "--port"
    assert client.get_stats(history=True).value["history"]["every"] > 0
    assert client.get_health().value == {"status": "success"}
    assert "dlserv_tasks" in client.get_metrics().value
    assert client.get_openapi().value["openapi"].startswith("3.1")
    client.change_config({"general": {"archive": True}})
    until(lambda: client.get_task_info(tid).value["detail"]["checksum"])
    assert client.delete_task(tid, del_file=True).value["detail"]["deleted"] == ["a.iso"]
    assert client.delete_task(other).status == 200
    entry, = client.list_archive(offset=0, limit=5).value["detail"]
    assert entry["tid"] == tid and client.add_tasks({"tasks": [origin.url("/a.iso")]}).value["had_already"]
    refused(module, 409, "archived", client.add_task, {"url": origin.url("/a.iso")})
    client.forget_archived(tid)
    assert client.forget_archive().value["count"] == 0
    with contextlib.closing(client.get_events(last_event_id="0").value) as stream:
        assert b"event: " in b"".join(stream.readline() for _ in range(4))
    assert client.called == set(module.OPERATIONS)


def test_errors_are_told_by_code_and_key(made, origin):
    module, client = made
    origin.put("/slow.iso", DATA, script=[Gate(after=1000)])
    running = client.add_task({"url": origin.url("/slow.iso"), "options": {"connections": 1}}).value["tid"]
    reach(client, running, "downloading")
    assert refused(module, 400, "bad_value", client.add_task, {"url": "nonsense"}).key == "url"
    error = refused(module, 409, "exists", client.add_task, {"url": origin.url("/slow.iso")})
    assert error.tid == running
    options = {"url": NOWHERE, "options": {"checksum": "sha-256=00"}}
    assert refused(module, 400, "bad_value", client.add_task, options).key == "options.checksum"
    for call, more in ((client.get_task_status, ()), (client.get_task_info, ()), (client.get_task_file, ()),
                       (client.delete_task, ()), (client.act_on_task, ("pause",)), (client.change_task, ({},))):
        refused(module, 404, "not_found", call, UNKNOWN, *more)
    refused(module, 409, "conflict", client.get_task_file, running)
    refused(module, 409, "conflict", client.act_on_task, running, "restart")
    error = refused(module, 403, "forbidden", client.change_config, {"server": {"port": 1}})
    assert error.key == "server.port"
    error = refused(module, 400, "bad_value", client.change_config, {"download": {"reserve": "much"}})
    assert error.key == "download.reserve"


def test_a_batch_that_is_done_in_part_says_which(made):
    module, client = made
    error = refused(module, 207, "partial", client.add_tasks, {"tasks": [NOWHERE + "1", "nonsense"]})
    assert len(error.tids) == 1 and error.detail[0][0] == "nonsense"
    for call in (client.pause_tasks, client.restart_tasks, client.resume_tasks, client.verify_tasks,
                 client.delete_tasks):
        error = refused(module, 207, "partial", call, [UNKNOWN])
        assert error.detail == [[UNKNOWN, error.detail[0][1]]]


def test_conditions_that_fail_are_described(made, origin):
    module, client = made
    origin.put("/a.iso", DATA)
    tid = client.add_task({"url": origin.url("/a.iso")}).value["tid"]
    reach(client, tid, "finished")
    refused(module, 412, "changed", client.get_task_file, tid, if_match='"other"')
    refused(module, 416, "wrong_range", client.get_task_file, tid, range="bytes=%d-" % len(DATA))


@pytest.mark.parametrize("headers, body, status, code", [
    ({"Content-Type": "text/plain"}, b"x", 415, "wrong_type"), ({}, None, 411, "no_length"),
    ({"Content-Type": "application/json"}, b"{", 400, "bad_value"),
    ({"Content-Type": "application/json", "Content-Length": str(2 ** 40)}, b"", 413, "too_large")])
def test_bodies_of_other_kinds_are_described(made, headers, body, status, code):
    """Requests that no generated client sends; their replies match the document all the same."""
    module, client = made
    for operation, row in module.OPERATIONS.items():
        if row["bodies"]:
            connection = client.connection
            connection.close()
            connection.putrequest(row["method"], row["path"].format(tid=UNKNOWN))
            length = {} if body is None or "Content-Length" in headers else {"Content-Length": str(len(body))}
            for name, value in dict(headers, **length).items():
                connection.putheader(name, value)
            connection.endheaders(body or None)
            refused(module, status, code, client.read, operation, connection.getresponse())


def test_those_without_the_token_are_told_as_described(process, make, environ):
    daemon = process(environ=dict(environ, DLSERV_TOKEN=TOKEN))
    module, client = make(daemon.api, TOKEN)
    assert client.list_tasks().status == 200
    stranger = module.Client(daemon.url)
    try:
        assert stranger.get_health().status == 200
        refused(module, 401, "unauthorized", stranger.list_tasks)
        refused(module, 401, "unauthorized", stranger.add_task, {"url": NOWHERE})
        stranger.token = "wrong-token-of-25-chars"
        for _ in range(10):
            refused(module, 401, "unauthorized", stranger.get_stats)
        refused(module, 429, "too_many", stranger.get_stats)
    finally:
        stranger.close()


def test_a_disk_that_is_away_is_described(made, origin, folder):
    module, client = made
    origin.put("/a.iso", DATA)
    tid = client.add_task({"url": origin.url("/a.iso")}).value["tid"]
    reach(client, tid, "finished")
    os.rename(str(folder), str(folder) + "-away")
    refused(module, 503, "unavailable", client.get_health)
    refused(module, 404, "not_found", client.get_task_file, tid)
    os.rename(str(folder) + "-away", str(folder))
    assert client.get_health().status == 200


def test_every_setting_is_shown_as_described(process, make, tmp_path):
    config = tmp_path / "config.json"
    watched = tmp_path / "watched"
    watched.mkdir()
    config.write_text(json.dumps({
        "hooks": {"finished": ["/bin/true", "x"], "idle": ["/bin/true"]}, "watch": [{"dir": str(watched)}],
        "webhooks": [{"url": "http://127.0.0.1:1/", "secret": "whsec_AAAA"}, {"url": "http://127.0.0.1:1/2"}],
        "rules": [{"host": ".example.org", "name": "*.iso", "options": {"dir": "iso", "ratelimit": "2M"}}],
        "schedule": [{"from": "00:00", "to": "24:00", "ratelimit": "512K"}, {"days": "sat,sun"}],
        "download": {"proxy": "http://u:p@127.0.0.1:1", "deny_private": True, "allow_hosts": ["127.0.0.1"]},
        "server": {"allowed_hosts": ["nas"], "allowed_origins": ["https://example.org"]}}))
    module, client = make(process("-c", str(config)).api)
    assert client.get_config().value["fixed"]
    assert client.get_stats().value["window"]["from"] == "00:00"
    assert client.change_config({"download": {"retries": 3}}).value["config"]["download"]["retries"] == 3


@pytest.mark.parametrize("break_it, words", [
    (lambda document: document["components"]["schemas"]["added"]["properties"]["tid"].update(pattern="^x"), "tid"),
    (lambda document: document["components"]["schemas"]["added"]["required"].append("more"), "more"),
    (lambda document: document["paths"]["/task"]["post"]["responses"].pop("200"), "status 200")])
def test_the_client_would_notice_another_reply(api, break_it, words):
    """So that the tests above can fail."""
    document = api.get("/openapi.json").json
    break_it(document)
    names = {}
    exec(compile(generate(document), "generated", "exec"), names)
    client = names["Client"](api.url)
    try:
        with pytest.raises(names["Undocumented"], match=words):
            client.add_task({"url": NOWHERE, "options": {"paused": True}})
    finally:
        client.close()


def test_what_the_generator_does_not_know_is_refused(api):
    document = api.get("/openapi.json").json
    for schema in ({"oneOf": []}, {"type": "text"}, {"enum": ["a"]}, {"$ref": "#/components/schemas/none"}):
        document["components"]["schemas"]["bad"] = {"type": "object", "properties": {"x": schema}}
        with pytest.raises(ValueError, match="bad.x"):
            generate(document)
