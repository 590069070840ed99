"""Events: nobody who publishes waits, nobody who listens is fooled."""

import threading

import pytest

from dlserv.tasks.events import Events
from harness import until


def test_each_listener_gets_what_happens_from_now_on():
    events = Events()
    events.publish("added", "before")
    with events.subscribe() as one, events.subscribe() as two:
        events.publish("added", "a")
        events.publish("changed", "a")
        for listener in (one, two):
            assert [(event.kind, event.tid) for event in (listener.get(1), listener.get(1))] == [
                ("added", "a"), ("changed", "a")]
            assert listener.get(0.01) is None
    events.publish("removed", "a")
    assert one.get(0.01) is None


def test_an_event_tells_the_new_state(daemon, origin):
    origin.put("/a.iso", b"x")
    with daemon.subscribe() as listener:
        tid = daemon.add(origin.url("/a.iso"), {"paused": True})
        daemon.resume(tid)
        daemon.wait(tid, 10)
        daemon.delete(tid)
        heard = []
        until(lambda: heard.append(listener.get(1)) or heard[-1].kind == "removed")
    assert [event.state for event in heard[:1] + heard[-2:]] == ["paused", "finished", None]
    assert {"queued", "downloading"} & {event.state for event in heard}


def test_numbers_grow():
    events = Events()
    with events.subscribe() as listener:
        for _ in range(3):
            events.publish("changed", "a")
        numbers = [listener.get(1).number for _ in range(3)]
    assert numbers == sorted(set(numbers))


def test_who_falls_behind_is_told():
    events = Events()
    with events.subscribe(most=2) as listener:
        for _ in range(3):
            events.publish("changed", "a")
        assert listener.get(1)
        events.publish("changed", "after a gap")
        assert listener.get(1).tid == "a"
        with pytest.raises(EOFError, match="too slow"):
            listener.get()


def test_a_wait_for_an_event_ends_with_the_close():
    listener, heard = Events().subscribe(), []
    thread = threading.Thread(target=lambda: heard.append(listener.get()), daemon=True)
    thread.start()
    listener.close()
    thread.join(5)
    assert heard == [None]


def test_changes_are_gathered():
    events = Events()
    with events.watch() as changes:
        for number in range(10000):
            events.publish("changed", "%d" % (number % 3))
        assert changes.take(1) == {"0", "1", "2"}
        assert changes.take(0.01) == set()
    events.publish("changed", "later")
    assert changes.take(0.01) == set()


def test_a_wait_for_changes_ends_with_the_first_or_the_close():
    events, taken = Events(), []
    changes = events.watch()
    thread = threading.Thread(target=lambda: [taken.append(changes.take(10)) for _ in range(2)])
    thread.start()
    events.publish("changed", "a")
    until(lambda: taken)
    changes.close()
    thread.join(5)
    assert not thread.is_alive() and taken == [{"a"}, set()]
