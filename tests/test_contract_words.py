"""The words that the daemon and its clients share are the daemon's own."""

from dlserv import contract
from dlserv.commands import actions
from dlserv.tasks import states


def test_every_state_has_a_row_of_transitions():
    assert sorted(contract.STATES) == sorted(states.TRANSITIONS)


def test_the_commands_act_on_the_states_of_the_table():
    for name in contract.ACTS:
        possible = [state for state, events in states.TRANSITIONS.items() if name in events]
        assert sorted(actions.TOLD[name][1]) == sorted(possible), name
    assert set(actions.TOLD) == set(contract.ACTS) | {"delete"}
