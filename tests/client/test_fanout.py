"""The same request to several daemons at the same time."""

import socket
import threading

import pytest

from dlserv.client.fanout import REST, FanOut, ask_each
from dlserv.errors import NoDaemon, Refused


def test_all_are_asked_at_the_same_time():
    together = threading.Barrier(5, timeout=30)

    def ask(number):
        together.wait()         # breaks if one is asked after another
        return -number
    assert ask_each(range(5), ask) == {number: (-number, None) for number in range(5)}


def test_answers_and_errors_keep_the_order_of_the_clients():
    first, errors = threading.Event(), [NoDaemon("away"), Refused("no", 404)]

    def ask(client):
        if client == 2:
            first.set()
            return "answer"
        assert first.wait(30)
        raise errors[client]
    outcomes = ask_each([0, 1, 2], ask)
    assert list(outcomes.items()) == [(0, (None, errors[0])), (1, (None, errors[1])), (2, ("answer", None))]


def test_a_bug_is_raised_when_all_are_done():
    done = []

    def ask(client):
        if client == "a":
            raise ValueError(client)
        done.append(client)
    with pytest.raises(ValueError):
        ask_each(["a", "b"], ask)
    assert done == ["b"]


def test_nobody_is_asked_for_nothing():
    assert ask_each([], len) == {}


def test_one_that_hung_is_asked_again_after_a_while():
    now, asked = [0.0], []

    def ask(client):
        asked.append(client)
        if client == "hangs":
            raise NoDaemon("no answer") from socket.timeout()
        raise NoDaemon("not there") from ConnectionRefusedError()
    fan_out = FanOut(clock=lambda: now[0])
    first = fan_out.ask(["hangs", "refuses"], ask)
    now[0] = REST - 1
    assert fan_out.ask(["hangs", "refuses"], ask)["hangs"] == first["hangs"]
    assert sorted(asked) == ["hangs", "refuses", "refuses"] and set(fan_out.hanging()) == {"hangs"}
    now[0] = REST
    fan_out.ask(["hangs"], ask)
    assert asked.count("hangs") == 2
