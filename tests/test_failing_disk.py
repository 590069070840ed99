"""Disks that fail under a daemon: names that cannot be removed, flushed or that long."""

import errno
import hashlib
import os
import subprocess

import pytest

from dlserv import Daemon
from dlserv.engine.partfile import PartFile
from dlserv.tasks.waits import Waits
from harness import noise, until

DATA = {"small": noise(3000), "large": noise(400000)}


def put(origin, size, path="/x.bin"):
    """Serve a file; a large one gets a part file, since it does not come with its head."""
    origin.put(path, DATA[size])
    return origin.url(path)


def told(status):
    return "\n".join(line["msg"] for line in status["log"])


# -- once linked, a file has its name ----------------------------------------------------------

@pytest.fixture
def append_only(folder):
    """The download directory of a daemon of its own, where files are made and none is removed or renamed."""
    try:
        subprocess.run(["chattr", "+a", str(folder)], check=True, stderr=subprocess.PIPE)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no folder can be made append-only here")
    yield folder
    subprocess.run(["chattr", "-a", str(folder)], check=True)


@pytest.mark.parametrize("size", ["small", "large"])
def test_a_folder_that_only_takes_files_gets_one(process, append_only, origin, size):
    api = process("--log-level", "warning").api
    status = api.reach(api.add(put(origin, size)), "finished")
    assert status["filename"] == "x.bin" and (append_only / "x.bin").read_bytes() == DATA[size]
    has_part = (append_only / "x.bin.part").exists()     # a small file may have come without
    assert sorted(os.listdir(str(append_only))) == ["x.bin", "x.bin.part"][:1 + has_part] and has_part >= (size == "large")
    assert ("x.bin.part: not permitted; it stays beside x.bin, and is the same file" in told(status)) == has_part
    assert not has_part or os.path.samefile(str(append_only / "x.bin"), str(append_only / "x.bin.part"))


@pytest.mark.parametrize("error", ["EPERM", "EACCES", "EBUSY", "EIO", "EROFS", "ENOENT"])
def test_a_part_that_cannot_be_removed_stays(faulty, origin, error):
    faulty.disk.fail("unlink", "x.bin.part", error)
    status = faulty.api.reach(faulty.api.add(put(origin, "large")), "finished")
    assert sorted(os.listdir(str(faulty.folder))) == ["x.bin", "x.bin.part"] and status["filename"] == "x.bin"
    assert (faulty.folder / "x.bin").read_bytes() == DATA["large"]
    assert ("it stays beside x.bin" in told(status)) == (error != "ENOENT")


@pytest.mark.parametrize("size, error, words", [
    ("small", "EIO", ()), ("large", "EIO", ()), ("large", "EIO", ["once"]), ("small", "ENOSPC", ["once"])])
def test_a_folder_that_cannot_be_flushed_makes_no_second_copy(faulty, origin, size, error, words):
    faulty.disk.fail("fsync", "downloads/", error, *words)
    status = faulty.api.reach(faulty.api.add(put(origin, size)), "finished")
    assert os.listdir(str(faulty.folder)) == ["x.bin"] and (faulty.folder / "x.bin").read_bytes() == DATA[size]
    assert "a power cut may remove the name x.bin" in told(status)


@pytest.mark.parametrize("size, error", [("small", "EPERM"), ("large", "EOPNOTSUPP"), ("large", "EMLINK")])
def test_where_nothing_can_be_linked_or_renamed_it_waits(faulty, origin, size, error):
    faulty.disk.fail("link", "x.bin", error)
    faulty.disk.fail("rename", "x.bin", "EPERM")
    tid = faulty.api.add(put(origin, size))
    faulty.api.reach_error(tid, "waiting for the disk: x.bin: not permitted")
    assert os.listdir(str(faulty.folder)) == ["x.bin.part"]
    faulty.disk.mend("rename")
    assert faulty.api.reach(tid, "finished")["filename"] == "x.bin"
    assert os.listdir(str(faulty.folder)) == ["x.bin"] and (faulty.folder / "x.bin").read_bytes() == DATA[size]


def test_a_folder_that_was_not_flushed_is_made_again(faulty, origin):
    faulty.disk.fail("fsync", "downloads/", "EIO")
    tid = faulty.api.post("/task", {"url": put(origin, "small"), "options": {"dir": "new"}})["tid"]
    faulty.api.reach_error(tid, "waiting for the disk")
    assert os.listdir(str(faulty.folder)) == []
    faulty.disk.mend("fsync")
    assert faulty.api.reach(tid, "finished")["filename"] == "new/x.bin"


# -- names -------------------------------------------------------------------------------------

NAMES = ["x" * 250 + ".tar.gz", "é" * 120 + ".bin", "y" * 138 + ".bin", "z" * 300, "a" * 143, "b" * 144]


@pytest.mark.parametrize("longest", [143, 255, 80, 30])
@pytest.mark.parametrize("told", ["told", ""])
def test_names_are_as_long_as_the_file_system_takes(faulty, origin, longest, told):
    faulty.disk.set("name_max", "%d %s" % (longest, told))
    api, names = faulty.api, []
    for name in NAMES:
        for size in ("large", "small", "large"):
            path = "/%d" % len(names)
            names.append(api.reach(api.add(put(origin, size, path), filename=name), "finished")["filename"])
            assert (faulty.folder / names[-1]).read_bytes() == DATA[size]
            assert len(names[-1].encode()) <= longest
            if "." in name:
                assert names[-1].endswith(name[name.index("."):])
            if (told or longest == 143) and not (len(names) - 1) % 3:
                assert len(names[-1].encode()) >= min(longest, len(name.encode())) - 1
    assert sorted(os.listdir(str(faulty.folder))) == sorted(names) and len(set(names)) == len(names)


def test_a_file_that_only_lacks_its_name_is_not_hashed_again(settings, origin, folder, monkeypatch):
    """Ten gigabytes would be read again and again meanwhile."""
    def refuse(*arguments, **options):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    settings["download"]["hash"] = True
    read, real = [], PartFile.read
    monkeypatch.setattr(Waits, "BEAT", 0.01)
    monkeypatch.setattr(PartFile, "read", lambda part, count, offset: read.append(count) or real(part, count, offset))
    with Daemon(settings) as daemon:
        with monkeypatch.context() as patch:
            patch.setattr(os, "link", refuse)
            patch.setattr(os, "rename", refuse)
            promise = "sha-256=" + hashlib.sha256(DATA["large"]).hexdigest()
            tid = daemon.add(put(origin, "large"), {"checksum": promise})
            with daemon.subscribe() as events:
                for _ in range(40):
                    assert events.get(15).tid == tid
            until(lambda: "not permitted" in (daemon.get(tid).error or ""))
        assert daemon.wait(tid, 15).state == "finished" and daemon.get(tid).file.checksum == promise
    assert (folder / "x.bin").read_bytes() == DATA["large"] and sum(read) < 2 * len(DATA["large"])
