"""Records as bytes: plain data only, each with a checksum."""

import os
import pickle

import pytest

from dlserv.state.shelf import pack, unpack
from harness import load, refill

RECORD = {"url": "http://a/b", "list": [1, 2.5, None, True], "deep": {"x": ["y"]}}


class Trap:
    def __reduce__(self):
        return os.system, ("touch trapped",)


def test_a_planted_record_executes_nothing(make, raw, tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)
    refill(make, {"a": RECORD})
    with raw() as records:
        records.update({b"evil": pickle.dumps(Trap()), b"evil2": pickle.dumps({"x": Trap()}, 0)})
    assert load(make()) == {"a": RECORD}
    assert not (tmp_path / "trapped").exists()
    assert caplog.text.count("is damaged and was set aside") == 2


def test_any_flipped_bit_is_found():
    value = pack(RECORD)
    assert unpack(value) == RECORD
    for place in range(len(value)):
        for bit in (1, 128):
            with pytest.raises(pickle.UnpicklingError):
                unpack(value[:place] + bytes([value[place] ^ bit]) + value[place + 1:])


@pytest.mark.parametrize("value", [b"", b"no pickle", pack(RECORD)[:-1], pack(RECORD) + b"x", pickle.dumps(RECORD) + b"x"])
def test_what_is_cut_or_longer_is_refused(value):
    with pytest.raises(pickle.UnpicklingError):
        unpack(value)


def test_a_record_that_shelve_wrote_needs_no_checksum():
    assert unpack(pickle.dumps(RECORD, 4)) == RECORD


@pytest.mark.parametrize("thing", [[1], "text", None, Trap(), {"x": Trap()}])
def test_only_a_dict_of_plain_data_is_a_record(thing):
    with pytest.raises(pickle.UnpicklingError):
        unpack(pack(thing))
