"""Queries, forms and JSON: what they are read as, and what is refused."""

import json

import pytest

from dlserv.api.requests import DEEPEST, NoLength, Request, WrongType, parse_json, parse_query
from dlserv.errors import InvalidValue


def request(query="", body=b"", kind=None, **headers):
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    if kind is not None:
        headers["content-type"] = kind
    return Request("POST", "/", parse_query(query), headers, body)


@pytest.mark.parametrize("text", [
    "{}", "[]", " null\n", '"a"', "1.5", "-0", '{"a": [1, 2, {"b": "\\u00e4\\n"}]}', "1e400", "1" * 400,
    '"%s"' % ("[" * 1000), '"\\"%s"' % ("{" * 1000), '["\\\\", %s]' % ", ".join("[]" for _ in range(1000)),
    "[" * DEEPEST + "]" * DEEPEST, '{"a":' * DEEPEST + "1" + "}" * DEEPEST])
def test_plain_json_is_read(text):
    assert parse_json(text.encode()) == json.loads(text)


@pytest.mark.parametrize("text, reason", [
    (b"", "not JSON"), (b"{", "not JSON"), (b"[1,]", "not JSON"), (b"01", "not JSON"), (b"NaN", "NaN"),
    (b"[Infinity]", "Infinity"), (b"-Infinity", "Infinity"), (b"1" * 401, "digits"),
    (b"-" + b"1" * 401, "digits"),
    (b"\xff", "UTF-8"), (b"\xed\xa0\x80", "UTF-8"), ("{}".encode("utf-16"), "UTF-8"),
    (b"[" * (DEEPEST + 1) + b"]" * (DEEPEST + 1), "deeper"), (b"[" * 500000, "deeper"),
    (b'{"a":' * 200000, "deeper"),
    (b'["\\"", ' + b"[" * 100 + b"]" * 101, "deeper"), (b'["' + b"[" * 500000, "not JSON")])
def test_what_is_no_plain_json_is_refused(text, reason):
    with pytest.raises(InvalidValue, match="^body: .*" + reason):
        parse_json(text)


@pytest.mark.parametrize("text, query", [
    ("", {}), ("a=1&b=2", {"a": "1", "b": "2"}), ("a=1&a=2", {"a": "2"}), ("a", {"a": ""}), ("a=", {"a": ""}),
    ("a=%C3%A4+b%2B", {"a": "ä b+"}), ("a=1;b=2", {"a": "1;b=2"}), ("a==&", {"a": "="}), ("%", {"%": ""})])
def test_a_query_has_the_last_value_of_each_name(text, query):
    assert parse_query(text) == query


@pytest.mark.parametrize("text", ["a=%ff", "%c3=1", "a=%ed%a0%80", "&".join(["a=1"] * 5000)])
def test_a_query_that_cannot_be_read_is_refused(text):
    with pytest.raises(InvalidValue, match="^query: "):
        parse_query(text)


def test_the_first_name_that_is_there_decides():
    assert request("exerpt=0&excerpt=1").boolean("exerpt", "excerpt", default=True) is False
    assert request("excerpt=1").boolean("exerpt", "excerpt", default=False) is True
    assert request().boolean("exerpt", default=False) is False
    assert request("a=007").integer("a", 1) == 7 and request().integer("a", None) is None
    assert request("act=x").choice("act", ("x", "y")) == "x" and request().choice("act", ("x",), "x") == "x"


@pytest.mark.parametrize("body, fields", [
    (b"url=http%3A%2F%2Fh%2F%C3%A4&a=", {"url": "http://h/ä", "a": ""}), (b"", {}),
    (b"mirrors=1&mirrors=2&mirrors=3", {"mirrors": "1\n2\n3"}), (b"a=%0A%00+%2B", {"a": "\n\0 +"}),
    ("url=http://h/ä&".encode(), {"url": "http://h/ä"})])
def test_a_form_is_read(body, fields):
    assert request(body=body, kind="application/x-www-form-urlencoded").form() == fields


@pytest.mark.parametrize("body", [b"a=%ff", b"a=\xe4", b"no pairs", b"a=1&&b=2", b"&".join([b"a=1"] * 5000)])
def test_a_form_that_is_none_is_refused(body):
    with pytest.raises(InvalidValue, match="^body: "):
        request(body=body).form()


def test_a_missing_body_is_another_fault_than_an_empty_one():
    with pytest.raises(NoLength):
        request().json()
    for header in ("content_length", "transfer_encoding"):
        with pytest.raises(InvalidValue, match="empty"):
            request(**{header: "0"}).json()


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/jsonp",
    "json",
                                  "application/json; charset=latin-1", 'application/json; charset="utf-7"'])
def test_a_type_that_is_not_json_is_refused(kind):
    with pytest.raises(WrongType, match="application/json"):
        request(body=b"1", kind=kind).json()
