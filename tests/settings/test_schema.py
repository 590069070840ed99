"""Tables of settings: sentences name the key, secrets are neither quoted nor shown."""

import pytest

from dlserv.errors import InvalidValue
from dlserv.masking import MASK, hide
from dlserv.settings.schema import Field, Rows, Table, key_name
from dlserv.settings.values import Integer, Refusal, Text


def refuse(value):
    raise Refusal("it is odd")


FIELDS = (Field("size", Integer(0, 9), 5, "how large"), Field("key", Text(most=3), None, "a short key", hide),
          Field("odd", refuse, None, "nothing fits", hide))
TABLE, ROWS = Table("box", *FIELDS), Rows("boxes", 2, ("size",), *FIELDS)


@pytest.mark.parametrize("mapping, sentence", [
    ([], r"^box: \[\] is not an object$"), ({"sice": 1}, "^box.sice: there is no such key; is size meant\\?$"),
    ({"size": 10}, "^box.size: 10 is not a whole number"), ({"key": MASK}, "^box.key: .* only stands for a secret"),
    ({"key": "geheim"}, "^box.key: this cannot be used; expected: a short key$"), ({"odd": 1}, "^box.odd: it is odd$"),
    ({"x" * 100 + "\n": 1}, "^box.x{38}\u2026: there is no such key$")])
def test_a_refusal_names_the_key_and_no_secret(mapping, sentence):
    with pytest.raises(InvalidValue, match=sentence):
        TABLE.parse(mapping)


def test_values_are_filled_checked_and_masked():
    assert TABLE.merge(TABLE.defaults(), {"size": 7}) == {"size": 7, "key": None, "odd": None}
    assert TABLE.parse({"size": "7"}, text=True) == {"size": 7}
    assert TABLE.masked({"size": 7, "key": "abc"}) == {"size": 7, "key": MASK}


def test_rows_are_complete_and_named_by_their_index():
    assert ROWS.merge(ROWS.defaults(), [{"size": 1}]) == [{"size": 1, "key": None, "odd": None}]
    assert ROWS.masked([{"size": 1, "key": "abc"}]) == [{"size": 1, "key": MASK}]
    for given, key in (([{}], "boxes[0].size"), ([{"size": 1}, {"size": 10}], "boxes[1].size"),
                       ([{}] * 3, "boxes"), ({}, "boxes"), ([1], "boxes[0]")):
        with pytest.raises(InvalidValue) as caught:
            ROWS.merge([], given)
        assert caught.value.key == key


def test_tables_describe_themselves():
    schema = TABLE.json_schema()
    assert schema["properties"]["size"] == {"type": "integer", "minimum": 0, "maximum": 9, "description": "how large"}
    assert ROWS.json_schema() == {"type": "array", "maxItems": 2, "items": dict(schema, required=["size"])}
    assert key_name("a b\n") == "a b\\n"
