"""Files of others: the daemon does nothing to them, whatever is in its way. Seen from outside."""

import os
import stat
import threading

import pytest

from dlserv import Daemon
from dlserv.tasks.waits import Waits
from harness import SharedProcess, noise, until
from servers.origin import Gate, paced


@pytest.fixture
def shared(common):
    """The daemon of most tests of this file, without a task or a file."""
    return common(SharedProcess, "--log-level", "warning")


@pytest.fixture
def api(shared):
    return shared.api


@pytest.fixture
def downloads(shared):
    """The download directory of `api`."""
    return shared.folder


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.skipif(os.name == "nt", reason="there are no modes")
@pytest.mark.parametrize("mask", [0o022, 0o027, 0o077])
def test_files_and_folders_get_the_umask_and_no_more(process, origin, folder, mask, tmp_path):
    origin.put("/small", noise(100))
    origin.put("/large", noise(2000000), script=[paced(8000000)])
    before = os.umask(mask)
    try:
        api = process().api
    finally:
        os.umask(before)
    for name in ("small", "large"):
        api.reach(api.add(origin.url("/" + name), dir="new/deeper"), "finished")
        assert mode(folder / "new" / "deeper" / name) == 0o666 & ~mask
    for path in (folder / "new", folder / "new" / "deeper"):
        assert mode(path) == 0o777 & ~mask
    assert {mode(path) for path in (tmp_path / "state").iterdir()} == {0o600}


def test_nobody_who_races_for_a_name_loses_a_byte(api, origin, downloads):
    """Twelve tasks and a person want the same name at the same time."""
    gate = Gate(after=20000)
    wanted = [noise(60000, seed) for seed in range(12)]
    for number, data in enumerate(wanted):
        origin.put("/%d/same.bin" % number, data, script=[gate] if number % 2 else [])
    own, stop = {}, threading.Event()

    def person():
        for number in range(2000):
            path = downloads / ("same (%d).bin" % number if number else "same.bin")
            try:
                with open(str(path), "xb") as file:
                    file.write(b"mine %d" % number)
                own[path.name] = b"mine %d" % number
            except FileExistsError:
                pass
            if stop.wait(0.005):
                return

    thread = threading.Thread(target=person)
    thread.start()
    try:
        tids = api.post("/task/batch/add", {"tasks": [
            {"url": origin.url("/%d/same.bin" % number), "options": {"connections": 1}}
            for number in range(12)]})["tids"]
        until(lambda: len(origin.requests) >= 5)
        gate.open()
        names = [api.reach(tid, "finished")["filename"] for tid in tids]
    finally:
        stop.set()
        thread.join()
    assert len(set(names)) == 12 and not set(names) & set(own)
    for name, data in list(zip(names, wanted)) + list(own.items()):
        assert (downloads / name).read_bytes() == data, name
    assert not [path for path in downloads.iterdir() if path.name.endswith(".part")]


def test_a_folder_outside_is_refused(api, origin):
    for where in ("..", "../x", "a/../../x", "/etc", "a//b", ".", "a/.", "a\\b", "c:", "a\0b"):
        answer = api.post("/task", {"url": origin.url("/a"), "options": {"dir": where}})
        assert answer.status == 400 and "dir" in answer["errmsg"], where


@pytest.mark.parametrize("where", ["link", "link/deeper", "real/link"])
def test_a_link_to_elsewhere_is_not_followed(api, origin, downloads, tmp_path, where):
    origin.put("/a.bin", noise(1000))
    outside = tmp_path / "outside"
    outside.mkdir()
    (downloads / "real").mkdir()
    for link in (downloads / "link", downloads / "real" / "link"):
        link.symlink_to(outside)
    tid = api.add(origin.url("/a.bin"), dir=where)
    until(lambda: api.status(tid)["state"] == "invalid")
    assert "symbolic link" in api.status(tid)["error"] and os.listdir(str(outside)) == []


@pytest.mark.parametrize("name", ["a.bin", "a.bin.part"])
def test_a_link_in_the_way_is_left_alone(api, origin, downloads, tmp_path, name):
    data = noise(300000)
    origin.put("/a.bin", data, script=[paced(3000000)])
    (tmp_path / "precious").write_bytes(b"precious")
    (downloads / name).symlink_to(tmp_path / "precious")
    found = api.reach(api.add(origin.url("/a.bin")), "finished")["filename"]
    assert found == "a (1).bin" and (downloads / found).read_bytes() == data
    assert (tmp_path / "precious").read_bytes() == b"precious" and (downloads / name).is_symlink()


@pytest.mark.parametrize("size", [10, 400000])
def test_a_file_in_the_place_of_the_part_is_not_deleted(api, origin, downloads, size):
    origin.put("/a.bin", noise(300000), script=[Gate(after=100000)])
    tid = api.add(origin.url("/a.bin"), connections=1)
    until(lambda: api.status(tid)["downloaded_bytes"] == 100000)
    api.put("/task/tid/%s?act=pause" % tid)
    part = downloads / "a.bin.part"
    until(lambda: api.status(tid)["connections"] == 0)
    part.unlink()
    part.write_bytes(bytes(size))
    detail = api.delete("/task/tid/%s?del_file=true" % tid)["detail"]
    assert detail["deleted"] == [] and detail["kept"][0][0] == "a.bin.part" and part.stat().st_size == size


@pytest.mark.parametrize("is_link", [True, False])
def test_a_file_in_the_place_of_the_part_is_not_published(settings, origin, folder, tmp_path, monkeypatch, is_link):
    monkeypatch.setattr(Waits, "BEAT", 0.01)
    data, gate, part = noise(300000), Gate(after=100000), folder / "a.bin.part"
    origin.put("/a.bin", data, script=[gate])
    (tmp_path / "precious").write_bytes(b"precious")
    with Daemon(settings) as daemon:
        tid = daemon.add(origin.url("/a.bin"), {"connections": 1})
        until(lambda: daemon.get(tid).downloaded == 100000)
        part.unlink()
        part.symlink_to(tmp_path / "precious") if is_link else part.write_bytes(b"precious")
        gate.open()
        task = daemon.wait(tid, 15)
        assert part.read_bytes() == b"precious" and part.is_symlink() == is_link
        assert is_link or (folder / task.filename).read_bytes() == data
        assert task.state == ("invalid" if is_link else "finished") and not (folder / "a.bin").exists()


def paused_halfway(api, origin, path, data):
    """A paused task whose part holds the first 100,000 bytes."""
    origin.put(path, data, script=[Gate(after=100000)])
    tid = api.add(origin.url(path), connections=1)
    until(lambda: api.status(tid)["downloaded_bytes"] == 100000)
    api.put("/task/tid/%s?act=pause" % tid)
    until(lambda: api.status(tid)["connections"] == 0)
    return tid


def test_a_lost_part_is_not_taken_from_the_next_task(api, origin, downloads):
    """Two tasks of one name; somebody removes the first one's part."""
    first, second = noise(300000, 1), noise(300000, 2)
    one = paused_halfway(api, origin, "/1/x.bin", first)
    (downloads / "x.bin.part").unlink()
    other = paused_halfway(api, origin, "/2/x.bin", second)
    for tid in (one, other):
        api.put("/task/tid/%s?act=resume" % tid)
    names = [api.reach(tid, "finished")["filename"] for tid in (one, other)]
    assert len(set(names)) == 2
    assert [(downloads / name).read_bytes() for name in names] == [first, second]


def test_a_file_of_the_same_name_and_time_is_not_deleted(api, origin, downloads):
    one, other = noise(1000, 1), noise(1000, 2)
    tids = []
    for number, data in enumerate((one, other)):
        origin.put("/%d/x.bin" % number, data)
        tids.append(api.add(origin.url("/%d/x.bin" % number)))
        assert api.reach(tids[-1], "finished")["filename"] == "x.bin"
        (downloads / "x.bin").rename(downloads / "kept.bin") if data is one else None
    detail = api.delete("/task/tid/%s?del_file=true" % tids[0])["detail"]
    assert detail["deleted"] == [] and (downloads / "x.bin").read_bytes() == other
    assert api.delete("/task/tid/%s?del_file=true" % tids[1])["detail"]["deleted"] == ["x.bin"]
