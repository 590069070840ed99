"""The states of a task: where each event leads."""

import pytest

from dlserv.contract import STATES
from dlserv.errors import Conflict
from dlserv.tasks.states import TRANSITIONS, next_state

EVENTS = sorted({event for row in TRANSITIONS.values() for event in row})


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("event", EVENTS)
def test_every_event_leads_to_a_state_or_is_refused(state, event):
    if event in TRANSITIONS[state]:
        assert next_state(state, event) in STATES
    else:
        with pytest.raises(Conflict, match="the task is " + state):
            next_state(state, event)


def test_every_state_has_a_row_and_can_be_left_and_reached():
    assert set(TRANSITIONS) == set(STATES)
    reached = {state for row in TRANSITIONS.values() for state in row.values()}
    assert reached == set(STATES) and all(TRANSITIONS.values())
