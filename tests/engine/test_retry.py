"""When a failed attempt is made again."""

from dlserv.engine.retry import LONGEST_RETRY_AFTER, LONGEST_WAIT, delay


def middle():
    return 0.5


def test_waits_double_and_end():
    assert [delay(n, retries=4, wait=1, chance=middle) for n in range(1, 6)] == [1, 2, 4, 8, None]


def test_jitter_spreads_a_wait_by_a_quarter_either_way():
    assert delay(1, 5, 8, chance=lambda: 0.0) == 6 and delay(1, 5, 8, chance=lambda: 1.0) == 10


def test_no_wait_is_endless():
    assert delay(1000, 1000, 3600, chance=middle) == LONGEST_WAIT
    assert delay(1, 1, 1, retry_after=10 ** 9, chance=middle) == LONGEST_RETRY_AFTER


def test_a_server_is_not_asked_before_it_said():
    assert delay(1, 5, 1, retry_after=30, chance=middle) == 30
    assert delay(1, 5, 100, retry_after=30, chance=middle) == 100
