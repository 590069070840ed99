"""The low-water mark of a socket follows the speed."""

import pytest

from clock import Clock
from dlserv.net.low_water import LEAST, LowWater


def after(rate, seconds=5, most=2 ** 19):
    """A LowWater that has seen this rate for so many seconds."""
    clock = Clock(10.0)
    water = LowWater(most, clock)
    for _ in range(seconds * 10):
        clock.now += 0.1
        water.moved(rate // 10)
    return water


@pytest.mark.parametrize("rate,mark", [(0, LEAST), (10 ** 5, LEAST), (10 ** 6, 10 ** 5), (10 ** 8, 2 ** 19)])
def test_the_mark_is_a_tenth_of_a_second(rate, mark):
    assert after(rate).mark(2 ** 30) == pytest.approx(mark, rel=0.01)


def test_the_mark_is_never_more_than_what_still_comes():
    assert after(10 ** 8).mark(3) == 3 and after(10 ** 8).mark(0) == 0


def test_a_small_machine_keeps_less_in_the_kernel():
    assert after(10 ** 8, most=2 ** 17).mark(2 ** 30) == 2 ** 17
