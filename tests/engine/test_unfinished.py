"""The part file of an attempt: which of its bytes count, and when they are given up."""

import os

import pytest

from harness import listing, noise, until
from interrupted import DATA, broken_off, resumed
from servers.origin import Gate


def test_bytes_are_in_the_part_file_until_the_last_has_come(origin, attempt, folder):
    gate = Gate(after=100000)
    origin.put("/a.iso", DATA, script=[gate])
    slow = attempt(origin.url("/a.iso"))
    thread = slow.begin()
    until(lambda: slow.download.count == 100000)
    assert listing(folder) == ["a.iso.part"]
    gate.open()
    thread.join()
    assert listing(folder) == ["a.iso"]


def test_a_server_without_ranges_starts_from_zero(origin, attempt, folder):
    _, progress = broken_off(origin, attempt, ranges=False)
    second = resumed(origin, attempt, folder, progress)
    assert not progress.resource.resumable
    assert second.notes == ["the server cannot resume this file; starting over from zero"]
    assert len(origin.requests) == 1


def test_zero_is_recorded_before_the_bytes_are_given_up(origin, attempt, folder):
    file, progress = broken_off(origin, attempt)
    file.data, file.etag = noise(1000, seed=2), '"v2"'
    second = resumed(origin, attempt, folder, progress, file.data)
    plan, durable = second.plans[0]
    assert plan.done == [] and durable


def test_a_part_file_that_is_gone_or_shorter_is_not_believed(origin, attempt, folder):
    _, progress = broken_off(origin, attempt)
    os.truncate(folder / "a.iso.part", 50000)
    resumed(origin, attempt, folder, progress)
    assert origin.requests[0].headers["range"] == "bytes=%d-" % (50000 - 2 ** 14)
    os.rename(folder / "a.iso", folder / "old.iso")
    again = attempt(origin.url("/a.iso"), kept=progress).run()
    assert again.notes == ["a.iso.part is gone; starting over from zero"]
    assert (folder / "a.iso").read_bytes() == DATA


def test_a_part_that_was_copied_is_proven_by_its_bytes(origin, attempt, folder):
    _, progress = broken_off(origin, attempt)
    copy = (folder / "a.iso.part").read_bytes()
    (folder / "a.iso.part").rename(folder / "old")
    (folder / "a.iso.part").write_bytes(copy)
    (folder / "old").unlink()
    second = resumed(origin, attempt, folder, progress)
    assert second.notes == [] and len(origin.requests) == 1


@pytest.mark.parametrize("done", [200000, 300000, 0])
def test_another_file_under_the_parts_name_is_left_alone(origin, attempt, folder, done):
    """Somebody else's, in a folder that came in place of the one with the part."""
    _, progress = broken_off(origin, attempt)
    mine = noise(len(DATA), seed=7)
    (folder / "a.iso.part").rename(folder / "elsewhere")        # so that its inode is not free
    (folder / "a.iso.part").write_bytes(mine)
    again = attempt(origin.url("/a.iso"), kept=progress._replace(done=[(0, done)] if done else [])).run()
    assert (folder / "a.iso.part").read_bytes() == mine
    assert again.finished.name == "a (1).iso" and (folder / "a (1).iso").read_bytes() == DATA
