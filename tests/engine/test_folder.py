"""A folder nothing escapes from."""

import errno
import os
import stat

import pytest

from dlserv.engine.folder import Folder, local_error
from dlserv.errors import NameTaken, NameTooLong, NoSpace, Unavailable, Unwritable
from harness import listing, noise

DATA = noise(300000)


@pytest.fixture
def held(folder):
    with Folder(str(folder)) as opened:
        yield opened


def test_a_new_file_is_made_exclusively_and_with_the_umask(held, folder):
    old = os.umask(0o027)
    try:
        os.close(held.create("a"))
    finally:
        os.umask(old)
    assert stat.S_IMODE((folder / "a").stat().st_mode) == 0o640
    with pytest.raises(NameTaken):
        held.create("a")


@pytest.mark.parametrize("plant", [
    lambda path: path.symlink_to("/etc/passwd"), lambda path: path.symlink_to("nowhere"),
    lambda path: path.mkdir(), lambda path: os.mkfifo(path)])
def test_nothing_but_a_regular_file_is_opened(held, folder, plant):
    plant(folder / "a")
    with pytest.raises(Unwritable):
        held.open("a", write=True)
    with pytest.raises(NameTaken):
        held.create("a")


def test_a_folder_that_is_swapped_for_a_link_keeps_its_files(folder, tmp_path):
    (tmp_path / "outside").mkdir()
    with Folder(str(folder), "deep/er") as held:
        os.rename(folder / "deep", folder / "moved")
        (folder / "deep").symlink_to(tmp_path / "outside")
        os.close(held.create("a"))
    assert os.listdir(folder / "moved" / "er") == ["a"] and os.listdir(tmp_path / "outside") == []


def test_a_folder_that_is_missing_is_only_made_on_demand(folder):
    with pytest.raises(Unwritable):
        Folder(str(folder), "new", make=False)
    assert os.listdir(folder) == []


def test_a_root_that_is_gone_is_told(folder):
    folder.rmdir()
    with pytest.raises(Unwritable) as caught:
        Folder(str(folder))
    assert "the folder is gone" in str(caught.value) and not folder.exists()


@pytest.mark.parametrize("told, longest", [(143, 143), (255, 255), (1530, 255), (0, 255), (-1, 255)])
def test_the_file_system_says_how_long_names_are(folder, monkeypatch, told, longest):
    monkeypatch.setattr(os, "fpathconf", lambda fd, name: told)
    with Folder(str(folder)) as held:
        assert held.longest == longest
        seen = [held.longest]
        while held.shorten():
            seen.append(held.longest)
            assert len(seen) < 10
    assert seen == sorted(set(seen), reverse=True) and seen[-1] == 30


def test_folders_are_made_but_no_link_is_followed(origin, attempt, folder, tmp_path):
    origin.put("/a.iso", DATA)
    attempt(origin.url("/a.iso"), dir="new/deep").run()
    assert (folder / "new" / "deep" / "a.iso").read_bytes() == DATA
    (tmp_path / "outside").mkdir()
    (folder / "link").symlink_to(tmp_path / "outside")
    assert "symbolic link" in attempt(origin.url("/a.iso"), dir="link").fails(Unwritable)
    assert listing(tmp_path / "outside") == []


def test_a_folder_that_was_moved_away_is_not_in_place(folder):
    with Folder(str(folder), "sub") as held:
        held.check_in_place()
        os.rename(folder / "sub", folder / "moved")
        with pytest.raises(Unavailable, match="not the same folder any more"):
            held.check_in_place()
        (folder / "sub").mkdir()
        with pytest.raises(Unavailable, match="not the same folder any more"):
            held.check_in_place()


def test_a_file_system_may_number_its_folders_as_it_likes(folder, monkeypatch):
    """Windows shares and FUSE invent inodes; another device is another disk all the same."""
    with Folder(str(folder)) as held:
        status, real = os.stat(str(folder)), os.stat
        monkeypatch.setattr("dlserv.engine.folder.file_system", lambda path: "cifs")

        def stat(path, **options):
            found = real(path, **options)
            return os.stat_result([found[0], found[1] + 1, found[2] + moved] + list(found[3:]))

        monkeypatch.setattr(os, "stat", stat)
        moved = 0
        held.check_in_place()
        moved = 1
        with pytest.raises(Unavailable, match="not the same folder any more"):
            held.check_in_place()
        monkeypatch.undo()
        assert os.stat(str(folder)) == status


# -- the system's errors as ours -----------------------------------------------------------------------

@pytest.mark.parametrize("number, kind, sentence", [
    (errno.ENOSPC, NoSpace, "no space left on device"), (errno.EDQUOT, NoSpace, "the disk quota is used up"),
    (errno.EEXIST, NameTaken, "a file named x is there already"),
    (errno.ENAMETOOLONG, NameTooLong, "x: the name is too long for this file system"),
    (errno.EFBIG, Unwritable, "x: the file is too large for this file system (FAT32 ends at 4 GiB)"),
    (errno.ELOOP, Unwritable, "x: there is a symbolic link where a file or folder should be"),
    (errno.EACCES, Unavailable, "x: permission denied"), (errno.ENOENT, Unavailable, "x: the folder is gone"),
    (errno.EIO, Unavailable, "x: the disk reports an input/output error"),
    (errno.EXDEV, Unwritable, "x: " + os.strerror(errno.EXDEV).lower())])
def test_an_error_tells_its_fate_and_its_reason(number, kind, sentence):
    error = local_error(OSError(number, os.strerror(number)), "x")
    assert type(error) is kind and str(error) == sentence


@pytest.mark.parametrize("number, is_loss", [
    (errno.EIO, True), (errno.EROFS, True), (errno.ESTALE, True), (errno.EACCES, False), (errno.ENOENT, False)])
def test_only_a_failing_disk_may_have_lost_bytes(number, is_loss):
    assert local_error(OSError(number, "")).is_loss is is_loss
