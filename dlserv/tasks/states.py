"""The states of a task, and the events that lead from one to another: a missing cell is the error."""

from ..contract import DOWNLOADING, FINISHED, INVALID, PAUSED, QUEUED
from ..errors import Conflict

START, PAUSE, RESUME = "start", "pause", "resume"
REQUEUE, FINISH, FAIL, RESTART, VERIFY = "requeue", "finish", "fail", "restart", "verify"
REFRESH, KEEP = "refresh", "keep"       # fetch the file if it has changed; it has not

TRANSITIONS = {
    QUEUED: {START: DOWNLOADING, PAUSE: PAUSED},
    DOWNLOADING: {PAUSE: PAUSED, REQUEUE: QUEUED, FINISH: FINISHED, FAIL: INVALID,
                  KEEP: FINISHED},
    PAUSED: {RESUME: QUEUED},
    INVALID: {RESUME: QUEUED, RESTART: QUEUED},
    FINISHED: {RESTART: QUEUED, VERIFY: FINISHED, REFRESH: QUEUED},
}

_PAST = {START: "started", PAUSE: "paused", RESUME: "resumed", REQUEUE: "queued again",
         FINISH: "finished", FAIL: "failed", RESTART: "restarted", VERIFY: "verified",
         REFRESH: "refreshed", KEEP: "kept as it was"}


def next_state(state, event):
    """Return the state that the event leads to. Raise Conflict if it leads nowhere."""
    try:
        return TRANSITIONS[state][event]
    except KeyError:
        raise Conflict(f"the task is {state}; it cannot be {_PAST[event]}") from None
