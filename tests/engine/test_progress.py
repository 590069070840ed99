"""The record of a file between attempts."""

import os

import pytest

from dlserv.engine.progress import Finished, Identity, Progress
from dlserv.net.remote_file import Resource

RESOURCE = Resource("http://h/a", 10, None, None, False, True, "", None, "", None)


@pytest.mark.parametrize("size, seconds, same", [(4, 0, True), (4, 2, True), (4, 3, False), (5, 0, False)])
def test_a_file_is_recognised_by_size_and_time(tmp_path, size, seconds, same):
    """FAT stores times in steps of two seconds."""
    path = tmp_path / "a"
    path.write_bytes(bytes(size))
    status = os.stat(path)
    known = Identity(status.st_dev, status.st_ino + 1, 4, status.st_mtime_ns + seconds * 10 ** 9)
    assert known.matches(status) is same
    assert not known.matches(os.stat(tmp_path)), "a folder is no file"


@pytest.mark.parametrize("size, total, fits", [
    (4, 10, False), (5, 10, True), (10, 10, True), (11, 10, False), (11, None, True), (4, None, False)])
def test_a_part_has_all_its_bytes_and_no_more_than_the_file(tmp_path, size, total, fits):
    (tmp_path / "a.part").write_bytes(bytes(size))
    progress = Progress("a.part", "a", "http://h/a", RESOURCE._replace(total=total), [(0, 2), (3, 5)], None, None)
    assert progress.may_be(os.stat(tmp_path / "a.part")) is fits


@pytest.mark.parametrize("checksum, known, told, promised", [
    (None, None, None, []), ("md5=1", None, None, ["md5=1"]), ("md5=2", "md5=1", None, ["md5=1"]),
    ("md5=1", None, "sha-1=2", ["md5=1", "sha-1=2"]), (None, None, "sha-1=2", ["sha-1=2"])])
def test_the_first_checksum_and_the_servers_are_the_right_ones(checksum, known, told, promised):
    file = Finished("a", Identity(1, 2, 3, 4), checksum, RESOURCE._replace(digest=told), known)
    assert file.promised == promised
