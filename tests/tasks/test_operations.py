"""The operations on tasks, as a Daemon offers them: one table of acts, for one task and for many."""

import pytest

from dlserv.contract import ACTS
from dlserv.errors import Conflict, InvalidValue, NotFound, RequestError

NOWHERE = "http://127.0.0.1:1/"


@pytest.mark.parametrize("act", ACTS)
def test_every_act_is_a_method_for_one_task_and_for_many(daemon, act):
    with pytest.raises(NotFound):
        getattr(daemon, act)("0" * 40)
    [(tid, error)] = getattr(daemon, act + "_all")(["0" * 40, "0" * 40])
    assert tid == "0" * 40 and isinstance(error, NotFound)


@pytest.mark.parametrize("act", ACTS)
def test_acts_by_name_reach_those_that_permit_them(daemon, act):
    tid = daemon.add(NOWHERE, {"paused": True})
    refused = daemon.act_on_all(act, ["0" * 40, tid])
    assert [each for each, _ in refused][:1] == ["0" * 40]
    assert {each for each, _ in refused} <= {tid, "0" * 40}
    assert all(isinstance(error, RequestError) for _, error in refused)
    assert (tid in dict(refused)) == (act != "resume"), "a paused task can be resumed, and nothing else"


@pytest.mark.parametrize("act", ["", "Pause", "delete", "move", "pause_all", "__init__", None, ["pause"]])
def test_no_other_name_is_an_act(daemon, act):
    tid = daemon.add(NOWHERE, {"paused": True})
    with pytest.raises(InvalidValue, match="^act: "):
        daemon.act(act, tid)
    with pytest.raises(InvalidValue, match="^act: "):
        daemon.act_on_all(act, [])
    assert daemon.get(tid).state == "paused"


def test_options_change_with_an_act_in_one_step(daemon):
    tid = daemon.add(NOWHERE, {"paused": True})
    with daemon.events.subscribe() as events:
        daemon.change(tid, posted={"filename": "a", "not_before": "2100-01-01T00:00"}, act="resume")
        assert events.get(0).state == "queued" and events.get(0) is None
    assert daemon.get(tid).early and daemon.get(tid).options.filename == "a"


@pytest.mark.parametrize("act, error", [("restart", Conflict), ("pause", InvalidValue), ("fail", InvalidValue)])
def test_a_change_with_an_act_that_is_refused_is_none(daemon, act, error):
    tid = daemon.add(NOWHERE, {"paused": True})
    before = daemon.get(tid).to_record()
    with pytest.raises(error):
        daemon.change(tid, NOWHERE + "a", {"filename": "a"}, act)
    assert daemon.get(tid).to_record() == before


def test_only_tasks_in_the_states_that_are_meant_are_deleted(daemon):
    paused, queued = daemon.add(NOWHERE, {"paused": True}), daemon.add(NOWHERE + "a", {"not_before": "2100-01-01T00:00"})
    removals, [(refused, error)] = daemon.delete_all([paused, queued], True, ("paused",))
    assert list(removals) == [paused] and refused == queued and isinstance(error, Conflict)
    with pytest.raises(Conflict, match="the task is queued"):
        daemon.delete(queued, states=("finished", "invalid"))
    assert [task.tid for task in daemon.list()] == [queued]
