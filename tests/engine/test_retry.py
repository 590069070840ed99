"""When a failed attempt is made again."""

from dlserv.engine.retry import LONGEST_RETRY_AFTER, LONGEST_WAIT, Policy


def middle():
    return 0.5


def test_waits_double_and_end():
    policy = Policy(retries=4, wait=1)
    assert [policy.delay(n, chance=middle) for n in range(1, 6)] == [1, 2, 4, 8, None]


def test_jitter_spreads_a_wait_by_a_quarter_either_way():
    policy = Policy(5, 8)
    assert policy.delay(1, chance=lambda: 0.0) == 6 and policy.delay(1, chance=lambda: 1.0) == 10


def test_no_wait_is_endless():
    assert Policy(1000, 3600).delay(1000, chance=middle) == LONGEST_WAIT
    assert Policy(1, 1).delay(1, retry_after=10 ** 9, chance=middle) == LONGEST_RETRY_AFTER


def test_a_server_is_not_asked_before_it_said():
    assert Policy(5, 1).delay(1, retry_after=30, chance=middle) == 30
    assert Policy(5, 100).delay(1, retry_after=30, chance=middle) == 100
