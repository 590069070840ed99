"""Part files: written at offsets, flushed, recognised again, and renamed without overwriting."""

import errno
import os

import pytest

from dlserv.engine.folder import Folder
from dlserv.engine.partfile import PartFile, rename
from dlserv.engine.progress import Identity
from dlserv.errors import LocalError, NameTaken, NoSpace, Unavailable


@pytest.fixture
def held(folder):
    with Folder(str(folder)) as opened:
        yield opened


def test_bytes_go_where_they_belong(held):
    part = PartFile.create(held, "a.part")
    part.write(b"world", 5)
    part.write(bytearray(b"hello"), 0)
    assert part.read(10, 0) == b"helloworld" and part.identity().size == 10
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


# -- renaming, with and without hard links ------------------------------------------------------------

def test_a_rename_never_overwrites(held, folder):
    for name in ("old", "new"):
        (folder / name).write_text(name)
    with pytest.raises(NameTaken):
        rename(held, "old", "new")
    assert (folder / "new").read_text() == "new"
    rename(held, "old", "newer")
    assert sorted(os.listdir(folder)) == ["new", "newer"]


def test_an_empty_file_of_ours_may_be_replaced(held, folder, without_links):
    (folder / "old").write_text("old")
    (folder / "new").touch()
    with pytest.raises(NameTaken):
        rename(held, "old", "new")
    rename(held, "old", "new", spare_empty=True)
    assert os.listdir(folder) == ["new"] and (folder / "new").read_text() == "old"


def test_a_link_that_was_made_twice_is_made(held, folder, monkeypatch):
    """NFS sends a request again whose answer was lost, and is told that the name is taken: by itself."""
    (folder / "old").write_text("old")
    real = os.link

    def link(*arguments, **options):
        real(*arguments, **options)
        real(*arguments, **options)

    monkeypatch.setattr(os, "link", link)
    assert rename(held, "old", "new") is None
    assert os.listdir(folder) == ["new"] and (folder / "new").read_text() == "old"


def test_without_links_or_renames_nothing_is_left_behind(held, folder, without_links, monkeypatch):
    def refuse(*arguments, **options):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    (folder / "old").write_text("old")
    monkeypatch.setattr(os, "rename", refuse)
    with pytest.raises(Unavailable, match="not permitted"):
        rename(held, "old", "new")
    assert os.listdir(folder) == ["old"]
