"""Verifying finished files: what is computed, stored and told, and what ends it early."""

import hashlib
import os

import pytest

from dlserv import Daemon
from dlserv.errors import Conflict, NotFound
from harness import noise, until
from servers.origin import Gate

DATA = noise(300000)
ROTTEN = b"rot" + DATA[3:]
MIB = 2 ** 20
LARGE = noise(MIB) * 64      # it takes a while to hash


def hexed(name, data=DATA):
    return "%s=%s" % (name, hashlib.new(name.replace("-", ""), data).hexdigest())


def fetched(daemon, origin, data=DATA, **options):
    """The tid of a finished task."""
    origin.put("/a.iso", data)
    tid = daemon.add(origin.url("/a.iso"), options)
    assert daemon.wait(tid, 15).state == "finished"
    return tid


def verified(daemon, tid):
    """Verify the task's file; return the Task."""
    daemon.verify(tid)
    return until(lambda: not daemon.get(tid).verifying and daemon.get(tid))


def rot(path, keep_time):
    """Change the file's first bytes; keep its time as a failing disk does, or not as an editor does."""
    times = os.stat(str(path))
    with open(str(path), "r+b") as file:
        file.write(b"rot")
    if keep_time:
        os.utime(str(path), ns=(times.st_atime_ns, times.st_mtime_ns))
    else:
        os.utime(str(path), (1e9, 1e9))


def logged(task, level):
    return [entry["msg"] for entry in task.log if entry["type"] == level]


def test_a_file_without_a_checksum_has_one_afterwards(daemon, origin):
    tid = fetched(daemon, origin)
    assert daemon.get(tid).file.checksum is None and daemon.get(tid).verified_time == 0.0
    task = verified(daemon, tid)
    assert task.file.checksum == hexed("sha-256") and task.verified_time >= task.finish_time
    assert (task.state, task.error, task.reason) == ("finished", None, None)
    assert hexed("sha-256") in logged(task, "debug")[0]


def test_an_empty_file_can_be_verified(daemon, origin):
    assert verified(daemon, fetched(daemon, origin, b"")).file.checksum == hexed("sha-256", b"")


@pytest.mark.parametrize("options", [
    {}, {"checksum": hexed("sha-256")}, {"checksum": hexed("md5")}, {"checksum": hexed("sha-512")}])
@pytest.mark.parametrize("keep_time", [True, False])
def test_a_rotten_file_is_reported_until_it_is_right_again(daemon, origin, folder, options, keep_time):
    tid = fetched(daemon, origin, **options)
    expected = options.get("checksum") or verified(daemon, tid).file.checksum
    rot(folder / "a.iso", keep_time)
    for _ in range(2):
        task = verified(daemon, tid)
        assert task.file.checksum == hexed("sha-256", ROTTEN) and task.state == "finished"
        assert expected in task.error and task.reason == "checksum"
        assert logged(task, "error")[0] == task.error
    (folder / "a.iso").write_bytes(DATA)
    task = verified(daemon, tid)
    assert (task.error, task.reason, task.file.checksum) == (None, None, hexed("sha-256"))


def test_the_checksum_that_the_server_told_counts(daemon, origin, folder):
    origin.put("/a.iso", DATA, headers={"Repr-Digest": "sha-256=:%s:" % _based()})
    tid = daemon.add(origin.url("/a.iso"))
    daemon.wait(tid, 15)
    rot(folder / "a.iso", True)
    assert hexed("sha-256") in verified(daemon, tid).error


def _based():
    import base64
    return base64.b64encode(hashlib.sha256(DATA).digest()).decode()


def test_a_checksum_that_is_posted_later_counts(daemon, origin):
    tid = fetched(daemon, origin)
    daemon.change(tid, None, {"checksum": hexed("sha-1", b"another file")})
    assert hexed("sha-1") in verified(daemon, tid).error


def test_a_changed_file_of_which_nothing_is_known_is_told(daemon, origin, folder):
    tid = fetched(daemon, origin)
    rot(folder / "a.iso", keep_time=False)
    for _ in range(2):
        task = verified(daemon, tid)
        assert "has been changed since it was downloaded" in task.error and task.file.checksum is None


@pytest.mark.parametrize("put_in_place", [None, os.mkdir, lambda path: os.symlink("/etc/passwd", path)])
def test_what_cannot_be_read_is_told(daemon, origin, folder, put_in_place):
    tid = fetched(daemon, origin, checksum=hexed("md5"))
    os.unlink(str(folder / "a.iso"))
    if put_in_place:
        put_in_place(str(folder / "a.iso"))
    before = daemon.get(tid).verified_time
    task = verified(daemon, tid)
    assert task.error and task.reason == "disk" and task.state == "finished"
    assert (task.file.checksum, task.verified_time) == (hexed("md5"), before)


def test_only_a_finished_task_can_be_verified(daemon, origin):
    origin.put("/a.iso", DATA, script=[Gate(after=1000)])
    tid = daemon.add(origin.url("/a.iso"), {"paused": True})
    for state, act in (("paused", daemon.resume), ("downloading", daemon.pause)):
        until(lambda: daemon.get(tid).state == state)
        with pytest.raises(Conflict, match="the task is %s; it cannot be verified" % state):
            daemon.verify(tid)
        act(tid)
    with pytest.raises(NotFound):
        daemon.verify("0" * 40)


def test_many_are_verified_one_after_the_other(daemon, origin):
    tids = []
    for number in range(20):
        path = "/%d.iso" % number
        origin.put(path, noise(1000, number))
        tids.append(daemon.add(origin.url(path)))
    for tid in tids:
        daemon.wait(tid, 15)
    unknown = "0" * 40
    assert [tid for tid, _ in daemon.verify_all(tids + [unknown] + tids)] == [unknown]
    until(lambda: not any(daemon.get(tid).verifying for tid in tids))
    assert [daemon.get(tid).file.checksum for tid in tids] == [
        hexed("sha-256", noise(1000, number)) for number in range(20)]
    assert all(len(logged(daemon.get(tid), "debug")) == 1 for tid in tids)



def test_the_wish_and_the_result_survive_a_restart(settings, origin, folder):
    with Daemon(settings) as daemon:
        tid = fetched(daemon, origin)
        verified(daemon, tid)
    with Daemon(settings) as daemon:
        task = daemon.get(tid)
        assert task.file.checksum == hexed("sha-256") and task.verified_time > 0
        rot(folder / "a.iso", keep_time=True)
        verified(daemon, tid)
    with Daemon(settings) as daemon:
        task = daemon.get(tid)
        assert hexed("sha-256") in task.error and task.file.checksum == hexed("sha-256", ROTTEN)
        assert hexed("sha-256") in verified(daemon, tid).error


def test_what_was_not_verified_is_after_the_next_start(settings, origin, folder):
    data = LARGE
    with Daemon(settings) as daemon:
        tid = fetched(daemon, origin, data)
        daemon.verify(tid)
    with Daemon(settings) as daemon:
        until(lambda: daemon.get(tid).file.checksum)
        assert daemon.get(tid).file.checksum == hexed("sha-256", data)


def test_a_restart_and_a_deletion_end_it(daemon, origin, folder):
    data = LARGE
    tid = fetched(daemon, origin, data)
    daemon.verify(tid)
    daemon.restart(tid)
    assert not daemon.get(tid).verifying
    assert daemon.wait(tid, 15).state == "finished" and daemon.get(tid).verified_time == 0.0
    daemon.verify(tid)
    daemon.delete(tid, del_file=True)
    assert os.listdir(str(folder)) == []


def test_a_finished_download_with_a_checksum_is_verified_then(daemon, origin):
    task = daemon.get(fetched(daemon, origin, checksum=hexed("sha-256")))
    assert task.verified_time == task.finish_time


def test_the_interface_verifies_one_and_many(api, daemon, origin):
    tid = fetched(daemon, origin)
    assert api.put("/task/tid/%s?act=verify" % tid).json == {"status": "success"}
    info = until(lambda: daemon.get(tid).verified_time and api.get("/task/tid/%s/info" % tid)["detail"])
    assert info["checksum"] == hexed("sha-256") and info["verified_time"] > 0
    before = info["verified_time"]
    assert api.post("/task/batch/verify", {"tids": [tid]}).json == {"status": "success"}
    until(lambda: api.get("/task/tid/%s/info" % tid)["detail"]["verified_time"] > before)
    api.add("http://127.0.0.1:9/later", paused=True)
    paused = daemon.list("paused")[0].tid
    assert api.put("/task/tid/%s?act=verify" % paused).status == 409
    assert api.post("/task/batch/verify", {"tids": [tid, paused]}).status == 207
