"""The folders below the download directory that a task can go to."""

import os

import pytest

from dlserv.errors import Unavailable
from dlserv.tasks import download_dir
from dlserv.tasks.download_dir import DownloadDir


@pytest.fixture
def place(folder):
    return DownloadDir(str(folder))


def test_folders_at_any_depth_are_told(place, folder):
    (folder / "films" / "2024" / "may").mkdir(parents=True)
    (folder / "music").mkdir()
    (folder / "file.zip").write_bytes(b"")
    found, whole = place.folders()
    assert sorted(found) == ["films", "films/2024", "films/2024/may", "music"] and whole


def test_no_link_is_followed_and_nothing_hidden_is_told(place, folder, tmp_path):
    (tmp_path / "outside" / "secret").mkdir(parents=True)
    (folder / ".hidden" / "below").mkdir(parents=True)
    (folder / "films").mkdir()
    os.symlink(str(tmp_path / "outside"), str(folder / "link"))
    os.symlink(str(tmp_path / "outside"), str(folder / "films" / "link"))
    os.symlink("..", str(folder / "films" / "up"))
    assert place.folders() == (["films"], True)


def test_what_cannot_be_listed_is_left_out(place, folder):
    if not hasattr(os, "geteuid") or os.geteuid() == 0:
        pytest.skip("root lists everything")
    (folder / "closed" / "below").mkdir(parents=True)
    (folder / "closed").chmod(0)
    try:
        assert place.folders() == (["closed"], True)
    finally:
        (folder / "closed").chmod(0o700)


@pytest.mark.parametrize("extra", [0, 1])
def test_there_is_a_limit_to_how_many_are_told(place, folder, extra):
    for number in range(download_dir.MOST_FOLDERS + extra):
        (folder / ("%04d" % number)).mkdir()
    found, whole = place.folders()
    assert len(found) == download_dir.MOST_FOLDERS and whole == (not extra)


@pytest.mark.parametrize("extra", [0, 1])
def test_there_is_a_limit_to_how_deep_they_lie(place, folder, extra):
    (folder / "/".join("d" * (download_dir.DEEPEST + extra))).mkdir(parents=True)
    found, whole = place.folders()
    assert len(found) == download_dir.DEEPEST and whole == (not extra)


def test_there_is_a_limit_to_what_is_looked_at(folder):
    for number in range(30):
        (folder / ("%04d" % number)).write_bytes(b"")
    (folder / "zzz").mkdir()
    assert DownloadDir(str(folder)).folders(most_entries=31) == (["zzz"], True)
    assert DownloadDir(str(folder)).folders(most_entries=30)[1] is False


def test_no_folder_is_told_while_the_disk_is_away(place, folder):
    place.mount = str(folder)       # which is no mount point
    with pytest.raises(Unavailable):
        place.folders()
