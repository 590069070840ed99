"""Who may call over the aria2 door: tokens, other sites, GET; and its path."""

import base64
import json

import pytest

from aria2 import TOKEN, Refused, Rpc, error, url_of

from dlserv import Daemon, Server

FOREIGN = "chrome-extension://mpkodccbngfoacfalldjimigbofkhgjn"
VERSION = "aria2.getVersion"
UNAUTHORIZED = {"code": 1, "message": "Unauthorized"}


@pytest.fixture
def daemon(shared):
    """The daemon of the module."""
    return shared


@pytest.mark.parametrize("kind", [
    "application/json", "application/json-rpc", "text/plain", "text/plain;charset=UTF-8",
    "application/x-www-form-urlencoded", "multipart/form-data", "nonsense", None
])
def test_the_type_of_the_body_does_not_matter(rpc, kind):
    answer = rpc.send(rpc.request(VERSION), {"Content-Type": kind} if kind else {})
    assert answer.status == 200 and "result" in answer.json
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.headers["cache-control"] == "no-store" and "www-authenticate" not in answer.headers


def test_a_body_beyond_the_limit_is_refused_as_json_rpc(rpc):
    answer = rpc.send(b" " * (2 ** 20 + 1))
    assert answer.status == 400 and answer.json["error"]["code"] == -32600 and "longer" in answer.json[
        "error"]["message"]


def test_a_token_is_stripped_where_none_is_needed(rpc):
    for token in ("", "x", "anything at all"):
        assert "version" in rpc("aria2.getVersion", "token:" + token)
        with pytest.raises(Refused, match="Invalid GID"):
            rpc("aria2.tellStatus", "token:" + token, "zz")


@pytest.mark.parametrize(
    "params", [[], ["token:"], ["token:wrong"], [TOKEN], ["token: " + TOKEN], ["token:" + TOKEN + " "],
               ["TOKEN:" + TOKEN], ["x", "token:" + TOKEN], [5], ["token:é"], ["token:\ud800"]])
@pytest.mark.parametrize("method", [VERSION, "aria2.addUri", "aria2.nope", ""])
def test_without_the_token_it_is_exactly_unauthorized(locked, method, params):
    answer = locked.send({"id": 3, "method": method, "params": params})
    assert answer.status in (400, 429) and answer.json == dict(error(1, "Unauthorized", 3))
    assert "www-authenticate" not in answer.headers


def test_the_lists_of_names_are_free(locked):
    stranger = Rpc("http://" + locked.host)
    assert len(stranger("system.listMethods")) == 36 and len(stranger("system.listNotifications")) == 6


def test_each_call_of_a_multicall_needs_the_token(locked):
    right, wrong = ["token:" + TOKEN], []
    entries = [{"methodName": VERSION, "params": right}, {"methodName": VERSION, "params": wrong},
               {"methodName": "system.listMethods"}]
    answer = locked.send({"id": 1, "method": "system.multicall", "params": [entries]})
    assert answer.status == 200
    assert "version" in answer["result"][0][0] and answer["result"][1] == UNAUTHORIZED and len(
        answer["result"][2][0]) == 36


def test_each_call_of_a_batch_needs_the_token(locked):
    answer = locked.send([{"id": 1, "method": VERSION}, locked.request(VERSION)])
    assert answer.status == 200 and answer.json[0]["error"] == UNAUTHORIZED and "result" in answer.json[1]


@pytest.mark.parametrize("value",
                         ["Bearer " + TOKEN, "Basic " + base64.b64encode(b"any:" + TOKEN.encode()).decode()])
def test_the_token_may_be_in_the_header(locked, value):
    assert "result" in locked.send({"id": 1, "method": VERSION}, {"Authorization": value}).json
    wrong = locked.send({"id": 1, "method": VERSION}, {"Authorization": value[:-4] + "eA=="})
    assert wrong.json["error"] == UNAUTHORIZED


def test_guessing_is_damped_with_the_same_body(locked):
    for number in range(10):
        assert locked.send({"id": 1, "method": VERSION,
                            "params": ["token:wrong%d" % number]}).status in (400, 429)
    for params in (["token:again"], ["token:" + TOKEN]):
        answer = locked.send({"id": 1, "method": VERSION, "params": params})
        assert answer.status == 429 and answer["error"] == UNAUTHORIZED and int(
            answer.headers["retry-after"]) > 0


def test_one_wrong_token_in_many_calls_is_one_guess(locked):
    entries = [{"methodName": VERSION, "params": ["token:wrong"]}] * 100
    for _ in range(3):
        assert locked.send({"id": 1, "method": "system.multicall", "params": [entries]}).status == 200
    assert "version" in locked(VERSION)


def test_an_empty_token_is_no_guess(locked):
    for _ in range(20):
        assert locked.send({"id": 1, "method": VERSION, "params": ["token:"]}).status == 400
    assert "version" in locked(VERSION)


@pytest.mark.parametrize("headers, site", [
    ({"Origin": FOREIGN}, FOREIGN), ({"Origin": "null"}, "null"), ({"Origin": ""}, "another site"),
    ({"Sec-Fetch-Site": "cross-site"}, "another site")])
def test_a_foreign_site_is_told_what_to_set(rpc, daemon, headers, site):
    answer = rpc.send(rpc.request("aria2.addUri", ["http://127.0.0.1:1/"]), headers)
    assert answer.status == 403 and answer["error"]["code"] == 1 and answer["id"] is None
    assert answer["error"]["message"] == (
        "pages of %s may not call this daemon; add their origin to server.allowed_origins, or set a token" % site)
    assert daemon.list() == []


@pytest.mark.parametrize("origin", [FOREIGN, "moz-extension://0c9d", "https://ariang.example", "null"])
def test_a_foreign_site_with_the_token_may_call(locked, origin):
    assert "result" in locked.send(locked.request(VERSION), {"Origin": origin}).json


def test_a_header_from_a_foreign_site_does_not_count(locked):
    headers = {"Origin": "https://evil.example", "Authorization": "Bearer " + TOKEN}
    answer = locked.send({"id": 1, "method": VERSION}, headers)
    assert answer["error"] == UNAUTHORIZED
    assert "result" in locked.send(locked.request(VERSION), headers).json
    assert locked.send(
        {"id": 1, "method": VERSION},
        {"Authorization": "Bearer " + TOKEN, "Sec-Fetch-Site": "cross-site"})["error"] == UNAUTHORIZED


def test_every_entry_of_a_foreign_sites_call_needs_the_token(locked):
    entries = [locked.request(VERSION), {"id": 2, "method": "aria2.pauseAll"}]
    answers = locked.send(entries, {"Origin": FOREIGN, "Authorization": "Bearer " + TOKEN}).json
    assert "result" in answers[0] and answers[1]["error"] == UNAUTHORIZED


def test_an_unknown_host_is_refused_without_a_token(rpc):
    answer = rpc.send(rpc.request(VERSION), {"Host": "evil.example"})
    assert answer.status == 403 and answer["error"]["code"] == 1 and "allowed_hosts" in answer["error"][
        "message"]


def test_any_host_will_do_with_a_token(locked):
    assert "result" in locked.send(locked.request(VERSION), {"Host": "evil.example"}).json


def test_an_allowed_extension_reads_the_answer(settings):
    settings["server"]["allowed_origins"] = [FOREIGN]
    with Daemon(settings) as daemon, Server(daemon, "127.0.0.1", 0) as server:
        rpc = Rpc(server.url)
        answer = rpc.send(rpc.request(VERSION), {"Origin": FOREIGN})
        assert answer.status == 200 and answer.headers["access-control-allow-origin"] == FOREIGN
        asked = rpc.send(None, {"Origin": FOREIGN, "Access-Control-Request-Method": "POST"}, "OPTIONS")
        assert asked.status == 200 and "POST" in asked.headers["access-control-allow-methods"]


def get(rpc, path, **headers):
    return rpc.send(None, headers, "GET", path)


def test_a_get_with_the_token_is_a_call(locked):
    answer = get(locked, url_of("/jsonrpc", VERSION, "q", ["token:" + TOKEN]))
    assert answer.status == 200 and answer["id"] == "q" and "version" in answer["result"]
    raw = base64.b64encode(
        json.dumps([locked.request(VERSION, identity=1), {"id": 2, "method": VERSION}]).encode()).decode()
    assert [each["id"] for each in get(locked, "/jsonrpc?params=" + raw).json] == [1, 2]


def test_plus_signs_and_escapes_in_base64_are_understood(locked):
    params = ["token:" + TOKEN, "?>?>~~~\u00fe\u00fe"]
    raw = base64.b64encode(json.dumps(params, ensure_ascii=False).encode()).decode()
    for text in (raw, raw.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D"), raw.rstrip("=")):
        answer = get(locked, "/jsonrpc?method=aria2.tellStatus&id=1&params=" + text)
        assert answer["error"]["message"].startswith("Invalid GID ?>?>"), text


def test_a_get_without_the_token_is_refused(locked):
    answer = get(locked, url_of("/jsonrpc", VERSION, "q", []))
    assert answer.status == 400 and answer["error"] == UNAUTHORIZED


def test_without_a_token_there_is_no_get(rpc, daemon):
    answer = get(rpc, url_of("/jsonrpc", "aria2.addUri", "q", [["http://127.0.0.1:1/"]]))
    assert answer.status == 403 and answer["error"]["code"] == 1 and "POST" in answer["error"]["message"]
    assert daemon.list() == []


def test_a_password_that_browsers_add_to_a_get_only_reads(locked):
    basic = {"Authorization": "Basic " + base64.b64encode(b":" + TOKEN.encode()).decode()}
    assert "result" in get(locked, url_of("/jsonrpc", "aria2.tellActive", "q", []), **basic).json
    assert get(locked, url_of("/jsonrpc", "aria2.pauseAll", "q", []), **basic)["error"] == UNAUTHORIZED
    assert get(locked, url_of("/jsonrpc", "aria2.pauseAll", "q", []),
               Authorization="Bearer " + TOKEN)["result"] == "OK"


@pytest.mark.parametrize("query",
                         ["jsoncallback=f", "jsoncallback=", "jsoncallback=f&method=system.listMethods&id=1"])
def test_jsonp_is_not_spoken(locked, query):
    answer = get(locked, "/jsonrpc?" + query)
    assert answer.status == 400 and "JSONP" in answer["error"]["message"] and answer.body.startswith(b"{")


@pytest.mark.parametrize("query", [
    "", "?", "?params=!!!", "?params=e30", "?id=1&params=e30=", "?method=x&params=bm9wZQ==",
    "?id=1&method=x&params=eyJ9"
])
def test_other_gets_are_errors_of_json_rpc(locked, query):
    answer = get(locked, "/jsonrpc" + query)
    assert answer.status == 400 and answer["error"]["code"] in (1, -32700, -32600, -32602)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
def test_other_methods_of_http_are_405(rpc, method):
    answer = rpc.send(b"{}", (), method)
    assert answer.status == 405 and "POST" in answer.headers["allow"]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_xml_rpc_is_sent_to_the_other_path(locked, method):
    answer = locked.send(b"<methodCall/>" if method == "POST" else None, {"Content-Type": "text/xml"}, method,
                         "/rpc")
    assert answer.status == 404 and answer["errmsg"] == "XML-RPC is not spoken here; use /jsonrpc"


def test_the_door_lies_below_the_prefix(settings):
    settings["server"]["prefix"] = "/dl"
    with Daemon(settings) as daemon, Server(daemon, "127.0.0.1", 0) as server:
        base = server.url[:-len("/dl")]
        assert "version" in Rpc(base, path="/dl/jsonrpc")(VERSION)
        assert Rpc(base).send({"id": 1, "method": VERSION}).status == 404
