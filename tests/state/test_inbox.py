"""The queue before the storage thread: every ticket is taken, or refused because it is closed."""

import sys
import threading

import pytest

from dlserv.state.inbox import Inbox, Ticket


def fill(inbox, put):
    """Put tickets until one is refused."""
    ticket = Ticket({}, True, False)
    while inbox.put(ticket):
        put.append(ticket)
        ticket = Ticket({}, True, False)


def empty(inbox, taken):
    """Take tickets until there are no more."""
    while not inbox.take_into(taken, -1):
        pass


@pytest.fixture
def quick_turns():
    """Threads take turns a hundred times as often as usual."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(before / 100)
    yield
    sys.setswitchinterval(before)


def test_no_ticket_is_left_whenever_it_is_closed(quick_turns):
    for _ in range(200):
        inbox, put, taken = Inbox(), [], []
        threads = [threading.Thread(target=work, args=(inbox, tickets))
                   for work, tickets in ((fill, put), (empty, taken))]
        for thread in threads:
            thread.start()
        inbox.close()
        for thread in threads:
            thread.join()
        assert taken == put


def test_a_closed_inbox_refuses_and_waits_for_nothing():
    inbox = Inbox()
    inbox.close()
    assert inbox.put(Ticket({}, True, False)) is False
    assert inbox.take_into([], -1) and inbox.take_into([], 0, urgent=True)
