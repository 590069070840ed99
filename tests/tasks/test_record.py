"""The shape of records: packed, unpacked, checked."""

import json

import pytest

from dlserv.engine.progress import Identity, Progress
from dlserv.net.remote_file import Resource
from dlserv.tasks.record import PROGRESS

RESOURCE = Resource(url="http://host/x", total=9, etag='"v1"', last_modified=None, dated=False, ranges=None,
                    media_type="", disposition=None, encoding="", digest=None)


def progress(**changes):
    return Progress("x.part", "x", "http://host/x", RESOURCE, [(0, 3), (5, 9)], None, None, None)._replace(**changes)


@pytest.mark.parametrize("changes", [
    {}, {"node": (1, 2)}, {"publishing": Identity(1, 2, 9, 10 ** 18), "checksum": "md5=00"}, {"done": []}, {"restarted": True}])
def test_progress_comes_back_from_json_as_it_was(changes):
    packed = json.loads(json.dumps(PROGRESS.pack(progress(**changes))))
    PROGRESS.check(packed)
    again = PROGRESS.unpack(packed)
    assert again == progress(**changes)
    assert type(again.publishing) is type(changes.get("publishing"))


def test_a_record_of_the_first_versions_lacks_what_came_later():
    packed = PROGRESS.pack(progress())
    del packed["node"], packed["restarted"]
    PROGRESS.check(packed)
    assert PROGRESS.unpack(packed) == progress()


@pytest.mark.parametrize("name", sorted(set(Progress._fields) - {"node", "restarted"}))
def test_anything_else_that_is_missing_is_told(name):
    packed = PROGRESS.pack(progress())
    del packed[name]
    with pytest.raises(ValueError, match=name + " is missing"):
        PROGRESS.check(packed)
    with pytest.raises(KeyError):
        PROGRESS.unpack(packed)


@pytest.mark.parametrize("least, most", [(0, 2 ** 62), (-1, None), (0, 2 ** 62 + 1), (True, None), (3, 2)])
def test_ranges_stay_within_what_files_have(least, most):
    packed = PROGRESS.pack(progress(done=[(least, 9 if most is None else most)]))
    if (least, most) == (0, 2 ** 62):
        PROGRESS.check(packed)
    else:
        with pytest.raises(ValueError, match="done: "):
            PROGRESS.check(packed)
