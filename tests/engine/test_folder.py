"""A folder nothing escapes from, and part files in it."""

import os
import stat

import pytest

from dlserv.engine.folder import Folder
from dlserv.engine.partfile import Identity, PartFile
from dlserv.errors import NameTaken, Unwritable


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
