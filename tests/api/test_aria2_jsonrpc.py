"""JSON-RPC as aria2 speaks it: envelopes, batches, multicalls, tokens, GET, and who may call."""

import pytest

from aria2 import Refused, error

from dlserv.api.aria2.methods import METHODS

VERSION = "aria2.getVersion"


@pytest.fixture
def daemon(shared):
    return shared


# -- the envelope -----------------------------------------------------------------------


@pytest.mark.parametrize("body", [
    b"", b"{", b"\xff\xfe", b"{'id': 1}", b"[1,", b"[" * 5000, b'{"id": NaN}',
    b'{"id": 1, "method": "aria2.getVersion"} x', b"url=http%3A%2F%2Fx", b"<methodCall/>", b"\0"
])
def test_what_is_no_json_is_a_parse_error(rpc, body):
    answer = rpc.send(body)
    assert answer.status == 400 and answer.json == error(-32700, "Parse error.")


@pytest.mark.parametrize("body", [
    b"5", b'"x"', b"null", b" true ", {}, {"method": VERSION},
    {"jsonrpc": "2.0", "method": VERSION, "params": []}
])
def test_what_is_no_call_is_invalid(rpc, body):
    answer = rpc.send(body)
    assert answer.status == 400 and answer.json == error(-32600, "Invalid Request.")


@pytest.mark.parametrize(
    "body", [{"id": 7}, {"id": 7, "method": 5}, {"id": 7, "method": None}, {"id": 7, "method": []}])
def test_a_method_is_a_string(rpc, body):
    assert rpc.send(body).json == error(-32600, "Invalid Request.", 7)


@pytest.mark.parametrize("params", [{}, {"a": 1}, None, "x", 5, True])
def test_params_are_a_list(rpc, params):
    answer = rpc.send({"id": 7, "method": VERSION, "params": params})
    assert answer.status == 400 and answer.json == error(-32602, "Invalid params.", 7)


@pytest.mark.parametrize(
    "identity",
    [0, -1, 1, 2 ** 53 + 1, 2 ** 60, -2 ** 62, 1.5, "", "x", "qw\"\\é", None, True, {"a": [1]}, []])
def test_an_id_comes_back_as_it_was(rpc, identity):
    answer = rpc.send({"id": identity, "method": VERSION}).json
    assert answer["id"] == identity and type(answer["id"]) is type(identity)


@pytest.mark.parametrize("extra", [{"jsonrpc": "2.0"}, {"jsonrpc": 2.0}, {"json-rpc": "2.0"}, {},
                                   {"jsonrpc": None}, {"params": []}, {"more": "members"}])
def test_the_version_member_may_be_anything(rpc, extra):
    assert rpc.send(dict(extra, id=1, method=VERSION)).json["result"]["version"] == "1.37.0"


def test_a_result_has_three_members_in_aria2s_order(rpc):
    assert list(rpc.send(rpc.request(VERSION)).json) == ["id", "jsonrpc", "result"]


@pytest.mark.parametrize(
    "method", ["x", "", "aria2.nope", "aria2.getversion", "getVersion", "system.describe", "x" * 999])
def test_an_unknown_method_is_code_1(rpc, method):
    answer = rpc.send({"id": 1, "method": method})
    assert answer.status == 400 and answer["error"]["code"] == 1
    assert answer["error"]["message"] == "No such method: " + method[:80]


def test_there_are_36_methods(rpc):
    names = rpc("system.listMethods")
    assert names == list(METHODS) and len(set(names)) == 36
    assert len(rpc("system.listNotifications")) == 6


def test_every_method_answers_nonsense(rpc):
    for name in METHODS:
        for params in ([], [None], [5], [{}], ["zz", "zz", "zz"], [[[]]], ["a", 1, "b", [],
                                                                           {}], [True] * 9, [1e300, 1e300]):
            answer = rpc.send({"id": 1, "method": name, "params": params}).json
            assert ("result" in answer) != ("error" in answer) and answer["id"] == 1
            assert "bug" not in answer.get("error", {}).get("message", ""), (name, params)


# -- batches ----------------------------------------------------------------------------


def test_a_batch_is_answered_in_order_with_200(rpc):
    answer = rpc.send(
        [rpc.request(VERSION, identity=0),
         rpc.request("x", identity=1), {"id": 2}, {}, {"method": VERSION}])
    assert answer.status == 200 and [each["id"] for each in answer.json] == [0, 1, 2, None, None]
    assert "result" in answer.json[0] and [each["error"]["code"]
                                           for each in answer.json[1:]] == [1, -32600, -32600, -32600]


def test_what_is_no_object_in_a_batch_is_skipped(rpc):
    assert [each["id"] for each in rpc.send([1, "x", None, [], rpc.request(VERSION), [{}]]).json] == ["x"]


def test_an_empty_batch_is_an_empty_list(rpc):
    answer = rpc.send([])
    assert answer.status == 200 and answer.json == []


@pytest.mark.parametrize("count, fits", [(1000, True), (1001, False)])
def test_a_batch_is_bounded(rpc, count, fits):
    answer = rpc.send([{"id": 1, "method": "system.listNotifications"}] * count)
    if fits:
        assert answer.status == 200 and len(answer.json) == count
    else:
        assert answer.status == 400 and answer.json["error"]["code"] == -32600 and "1000" in answer.json[
            "error"]["message"]


# -- system.multicall ---------------------------------------------------------------------


def multicall(rpc, *entries):
    return rpc("system.multicall", list(entries))


def test_a_multicall_wraps_results_and_leaves_errors_bare(rpc):
    results = multicall(rpc, {"methodName": VERSION}, 5, {}, {"methodName": 5},
                        {"methodName": "system.multicall"}, {"methodName": "x", "params": []},
                        {"methodName": "aria2.pause", "params": ["zz"]})
    assert results[0][0]["version"] == "1.37.0"
    assert [each["message"] for each in results[1:]] == [
        "system.multicall expected struct.", "Missing methodName.", "Missing methodName.",
        "Recursive system.multicall forbidden.", "No such method: x", "Invalid GID zz"
    ]
    assert {each["code"] for each in results[1:]} == {1}


@pytest.mark.parametrize("params, message", [([], "The parameter at 0 is required but missing."),
                                             ([5], "The parameter at 0 has wrong type."),
                                             ([{}], "The parameter at 0 has wrong type."),
                                             (["x"], "The parameter at 0 has wrong type.")])
def test_a_multicall_takes_a_list(rpc, params, message):
    assert rpc.send({"id": 1, "method": "system.multicall",
                     "params": params})["error"] == {"code": 1, "message": message}


def test_a_multicall_may_have_missing_or_wrong_params(rpc):
    assert len(
        multicall(rpc, {"methodName": VERSION}, {"methodName": VERSION, "params": None},
                  {"methodName": VERSION, "params": {}})) == 3
    assert multicall(rpc) == []


def test_a_multicall_is_bounded(rpc):
    assert len(multicall(rpc, *[{"methodName": "system.listNotifications"}] * 1000)) == 1000
    with pytest.raises(Refused, match="1000"):
        multicall(rpc, *[{"methodName": VERSION}] * 1001)
