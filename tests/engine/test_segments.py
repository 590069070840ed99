"""The map of a file: whatever is claimed, advanced and released, every byte is somewhere once."""

import random

import pytest

from dlserv.engine.segments import Segments, clip, holes, merge


@pytest.mark.parametrize("ranges, merged", [
    ([], []), ([(0, 0)], []), ([(5, 9), (0, 5)], [(0, 9)]), ([(0, 4), (2, 9), (20, 30)], [(0, 9), (20, 30)]),
    ([(0, 10), (3, 4)], [(0, 10)])])
def test_ranges_merge(ranges, merged):
    assert merge(ranges) == merged


@pytest.mark.parametrize("ranges, end, missing", [
    ([], 10, [(0, 10)]), ([(0, 10)], 10, []), ([(2, 4), (6, 8)], 10, [(0, 2), (4, 6), (8, 10)]),
    ([(0, 20)], 10, []), ([], 0, [])])
def test_holes_are_what_is_missing(ranges, end, missing):
    assert list(holes(ranges, end)) == missing


def test_what_lies_beyond_the_end_is_clipped():
    assert clip([(0, 5), (7, 12), (20, 30)], 9) == [(0, 5), (7, 9)]


def test_a_file_of_unknown_size_is_one_segment():
    segments = Segments()
    segment = segments.claim()
    segments.advance(segment, 1000)
    assert segments.done() == [(0, 1000)] and not segments.complete
    segments.finish(1000)
    segments.release(segment)
    assert segments.complete


def test_an_empty_file_is_complete_from_the_start():
    assert Segments(0).complete and Segments(0).claim() is None


def test_what_goes_beyond_the_segment_does_not_count():
    segments = Segments(10, [(5, 10)])
    segments.advance(segments.claim(), 8)
    assert segments.count == 10 and segments.complete


def test_any_story_keeps_every_byte_once():
    seed = random.randrange(10 ** 6)
    chance = random.Random(seed)
    print("seed", seed)
    for _ in range(50):
        total = chance.randrange(1, 5000)
        start = chance.randrange(total)
        segments = Segments(total, [(start, chance.randrange(start, total) + 1)])
        held = []
        while not segments.complete:
            act = chance.random()
            if act < 0.3:
                segment = segments.claim()
                held += [segment] if segment is not None else []
            elif held and act < 0.8:
                segments.advance(chance.choice(held), chance.randrange(200))
            elif held:
                segments.release(held.pop(chance.randrange(len(held))))
            done = segments.done()
            assert segments.count == sum(end - begin for begin, end in done)
            assert segments.count + sum(end - begin for begin, end in holes(done, total)) == total
            for one in held:
                assert not [other for other in held if other is not one
                            and one.start < other.end and other.start < one.end]
        assert segments.done() == [(0, total)]
