"""A folder nothing escapes from, and part files in it."""

import errno
import os
import stat

import pytest

from dlserv.engine.folder import Folder
from dlserv.engine.partfile import Identity, PartFile
from dlserv.errors import LocalError, NameTaken, NoSpace, Unavailable, Unwritable


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


def test_a_rename_never_overwrites(held, folder):
    for name in ("old", "new"):
        (folder / name).write_text(name)
    with pytest.raises(NameTaken):
        held.rename("old", "new")
    assert (folder / "new").read_text() == "new"
    held.rename("old", "newer")
    assert sorted(os.listdir(folder)) == ["new", "newer"]


def test_an_empty_file_of_ours_may_be_replaced(held, folder, without_links):
    (folder / "old").write_text("old")
    (folder / "new").touch()
    with pytest.raises(NameTaken):
        held.rename("old", "new")
    held.rename("old", "new", spare_empty=True)
    assert os.listdir(folder) == ["new"] and (folder / "new").read_text() == "old"


def test_bytes_go_where_they_belong(held):
    part = PartFile.create(held, "a.part")
    part.write(b"world", 5)
    part.write(bytearray(b"hello"), 0)
    assert part.read(10, 0) == b"helloworld" and part.size == 10
    part.truncate(5)
    assert part.read(10, 0) == b"hello"
    part.sync()
    part.stamp(86400)
    part.publish("a")
    assert Identity.of(held.stat("a")) == part.identity() and held.stat("a").st_mtime == 86400
    part.close()
    part.flush()    # a checkpoint that comes late does no harm
    assert PartFile.reopen(held, "a.part") is None


def test_an_identity_tells_a_file_that_was_changed(held, folder):
    (folder / "a").write_text("mine")
    identity = Identity.of(held.stat("a"))
    assert identity.matches(held.stat("a"))
    os.utime(folder / "a", (1, 1))
    assert not identity.matches(held.stat("a"))
    (folder / "b").write_text("longer than mine")
    assert not identity.matches(held.stat("b"))


def test_a_link_that_was_made_twice_is_made(held, folder, monkeypatch):
    """NFS sends a request again whose answer was lost, and is told that the name is taken: by itself."""
    (folder / "old").write_text("old")
    real = os.link

    def link(*arguments, **options):
        real(*arguments, **options)
        real(*arguments, **options)

    monkeypatch.setattr(os, "link", link)
    assert held.rename("old", "new") is None
    assert os.listdir(folder) == ["new"] and (folder / "new").read_text() == "old"


def test_without_links_or_renames_nothing_is_left_behind(held, folder, without_links, monkeypatch):
    def refuse(*arguments, **options):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    (folder / "old").write_text("old")
    monkeypatch.setattr(os, "rename", refuse)
    with pytest.raises(Unavailable, match="not permitted"):
        held.rename("old", "new")
    assert os.listdir(folder) == ["old"]


def test_a_flush_that_failed_once_is_the_last(held, monkeypatch):
    """The kernel tells of pages that it dropped once, and takes them for clean afterwards."""
    part = PartFile.create(held, "a.part")
    part.write(b"flushed", 0)
    part.flush()
    part.write(b"dropped", 7)

    def fail(fd):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(NoSpace):
            part.sync()
    for flush in (part.flush, part.sync):
        with pytest.raises(Unavailable, match="may be lost"):
            flush()
    assert part.has_failed
    part.close()


@pytest.mark.parametrize("error, has_failed", [
    (errno.EIO, True), (errno.EROFS, True), (errno.ENODEV, True), (errno.ENOSPC, False), (errno.EDQUOT, False),
    (errno.EFBIG, False), (errno.EACCES, False)])
def test_an_error_of_the_disk_casts_doubt_on_what_it_took(held, monkeypatch, error, has_failed):
    def fail(*arguments):
        raise OSError(error, os.strerror(error))

    part = PartFile.create(held, "a.part")
    monkeypatch.setattr(os, "pwrite", fail)
    with pytest.raises(LocalError):
        part.write(b"x", 0)
    assert part.has_failed == has_failed
    part.close()


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


def test_a_folder_that_was_moved_away_is_not_in_place(folder):
    with Folder(str(folder), "sub") as held:
        held.check_in_place()
        os.rename(folder / "sub", folder / "moved")
        with pytest.raises(Unavailable, match="no longer"):
            held.check_in_place()
        (folder / "sub").mkdir()
        with pytest.raises(Unavailable, match="no longer"):
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
        with pytest.raises(Unavailable, match="no longer"):
            held.check_in_place()
        monkeypatch.undo()
        assert os.stat(str(folder)) == status
