"""Facts about file systems: types of mounts with odd names, and whether a mount is still the same."""

import os
import subprocess

import pytest

from disks import SmallDisk, need_root, run
from dlserv import fs


@pytest.mark.parametrize("name", ["a b", "two  blanks ", "tab\there", "line\nend", "back\\slash", "a\\040b", "#", "ü",
                                  "not\udcffutf"])
def test_a_mount_point_may_have_any_name(tmp_path, name):
    outside = fs.file_system(str(tmp_path))
    with SmallDisk(tmp_path / name) as disk:
        assert fs.file_system(disk.path) == fs.file_system(os.path.join(disk.path, "not", "there")) == "tmpfs"
        assert fs.mount_of(disk.path) == disk.path and fs.file_system(str(tmp_path)) == outside
    assert fs.file_system(disk.path) == outside


def test_what_is_mounted_last_counts(tmp_path):
    with SmallDisk(tmp_path / "a b"):
        with SmallDisk(tmp_path / "a b" / "c") as inner:
            run("mount", "-t", "proc", "none", inner.path)
            assert fs.file_system(inner.path) == "proc"
            run("umount", inner.path)


def test_a_mounting_lasts_and_the_next_is_another(tmp_path):
    need_root()
    image, point = tmp_path / "image", tmp_path / "disk"
    point.mkdir()
    with open(str(image), "wb") as file:
        file.truncate(2 ** 24)
    seen, mountings = [], fs.Mountings()
    for _ in range(3):
        try:
            run("mkfs.ext4", "-q", "-F", str(image))
            run("mount", "-o", "loop", str(image), str(point))
        except (OSError, subprocess.CalledProcessError):
            pytest.skip("no image can be mounted here")
        try:
            seen.append(mountings.of(str(point)))
            (point / "file").write_bytes(b"x")
            assert fs.Mountings().of(str(point / "file")) == seen[-1] == mountings.of(str(point))
            assert seen[-1] != mountings.of(str(tmp_path))
        finally:
            run("umount", str(point))
    assert len(set(seen)) == 3


def test_a_mounting_of_nothing_is_none(tmp_path):
    mountings = fs.Mountings()
    assert mountings.of(str(tmp_path / "not" / "there")) is None
    (tmp_path / "there").mkdir()
    assert mountings.of(str(tmp_path / "there")) == mountings.of(str(tmp_path)) is not None


@pytest.mark.skipif(not os.path.exists("/proc/self/mounts"), reason="only Linux tells its mounts")
def test_the_file_system_of_a_path_is_known(tmp_path):
    assert fs.file_system("/proc/self") == "proc"
    known = fs.file_system(str(tmp_path))
    assert known and fs.file_system(str(tmp_path / "not" / "there")) == known
