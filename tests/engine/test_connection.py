"""A connection that is too slow ends; one that is held by a limit does not."""

import pytest

from dlserv.engine.connection import Connection
from dlserv.errors import Temporary
from dlserv.net import channel
from harness import noise
from servers.origin import paced

MIB = 2 ** 20
DATA = noise(8 * MIB)


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(Connection, "MIN_SPEED_OVER", 0.2)
    monkeypatch.setattr(channel, "LONGEST_WAIT", 0.1)


def test_a_drip_is_replaced(origin, attempt, impatient):
    origin.put("/a", DATA, script=[paced(10, piece=1)])
    sentence = attempt(origin.url("/a"), timeout=30).fails(Temporary)
    assert sentence == "the connection was too slow: less than 1.0 KiB/s for 0.2 s"


def test_a_drip_far_below_the_limit_is_replaced_too(origin, attempt, impatient):
    origin.put("/a", DATA[:200], script=[paced(10, piece=1)])
    assert "too slow" in attempt(origin.url("/a"), timeout=30, ratelimit=10 * MIB).fails(Temporary)


def test_a_drip_that_was_asked_for_is_not(origin, attempt, impatient):
    origin.put("/a", DATA[:400])
    attempt(origin.url("/a"), ratelimit=700).run()
