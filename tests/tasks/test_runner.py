"""The runner: how many tasks run at a time, and which."""

import time

from harness import noise, until
from servers.origin import Gate, Origin, paced

DATA = noise(300000)


def test_the_limits_hold(start_daemon, origin):
    daemon = start_daemon(max_concurrent=3, max_per_host=2)
    for number in range(12):
        origin.put("/%d" % number, DATA[:50000], script=[paced(600000)])
    with Origin() as other:
        other.put("/x", DATA[:50000], script=[paced(600000)])
        tids, _ = daemon.add_all([(origin.url("/%d" % number), None, ()) for number in range(12)])
        tids.append(daemon.add(other.url("/x", host="localhost")))
        seen = []
        while any(daemon.get(tid).state != "finished" for tid in tids):
            running = [tid for tid in tids if daemon.get(tid).state == "downloading"]
            assert len(running) <= 3
            assert len([tid for tid in running if tid != tids[-1]]) <= 2
            seen.append(tids[-1] in running)
            time.sleep(0.005)
        assert any(seen[:len(seen) // 2]), "the other host was held up"


def test_a_lower_limit_sends_back_who_can_go_on_later(start_daemon, origin, folder):
    daemon, gates = start_daemon(max_concurrent=4), []
    for number in range(4):
        gates.append(Gate(100000))
        origin.put("/%d" % number, DATA, script=[gates[-1]], ranges=number > 0)
    tids, _ = daemon.add_all([(origin.url("/%d" % number), {"connections": 1, "priority": number // 3}, ())
                              for number in range(4)])
    until(lambda: all(daemon.get(tid).downloaded == 100000 for tid in tids))
    daemon.configure({"download": {"max_concurrent": 2}})
    assert [daemon.get(tid).state for tid in tids] == ["downloading", "queued", "queued", "downloading"]
    for gate in gates:
        gate.open()
    assert all(daemon.wait(tid, 10).state == "finished" for tid in tids)
    assert [len(origin.asked("/%d" % number)) for number in range(4)] == [1, 2, 2, 1], "no byte was fetched twice"
    assert all((folder / str(number)).read_bytes() == DATA for number in range(4))


def test_more_may_run_at_once(start_daemon, origin):
    daemon = start_daemon(max_concurrent=1)
    for number in range(3):
        origin.put("/%d" % number, DATA, script=[Gate(after=1)])
        daemon.add(origin.url("/%d" % number))
    until(lambda: daemon.counts()["downloading"] == 1)
    daemon.configure({"download": {"max_concurrent": 3}})
    until(lambda: daemon.counts()["downloading"] == 3)
