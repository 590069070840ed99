"""Errors as replies: a status, a code, and the key that was wrong."""

from raw import NOWHERE


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
