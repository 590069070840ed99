"""The number of connections of a download, on lines and servers of each kind; no time passes here."""

import pytest

from dlserv.engine.growth import Growth


class Download:
    """A download over a line: `speed(second, connections)` is what comes in bytes a second.

    A rate limit of 50 kB/s decides the speed in the seconds `limited`, (begin, end).
    """

    STEP = 0.02         # seconds between looks

    def __init__(self, speed, most=16, known=None, seconds=600, left=10 ** 12, limited=(0, 0)):
        self.growth, self.history, self.learned = Growth(known), [], None
        self.count, alive = 0, 1
        for step in range(int(seconds / self.STEP)):
            second = step * self.STEP
            if limited[0] <= second < limited[1]:
                self.count += 50000 * self.STEP
                self.growth.interrupt(1000 + second)
                self.history.append(alive)
                continue
            self.count += speed(second, alive) * self.STEP
            learned = self.growth.look(1000 + second, self.count, alive, most, left)
            self.learned = learned or self.learned
            self.history.append(alive)
            alive = min(most, self.growth.target)

    def usual(self, since=60):
        """The number that it has for most of the time from that second on."""
        late = sorted(self.history[int(since / self.STEP):])
        return late[len(late) // 2]

    def at(self, second):
        return self.history[int(second / self.STEP)]


def each_limited(second, count):
    return 10 ** 6 * count


def filled(second, count):
    return 10 ** 6


def slow_start(second, count):
    """A line of 1 MB/s that each connection fills after two seconds."""
    return min(10 ** 6, 50000 * count * 2 ** min(8, 2 * second))


@pytest.mark.parametrize("speed, expected", [
    (each_limited, 16), (filled, 1), (slow_start, 1),
    (lambda second, count: 10 ** 6 * (1 + second % 2 / 20), 1),
    (lambda second, count: 10 ** 7 if second < 2 else 10 ** 5 * count, 16),
    (lambda second, count: 10 ** 7 if second < 0.1 else 10 ** 5, 1),
    (lambda second, count: min(count, 2) * 10 ** 6, 2), (lambda second, count: min(count, 4) * 10 ** 6, 4)],
    ids=["each is limited", "one fills the line", "slow start", "a wavering line", "slower after a burst, limited",
         "slower after a burst, filled", "two fill it", "four fill it"])
def test_as_many_connections_as_pay(speed, expected):
    assert Download(speed).usual() == expected


@pytest.mark.parametrize("most", [2, 3, 4, 8])
def test_one_is_left_on_a_line_that_one_fills(most):
    for speed in (filled, slow_start):
        download = Download(speed, most=most, seconds=25)
        assert download.at(10) == 1 and set(download.history[int(10 / Download.STEP):]) == {1}
        assert download.learned == (1, False)


@pytest.mark.parametrize("most", [1, 2, 8, 16])
def test_a_server_that_limits_each_gets_all_at_once(most):
    download = Download(each_limited, most=most, seconds=29)
    assert download.at(0.5) == most
    lost = 1 - download.count / (29 * most * 10 ** 6)
    assert lost < 0.03      # growing and comparing together


@pytest.mark.parametrize("known, most, begins", [
    ((1, False), 8, 1), ((16, True), 16, 16), ((16, True), 4, 4), ((4, False), 16, 4), ((4, True), 16, 4)])
def test_what_is_known_of_the_host_is_used_from_the_start(known, most, begins):
    download = Download(each_limited, most=most, known=known, seconds=1)
    assert download.history[1] == begins
    if known[1]:
        assert download.at(0.9) == most         # all that were tried paid, so more may


def test_a_line_that_has_become_another_is_noticed():
    download = Download(each_limited, known=(1, False), seconds=120)
    assert download.history[1] == 1 and download.usual(since=60) == 16


@pytest.mark.parametrize("most", [2, 4, 16])
@pytest.mark.parametrize("fills, most_at_once", [(1, 2), (2, 4), (3, 8), (4, 8)])
def test_more_connections_come_only_while_they_pay(most, fills, most_at_once):
    """A line that so many connections fill sees one useless doubling, and no more."""
    download = Download(lambda second, count: min(count, fills) * 10 ** 6, most=most, seconds=25)
    assert max(download.history) == min(most, most_at_once)


def test_nothing_is_compared_for_the_last_seconds():
    download = Download(each_limited, most=8, seconds=10, left=10 ** 7)
    assert set(download.history[int(1 / Download.STEP):]) == {8} and download.learned is None


def test_who_lost_a_connection_gets_no_other_for_a_while():
    growth = Download(each_limited, most=8, seconds=0.6).growth
    assert growth.target == 8
    growth.shrink(1002.0, 6, 5.0)
    assert growth.target == 6
    growth.look(1006.9, 10 ** 9, 6, 8, 10 ** 12)
    assert growth.target == 6


@pytest.mark.parametrize("begin", [0.02, 0.3, 0.5, 0.8, 1.1, 1.5, 2.5, 5])
def test_a_time_in_which_a_rate_limit_decides_is_not_measured(begin):
    """Else its few bytes would be taken for the speed of the many connections, and one kept as good enough."""
    download = Download(each_limited, most=8, seconds=29, limited=(begin, 12))
    assert download.at(16) == 8 and download.learned in (None, (8, True))
