"""The parsers of values: what each takes as JSON and as text, and how it describes itself."""

import pytest

from dlserv.settings.values import (Boolean, Choice, Integer, Items, Number, Optional, Pattern, Size, Text,
                                    check_text, from_text, json_schema, parse_boolean)

ANY = Pattern("[a-z]+", "a word")


@pytest.mark.parametrize("parse, text, value", [
    (Text(), "x", "x"), (ANY, "abc", "abc"), (Boolean(), "On", True), (Boolean(), " no ", False),
    (Integer(0, 9), "7", 7), (Number(0, 9), "7", 7), (Number(0, 9), "0.5", 0.5), (Size(), "2K", 2048),
    (Items(Text(), 3), "a  b", ["a", "b"]), (Optional(Integer(0, 9)), "7", 7), (Choice("a", "b"), "b", "b"),
    (str.upper, "x", "X")])
def test_text_has_a_value(parse, text, value):
    found = from_text(parse, text)
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize("parse, value, words", [
    (Integer(0, 10000000), 10 ** 8, "100000000 is not a whole number from 0 to 10000000"),
    (Integer(0, 9), True, "true is not a whole number"), (Integer(0, 9), 1.0, "1.0 is not a whole number"),
    (Number(0.1, 3600), 0, "0 is not a number from 0.1 to 3600"), (Number(0, 9), float("nan"), "NaN"),
    (Text(most=3), "abcd", "longer than 3 characters"), (Text(least=1), "", "must not be empty"),
    (Text(), "a\nb", "control character"), (Text(), "\ud800", "not valid Unicode"), (Text(), 5, "not a string"),
    (ANY, "A", '"A" is not a word'), (ANY, "", '"" is not a word'), (ANY, "a" * 256, "longer than 255"),
    (Choice("a", "b"), ["a"], "not one of a, b"), (Boolean(), 1, "neither true nor false"),
    (Items(Text(), 1), ["a", "b"], "not a list of at most 1 strings"), (Size(), "fast", "not a size")])
def test_what_is_wrong_is_said(parse, value, words):
    with pytest.raises(ValueError, match=words):
        parse(value)


@pytest.mark.parametrize("text", ["x", "", "1.5", "9" * 5000])
def test_a_number_in_words_is_refused(text):
    with pytest.raises(ValueError, match="whole number from 0 to 9"):
        from_text(Integer(0, 9), text)


@pytest.mark.parametrize("parse, schema", [
    (Text(most=9), {"type": "string", "minLength": 0, "maxLength": 9}), (ANY, {"type": "string"}),
    (str.upper, {"type": "string"}), (Integer(1, 2), {"type": "integer", "minimum": 1, "maximum": 2}),
    (Number(1, 2), {"type": "number", "minimum": 1, "maximum": 2}),
    (Items(ANY, 2), {"type": "array", "items": {"type": "string"}, "maxItems": 2}),
    (Optional(Choice("a")), {"anyOf": [{"type": "string", "enum": ["a"]}, {"type": "null"}]})])
def test_a_parser_describes_its_values(parse, schema):
    assert json_schema(parse) == schema


def test_a_query_has_fewer_words_than_a_form():
    assert parse_boolean("YES") is True and check_text("a") == "a"
    with pytest.raises(ValueError, match="neither true nor false"):
        parse_boolean("on")
